# SPDX-License-Identifier: Apache-2.0
"""The package's type hints, and what a caller's program sees of them, under mypy --strict."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")
PACKAGE = Path(os.environ["AI_SOURCE"]) / "bindings" / "python" / "libai"

PROGRAM = """
import numpy as np
import libai

model = libai.Model("m.lai", threads=1)
reveal_type(model({"x": np.zeros(3)}))
reveal_type(libai.classify("a.png", "m.lai")[0].score)
reveal_type(libai.TextModel("m.lai")(seed=7))
reveal_type(libai.quantize("m.onnx", "m.lai", [np.zeros(3)], keep=["a"]).whole.agreement)
model(seed=3)
libai.TextModel("m.lai")(seeds=7)
"""


def mypy(*arguments):
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null",
                           *map(str, arguments)], capture_output=True, text=True)


def test_strict(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = mypy(PACKAGE, program)
    for words in ('"dict[str, numpy.ndarray[', '"float"', '"str"', '"float | None"', 'argument "seed" for overloaded function',
                  'argument "seeds" for "__call__"'):
        assert words in done.stdout, done.stdout
    wrong = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(wrong) == 2 and all("program.py" in line for line in wrong), done.stdout
