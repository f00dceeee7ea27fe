# SPDX-License-Identifier: Apache-2.0
"""Writes seeds for fuzz-onnx: small node tests of the onnx package, or one model without it."""

import sys
from pathlib import Path

# Relu from x to y, f32 [1], opset 21.
RELU = (b"\x08\x0a:3\x0a\x0c\x0a\x01x\x12\x01y\"\x04Relu\x12\x01g"
        b"Z\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
        b"b\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
        b"B\x04\x0a\x00\x10\x15")


def node_tests() -> list[Path]:
    try:
        import onnx
    except ImportError:
        return []
    folder = Path(onnx.__file__).parent / "backend/test/data/node"
    return [path for path in sorted(folder.glob("*/model.onnx")) if path.stat().st_size < 1024]


def conditions() -> dict[str, bytes]:
    """Ifs that are taken, in one another too, by a constant and by a shape."""
    try:
        from onnx import TensorProto, helper
    except ImportError:
        return {}

    def branch(name: str, *nodes):
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([*nodes, helper.make_node("Neg", ["x"], [name])], "b", [], [output])

    def choice(output: str, name: str, *nodes):
        return helper.make_node("If", ["c"], [output], then_branch=branch(name, *nodes),
                                else_branch=branch(name))

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    found = {}
    for name, first in (("constant", helper.make_node("Constant", [], ["s"], value_int=1)),
                        ("shape", helper.make_node("Size", ["x"], ["s"]))):
        nodes = [first, helper.make_node("Constant", [], ["two"], value_int=2),
                 helper.make_node("Equal", ["s", "two"], ["e"]),
                 helper.make_node("Not", ["e"], ["c"]), choice("y", "a", choice("u", "b"))]
        model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), ir_version=10,
                                  opset_imports=[helper.make_opsetid("", 21)])
        found[f"if_{name}"] = model.SerializeToString()
    return found


def quantised() -> dict[str, bytes]:
    """Operators on quantised tensors, whose weights, scales and zero points are constants."""
    try:
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return {}
    constants = {
        "s": np.float32(0.1), "z": np.uint8(3), "zs": np.int8(0), "w": np.ones((2, 3, 1, 1), np.int8),
        "f": np.ones((2, 3, 1, 1), np.float32), "b": np.ones(2, np.int32),
        "m": np.ones((2, 2), np.int8), "l": np.ones((1, 2, 4), np.int8),
        "d": np.ones(1, np.float32), "e": np.zeros(1, np.int8)}
    x, m, w = ["x", "s", "z"], ["m", "s", "zs"], ["w", "s", "zs"]
    found = {}
    for domain, operator, inputs, kind, attributes in [
            ("", "QLinearConv", [*x, *w, "s", "z", "b"], "u8", {}),
            ("", "QLinearMatMul", [*x, *m, "s", "z"], "u8", {}),
            ("", "ConvInteger", ["x", "w", "z"], "u8", {}),
            ("", "MatMulInteger", ["x", "m", "z"], "u8", {}),
            ("", "Conv", ["x", "f"], "f32", {}),
            ("com.microsoft", "QLinearAdd", [*x, *x, "s", "z"], "u8", {}),
            ("com.microsoft", "QLinearSigmoid", [*x, "s", "z"], "u8", {}),
            ("com.microsoft", "QLinearSoftmax", [*x, "s", "z"], "u8", {"axis": 1}),
            ("com.microsoft", "QLinearAveragePool", [*x, "s", "z"], "u8", {"kernel_shape": [1, 1]}),
            ("com.microsoft", "QLinearConcat", ["s", "z", *x, *x], "u8", {"axis": 1}),
            ("com.microsoft", "QGemm", [*x, *m, "b", "s", "z"], "u8", {}),
            ("com.microsoft", "FusedConv", ["x", "f"], "f32", {"activation": "Relu"}),
            ("com.microsoft", "FusedGemm", ["x", "x"], "f32", {"activation": "Tanh"}),
            ("com.microsoft", "DynamicQuantizeLSTM",
             ["x", "l", "l", "", "", "", "", "", "d", "e", "d", "e"], "f32", {"hidden_size": 1})]:
        given = TensorProto.FLOAT if kind == "f32" else TensorProto.UINT8
        graph = helper.make_graph(
            [helper.make_node(operator, inputs, ["y"], domain=domain, **attributes)], "g",
            [helper.make_tensor_value_info("x", given, [1, 3, 2, 2])],
            [helper.make_tensor_value_info("y", given, None)],
            [numpy_helper.from_array(np.asarray(constants[name]), name)
             for name in sorted(set(inputs) - {"x", ""})])
        model = helper.make_model(graph, ir_version=10, opset_imports=[
            helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
        found[f"quantised_{operator}"] = model.SerializeToString()
    return found


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "relu").write_bytes(RELU)
    for name, data in {**conditions(), **quantised()}.items():
        (target / name).write_bytes(data)
    for path in node_tests():
        (target / path.parent.name).write_bytes(path.read_bytes())
    Path(sys.argv[2]).touch()


main()
