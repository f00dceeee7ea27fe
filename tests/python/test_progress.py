# SPDX-License-Identifier: Apache-2.0
"""Progress bars: by tqdm, where somebody watches or asks for them."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, libai
{0}
libai.convert(sys.argv[1], sys.argv[2], progress={1})
"""
WITHOUT = "sys.modules['tqdm'] = sys.modules['tqdm.auto'] = None"


def shown(double, tmp_path, progress, before=""):
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(before, progress),
                           double.with_suffix(".onnx"), tmp_path / "a.lai"],
                          capture_output=True, text=True)
    return done.returncode, done.stderr


def test_bars(double, tmp_path):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    code, bars = shown(double, tmp_path, True)
    assert code == 0 and "read: 100%" in bars and "self-test: 100%" in bars, bars
    assert shown(double, tmp_path, None) == (0, "")  # nobody watches
    assert shown(double, tmp_path, False) == (0, "")


def test_without_tqdm(double, tmp_path):
    assert shown(double, tmp_path, None, WITHOUT + "; sys.stderr.isatty = lambda: True") == (0, "")
    code, said = shown(double, tmp_path, True, WITHOUT)
    assert code == 1 and "ModuleNotFoundError" in said, said
