# SPDX-License-Identifier: Apache-2.0
"""What Python costs: a call of a Model over ai_infer, a character of a TextModel over ai_writer_next, and
`import libai` with an open model beside `import numpy` alone. Interleaved, least and median of each;
exits 1 where the least misses a bar.

A network of one step leaves the caches to Python; the one that writes poems fills them, so that the same
instructions take longer after it.

    PYTHONPATH=bindings/python taskset -c 0 python3 bench/python_call.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from ctypes import byref, c_char_p, c_void_p
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from onnx import TensorProto, helper

import libai
from libai import _library as lib

ROOT = Path(__file__).parents[1]
POEM = ROOT / "models" / "zoo" / "charrnn" / "charrnn.lai"
MAX_CALL_US, MAX_IMPORT = 15, 1.2
IMPORTS = {"import numpy": "import numpy",
           "import libai, open": "import sys, libai; libai.TextModel(sys.argv[1])",
           "nothing": ""}


def timed(function):
    begin = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - begin


def interleaved(functions, rounds):
    """Nanoseconds of each: least and median."""
    rows = [[timed(function) for function in functions] for _ in range(rounds)]
    return [(min(row), median(row)) for row in zip(*rows)]


def over(call, infer, empty):
    """Microseconds of a call over those of ai_infer, least and median. What ctypes takes to call a
    function of C is Python's, so that of an empty one is taken off."""
    return [(a - (b - c)) / 1e3 for a, b, c in zip(call, infer, empty)]


def call_over_infer(path, rounds):
    """A call of a Model over ai_infer, whose arguments are converted already."""
    with libai.Model(path, threads=1) as model:
        inputs = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in model.inputs}
        model(inputs)
        session = model._session(None)
        outputs = [np.empty(shape, dtype) for _, dtype, shape, *_ in session.outputs]
        views = [(lib.View * len(arrays))(*((array.ctypes.data, array.nbytes) for array in arrays))
                 for arrays in (inputs.values(), outputs)]
        infer = partial(lib.unchecked("ai_infer"), c_void_p.from_param(session.handle.value),
                        byref(views[0]), len(inputs), byref(views[1]), len(outputs), None,
                        byref(lib.RawError()))
        return over(*interleaved([lambda: model(inputs), infer, lib.core().ai_version], rounds))


def character_over_next(path, rounds):
    """The same of a TextModel and ai_writer_next, along a text begun again and again."""
    with libai.TextModel(path, threads=1) as first, libai.TextModel(path, threads=1) as second:
        begin, options = lib.task().ai_writer_begin, lib.sized(lib.TextOptions, seed=1)
        piece = c_char_p()
        following = partial(lib.unchecked("ai_writer_next", lib.task()),
                            c_void_p.from_param(second.handle.value), byref(piece), None,
                            byref(lib.RawError()))
        size = sum(1 for _ in first.write(seed=1))
        rows = [[] for _ in range(size)]  # by the place in the text, since some take longer
        for _ in range(rounds // size):
            text = first.write(seed=1)
            lib.check(begin, second.handle, byref(options))
            for row in rows:
                row.append([timed(function) for function in
                            (partial(next, text), following, lib.core().ai_version)])
        places = [over(*((min(times), median(times)) for times in zip(*row))) for row in rows]
        return [sum(figures) / size for figures in zip(*places)]


def starts(path, rounds):
    """Nanoseconds of whole processes."""
    command = [sys.executable, "-c"]
    run = [partial(subprocess.run, [*command, code, str(path)], check=True) for code in IMPORTS.values()]
    return dict(zip(IMPORTS, interleaved(run, rounds)))


def one_step(folder):
    """A network that adds x to itself."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "one", tensors[:1],
                              tensors[1:])
    libai.convert(helper.make_model(graph, ir_version=8,
                                    opset_imports=[helper.make_opsetid("", 17)]), folder / "one.lai")
    return folder / "one.lai"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--poem", type=Path, default=POEM)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        calls = {"a call over ai_infer, one step":
                 call_over_infer(one_step(Path(folder)), asked.rounds)}
    calls["a call over ai_infer, poem"] = call_over_infer(asked.poem, asked.rounds)
    calls["a character over ai_writer_next"] = character_over_next(asked.poem, asked.rounds)
    for name, (least, middle) in calls.items():
        print(f"{name}: {least:.1f} us, median {middle:.1f} (at most {MAX_CALL_US})")
    began = starts(asked.poem, asked.starts)
    for name, (least, middle) in began.items():
        print(f"{name}: {least / 1e6:.1f} ms, median {middle / 1e6:.1f}")
    ratio = began["import libai, open"][0] / began["import numpy"][0]
    print(f"ratio {ratio:.2f} (at most {MAX_IMPORT})")
    return int(max(least for least, _ in calls.values()) > MAX_CALL_US or ratio > MAX_IMPORT)


if __name__ == "__main__":
    sys.exit(main())
