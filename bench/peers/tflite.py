# SPDX-License-Identifier: Apache-2.0
"""Writes a network of networks.py as a .tflite file, with TensorFlow: NHWC, BatchNormalization
folded. Converters of packages want calibration data from the net, or NCHW with transposes.

usage: tflite.py IN.onnx OUT.tflite"""
import os
import sys

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

HEIGHT = 1  # of NHWC; width follows


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def pads_of(x, kernel, stride, pads):
    """`x` and TensorFlow's word for the padding; padded here where it has none for it."""
    side = x.shape[HEIGHT]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, after = pads[0], pads[-1]
    if before + after == total and before == total // 2:
        return x, "SAME"
    return tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]]), "VALID"


def convolve(x, weight, bias, at):
    kernel, stride = weight.shape[2], at.get("strides", [1])[0]
    x, mode = pads_of(x, kernel, stride, at.get("pads", [0]))
    if at.get("group", 1) == 1:
        y = tf.nn.conv2d(x, weight.transpose(2, 3, 1, 0), stride, mode)
    else:
        y = tf.nn.depthwise_conv2d(x, weight.transpose(2, 3, 0, 1), [1, stride, stride, 1], mode)
    return tf.nn.bias_add(y, bias)


def fold(conv, norm, constants):
    """Weight and bias of a Conv with the BatchNormalization after it."""
    scale, shift, mean, variance = (constants[name] for name in norm.input[1:])
    factor = scale / np.sqrt(variance + attributes(norm).get("epsilon", 1e-5))
    weight = constants[conv.input[1]] * factor[:, None, None, None]
    bias = constants[conv.input[2]] if len(conv.input) > 2 else 0
    return weight.astype(np.float32), ((bias - mean) * factor + shift).astype(np.float32)


def pool(x, at):
    kernel, pads = at["kernel_shape"][0], at.get("pads", [0])
    padding = [[0, 0], [pads[0], pads[-1]], [pads[0], pads[-1]], [0, 0]]
    padded = tf.pad(x, padding, constant_values=np.finfo(np.float32).min)
    return tf.nn.max_pool2d(padded, kernel, at["strides"][0], "VALID")


def network(model):
    """The graph as a function of TensorFlow."""
    nodes = list(model.graph.node)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    readers = {node.input[0]: node for node in nodes}

    def run(x):
        values = {"input": x}
        for node in nodes:
            a, at, op = values[node.input[0]], attributes(node), node.op_type
            if op == "Conv":
                y = convolve(a, *fold(node, readers[node.output[0]], constants), at)
            elif op in ("BatchNormalization", "Flatten"):  # folded; flat already
                y = a
            elif op == "Relu":
                y = tf.nn.relu(a)
            elif op == "Clip":
                y = tf.nn.relu6(a)
            elif op == "MaxPool":
                y = pool(a, at)
            elif op == "Add":
                y = a + values[node.input[1]]
            elif op == "GlobalAveragePool":
                y = tf.reduce_mean(a, [1, 2])
            elif op == "Gemm":
                y = tf.matmul(a, constants[node.input[1]].T) + constants[node.input[2]]
            else:
                raise ValueError(f"operator {op} is unknown here")
            values[node.output[0]] = y
        return values["output"]
    return run


def main(source, target):
    model = onnx.load(source)
    batch, channels, height, width = (
        d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    spec = [tf.TensorSpec([batch, height, width, channels], tf.float32)]
    function = tf.function(network(model), input_signature=spec).get_concrete_function()
    with open(target + ".new", "wb") as out:
        out.write(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    os.replace(target + ".new", target)


if __name__ == "__main__":
    main(*sys.argv[1:])
