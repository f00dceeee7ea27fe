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


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for make in (classifier, branches, groups):
        (inputs, outputs), nodes, constants = make()
        graph = helper.make_graph(
            nodes, make.__name__,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
             for name, shape in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        (target / make.__name__).write_bytes(model.SerializeToString())
    Path(sys.argv[2]).touch()


main()
