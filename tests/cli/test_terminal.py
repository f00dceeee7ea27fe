# SPDX-License-Identifier: Apache-2.0
"""Progress bars: on a terminal, and nowhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

import pytest
from PIL import Image


def on_terminal(*arguments: object, columns: int = 0, **env: str) -> tuple[int, str]:
    """Exit status and all that a terminal gets to see."""
    try:
        pid, terminal = pty.fork()
    except OSError as error:  # a root without /dev/pts
        pytest.skip(f"no terminal can be made: {error}")
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        os.execve(os.environ["AI_BIN"], [os.environ["AI_BIN"], *map(str, arguments)],
                  {**os.environ, **env})
    seen = b""
    try:
        while part := os.read(terminal, 1 << 16):
            seen += part
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_classify_many(colours, tmp_path):
    for i in range(3):
        Image.new("RGB", (4, 4), (200, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"")
    status, seen = on_terminal("classify", "--model", colours, tmp_path)
    assert status == 1
    assert "[##########" in seen and "100 %" in seen
    assert f"\r\033[Kai: {tmp_path}/1.png: file is empty" in seen
    assert f"\r\033[K{tmp_path}/2.png: " in seen
    assert seen.rstrip().splitlines()[-1].split("\033[K")[-1].startswith("colours: ")


def test_classify_one_has_no_bar(colours, tmp_path):
    Image.new("RGB", (4, 4), (200, 0, 0)).save(tmp_path / "a.png")
    status, seen = on_terminal("classify", "--model", colours, tmp_path / "a.png")
    assert status == 0 and "\033" not in seen


def test_convert(edges_onnx, tmp_path):
    status, seen = on_terminal("convert", edges_onnx, "-o", tmp_path / "m.lai", "--shape",
                               "x=1x1x4x4")
    assert status == 0 and "100 %" in seen
    assert seen.endswith("\r\033[K")


def test_no_bar_in_a_pipe(ai, colours, tmp_path):
    for i in range(2):
        Image.new("RGB", (4, 4), (0, 200, 0)).save(tmp_path / f"{i}.png")
    done = ai("classify", "--model", colours, tmp_path)
    assert done.err == "" and "\033" not in done.out
