# SPDX-License-Identifier: Apache-2.0
"""How peers are run in turn, with made-up engines."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

PEERS = Path(os.environ["AI_SOURCE"]) / "bench" / "peers"
sys.path.insert(0, str(PEERS))

import convert  # noqa: E402
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
