# SPDX-License-Identifier: Apache-2.0
"""The package's type hints, and what a caller's program sees of them, under mypy --strict."""

import os
import re
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
USER = """
import os
from collections.abc import Iterator
import numpy as np
import numpy.typing as npt
import libai

def scores(model: libai.Model, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    out = np.empty((1, 10), np.float32)
    answer: npt.NDArray[np.float32] = model(x, out=out)
    both: dict[str, npt.NDArray[np.float32]] = model({"x": x, "y": [1.0]})
    tensors: list[libai.Tensor] = model.inputs + model.outputs
    shapes: list[tuple[int, ...]] = [tensor.shape for tensor in tensors if tensor.takes(x.shape)]
    model.state = model.state
    steps: list[libai.Step] = model.steps
    return answer

def best(path: os.PathLike[str]) -> libai.Class:
    with libai.Classifier("m.lai", threads=1, cpu="ref") as classifier:
        rows: libai.Classes = classifier(bytearray(b""), top=3)
    return libai.classify(path, "m.lai")[0]

def lines(poet: libai.TextModel) -> Iterator[str]:
    yield from poet.write(seed=1, theme=None, rules=False)
    yield poet(acrostic="a", top_p=0.5)

def made() -> list[libai.Conversion]:
    one = libai.convert("m.onnx", "m.lai", image={"size": 224}, labels=["a"], shapes={"x": [1, 2]})
    two = libai.quantize("m.onnx", "m.lai", "folder", progress=lambda part, done, total: None)
    share: float | None = lost(two).agreement
    kept: list[libai.Layer] = [layer for layer in two.layers if layer.kept]
    libai.verify(one.path)
    libai.self_test(one.path, cpu=1, threads=2)
    return [one, two]

def lost(made: libai.Quantisation) -> libai.Whole:
    return made.whole

def answered(event: dict[str, object]) -> tuple[str | None, int]:
    main: libai.Handler = libai.handler("m.lai")
    try:
        main(event)
    except libai.Fault as fault:
        return fault.fault, fault.status
    except libai.Error as error:
        return error.path, error.step or error.status
    return libai.version() + libai.cpu_levels()[0], 0
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


def test_a_users_program(tmp_path):
    """Nothing is wrong with one that uses every public name."""
    program = tmp_path / "user.py"
    program.write_text(USER)
    done = mypy(program)
    assert done.returncode == 0, done.stdout
    names = (PACKAGE / "__init__.py").read_text().partition("__all__")[2]
    unused = [name for name in re.findall(r'"(\w+)"', names) if f"libai.{name}" not in USER]
    assert not unused
