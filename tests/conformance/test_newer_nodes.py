# SPDX-License-Identifier: Apache-2.0
"""Node tests of recurrent operators that a newer onnx generates than the one that is installed: all
18 of 1.23. Its package is in the zoo's cache and is run by a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
from onnx_case import compare, data_sets, run

SOURCE = Path(os.environ["AI_SOURCE"])
NEWER = SOURCE / "models/zoo/cache/onnx-1.23"
OPERATORS, COUNT = ("RNN", "GRU", "LSTM"), 18


def test_all_cases(tmp_path):
    assert (NEWER / "onnx").exists(), "models/zoo/fetch onnx-1.23 gets it"
    script = Path(__file__).with_name("generate_cases.py")
    for operator in OPERATORS:
        subprocess.run([sys.executable, "-B", script, tmp_path / "cases", operator], check=True,
                       env={**os.environ, "PYTHONPATH": str(NEWER)})
    cases = sorted((tmp_path / "cases").iterdir())
    for case in cases:
        for inputs, expected in data_sets(case, onnx.load(case / "model.onnx")):
            compare(run(onnx.load(case / "model.onnx"), inputs, tmp_path), expected)
    assert len(cases) == COUNT
