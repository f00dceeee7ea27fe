# SPDX-License-Identifier: Apache-2.0
"""How peers are run in turn, with made-up engines."""
from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PEERS = Path(os.environ["AI_SOURCE"]) / "bench" / "peers"
sys.path.insert(0, str(PEERS))

import convert  # noqa: E402
import int8  # noqa: E402
import measure  # noqa: E402

ENGINE = """
import array, sys
from math import nan
array.array('f', {answer}).tofile(open(sys.argv[1], 'wb'))
print('ready', flush=True)
for line in sys.stdin:
    print(float(line), 5.0, 7.0, flush=True)
"""
REFERENCE = [1.0, 2.0, 3.0]


@pytest.fixture
def workers(tmp_path):
    made = []

    def make(name: str, answer: list[float] | None) -> measure.Worker:
        code = ENGINE.format(answer=answer) if answer else "raise SystemExit('no such model')"
        path = str(tmp_path / f"{name}.answer")
        made.append(measure.Worker(name, 1, [sys.executable, "-c", code, path], path))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


def test_engines_that_answer_alike_take_turns(workers):
    good, excluded = measure.start_all([workers("ONNX Runtime", REFERENCE),
                                        workers("libai", [1.0, 2.0, 3.00001])])
    assert [worker.name for worker in good] == ["ONNX Runtime", "libai"] and not excluded
    assert measure.interleave(good, 0.25, 0) >= 1
    row = measure.rows(good)[1]
    assert row["ours"] and row["values"] == [5.0, 7.0] and row["least"] == {"CPU ms": [0.25]}
    assert row["more"]["cosine"] == "1.000000"


@pytest.mark.parametrize("answer, why", [
    ([1.0, 2.0, 3.2], "wrong answer"), ([1.0, 2.0, float("nan")], "wrong answer"),
    ([1.0, 2.0], "2 values"), (None, "no such model")])
def test_an_engine_that_is_wrong_is_left_out(workers, answer, why):
    good, excluded = measure.start_all([workers("ONNX Runtime", REFERENCE), workers("MNN", answer)])
    assert [worker.name for worker in good] == ["ONNX Runtime"]
    assert why in excluded["MNN"]


def test_without_a_reference_none_counts(workers):
    good, excluded = measure.start_all([workers("ONNX Runtime", None), workers("MNN", REFERENCE)])
    assert not good and "compare" in excluded["MNN"]


def test_a_form_is_made_once(tmp_path):
    source = tmp_path / "net_b8.onnx"
    source.write_bytes(b"x")
    target = Path(convert.file_of(str(tmp_path), "net_b8", "lai"))
    assert not convert.is_newer(str(target), str(source))
    target.write_bytes(b"y")
    assert convert.is_newer(str(target), str(source))
    os.utime(source, (2**32, 2**32))
    assert not convert.is_newer(str(target), str(source))


def test_ncnn_takes_the_file_with_batch_1():
    assert convert.file_of("d", "net_b8", "ncnn") == "d/net.ncnn.param"
    assert convert.file_of("d", "net_b8", "mnn") == "d/net_b8.mnn"


F32 = np.array([1, 2, 3, 4], np.float32)
STEP = 0.25


@pytest.fixture
def judge():
    """Of a network that libai runs by a file of its own; ONNX Runtime's answer is one step off."""
    made = int8.Judge("mobilenetv2_int8", F32, STEP)
    judged(made, "ONNX Runtime", F32 + [STEP, 0, 0, 0])
    return made


def judged(judge, name: str, answer) -> dict[str, str]:
    class Named:
        pass
    Named.name = name
    return judge(Named, np.asarray(answer, np.float32))


def test_int8_may_be_twice_as_far_from_f32(judge):
    assert judged(judge, "OpenVINO", F32 + [0, 2 * STEP, 0, 0])["from f32"] == "9.1%"
    with pytest.raises(measure.Failed, match="from f32, at most 9.1%"):
        judged(judge, "OpenVINO", F32 + [0, 2.1 * STEP, 0, 0])
    with pytest.raises(measure.Failed, match="3 values"):
        judged(judge, "OpenVINO", F32[:3])
    with pytest.raises(measure.Failed, match="from f32"):
        judged(judge, "OpenVINO", F32 * np.nan)


def test_what_a_qdq_file_says_is_held_to_a_step(judge):
    near, far = F32 + [0, 0, STEP, 0], F32 + [STEP, 0, 0, -STEP * 1.6]
    assert judged(judge, "libai on the QDQ file", near)
    with pytest.raises(measure.Failed, match="steps"):
        judged(judge, "ONNX Runtime, vnni", far)
    assert judged(judge, "libai", far)  # its own file, its own rounding
    strict = int8.Judge("resnet50_int8", F32, STEP)
    judged(strict, "ONNX Runtime", F32 + [STEP, 0, 0, 0])
    with pytest.raises(measure.Failed, match="steps"):
        judged(strict, "libai", far)


def test_libai_answers_alike_at_every_level(judge):
    judged(judge, "libai", F32)
    assert judged(judge, "libai, vnni", F32)
    with pytest.raises(measure.Failed, match="bits"):
        judged(judge, "libai, avx2", np.nextafter(F32, 9))


def test_probabilities_are_held_to_the_class():
    f32 = np.arange(8, dtype=np.float32)
    judge = int8.Judge("efficientnet_lite0_int8", f32, STEP)
    judged(judge, "ONNX Runtime", f32)
    published = "LiteRT, the published file"
    assert "1 of 5" in judged(judge, published, f32)["from f32"]
    assert "5 of 5" in judged(judge, published, [9, 9, 9, 9, 0, 0, 0, 5])["from f32"]
    with pytest.raises(measure.Failed, match="first five"):
        judged(judge, published, [9, 9, 9, 9, 9, 0, 0, 5])


def test_int8_needs_the_file_of_onnx_runtime():
    with pytest.raises(measure.Failed, match="compare"):
        judged(int8.Judge("mobilenetv2_int8", F32, STEP), "libai", F32)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AMX is x86-64's")
def test_tiles_are_refused():
    code = ("import ctypes, tiles; tiles.refuse(); libc = ctypes.CDLL(None, use_errno=True);"
            "print(libc.syscall(158, 0x1023, 18), ctypes.get_errno(), libc.syscall(158, 0x1021, 0))")
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=PEERS, capture_output=True,
                          text=True)
    assert done.stdout.split()[:2] == ["-1", "1"], done.stderr
