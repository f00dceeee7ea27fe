# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command share: the command itself and small networks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

LABELS = ["red", "green", "blue"]
RECIPE = ('{"resize":"squash","size":8,"filter":"nearest","scale":0.00392156862745098,'
          '"softmax":true}')


class Result(NamedTuple):
    status: int
    out: str
    err: str

    def failed(self, path: object, *words: str) -> None:
        """One line `ai: <path>: <message>` with these words in it, and exit 1."""
        assert self.status == 1, self
        assert self.err.startswith(f"ai: {path}: "), self
        assert self.err.count("\n") == 1 and self.err.endswith("\n"), self
        message = self.err[len(f"ai: {path}: "):].strip()
        assert message and message[-1] != ".", self
        for word in words:
            assert word.lower() in message.lower(), self


@pytest.fixture(scope="session")
def ai():
    """Runs `ai` with arguments; AI_BIN says where it is."""
    command = os.environ["AI_BIN"]

    def run(*arguments: object, env: dict[str, str] | None = None, **options) -> Result:
        done = subprocess.run([command, *map(str, arguments)], capture_output=True, timeout=120,
                              env={**os.environ, **(env or {})}, **options)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def value(name: str, shape: list, kind: int = TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, nodes: list, inputs: list, outputs: list, constants: dict | None = None,
         opset: int = 17) -> Path:
    tensors = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def edges_onnx(folder) -> Path:
    """Two outputs with awkward names, a batch that varies: a 3x3 convolution and a pooling."""
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32).reshape(1, 1, 3, 3)
    nodes = [helper.make_node("Conv", ["x", "w"], ["edge/map:0"], name="edge", kernel_shape=[3, 3]),
             helper.make_node("MaxPool", ["x"], ["peak"], name="peak", kernel_shape=[2, 2],
                              strides=[2, 2])]
    return save(folder / "edges.onnx", nodes, [value("x", ["N", 1, 4, 4])],
                [value("edge/map:0", ["N", 1, 2, 2]), value("peak", ["N", 1, 2, 2])], {"w": kernel})


@pytest.fixture(scope="session")
def edges(ai, edges_onnx) -> Path:
    path = edges_onnx.with_suffix(".lai")
    assert ai("convert", edges_onnx, "-o", path, "--shape", "x=1x1x4x4") == (0, "", "")
    return path


@pytest.fixture(scope="session")
def colours(ai, folder) -> Path:
    """A classifier that tells which of red, green and blue an image has most of."""
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
             helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
             helper.make_node("Gemm", ["flat", "weights"], ["logits"], name="logits")]
    source = save(folder / "colours.onnx", nodes, [value("image", [1, 3, 8, 8])],
                  [value("logits", [1, 3])], {"weights": 8 * np.eye(3, dtype=np.float32)})
    labels = folder / "labels.txt"
    labels.write_text("\n".join(LABELS) + "\n")
    path = folder / "colours.lai"
    done = ai("convert", source, "-o", path, "--labels", labels, "--image", RECIPE)
    assert done == (0, "", ""), done
    return path
