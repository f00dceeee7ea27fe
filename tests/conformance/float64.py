# SPDX-License-Identifier: Apache-2.0
"""Evaluates convolutional ONNX graphs in float64, as plainly as possible."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def conv(x, w, b=None, *, group=1, pads=(0, 0, 0, 0), strides=(1, 1), dilations=(1, 1),
         kernel_shape=None):
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    n, channels = x.shape[:2]
    out, per_group, kh, kw = w.shape
    span = [(k - 1) * d + 1 for k, d in zip((kh, kw), dilations)]
    oh, ow = ((size - s) // step + 1 for size, s, step in zip(x.shape[2:], span, strides))
    x = x.reshape(n, group, channels // group, *x.shape[2:])
    w = w.reshape(group, out // group, per_group, kh, kw)
    total = np.zeros((n, group, out // group, oh, ow))
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dilations[0], i * dilations[0] + (oh - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilations[1], j * dilations[1] + (ow - 1) * strides[1] + 1,
                            strides[1])
            total += np.einsum("ngchw,goc->ngohw", x[..., rows, columns], w[..., i, j],
                               optimize=True)
    total = total.reshape(n, out, oh, ow)
    return total if b is None else total + b[:, None, None]


def batch_norm(x, scale, bias, mean, variance, *, epsilon=1e-5):
    factor = scale / np.sqrt(variance + epsilon)
    return (x - mean[:, None, None]) * factor[:, None, None] + bias[:, None, None]


def gemm(a, b, c=0, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    return alpha * (a.T if transA else a) @ (b.T if transB else b) + beta * c


def average_pool(x, *, kernel_shape, strides=(1, 1)):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel_shape, (2, 3))
    return windows[:, :, ::strides[0], ::strides[1]].mean((-1, -2))


def softmax(x, *, axis=-1):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def max_pool(x, *, kernel_shape, pads=(0, 0, 0, 0), strides=(1, 1)):
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])),
               constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel_shape, (2, 3))
    return windows[:, :, ::strides[0], ::strides[1]].max((-1, -2))


OPERATORS = {
    "Conv": conv,
    "BatchNormalization": batch_norm,
    "Clip": np.clip,
    "Relu": lambda x: np.maximum(x, 0),
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "Reshape": lambda x, shape: x.reshape(shape.astype(int)),
    "Softmax": softmax,
    "Sum": np.add,
    "MatMul": np.matmul,
    "Add": np.add,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "Flatten": lambda x, axis=1: x.reshape(x.shape[0], -1),
    "Gemm": gemm,
}


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def attributes(node: onnx.NodeProto) -> dict:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def evaluate(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor of the graph."""
    values = {name: array.astype(np.float64) for name, array in {**constants(model),
                                                                 **inputs}.items()}
    for node in model.graph.node:
        arguments = [values[name] if name else None for name in node.input]
        values[node.output[0]] = OPERATORS[node.op_type](*arguments, **attributes(node))
    return values
