# SPDX-License-Identifier: Apache-2.0
"""Operators of com.microsoft, as ONNX Runtime's quantiser and optimiser write them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.uint8): TensorProto.UINT8,
         np.dtype(np.int8): TensorProto.INT8}


def save(path, nodes, feeds, outputs, constants) -> None:
    inputs = [helper.make_tensor_value_info(name, TYPES[x.dtype], x.shape)
              for name, x in feeds.items()]
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    graph = helper.make_graph(nodes, "net", inputs, made, [
        numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]), path)


def theirs(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def ours(path, folder, feeds):
    libai.convert(path, folder / "net.lai")
    with libai.Model(folder / "net.lai", threads=1) as model:
        return list(model(feeds).values())


def contrib(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, name=op, domain="com.microsoft", **attributes)


@pytest.mark.parametrize("activation, alpha", [
    ("Relu", None), ("LeakyRelu", 0.2), ("LeakyRelu", None), ("Sigmoid", None), ("Tanh", None)])
def test_fused_gemm(tmp_path, activation, alpha):
    random = np.random.default_rng(1)
    feeds = {"x": random.standard_normal((5, 20), dtype=np.float32)}
    constants = {"w": random.standard_normal((7, 20), dtype=np.float32),
                 "b": random.standard_normal(7, dtype=np.float32)}
    asked = {} if alpha is None else {"activation_alpha": alpha}
    node = contrib("FusedGemm", ["x", "w", "b"], ["y"], activation=activation, transB=1, alpha=0.5,
                   **asked)
    save(tmp_path / "net.onnx", [node], feeds, {"y": TensorProto.FLOAT}, constants)
    number = feeds["x"] @ constants["w"].T * 0.5 + constants["b"]
    slope = 0.01 if alpha is None else alpha
    expected = {"Relu": np.maximum(number, 0), "LeakyRelu": np.where(number < 0, slope, 1) * number,
                "Sigmoid": 1 / (1 + np.exp(-number)), "Tanh": np.tanh(number)}[activation]
    found = ours(tmp_path / "net.onnx", tmp_path, feeds)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("opset, axis", [(11, 1), (13, -1), (13, 1)])
def test_q_softmax(tmp_path, kind, opset, axis):
    random = np.random.default_rng(2)
    least = np.iinfo(kind).min
    feeds = {"x": random.integers(least, least + 256, (3, 4, 9)).astype(kind)}
    constants = {"xs": np.float32(0.04), "xz": kind(least + 99), "ys": np.float32(1 / 256),
                 "yz": kind(least)}
    node = contrib("QLinearSoftmax", ["x", *constants], ["y"], opset=opset, axis=axis)
    save(tmp_path / "net.onnx", [node], feeds, {"y": TYPES[np.dtype(kind)]}, constants)
    expected = theirs(tmp_path / "net.onnx", feeds)[0].astype(int)
    found = ours(tmp_path / "net.onnx", tmp_path, feeds)[0].astype(int)
    assert np.abs(expected - found).max() <= 1
    number = (feeds["x"].astype(np.float64) - (least + 99)) * float(np.float32(0.04))
    axes = (1, 2) if opset < 13 else axis
    number = np.exp(number)
    number /= number.sum(axis=axes, keepdims=True)
    exact = np.clip(np.rint(number * 256), 0, 255) + least
    np.testing.assert_array_equal(exact.astype(int), found)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("is_per_channel", [False, True])
def test_dynamic_lstm(tmp_path, directions, is_per_channel):
    """The LSTM of the numbers that the weights stand for, to the bit; ONNX Runtime rounds inputs."""
    random = np.random.default_rng(3)
    inputs, hidden = 12, 9
    feeds = {"x": random.uniform(-1, 1, (6, 2, inputs)).astype(np.float32)}
    shape = (directions, 4 * hidden) if is_per_channel else (directions,)
    constants = {}
    numbers = {}
    for name, size in (("w", inputs), ("r", hidden)):
        q = random.integers(-128, 128, (directions, size, 4 * hidden)).astype(np.int8)
        scale = random.uniform(0.002, 0.006, shape).astype(np.float32)
        zero = np.zeros(shape, np.int8)
        constants |= {name: q, f"{name}s": scale, f"{name}z": zero}
        spread = scale[:, None, :] if is_per_channel else scale[:, None, None]
        numbers[name] = np.ascontiguousarray((q.astype(np.float32) * spread).transpose(0, 2, 1))
    bias = {"b": random.uniform(-1, 1, (directions, 8 * hidden)).astype(np.float32)}
    asked = {"hidden_size": hidden, "direction": "bidirectional" if directions == 2 else "forward"}
    made = {"y": TensorProto.FLOAT, "y_h": TensorProto.FLOAT}
    node = contrib("DynamicQuantizeLSTM", ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs",
                                           "rz"], list(made), **asked)
    save(tmp_path / "net.onnx", [node], feeds, made, constants | bias)
    plain = helper.make_node("LSTM", ["x", "w", "r", "b"], list(made), **asked)
    save(tmp_path / "plain.onnx", [plain], feeds, made, numbers | bias)
    expected = ours(tmp_path / "plain.onnx", tmp_path, feeds)
    found = ours(tmp_path / "net.onnx", tmp_path, feeds)
    for one, other, rounded in zip(expected, found, theirs(tmp_path / "net.onnx", feeds),
                                   strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.abs(rounded - other).max() < 0.05


@pytest.mark.parametrize("spoiled, message", [
    ("ws", "DynamicQuantizeLSTM '.*': input 8 is missing or has no rank of 1 or 2$"),
    ("w", "DynamicQuantizeLSTM '.*': input 1 is f32, supported are u8 and s8$")])
def test_dynamic_lstm_is_refused(tmp_path, spoiled, message):
    feeds = {"x": np.zeros((2, 1, 3), np.float32)}
    constants = {"w": np.zeros((1, 3, 8), np.int8), "r": np.zeros((1, 2, 8), np.int8)}
    for name in "wr":
        constants |= {f"{name}s": np.ones(1, np.float32), f"{name}z": np.zeros(1, np.int8)}
    constants[spoiled] = np.zeros(constants[spoiled].shape if spoiled == "w" else (), np.float32)
    node = contrib("DynamicQuantizeLSTM", ["x", "w", "r", "", "", "", "", "", "ws", "wz", "rs",
                                           "rz"], ["y"], hidden_size=2)
    save(tmp_path / "net.onnx", [node], feeds, {"y": TensorProto.FLOAT}, constants)
    with pytest.raises(libai.Error, match=message):
        libai.convert(tmp_path / "net.onnx", tmp_path / "net.lai")


def test_dynamic_lstm_with_few_inputs(tmp_path):
    feeds = {"x": np.zeros((2, 1, 3), np.float32)}
    node = contrib("DynamicQuantizeLSTM", ["x", "w", "w"], ["y"], hidden_size=2)
    save(tmp_path / "net.onnx", [node], feeds, {"y": TensorProto.FLOAT},
         {"w": np.zeros((1, 3, 8), np.int8)})
    with pytest.raises(libai.Error, match="DynamicQuantizeLSTM '.*': it has 3 inputs, needs 12$"):
        libai.convert(tmp_path / "net.onnx", tmp_path / "net.lai")
