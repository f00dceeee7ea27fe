# SPDX-License-Identifier: Apache-2.0
"""Writes seeds for fuzz-passes: small networks in which every pass has something to do."""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node


def random(name, *shape):
    numbers = np.random.default_rng(1).uniform(0.1, 1, shape)
    return numpy_helper.from_array(numbers.astype(np.float32), name)


def integers(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def scalar(name, number):
    return numpy_helper.from_array(np.array(number, np.float32), name)


def classifier():
    yield [("x", ["N", 2, 5, 5])], ["y"]
    yield [node("Pad", ["x", "p"], ["padded"]),
           node("Conv", ["padded", "w1"], ["a"], kernel_shape=[3, 3]),
           node("BatchNormalization", ["a", "s", "s", "s", "s"], ["b"]),
           node("Relu", ["b"], ["c"]),
           node("Conv", ["c", "w2", "s"], ["d"]),
           node("Add", ["d", "c"], ["e"]),
           node("Clip", ["e", "lo", "hi"], ["f"]),
           node("GlobalAveragePool", ["f"], ["g"]),
           node("Flatten", ["g"], ["i"]),
           node("Gemm", ["i", "w3", "s2"], ["y"], alpha=0.5, transB=1)]
    yield [integers("p", 0, 0, 1, 1, 0, 0, 1, 1), random("w1", 4, 2, 3, 3), random("s", 4),
           random("w2", 4, 4, 1, 1), random("w3", 3, 4), random("s2", 3), scalar("lo", 0),
           scalar("hi", 6)]


def branches():
    yield [("x", ["N", 2, 4, 4])], ["y", "c"]
    yield [node("Conv", ["x", "w1"], ["a"]),
           node("MaxPool", ["a"], ["b1"], kernel_shape=[2, 2]),
           node("Conv", ["a", "w2"], ["b2"], kernel_shape=[2, 2]),
           node("Concat", ["b1", "b2"], ["c"], axis=1),
           node("Mul", ["c", "k"], ["d"]),
           node("Sigmoid", ["d"], ["e"]),
           node("Mul", ["d", "e"], ["f"]),
           node("Shape", ["f"], ["shape"]),
           node("Gather", ["shape", "zero"], ["batch"]),
           node("Concat", ["batch", "rest"], ["target"], axis=0),
           node("Reshape", ["f", "target"], ["r"]),
           node("MatMul", ["r", "w3"], ["m"]),
           node("Add", ["m", "bias"], ["y"])]
    yield [random("w1", 16, 2, 1, 1), random("w2", 16, 16, 2, 2), random("k", 32, 1, 1),
           integers("zero", 0), integers("rest", -1), random("w3", 288, 2), random("bias", 2)]


def groups():
    yield [("x", [1, 4, 4, 4])], ["y", "z"]
    half = numpy_helper.from_array(np.array([0.5], np.float32))
    yield [node("ConstantOfShape", ["shape"], ["w1"], value=half),
           node("Conv", ["x", "w1"], ["a"], group=4, pads=[1] * 4, kernel_shape=[3, 3]),
           node("Div", ["a", "k"], ["b"]),
           node("Sub", ["k", "b"], ["c"]),
           node("Add", ["c", "x"], ["d"]),
           node("Relu", ["d"], ["e"]),
           node("ConvTranspose", ["e", "w2"], ["f"], group=2),
           node("BatchNormalization", ["f", "s", "s", "s", "s"], ["g"]),
           node("Softmax", ["g"], ["y"], axis=1),
           node("Identity", ["y"], ["z"])]
    yield [integers("shape", 4, 1, 3, 3), random("k", 4, 1, 1), random("w2", 4, 2, 2, 2),
           random("s", 4)]


def array(name, kind, *numbers):
    return numpy_helper.from_array(np.array(numbers if len(numbers) > 1 else numbers[0], kind), name)


def cut(kind, name, *shape):
    """Bytes of every size, the least and the greatest among them."""
    numbers = np.arange(int(np.prod(shape))) * 85 + np.iinfo(kind).min
    return numpy_helper.from_array(((numbers + 128) % 256 - 128).astype(kind).reshape(shape), name)


class Pairs:
    """Nodes with QuantizeLinear and DequantizeLinear between them."""

    def __init__(self):
        self.nodes = []

    def through(self, op, inputs, outputs, scale="s", zero="z", **attributes):
        made = [f"{name}_n" for name in outputs]
        self.nodes.append(node(op, inputs, made, **attributes))
        for name, number in zip(outputs, made, strict=True):
            self.pair(number, name, scale, zero)

    def pair(self, number, name, scale, zero):
        self.nodes.append(node("QuantizeLinear", [number, scale, zero], [f"{name}_q"]))
        self.nodes.append(node("DequantizeLinear", [f"{name}_q", scale, zero], [name]))


def quantised():
    yield [("x", ["N", 4, 4, 4])], ["y", "v"]
    net = Pairs()
    net.pair("x", "x0", "s", "z")
    for name, axis in (("w", 0), ("k", 1)):
        net.nodes.append(node("DequantizeLinear", [f"{name}_q", "ws", "wz"], [name], axis=axis))
    net.nodes.append(node("DequantizeLinear", ["b_q", "bs"], ["b"], axis=0))
    net.nodes.append(node("DequantizeLinear", ["one_q", "s", "z"], ["one"]))
    net.nodes.append(node("Conv", ["x0", "w", "b"], ["conv"]))
    net.through("Relu", ["conv"], ["c"])
    net.through("Add", ["c", "x0"], ["a"], "t")
    net.through("HardSigmoid", ["a"], ["g"])
    net.through("Mul", ["g", "a"], ["h"], "t", "z")
    net.through("AveragePool", ["h"], ["p"], kernel_shape=[2, 2], strides=[2, 2])
    net.through("Resize", ["p", "", "twice"], ["r"], mode="nearest")
    net.through("Split", ["r"], ["i", "j"], "t", axis=1)
    net.through("Mul", ["i", "one"], ["l"])
    net.through("Pad", ["l", "pads", "edge"], ["m"])
    net.through("Concat", ["m", "m"], ["o"], "t", axis=1)
    net.through("GlobalAveragePool", ["o"], ["q"])
    net.through("Flatten", ["q"], ["u"])
    net.nodes.append(node("MatMul", ["u", "k"], ["y_n"]))
    net.pair("y_n", "y", "t", "z")
    net.nodes.append(node("Identity", ["j"], ["v"]))
    yield net.nodes
    yield [scalar("s", 0.5), scalar("t", 0.3), array("z", np.uint8, 128),
           cut(np.int8, "w_q", 4, 4, 1, 1), cut(np.int8, "k_q", 4, 4),
           array("ws", np.float32, 0.1, 0.2, 0.3, 0.4), array("wz", np.int8, 0, 0, 0, 0),
           array("b_q", np.int32, -9, 2**31 - 1, 7, -2**31),
           array("bs", np.float32, 0.05, 0.1, 0.15, 0.2), array("one_q", np.uint8, 7),
           array("twice", np.float32, 1, 1, 2, 2), integers("pads", 0, 0, 1, 1, 0, 0, 1, 1),
           scalar("edge", 0.7)]


def integer_operators():
    yield [("x", ["N", 4, 4, 4])], ["y", "u"]
    scale = ["s", "z"]
    yield [node("QuantizeLinear", ["x", *scale], ["a"]),
           node("QLinearConv", ["a", *scale, "w", "ws", "wz", *scale, "b"], ["c"]),
           node("QLinearAdd", ["c", *scale, "a", *scale, "t", "z"], ["d"], domain="com.microsoft"),
           node("QLinearSigmoid", ["d", "t", "z", *scale], ["e"], domain="com.microsoft"),
           node("QLinearMul", ["d", "t", "z", "e", *scale, "t", "z"], ["f"],
                domain="com.microsoft"),
           node("QLinearConcat", ["t", "z", "f", "t", "z", "a", *scale], ["g"], axis=1,
                domain="com.microsoft"),
           node("QLinearGlobalAveragePool", ["g", "t", "z", *scale], ["h"],
                domain="com.microsoft"),
           node("Reshape", ["h", "rows"], ["i"]),
           node("QLinearMatMul", ["i", *scale, "k", "t", "wz0", *scale], ["j"]),
           node("MatMulInteger", ["i", "k", "z", "wz0"], ["sum"]),
           node("Cast", ["sum"], ["u"], to=TensorProto.FLOAT),
           node("DequantizeLinear", ["j", *scale], ["y"])]
    yield [scalar("s", 0.5), scalar("t", 0.3), array("z", np.int8, -128),
           cut(np.int8, "w", 4, 4, 1, 1), array("ws", np.float32, 0.1, 0.2, 0.3, 0.4),
           array("wz", np.int8, 0, 0, 0, 0), array("b", np.int32, 1, -2, 3, 2**31 - 1),
           cut(np.int8, "k", 8, 3), array("wz0", np.int8, 0), integers("rows", -1, 8)]


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for make in (classifier, branches, groups, quantised, integer_operators):
        (inputs, outputs), nodes, constants = make()
        graph = helper.make_graph(
            nodes, make.__name__,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
             for name, shape in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            constants)
        model = helper.make_model(graph, opset_imports=[
            helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        (target / make.__name__).write_bytes(model.SerializeToString())
    Path(sys.argv[2]).touch()


main()
