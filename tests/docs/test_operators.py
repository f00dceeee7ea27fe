# SPDX-License-Identifier: Apache-2.0
"""docs/operators.md is what the tables of the sources say, and its types are those that convert."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

SOURCE = Path(os.environ["AI_SOURCE"])
LOWER = (SOURCE / "models/onnx/lower.def").read_text()
spec = importlib.util.spec_from_file_location("operators", SOURCE / "docs/operators.py")
operators = importlib.util.module_from_spec(spec)
spec.loader.exec_module(operators)

TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16,
         "f64": TensorProto.DOUBLE, "bool": TensorProto.BOOL, "s8": TensorProto.INT8,
         "s16": TensorProto.INT16, "s32": TensorProto.INT32, "s64": TensorProto.INT64,
         "u8": TensorProto.UINT8, "u16": TensorProto.UINT16, "u32": TensorProto.UINT32,
         "u64": TensorProto.UINT64}
FLOATS = {"f32", "f16", "bf16", "f64"}
WORDS = {"all": set(TYPES), "numbers": set(TYPES) - {"bool"}, "floats": FLOATS,
         "integers": set(TYPES) - FLOATS - {"bool"}, "and": set()}

# A small node: inputs (shapes of those that have the type, values of constants, None), attributes.
IMAGE, MATRIX, RNN = [1, 1, 5, 5], [2, 3], [2, 1, 3]
ONE, PAIR, SCALE = np.array([0]), np.array([1, 1]), np.float32(0.5)
SAMPLES: dict[str, tuple[list, dict]] = {
    "Conv": ([IMAGE, [1, 1, 3, 3]], {}), "ConvTranspose": ([IMAGE, [1, 1, 3, 3]], {}),
    "MaxPool": ([IMAGE], {"kernel_shape": [2, 2]}),
    "AveragePool": ([IMAGE], {"kernel_shape": [2, 2]}),
    "LpPool": ([IMAGE], {"kernel_shape": [2, 2]}),
    "Gemm": ([MATRIX, [3, 4], [4]], {}), "MatMul": ([MATRIX, [3, 4]], {}),
    "BatchNormalization": ([[1, 2, 3], [2], [2], [2], [2]], {}),
    "InstanceNormalization": ([[1, 2, 3], [2], [2]], {}),
    "LayerNormalization": ([MATRIX, [3]], {}),
    "GroupNormalization": ([[1, 2, 3], [2], [2]], {"num_groups": 1}),
    "LRN": ([IMAGE], {"size": 3}), "MeanVarianceNormalization": ([IMAGE], {}),
    "Reshape": ([MATRIX, np.array([6])], {}),
    "Squeeze": ([[1, 3], ONE], {}), "Unsqueeze": ([[3], ONE], {}),
    "Concat": ([[3], [3]], {"axis": 0}), "Split": ([[4], np.array([2, 2])], {}),
    "Slice": ([[4], np.array([1]), np.array([3])], {}), "Pad": ([[4], PAIR], {}),
    "Gather": ([[4], PAIR], {}), "Expand": ([[1], np.array([3])], {}),
    "Tile": ([[2], np.array([3])], {}),
    "Resize": ([[2, 2], None, np.array([2, 2], np.float32)], {"mode": "nearest"}),
    "Upsample": ([[2, 2], np.array([2, 2], np.float32)], {"mode": "nearest"}),
    "Cast": ([[3]], {"to": TensorProto.FLOAT}), "CastLike": ([[3], np.zeros(1, np.float32)], {}),
    "Max": ([[3], [3]], {}), "Min": ([[3], [3]], {}), "Sum": ([[3], [3]], {}),
    "Mean": ([[3], [3]], {}), "ReduceMean": ([MATRIX, PAIR[:1]], {}),
    "ReduceSum": ([MATRIX, PAIR[:1]], {}),
    "RNN": ([RNN, [1, 4, 3], [1, 4, 4]], {"hidden_size": 4}),
    "GRU": ([RNN, [1, 12, 3], [1, 12, 4]], {"hidden_size": 4}),
    "LSTM": ([RNN, [1, 16, 3], [1, 16, 4]], {"hidden_size": 4}),
    "QuantizeLinear": ([[3], np.float32(0.5)], {}),
    "DequantizeLinear": ([[3], np.float32(0.5)], {}),
    "QLinearConv": ([IMAGE, SCALE, [], [1, 1, 3, 3], SCALE, [], SCALE, []], {}),
    "QLinearMatMul": ([MATRIX, SCALE, [], [3, 4], SCALE, [], SCALE, []], {}),
    "ConvInteger": ([IMAGE, [1, 1, 3, 3]], {}), "MatMulInteger": ([MATRIX, [3, 4]], {}),
}
NO_INPUT = {"Constant", "ConstantOfShape", "Range"}  # values of a constant, not of an input
TWO = {"Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Equal", "Less", "Greater", "And", "Or"}
ROWS = operators.operators(LOWER)


def named(types: str) -> set[str]:
    most, _, less = types.partition(" but ")
    one = [set().union(*(WORDS.get(word, {word}) for word in part.split())) for part in (most, less)]
    return one[0] - one[1]


def converts(name: str, number: int, opset: int, folder: Path) -> bool:
    inputs, attributes = SAMPLES.get(name, ([[3, 2]] * (2 if name in TWO else 1), {}))
    names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
    graph = [helper.make_tensor_value_info(f"i{k}", number, value)
             for k, value in enumerate(inputs) if isinstance(value, list)]
    constants = [numpy_helper.from_array(np.asarray(value), f"i{k}")
                 for k, value in enumerate(inputs) if not isinstance(value, list | None)]
    outputs = [f"o{k}" for k in range({"Split": 2, "DynamicQuantizeLinear": 3}.get(name, 1))]
    node = helper.make_node(name, names, outputs, name="node", **attributes)
    model = helper.make_model(
        helper.make_graph([node], "graph", graph,
                          [helper.make_empty_tensor_value_info(output) for output in outputs],
                          constants), opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    (folder / "node.onnx").write_bytes(model.SerializeToString())
    try:
        libai.convert(folder / "node.onnx", folder / "node.lai", progress=False)
    except libai.Error as error:
        assert error.code == "AI_E_UNSUPPORTED" and "'node'" in str(error), error
        return False
    return True


def test_the_file_stands_as_it_is_made():
    text = (SOURCE / "docs/operators.md").read_text()
    assert operators.render(SOURCE, text) == text, "docs/operators.py writes it anew"


def test_changes_of_a_table_are_seen(tmp_path):
    for name in ("models", "lib", "kernels"):
        (tmp_path / name).symlink_to(SOURCE / name)
    text = (SOURCE / "docs/operators.md").read_text()
    assert operators.render(tmp_path, text.replace("| Conv | 7 |", "| Conv | 1 |")) == text
    with pytest.raises(operators.Wrong, match="no place for Arithmetic"):
        operators.render(tmp_path, text.replace("<!-- table: Arithmetic -->", ""))
    with pytest.raises(operators.Wrong, match="Convv"):
        operators.operators(LOWER.replace("/* Conv: ", "/* Convv: "))


@pytest.mark.parametrize("name", sorted(set(ROWS) - NO_INPUT))
def test_types(name, tmp_path):
    opset = ROWS[name]["last"] or 24
    found = {type for type, number in TYPES.items() if converts(name, number, opset, tmp_path)}
    assert found == named(ROWS[name]["types"])
