# SPDX-License-Identifier: Apache-2.0
"""Random networks through ONNX Runtime's quantiser, in both of its forms, against ONNX Runtime.

Literally, it computes a QDQ network with the numbers: what we fold must be within one step of the
last scale. AI_SEED starts elsewhere, AI_CASES asks for more.
"""

from __future__ import annotations

import os
import random

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from test_quantised import Images, Plain, answers

SEED = int(os.environ.get("AI_SEED", "1"))
CASES = int(os.environ.get("AI_CASES", "24"))

KINDS = {"u8 s8": (QuantType.QUInt8, QuantType.QInt8), "s8 s8": (QuantType.QInt8, QuantType.QInt8),
         "u8 u8": (QuantType.QUInt8, QuantType.QUInt8)}
ACTIVATIONS = {"Relu": {}, "LeakyRelu": {"alpha": 0.1}, "Sigmoid": {}, "Clip": {}, "": {}}


class Drawn(Plain):
    """A few blocks, each drawn: convolutions with what may stand behind and beside them."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice.getrandbits(16), np.uint8)
        self.dice = dice
        self.channels = 3

    def activation(self, x: str) -> str:
        op = self.dice.choice(list(ACTIVATIONS))
        if op == "Clip":
            return self.node(op, [x, self.constant(np.float32(0)), self.constant(np.float32(6))])
        return self.node(op, [x], **ACTIVATIONS[op]) if op else x

    def pointwise(self, x: str, outputs: int) -> str:
        x = self.activation(self.conv(x, self.channels, outputs, self.dice.choice([1, 3])))
        self.channels = outputs
        return x

    def depthwise(self, x: str) -> str:
        return self.activation(self.conv(x, self.channels, self.channels,
                                         self.dice.choice([3, 5]), group=self.channels))

    def residual(self, x: str) -> str:
        return self.node("Add", [x, self.conv(x, self.channels, self.channels, 1)])

    def excitation(self, x: str) -> str:
        gate = self.node("GlobalAveragePool", [x])
        gate = self.node("Relu", [self.conv(gate, self.channels, 8, 1)])
        gate = self.node("Sigmoid", [self.conv(gate, 8, self.channels, 1)])
        return self.node("Mul", [x, gate] if self.dice.random() < 0.5 else [gate, x])

    def joined(self, x: str) -> str:
        both = [self.conv(x, self.channels, 16, 1), self.conv(x, self.channels, 24, 3)]
        self.channels = 40
        return self.node("Concat", both, axis=1)

    def pooled(self, x: str) -> str:
        op = self.dice.choice(["MaxPool", "AveragePool"])
        return self.node(op, [x], kernel_shape=[3, 3], pads=[1] * 4,
                         strides=self.dice.choice([[1, 1], [2, 2]]))

    def resized(self, x: str) -> str:
        return self.node("Resize", [x, "", self.constant(np.array([1, 1, 2, 2], np.float32))],
                         mode="nearest")

    def shuffled(self, x: str) -> str:
        """As ShuffleNet has it, without the names of dimensions."""
        self.node("Split", [x], axis=1)
        self.channels //= 2
        one, other = f"{self.nodes[-1].name}_0", f"{self.nodes[-1].name}_1"
        self.nodes[-1].output[:] = [one, other]
        return self.node("Mul", [one, other])

    def build(self, path, shape) -> None:
        x = self.pointwise("x", 24)
        kinds = [self.depthwise, self.residual, self.excitation, self.joined, self.pooled,
                 self.resized, lambda x: self.pointwise(x, 32)]
        for _ in range(self.dice.randint(2, 4)):
            x = self.dice.choice(kinds)(x)
        if self.dice.random() < 0.3 and self.channels % 2 == 0:
            x = self.shuffled(x)
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        x = self.node("Gemm", [x, self.normal((self.channels, 10), 0.5), self.normal((10,), 0.1)])
        self.save(path, shape, x, 2)


def last_scale(model: onnx.ModelProto) -> float:
    output = model.graph.output[0].name
    last = next(node for node in model.graph.node if output in node.output)
    return next(numpy_helper.to_array(item) for item in model.graph.initializer
                if item.name == last.input[1]).item()


def forget_kernels(path) -> None:
    """kernel_shape may be left out: weights tell it, also those that a QuantizeLinear reads."""
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type == "Conv":
            kept = [item for item in node.attribute if item.name != "kernel_shape"]
            del node.attribute[:]
            node.attribute.extend(kept)
    onnx.save(model, path)


@pytest.mark.parametrize("case", range(CASES))
@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ])
def test_random_network(tmp_path, case, form):
    dice = random.Random(f"{SEED} {case}")
    shape = (dice.choice([1, 2]), 3, 14, 14)
    Drawn(dice).build(tmp_path / "float.onnx", shape)
    forget_kernels(tmp_path / "float.onnx")
    kind, weights = KINDS[dice.choice(list(KINDS))]
    quantize_static(tmp_path / "float.onnx", tmp_path / "net.onnx", Images(shape),
                    quant_format=form, activation_type=kind, weight_type=weights,
                    per_channel=dice.random() < 0.5,
                    extra_options={"ActivationSymmetric": dice.random() < 0.3,
                                   "AddQDQPairToWeight": dice.random() < 0.3})
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1, True)
    model = onnx.load(tmp_path / "net.onnx")
    assert np.abs(expected - found).max() <= 1.001 * last_scale(model)
    numbers = {"Conv", "Add", "Mul", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"}
    if form == QuantFormat.QOperator:  # what the quantiser left
        numbers -= {node.op_type for node in model.graph.node if node.domain == ""}
    assert not numbers & set(operators) or weights == QuantType.QUInt8
