# SPDX-License-Identifier: Apache-2.0
"""Scales, zero points, biases and sums that no quantiser writes: told, or computed exactly."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_quantised_steps import KINDS, Bytes, average, run_both, without_borders

import libai

TINY, HUGE = float(np.float32(1e-42)), float(np.float32(3e38))


def convert(net: Bytes, folder, output: str) -> None:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
              for name, shape in net.inputs.items()]
    made = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    onnx.save(helper.make_model(
        helper.make_graph(net.nodes, "net", inputs, made, net.constants), ir_version=9,
        opset_imports=[helper.make_opsetid("", 19)]), folder / "net.onnx")
    libai.convert(folder / "net.onnx", folder / "net.lai")


def between(net: Bytes, op: str, x: str, other: str, scales) -> str:
    """The operator, the scales of its inputs and of its output as given."""
    zero = 128 if net.kind == np.uint8 else 0
    x = net.through(x, scales[0], zero)
    if op == "Conv":
        w = net.node("DequantizeLinear", [
            net.constant(net.random.integers(-128, 128, (20, 20, 1, 1), dtype=np.int8)),
            net.constant(np.float32(scales[1])), net.constant(np.int8(0))])
        y = net.node("Conv", [x, w])
    elif op == "AveragePool":
        y = net.node(op, [x], kernel_shape=[2, 2])
    elif op in ("Add", "Mul"):
        y = net.node(op, [x, net.through(other, scales[1], zero)])
    else:
        y = net.node(op, [x])
    return net.through(y, scales[2], zero)


OPS = ["Conv", "Add", "Mul", "AveragePool", "GlobalAveragePool", "LeakyRelu"]


def through(x: np.ndarray, scale: np.float32) -> np.ndarray:
    """QuantizeLinear and DequantizeLinear of u8 with zero point 128, as f32 computes them."""
    q = np.fmin(np.fmax(np.rint(x / scale), np.float32(-128)), np.float32(127))
    return q.astype(np.float32) * scale


def defined(net: Bytes, op: str, feeds, scales) -> np.ndarray:
    x = through(feeds["x"], scales[0])
    if op in ("Add", "Mul"):
        other = through(feeds["other"], scales[1])
        return through(x + other if op == "Add" else x * other, scales[2])
    if op == "Conv":
        w = numpy_helper.to_array(net.constants[2]).astype(np.float32) * scales[1]
        most, w = np.einsum("nchw,oc->nohw", abs(x), abs(w[:, :, 0, 0])), w[:, :, 0, 0]
        y = through(np.einsum("nchw,oc->nohw", x, w, dtype=np.float64), scales[2])
        return np.where(np.isfinite(most), y, np.nan)  # what overflows on the way has no order
    if op == "AveragePool":
        return through(average(x, (2, 2), (1, 1), (0, 0, 0, 0), False), scales[2])
    if op == "GlobalAveragePool":
        y = through(x.mean((2, 3), keepdims=True, dtype=np.float64), scales[2])
        return np.where(np.isfinite(abs(x).sum((2, 3), keepdims=True)), y, np.nan)
    return through(np.where(x < 0, np.float32(0.01) * x, x), scales[2])


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("scales", [
    (TINY, 1.0, TINY), (HUGE, HUGE, HUGE), (0.5, TINY, 0.5), (0.5, HUGE, 0.5), (HUGE, 0.5, TINY),
    (TINY, 0.5, HUGE), (-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5)])
def test_scales(tmp_path, op, scales):
    """Denormal, greatest and negative ones: as defined, to the bit but for sums of other order."""
    net = Bytes(1, np.uint8)
    net.inputs = {"x": (1, 20, 3, 3), "other": (1, 20, 3, 3)}
    scales = [np.float32(scale) for scale in scales]
    with np.errstate(all="ignore"):
        y = between(net, op, "x", "other", scales)
        if op not in ("Add", "Mul"):
            net.inputs.pop("other")
        feeds = {name: np.clip(net.random.integers(-140, 140, shape) * abs(scale), -3e38,
                               3e38).astype(np.float32)
                 for (name, shape), scale in zip(net.inputs.items(), scales, strict=False)}
        convert(net, tmp_path, y)
        expected = defined(net, op, feeds, scales)
        with libai.Model(tmp_path / "net.lai", threads=1) as model:
            found = next(iter(model(feeds).values()))
        if op in ("Conv", "GlobalAveragePool"):
            apart = np.abs(expected / scales[2] - found / scales[2])
            assert (apart[np.isfinite(apart)] < 1.01).all()
        else:
            np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(3))
def test_scales_that_are_none(tmp_path, op, scale, place):
    """Nothing is folded; what comes out is the same at every level."""
    net = Bytes(2, np.uint8)
    net.inputs = {"x": (1, 20, 3, 3)}
    scales = [0.5, 0.25, 0.75]
    scales[place] = scale
    with np.errstate(all="ignore"):
        y = between(net, op, "x", "x", [np.float32(number) for number in scales])
        convert(net, tmp_path, y)
    feeds = net.feeds()
    answers = []
    for level in ("ref", None):
        with libai.Model(tmp_path / "net.lai", threads=1, cpu=level) as model:
            answers.append(next(iter(model(feeds).values())))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_at_both_ends(tmp_path, kind):
    """Only the least and the greatest byte, and zero points there, through products."""
    for zeros in [(0, 255), (255, 0), (0, 0), (255, 255)]:
        net = Bytes(3, kind)
        least = np.iinfo(kind).min
        net.inputs = {"x": (2, 40, 5, 5)}
        ends = net.random.choice([0, 255], (2, 40, 5, 5)) - zeros[0]
        x = net.through("x", 1.0, zeros[0] + least)
        weight = net.random.choice([-128, 127], (24, 40, 3, 3)).astype(np.int8)
        w = net.node("DequantizeLinear", [net.constant(weight), *net_scale(net, 1.0, np.int8(0))])
        y = net.through(net.node("Conv", [x, w]), 8192.0, zeros[1] + least)
        y = net.through(net.node("Flatten", [y]), 8192.0, zeros[1] + least)
        expected, found, steps = run_both(net, tmp_path, [y], {"x": ends.astype(np.float32)})
        assert "QLinearConv" in steps and "Conv" not in steps
        np.testing.assert_array_equal(expected[0], found[0])


def net_scale(net: Bytes, scale: float, zero) -> list[str]:
    return [net.constant(np.float32(scale)), net.constant(zero)]


@pytest.mark.parametrize("bias", [2**31 - 1, -2**31, 2**31 - 300000])
def test_bias_beyond_s32(tmp_path, bias):
    """A start that with its sum leaves s32 is left to numbers."""
    net = Bytes(4, np.uint8)
    net.inputs = {"x": (1, 16, 2, 2)}
    x = net.through("x", 1.0, 7)
    w = net.node("DequantizeLinear", [net.constant(np.full((16, 16, 1, 1), 127, np.int8)),
                                      *net_scale(net, 1.0, np.int8(0))])
    numbers = np.zeros(16, np.int32)
    numbers[3] = bias
    b = net.node("DequantizeLinear", [net.constant(numbers), net.constant(np.float32(1))])
    y = net.through(net.node("Conv", [x, w, b]), 2.0**24, 128)
    expected, found, steps = run_both(net, tmp_path, [y])
    assert "Conv" in steps
    np.testing.assert_array_equal(expected[0], found[0])


def test_bias_with_a_zero_point(tmp_path):
    net = Bytes(5, np.uint8)
    net.inputs = {"x": (1, 16, 2, 2)}
    x = net.through("x", 1.0, 7)
    w = net.weight((16, 16, 1, 1), 1.0)[0]
    b = net.node("DequantizeLinear", [net.constant(np.arange(16, dtype=np.int32) * 100),
                                      *net_scale(net, 1.0, np.int32(1000))])
    y = net.through(net.node("Conv", [x, w, b]), 16.0, 128)
    expected, found, _ = run_both(net, tmp_path, [y])
    np.testing.assert_array_equal(expected[0], found[0])


def test_differences_of_33_bits(tmp_path):
    """ONNX Runtime knows no zero point of s32."""
    net = Bytes(5, np.uint8)
    net.inputs = {"x": (4,)}
    numbers = np.array([2**31 - 1, -2**31, 5, -7], np.int32)
    for zero in (-2**31, 2**31 - 1):
        q = net.node("DequantizeLinear", [net.constant(numbers),
                                          *net_scale(net, 0.5, np.int32(zero))])
        convert(net, tmp_path, net.node("Add", ["x", q]))
        expected = (numbers.astype(np.int64) - zero).astype(np.float32) * np.float32(0.5)
        found = libai.Model(tmp_path / "net.lai")(np.zeros(4, np.float32))
        np.testing.assert_array_equal(found, expected)


def test_sums_beyond_s32(tmp_path):
    """66,400 products of 255 and 127: numbers, which are a step off at most."""
    net = Bytes(6, np.uint8)
    net.inputs = {"x": (1, 66400)}
    x = net.through("x", 1.0, 0)
    w = net.node("DequantizeLinear", [net.constant(np.full((66400, 3), 127, np.int8)),
                                      *net_scale(net, 1.0, np.int8(0))])
    y = net.through(net.node("MatMul", [x, w]), 2.0**24, 0)
    expected, found, steps = run_both(net, tmp_path, [y], {"x": np.full((1, 66400), 255,
                                                                         np.float32)})
    assert without_borders(steps) == ["MatMul"] and found[0].max() == 128 * 2.0**24
    np.testing.assert_array_equal(expected[0], found[0])


# ---- What is refused, by the name of the node ----


def spoiled(kind: str) -> Bytes:
    net = Bytes(7, np.uint8)
    net.inputs = {"x": (1, 16, 4, 4)}
    scale, zero = np.float32(0.5), np.uint8(3)
    scales = {"zero": (scale, np.int8(3)), "count": (np.ones(5, np.float32), np.zeros(5, np.uint8)),
              "zeros": (np.ones(16, np.float32), np.zeros(15, np.uint8)),
              "rank": (np.ones((1, 2), np.float32), np.zeros((1, 2), np.uint8)),
              "type": (scale, np.float32(0)), "half": (np.float16(1), zero)}[kind]
    q = net.node("QuantizeLinear", ["x", *net_scale(net, scale, zero)])
    net.node("DequantizeLinear", [q, net.constant(scales[0]), net.constant(scales[1])])
    return net


@pytest.mark.parametrize("kind, message", [
    ("zero", "input 2 is s8, needs u8"),
    ("count", "scale has 5 numbers, dimension 1 is 16"),
    ("zeros", "zero point has 15 numbers of rank 1, scale has 16 of rank 1"),
    ("rank", "scale has rank 2, needs 0 or 1"),
    ("type", "input 2 is f32, needs u8"), ("half", "input 1 is f16, needs f32")])
def test_spoiled_scales(tmp_path, kind, message):
    net = spoiled(kind)
    with pytest.raises(libai.Error, match=f"DequantizeLinear '{net.nodes[-1].name}': {message}$"):
        convert(net, tmp_path, net.nodes[-1].output[0])


@pytest.mark.parametrize("count", [0, 1, 15, 17])
def test_weights_with_a_wrong_count(tmp_path, count):
    net = Bytes(8, np.uint8)
    net.inputs = {"x": (1, 16, 4, 4)}
    x = net.through("x", 0.5, 0)
    w = net.node("DequantizeLinear", [net.constant(np.ones((16, 16, 1, 1), np.int8)),
                                      net.constant(np.ones(count, np.float32)),
                                      net.constant(np.zeros(count, np.int8))], axis=0)
    y = net.through(net.node("Conv", [x, w]), 0.5, 0)
    if count == 1:
        convert(net, tmp_path, y)
        return
    with pytest.raises(libai.Error, match="DequantizeLinear '.*': scale has .* numbers, dimension"):
        convert(net, tmp_path, y)


def test_products_that_are_too_many(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 17000])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, None)
    w = numpy_helper.from_array(np.ones((17000, 2), np.int8), "w")
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"], name="many")
    onnx.save(helper.make_model(helper.make_graph([node], "net", [x], [y], [w]), ir_version=9,
                                opset_imports=[helper.make_opsetid("", 19)]), tmp_path / "m.onnx")
    with pytest.raises(libai.Error, match="MatMulInteger 'many': a sum has 17000 products, at most "
                                          "16448 are supported$"):
        libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")


@pytest.mark.parametrize("count", [257, 258, 259, 4112, 4113, 4608, 16448])
def test_products_that_are_many(tmp_path, count):
    """The greatest sums that there are, with odd numbers among them, in s32."""
    random = np.random.default_rng(count)
    x = np.zeros((3, count), np.uint8)
    x[1] = random.integers(0, 256, count)
    x[2, random.integers(0, count, 9)] = random.integers(0, 256, 9)
    w = np.full((count, 3), -128, np.int8)
    w[:, 1] = random.integers(-128, 128, count)
    w[random.integers(0, count, 9), 2] += 1
    constants = {"w": w, "xz": np.uint8(255), "wz": np.int8(127)}
    node = helper.make_node("MatMulInteger", ["x", *constants], ["y"], name="many")
    graph = helper.make_graph(
        [node], "net", [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 19)]),
              tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    with libai.Model(tmp_path / "m.lai") as model:
        found = model(x)
    expected = (x.astype(np.int64) - 255) @ (w.astype(np.int64) - 127)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("lo, hi, every", [(100, None, 2), (None, -155, 4)])
def test_sums_that_no_start_makes_fit(tmp_path, lo, hi, every):
    """All become the same byte behind the clamp, so that the start may be moved; but from the least to
    the greatest they are more than s32 holds."""
    count = 200_000
    net = Bytes(1, np.uint8)
    net.inputs = {"x": (1, count)}
    x = net.through("x", 1e-5, 0)
    weights = np.full((count, 16), 127, np.int8)
    weights[::every] = -128
    w = net.node("DequantizeLinear", [net.constant(weights), net.constant(np.float32(1e-4))])
    clamp = [net.constant(np.float32(number)) if number is not None else "" for number in (lo, hi)]
    y = net.node("Clip", [net.node("MatMul", [x, w]), *clamp])
    y = net.through(y, 1, 0 if hi is None else 255)
    feeds = {"x": np.full((1, count), 0.00255, np.float32)}
    expected, found, steps = run_both(net, tmp_path, [y], feeds)
    assert "QLinearMatMul" not in steps
    np.testing.assert_array_equal(expected[0], found[0])


def save_open(path, left, right, nodes, left_kind=TensorProto.UINT8) -> None:
    """Products of two inputs, of lengths that the file does not say."""
    inputs = [helper.make_tensor_value_info("x", left_kind, left),
              helper.make_tensor_value_info("w", TensorProto.INT8, right)]
    zeros = [numpy_helper.from_array(np.array(zero), name)
             for name, zero in (("xz", np.uint8(255)), ("wz", np.int8(127)))]
    graph = helper.make_graph(nodes, "net", inputs,
                              [helper.make_tensor_value_info("y", TensorProto.INT32, None)], zeros)
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 19)]),
              path)


@pytest.mark.parametrize("is_turned", [False, True])
def test_products_of_a_length_to_be_told(tmp_path, is_turned):
    """Each session is exact, or says why it cannot be."""
    nodes = [helper.make_node("MatMulInteger", ["x", "t" if is_turned else "w", "xz", "wz"], ["y"],
                              name="many")]
    if is_turned:  # whose shape is not stated
        nodes.insert(0, helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]))
    save_open(tmp_path / "m.onnx", [3, "K"], [3, "K"] if is_turned else ["K", 3], nodes)
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai", shapes={"x": (3, 7)} | (
        {"w": (3, 7)} if is_turned else {"w": (7, 3)}))
    random = np.random.default_rng(1)
    for count in (1, 258, 259, 4113, 16448, 16449):
        x = np.zeros((3, count), np.uint8)
        x[1] = random.integers(0, 256, count)
        x[2, 0] = 1
        w = np.full((count, 3), -128, np.int8)
        w[:, 1] = random.integers(-128, 128, count)
        w[0, 2] += 1
        given = w.T.copy() if is_turned else w
        with libai.Model(tmp_path / "m.lai") as model:
            if count > 16448:
                with pytest.raises(libai.Error, match="MatMul 'many.*': a sum has 16449 products, at "
                                                      "most 16448 are exact$"):
                    model({"x": x, "w": given})
                continue
            found = model({"x": x, "w": given})["y"]
        expected = (x.astype(np.int64) - 255) @ (w.astype(np.int64) - 127)
        np.testing.assert_array_equal(found, expected)


def test_weights_without_a_shape(tmp_path):
    for right in ([4, "C", 3, 3], None):
        node = helper.make_node("ConvInteger", ["x", "w", "xz"], ["y"], name="many")
        save_open(tmp_path / "m.onnx", [1, 2, 8, 8], right, [node])
        with pytest.raises(libai.Error, match="ConvInteger 'many': weight is computed: its shape "
                                              "must be stated$"):
            libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai", shapes={"w": (4, 2, 3, 3)})
