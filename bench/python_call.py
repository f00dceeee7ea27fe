# SPDX-License-Identifier: Apache-2.0
"""What Python costs: a call of a Model over ai_infer, and `import libai` with an open model
beside `import numpy` alone. Interleaved, the least of each; exits 1 where a bar is missed.

The bar is a call's of a network of one step, which leaves the caches to Python; after a network that
fills them, such as the one that writes poems, the same instructions take longer: the second line.

    PYTHONPATH=bindings/python python3 bench/python_call.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
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


def call_over_infer(path, rounds):
    """Nanoseconds of a call of a Model less those of ai_infer: the least of each, interleaved. What
    ctypes takes to call ai_infer is Python's, so that of an empty function is taken off."""
    with libai.Model(path, threads=1) as model:
        inputs = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in model.inputs}
        model(inputs)
        session = model._session(None)
        given, taken = list(inputs.values()), [np.empty(*row) for row in session.outputs]
        rows = [(lib.View * len(arrays))(*((array.ctypes.data, array.nbytes) for array in arrays))
                for arrays in (given, taken)]
        arguments = (session.handle, rows[0], len(given), rows[1], len(taken), None,
                     lib.RawError())
        functions = [lambda: model(inputs), lambda: session._infer(*arguments), lib.core().ai_version]
        best = [1 << 62] * len(functions)
        for _ in range(rounds):
            for i, function in enumerate(functions):
                begin = time.perf_counter_ns()
                function()
                best[i] = min(best[i], time.perf_counter_ns() - begin)
        return best[0] - (best[1] - best[2])


def starts(path, rounds):
    """Nanoseconds of whole processes, the least of interleaved ones."""
    best = dict.fromkeys(IMPORTS, 1 << 62)
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            begin = time.perf_counter_ns()
            subprocess.run([sys.executable, "-c", code, str(path)], check=True)
            best[name] = min(best[name], time.perf_counter_ns() - begin)
    return best


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
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        over = call_over_infer(one_step(Path(folder)), asked.rounds) / 1e3
    print(f"a call over ai_infer, one step: {over:.1f} us (at most {MAX_CALL_US})")
    print(f"a call over ai_infer, poem: {call_over_infer(POEM, asked.rounds) / 1e3:.1f} us")
    began = starts(POEM, asked.starts)
    for name, ns in began.items():
        print(f"{name}: {ns / 1e6:.1f} ms")
    ratio = began["import libai, open"] / began["import numpy"]
    print(f"ratio {ratio:.2f} (at most {MAX_IMPORT})")
    return int(over > MAX_CALL_US or ratio > MAX_IMPORT)


if __name__ == "__main__":
    sys.exit(main())
