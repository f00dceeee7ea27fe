# SPDX-License-Identifier: Apache-2.0
"""Flat files that are none: each command says so in one line and exits 1."""

from __future__ import annotations

import numpy as np
import pytest

COMMANDS = {
    "info": ["info"],
    "verify": ["verify"],
    "run": ["run", "--input", "x=x.npy", "--output-dir", "out"],
    "classify": ["classify", "x.png", "--model"],
    "bench": ["bench", "--json"],
}


@pytest.fixture(params=COMMANDS)
def use(request, ai, tmp_path):
    def go(path, cwd=tmp_path):
        np.save(tmp_path / "x.npy", np.zeros((1, 1, 4, 4), np.float32))
        return ai(*COMMANDS[request.param], path, cwd=cwd)
    return go


def named_once(result, path, *words):
    """The command's line has the path in front: the message does without."""
    result.failed(path, *words)
    assert result.err.count(str(path)) == 1, result


def test_missing(use, tmp_path):
    path = tmp_path / "none.lai"
    named_once(use(path), path, "No such file")


def test_folder(use, tmp_path):
    named_once(use(tmp_path), tmp_path, "directory")


@pytest.mark.parametrize("content", [
    b"", b"x", b"hello, world\n" * 100, b"\x89PNG\r\n\x1a\n" + bytes(500), b"\x08\x07" + bytes(500),
    bytes(4096),
], ids=["empty", "one-byte", "text", "png", "onnx", "zeros"])
def test_other_format(use, tmp_path, content):
    path = tmp_path / "m.lai"
    path.write_bytes(content)
    named_once(use(path), path, *([] if content else ["file is empty"]))


def test_newer_version(use, edges, tmp_path):
    data = bytearray(edges.read_bytes())
    data[8:12] = (99).to_bytes(4, "little")
    path = tmp_path / "m.lai"
    path.write_bytes(data)
    use(path).failed(path, "99")


def test_truncated(use, edges, tmp_path):
    data = edges.read_bytes()
    path = tmp_path / "m.lai"
    for length in {1, 8, 127, 128, 200, len(data) // 2, len(data) - 1}:
        path.write_bytes(data[:length])
        use(path).failed(path)


def test_longer(use, edges, tmp_path):
    path = tmp_path / "m.lai"
    path.write_bytes(edges.read_bytes() + b"\0")
    use(path).failed(path)


def test_every_changed_byte_is_found(ai, edges, tmp_path):
    """By verify, wherever the byte lies: every 13th one here, each one in the unit tests."""
    good = edges.read_bytes()
    path = tmp_path / "m.lai"
    for at in range(0, len(good), max(13, len(good) // 300)):
        data = bytearray(good)
        data[at] ^= 0x40
        path.write_bytes(data)
        done = ai("verify", path)
        assert done.status == 1, (at, done)
        done.failed(path)
