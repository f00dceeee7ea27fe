# SPDX-License-Identifier: Apache-2.0
"""Networks of a few nodes, made and converted for the tests of the Python package."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import libai


def network(nodes, inputs, outputs, constants=(), kind=TensorProto.FLOAT):
    """An onnx.ModelProto; inputs and outputs as {name: shape}."""
    values = [[helper.make_tensor_value_info(name, kind, shape) for name, shape in side.items()]
              for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "test", *values,
                              [numpy_helper.from_array(a, n) for n, a in constants])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def convert(folder, name, proto, **options):
    onnx.save(proto, folder / f"{name}.onnx")
    libai.convert(folder / f"{name}.onnx", folder / f"{name}.lai", **options)
    return folder / f"{name}.lai"
