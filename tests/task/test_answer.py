# SPDX-License-Identifier: Apache-2.0
"""The answer as JSON, and AI_CPU."""
import ctypes
import json
import os

import numpy as np
import pytest

import task_lib as task


def test_shape_of_the_answer():
    text = task.answer([task.Class(282, 0.93, b"tiger cat"), task.Class(7, 0.05, b"a \"b\" \\")])
    assert text == ('{"statusCode":200,"body":[{"rank":1,"label":"tiger cat","score":0.93,'
                    '"index":282},{"rank":2,"label":"a \\"b\\" \\\\","score":0.05,"index":7}]}')


def test_no_class():
    assert task.answer([]) == '{"statusCode":200,"body":[]}'


def test_labels_are_utf8():
    assert json.loads(task.answer([task.Class(1, 1, "李白".encode())]))["body"][0]["label"] == "李白"


def test_scores_come_back():
    random = np.random.default_rng(1)
    bits = random.integers(0, 1 << 32, 3000, np.uint32)
    scores = [float(v) for v in bits.view(np.float32) if np.isfinite(v)]
    scores += [float(np.float32(v)) for v in random.random(1000)] + [0.0, 1.0, 0.5]
    body = json.loads(task.answer([task.Class(0, v, b"x") for v in scores]))["body"]
    assert [float(np.float32(c["score"])) for c in body] == scores


def test_scores_are_short():
    for value in (0.93, 0.1, 1.0, 0.0, 0.333, 1e-7):
        text = task.answer([task.Class(0, value, b"x")])
        number = text.split('"score":')[1].split(",")[0]
        assert float(number) == value and len(number) <= 6


@pytest.mark.parametrize("score, code, message", [
    (float("nan"), task.E_VALUE, "score of class 0 is nan, JSON has only numbers"),
    (float("inf"), task.E_VALUE, "score of class 0 is inf, JSON has only numbers")])
def test_refused_scores(score, code, message):
    with pytest.raises(task.Failure) as failure:
        task.answer([task.Class(0, score, b"x")])
    assert (failure.value.code, str(failure.value)) == (code, message)


def test_refused_label():
    with pytest.raises(task.Failure) as failure:
        task.answer([task.Class(0, 1, None)])
    assert str(failure.value) == "label of class 0 is NULL"
    with pytest.raises(task.Failure) as failure:
        task.answer([task.Class(0, 1, b"x"), task.Class(3, 1, b"\xff")])
    assert str(failure.value) == "label of class 1 is not UTF-8"


LEVELS = {1: "ref", 2: "avx2", 4: "avx512", 8: "vnni", 16: "amx", 256: "neon", 512: "dotprod"}


def cpu(value):
    libc = ctypes.CDLL(None)
    libc.setenv(b"AI_CPU", value.encode(), 1) if value is not None else libc.unsetenv(b"AI_CPU")
    mask = ctypes.c_uint32(99)
    try:
        task.call(task.lib.ai_task_cpu, ctypes.byref(mask))
        return mask.value
    finally:
        before = os.environ.get("AI_CPU")
        libc.setenv(b"AI_CPU", before.encode(), 1) if before else libc.unsetenv(b"AI_CPU")


def test_cpu_levels():
    assert cpu(None) == cpu("") == 0
    assert cpu("ref") == 1
    for bit, name in LEVELS.items():
        assert task.lib.ai_task_cpu_name(bit) == name.encode()
        try:
            mask = cpu(name)
        except task.Failure as failure:
            assert failure.code == task.E_UNSUPPORTED
            assert f"AI_CPU is '{name}', this machine and build have ref" in str(failure)
        else:
            assert mask & bit and mask < 2 * bit and mask & 1
    assert task.lib.ai_task_cpu_name(3) is None


def test_cpu_level_by_name():
    mask = ctypes.c_uint32(99)
    task.call(task.lib.ai_task_cpu_mask, b"ref", ctypes.byref(mask))
    assert mask.value == 1
    with pytest.raises(task.Failure) as failure:
        task.call(task.lib.ai_task_cpu_mask, b"z80", ctypes.byref(mask))
    assert failure.value.code == task.E_UNSUPPORTED
    assert str(failure.value).startswith("level is 'z80', this machine and build have ref")
    assert mask.value == 1


def test_level_without_kernels():
    """The CPU may have it: this build has no kernel of it, so it is not offered."""
    with pytest.raises(task.Failure) as failure:
        cpu("dotprod")
    assert failure.value.code == task.E_UNSUPPORTED
    assert str(failure.value).startswith("AI_CPU is 'dotprod', this machine and build have ref")
    assert "dotprod" not in str(failure.value).partition("have")[2]


@pytest.mark.parametrize("name", ["AVX2", "sse", "avx2 ", "openblas"])
def test_unknown_cpu_level(name):
    with pytest.raises(task.Failure) as failure:
        cpu(name)
    assert str(failure.value).startswith(f"AI_CPU is '{name}', this machine and build have ref")
