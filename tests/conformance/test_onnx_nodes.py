# SPDX-License-Identifier: Apache-2.0
"""ONNX's node tests: all of two groups of operators, and of the others what is supported."""

from __future__ import annotations

import re
from collections import Counter

import onnx
import pytest
from onnx_case import DATA, compare, data_sets, freeze, node_cases, run

import libai

# Operators and the least number of their tests in onnx 1.22.0.
GROUPS = {
    "conv/pool/linear": (134, """
        Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool Gemm MatMul
        BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LRN
        LpNormalization MeanVarianceNormalization Dropout""".split()),
    "activations": (70, """
        Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Swish Mish Tanh
        Softplus Softsign Softmax LogSoftmax Hardmax ThresholdedRelu Shrink Clip Erf""".split()),
    "recurrent": (12, "RNN GRU LSTM".split()),
    "others": (193, """
        Identity Reshape Flatten Squeeze Unsqueeze Shape Size Transpose Concat Split Slice Pad
        Gather Constant ConstantOfShape Range Expand Tile Add Sub Mul Div Pow Max Min Sum Mean Exp
        Log Sqrt Reciprocal Neg Abs Floor Ceil Round ReduceMean ReduceSum""".split()),
    "quantize": (15, """
        QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger
        MatMulInteger""".split()),
    "resize": (40, "Resize Upsample".split()),
    "conditions": (28, "Equal Less Greater And Or".split()),
}

# Inputs that shapes follow from: constants in exported networks, and asked to be so here.
FROZEN = {"Reshape": [1], "Squeeze": [1], "Unsqueeze": [1], "Expand": [1], "Tile": [1],
          "Slice": [1, 2, 3, 4], "Pad": [1, 3], "Split": [1], "ConstantOfShape": [0],
          "Range": [0, 1, 2], "ReduceMean": [1], "ReduceSum": [1], "Resize": [1, 2, 3],
          "Upsample": [1]}

# Scales for blocks along an axis are refused.
CASES = {group: [case for case in node_cases() if case.op in ops and "_blocked" not in case.name]
         for group, (_, ops) in GROUPS.items()}
ran: Counter[str] = Counter()


def check(case, folder, frozen) -> None:
    sets = 0
    for inputs, expected in data_sets(case.folder, onnx.load(case.folder / "model.onnx")):
        model = onnx.load(case.folder / "model.onnx")
        freeze(model, inputs, frozen)
        compare(run(model, inputs, folder), expected)
        sets += 1
    assert sets > 0


@pytest.mark.parametrize(
    "group, case", [pytest.param(group, case, id=case.name)
                    for group, cases in CASES.items() for case in cases])
def test_node(group, case, tmp_path):
    check(case, tmp_path, FROZEN.get(case.op, []))
    ran[group] += 1


@pytest.mark.parametrize("group", GROUPS)
def test_number_run(group):
    assert ran[group] >= GROUPS[group][0]


# ---- All of the operators on quantised values, of any type, to the last bit of an integer ----

QUANTISED = sorted(folder for folder in (DATA / "node").iterdir()
                   if re.search("quantizelinear|qlinear|convinteger|matmulinteger", folder.name))
NARROW = "_e4m3fn|_e5m2|_float4e2m1|_u?int[24]$|_blocked|_expanded"


@pytest.mark.parametrize("folder", [pytest.param(folder, id=folder.name) for folder in QUANTISED])
def test_quantised_node(folder, tmp_path):
    model = onnx.load(folder / "model.onnx")
    for inputs, expected in data_sets(folder, model):
        if re.search(NARROW, folder.name):
            with pytest.raises(libai.Error, match="not supported|only 0 is supported"):
                run(model, inputs, tmp_path)
            continue
        found = run(model, inputs, tmp_path)
        compare(found, expected)
        for name, reference in expected.items():
            if reference.dtype.kind in "iu":
                assert (found[name] == reference).all()


def test_quantised_nodes_in_scope():
    assert sum(not re.search(NARROW, folder.name) for folder in QUANTISED) == 23


# ---- What is refused, and in which words ----


def has_open_shape(case) -> bool:
    model = onnx.load(case.folder / "model.onnx")
    names = model.graph.node[0].input
    given = {item.name for item in model.graph.input}
    return any(i < len(names) and names[i] in given for i in FROZEN.get(case.op, []))


OPEN = [case for case in CASES["others"] if has_open_shape(case)]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in OPEN])
def test_shapes_from_values_of_a_run_are_refused(case, tmp_path):
    with pytest.raises(libai.Error, match=f": {case.op} '.+: .*needs a constant$") as refused:
        check(case, tmp_path, [])
    assert refused.value.code == "AI_E_UNSUPPORTED"


OTHER = {case.op: case for case in node_cases()
         if not any(case.op in ops for _, ops in GROUPS.values())}


@pytest.mark.parametrize("op", OTHER)
def test_other_operators_are_refused_by_name(op, tmp_path):
    with pytest.raises(libai.Error) as refused:
        libai.convert(OTHER[op].folder / "model.onnx", tmp_path / "m.lai")
    assert refused.value.code in ("AI_E_UNSUPPORTED", "AI_E_VERSION")
    assert op[:20] in refused.value.message or "opset" in refused.value.message
