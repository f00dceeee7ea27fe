# SPDX-License-Identifier: Apache-2.0
"""Writes a network of networks.py or streams.py as a .tflite file, with TensorFlow: NHWC,
BatchNormalization folded, one step of recurrent layers. Converters of packages want calibration
data from the net, or NCHW with transposes. With pictures to calibrate with, as NCHW, it computes in
int8, between f32 at both ends.

usage: tflite.py IN.onnx OUT.tflite [CALIBRATION.npy]"""
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
    """Of what a Relu made, so that zeros pad: the least float would be the least of the u8, too."""
    kernel, pads = at["kernel_shape"][0], at.get("pads", [0])
    padding = [[0, 0], [pads[0], pads[-1]], [pads[0], pads[-1]], [0, 0]]
    return tf.nn.max_pool2d(tf.pad(x, padding), kernel, at["strides"][0], "VALID")


def lstm(x, weights, states):
    """One step; its output is the first state. Gates in the order i, o, f, c."""
    (w, r, bias), (h, c) = weights, states
    before, after = np.split(bias, 2)
    product = tf.matmul(tf.concat([x, h], 1), np.concatenate([w, r], 1).T) + (before + after)
    i, o, f, g = tf.split(product, 4, 1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru(x, weights, states):
    """One step with linear_before_reset; gates in the order z, r, h."""
    (w, r, bias), (h,) = weights, states
    before, after = np.split(bias, 2)
    update, reset, fresh = tf.split(tf.matmul(x, w.T) + before, 3, 1)
    more_update, more_reset, past = tf.split(tf.matmul(h, r.T) + after, 3, 1)
    z = tf.sigmoid(update + more_update)
    new = tf.tanh(fresh + tf.sigmoid(reset + more_reset) * past)
    return (new + z * (h - new),)


def network(model):
    """The graph as a function of TensorFlow, from and to values by name."""
    nodes = list(model.graph.node)
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    readers = {node.input[0]: node for node in nodes}

    def run(**given):
        values = dict(given)
        for node in nodes:
            at, op = attributes(node), node.op_type
            a = values[node.input[op == "Gather"]]
            if op == "Conv":
                y = convolve(a, *fold(node, readers[node.output[0]], constants), at)
            elif op in ("BatchNormalization", "Flatten", "Squeeze", "Reshape"):  # folded, flat
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
            elif op == "Gather":
                y = tf.gather(constants[node.input[0]], a)
            elif op in ("LSTM", "GRU"):
                states = {"LSTM": lstm, "GRU": gru}[op](
                    a, [constants[name][0] for name in node.input[1:4]],
                    [values[name] for name in node.input[5:]])
                values.update(zip(node.output[1:], states))
                y = states[0]
            elif op == "Gemm":
                y = tf.matmul(a, constants[node.input[1]].T) + constants[node.input[2]]
            else:
                raise ValueError(f"operator {op} is unknown here")
            values[node.output[0]] = y
        return {out.name: values[out.name] for out in model.graph.output}
    return run


def spec(value):
    """Of an input: pictures as NHWC, else without the first dimension, of steps or directions."""
    shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
    shape = [shape[0], *shape[2:], shape[1]] if len(shape) == 4 else shape[1:]
    is_float = value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    return tf.TensorSpec(shape, tf.float32 if is_float else tf.int32, name=value.name)


def quantise(converter, calibration):
    def samples():
        for picture in np.load(calibration):
            yield [picture.transpose(1, 2, 0)[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def main(source, target, calibration=None):
    model = onnx.load(source)
    module = tf.Module()
    module.run = tf.function(network(model))
    function = module.run.get_concrete_function(**{v.name: spec(v) for v in model.graph.input})
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    if calibration:
        quantise(converter, calibration)
    with open(target + ".new", "wb") as out:
        out.write(converter.convert())
    os.replace(target + ".new", target)


if __name__ == "__main__":
    main(*sys.argv[1:])
