# SPDX-License-Identifier: Apache-2.0
"""`ai run`: NumPy files in and out, and every way in which they can be wrong."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

X = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)


@pytest.fixture
def run(ai, edges, tmp_path):
    def go(array=None, **options):
        source = tmp_path / "x.npy"
        if array is not None:
            np.save(source, array)
        return ai("run", edges, "--input", f"x={source}", "--output-dir", tmp_path / "out",
                  *options.get("more", []))
    go.source = tmp_path / "x.npy"
    go.out = tmp_path / "out"
    return go


def test_worked_example(run):
    assert run(X) == (0, "", "")
    assert sorted(os.listdir(run.out)) == ["edge_map_0.npy", "peak.npy"]
    edge, peak = np.load(run.out / "edge_map_0.npy"), np.load(run.out / "peak.npy")
    assert edge.dtype == np.float32 and edge.tolist() == [[[[-8, -8], [-8, -8]]]]
    assert peak.dtype == np.float32 and peak.tolist() == [[[[6, 8], [14, 16]]]]


def test_shape_comes_from_the_array(run):
    many = np.concatenate([X, 2 * X, -X])
    assert run(many) == (0, "", "")
    assert np.load(run.out / "edge_map_0.npy")[:, 0, 0, 0].tolist() == [-8, -16, 8]
    assert run(many, more=["--shape", "x=3x1x4x4", "--threads", "1"]).status == 0
    run(many, more=["--shape", "x=2x1x4x4"]).failed(run.source, "3x1x4x4", "2x1x4x4")


def test_fortran_order_and_versions(run):
    array = np.asfortranarray(np.concatenate([X, 3 * X]).transpose(0, 1, 3, 2))
    assert run(array).status == 0
    assert np.load(run.out / "peak.npy")[1].tolist() == [[[18, 42], [24, 48]]]
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(run.source, "wb") as file:
            np.lib.format.write_array(file, X, version=version)
        assert run().status == 0


@pytest.mark.parametrize("array, words", [
    (X.astype(np.float64), ["'x'", "f64", "f32"]),
    (X.astype(np.int32), ["'x'", "s32", "f32"]),
    (X.astype(">f4"), [">f4", "little-endian"]),
    (X[0], ["'x'", "1x4x4", "1*x1x4x4"]),
    (X[..., :3], ["'x'", "1x1x4x3", "1*x1x4x4"]),
    (X.reshape((1,) * 7 + (4, 4)), ["8 dimensions"]),
    (X.astype(np.complex64), ["<c8"]),
    (np.zeros(3, [("a", "f4")]), ["records"]),
    (np.array(["abc"]), ["<U3"]),
], ids=str)
def test_arrays_that_do_not_fit(run, array, words):
    run(array).failed(run.source, *words)
    assert not run.out.exists()


def header(text: str, version: int = 1) -> bytes:
    data = text.encode()
    length = len(data).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + data


FLOATS = X.tobytes()


@pytest.mark.parametrize("content", [
    b"", b"\x93NUMPY", b"hello, world", header("") + FLOATS, header("{}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4, 4)") [:-1] + FLOATS,
    header("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1, 1, 4, 4)}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4, 4}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, -4, -4)}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4, 5)}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 1, 1)}"),
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 1, 4, 4)}"),
    header("{'descr': '<f4', 'descr': '<f4', 'shape': (1, 1, 4, 4)}") + FLOATS,
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4, 4)}", 9) + FLOATS,
    b"\x93NUMPY\x02\0\x10\0\0", b"\x93NUMPY\x02\0\xff\xff\xff\xff" + FLOATS,
    b"\x93NUMPY\x01\0\xff\xff" + FLOATS,
], ids=range(17))
def test_hostile_headers(run, content):
    run.source.write_bytes(content)
    run().failed(run.source)
    assert not run.out.exists()


def test_random_damage(run):
    np.save(run.source, X)
    good = run.source.read_bytes()
    dice = random.Random(7)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(128)] = dice.choice(b"()0,9'{}: TF\x00\xff")
        run.source.write_bytes(data)
        assert run().status in (0, 1)


def test_inputs_by_name(ai, edges, tmp_path):
    np.save(tmp_path / "x.npy", X)
    given = f"x={tmp_path / 'x.npy'}"
    to = ["--output-dir", tmp_path / "out"]
    ai("run", edges, "--input", f"y={tmp_path / 'x.npy'}", *to).failed(edges, "'y'", "'x'")
    ai("run", edges, "--input", f"x={tmp_path / 'no.npy'}", *to).failed(tmp_path / "no.npy")
    assert ai("run", edges, "--input", given, "--input", given, *to).status == 2
    assert ai("run", edges, "--input", "x", *to).status == 2
    ai("run", edges, "--input", given, "--shape", "q=1", *to).failed(edges, "'q'")
    ai("run", edges, *to).failed(edges, "'x' is missing", "f32 1*x1x4x4")
    assert not (tmp_path / "out").exists()


def test_what_was_there_stays(run):
    run.out.mkdir()
    (run.out / "peak.npy").write_text("before")
    run(X.astype(np.float64)).failed(run.source)
    assert (run.out / "peak.npy").read_text() == "before"
    assert os.listdir(run.out) == ["peak.npy"]
    assert run(X).status == 0
    assert sorted(os.listdir(run.out)) == ["edge_map_0.npy", "peak.npy"]


def test_output_dir_is_a_file(run):
    run.out.write_text("a file")
    done = run(X)
    assert done.status == 1 and "peak" in done.err or "edge" in done.err
    assert run.out.read_text() == "a file"


def test_all_outputs_or_none(run):
    run.out.mkdir()
    (run.out / "peak.npy").mkdir()
    run(X).failed(run.out / "peak.npy", "not a regular file")
    assert os.listdir(run.out) == ["peak.npy"]


def test_links_are_written_through(run):
    run.out.mkdir()
    (run.out / "real.npy").write_text("before")
    (run.out / "peak.npy").symlink_to("real.npy")
    assert run(X) == (0, "", "")
    assert (run.out / "peak.npy").is_symlink()
    assert np.load(run.out / "real.npy").tolist() == [[[[6, 8], [14, 16]]]]


def test_pipes_are_refused(run):
    os.mkfifo(run.source)
    run().failed(run.source, "no regular file")
