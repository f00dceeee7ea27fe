#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Single layers: libai beside ONNX Runtime, in one process, in turn.

usage: layers.py [--rounds 10] [--only WORD] [--level avx2] [--threads 1]

Each layer is a model of its own, with plain planes in and out. Both engines may turn these to
blocks of channels and back; so the table has two pairs: the whole call, and the node alone as each
engine's own profile has it. Least of all rounds, milliseconds. Answers are compared first, within
what two orders of the same sum may differ by. Pin it: taskset -c 0 layers.py. Prints Markdown."""
from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import tempfile
import time
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import libai


class Layer(NamedTuple):
    name: str
    op: str
    x: tuple  # channels, then the map
    w: tuple | None  # as ONNX has it
    attributes: dict
    second: tuple | None = None  # another input, computed as the first
    constant: np.ndarray | None = None  # the last input


def conv(name, x, w, **attributes):
    return Layer(name, "Conv", x, w, attributes)


def same(name, channels, side, outputs, kernel, stride=1, group=1, dilation=1):
    """A square window whose output is as large as the input, over the stride."""
    pad = (kernel - 1) * dilation // 2
    return conv(name, (channels, side, side), (outputs, channels // group, kernel, kernel),
                group=group, strides=[stride] * 2, dilations=[dilation] * 2, pads=[pad] * 4)


def depthwise(channels, side, kernel, stride):
    return same(f"depthwise {kernel}x{kernel} s{stride}, {channels} at {side}", channels, side,
                channels, kernel, stride, channels)


def transposed(name, channels, side, outputs, kernel, stride, group=1, pad=0, more=0):
    return Layer(name, "ConvTranspose", (channels, side, side),
                 (channels, outputs // group, kernel, kernel),
                 {"strides": [stride] * 2, "group": group, "pads": [pad] * 4,
                  "output_padding": [more] * 2})


def pool(name, op, channels, side, kernel, stride, pad=0):
    return Layer(name, op, (channels, side, side), None,
                 {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4})


def product(name, x, second):
    return Layer(name, "MatMul", x, None, {}, second)


def softmax(name, *x, axis=-1):
    return Layer(name, "Softmax", x, None, {"axis": axis})


def resize(name, channels, side, mode, scale, **attributes):
    return Layer(name, "Resize", (channels, side, side), None, {"mode": mode, **attributes},
                 constant=np.asarray([1, 1, scale, scale], np.float32))


LAYERS = [
    depthwise(32, 112, 3, 1), depthwise(96, 112, 3, 2), depthwise(144, 56, 3, 1),
    depthwise(144, 56, 3, 2), depthwise(192, 28, 3, 1), depthwise(576, 14, 3, 1),
    depthwise(576, 14, 3, 2), depthwise(960, 7, 3, 1), depthwise(144, 56, 5, 2),
    depthwise(240, 28, 5, 1), depthwise(672, 14, 5, 1), depthwise(672, 14, 5, 2),
    depthwise(1152, 7, 5, 1), depthwise(96, 56, 7, 1), depthwise(58, 28, 3, 1),
    conv("depthwise 3x3 rate 2, 256 at 28", (256, 28, 28), (256, 1, 3, 3), group=256,
         dilations=[2, 2], pads=[2] * 4),
    conv("depthwise 3x3, multiplier 2, 64 at 56", (64, 56, 56), (128, 1, 3, 3), group=64,
         pads=[1] * 4),
    same("ResNeXt 32x4d, 128 at 56", 128, 56, 128, 3, 1, 32),
    same("ResNeXt 32x8d, 256 at 28", 256, 28, 256, 3, 1, 32),
    same("ResNeXt 32x8d s2, 256 at 56", 256, 56, 256, 3, 2, 32),
    same("ResNeXt 32x16d, 512 at 14", 512, 14, 512, 3, 1, 32),
    same("ResNeXt 32x32d, 1024 at 7", 1024, 7, 1024, 3, 1, 32),
    same("RegNet groups of 24, 144 at 28", 144, 28, 144, 3, 1, 6),
    same("groups of 2, 64 at 56", 64, 56, 64, 3, 1, 32),
    same("groups of 4 to 8, 64 to 128 at 28", 64, 28, 128, 3, 1, 16),
    same("ShuffleNet 1x1 groups 4, 272 at 28", 272, 28, 272, 1, 1, 4),
    same("ShuffleNet 1x1 groups 3, 240 at 28", 240, 28, 60, 1, 1, 3),
    same("ShuffleNet 1x1 groups 3, 60 to 240 at 28", 60, 28, 240, 1, 1, 3),
    same("ShuffleNet 1x1 groups 3, 480 at 14", 480, 14, 120, 1, 1, 3),
    same("AlexNet 5x5 groups 2, 96 at 27", 96, 27, 256, 5, 1, 2),
    transposed("transposed 2x2 s2, 256 to 128 at 28", 256, 28, 128, 2, 2),
    transposed("transposed 2x2 s2, 64 to 32 at 112", 64, 112, 32, 2, 2),
    transposed("transposed 3x3 s1, 64 at 56", 64, 56, 64, 3, 1, pad=1),
    transposed("transposed 3x3 s2, 128 to 64 at 28", 128, 28, 64, 3, 2, pad=1, more=1),
    transposed("transposed 4x4 s1, 100 to 512 at 1", 100, 1, 512, 4, 1),
    transposed("transposed 4x4 s2, 512 to 256 at 4", 512, 4, 256, 4, 2, pad=1),
    transposed("transposed 4x4 s2, 256 to 128 at 16", 256, 16, 128, 4, 2, pad=1),
    transposed("transposed 4x4 s2, 64 to 3 at 32", 64, 32, 3, 4, 2, pad=1),
    transposed("transposed 4x4 s2, 21 groups at 32", 21, 32, 21, 4, 2, 21, 1),
    transposed("transposed 16x16 s8, 21 at 16", 21, 16, 21, 16, 8, pad=4),
    same("3x3 rate 2, 256 at 28", 256, 28, 256, 3, 1, 1, 2),
    same("3x3 rate 6, 320 to 256 at 33", 320, 33, 256, 3, 1, 1, 6),
    same("3x3 rate 12, 320 to 256 at 33", 320, 33, 256, 3, 1, 1, 12),
    same("3x3 s2, 128 at 56", 128, 56, 128, 3, 2),
    same("1x1 s2, 256 to 512 at 56", 256, 56, 512, 1, 2),
    same("1x1, 256 to 64 at 56", 256, 56, 64, 1),
    same("1x1, 21 to 21 at 64", 21, 64, 21, 1),
    same("1x1, 64 to 2 at 128", 64, 128, 2, 1),
    same("3x3, 64 to 1 at 128", 64, 128, 1, 3),
    same("3x3, 32 to 3 at 128", 32, 128, 3, 3),
    same("9x9, 64 to 3 at 64", 64, 64, 3, 9),
    same("5x5, 64 at 56", 64, 56, 64, 5),
    same("7x7, 64 at 28", 64, 28, 64, 7),
    conv("1x7, 192 at 17", (192, 17, 17), (192, 192, 1, 7), pads=[0, 3, 0, 3]),
    conv("7x1, 192 at 17", (192, 17, 17), (192, 192, 7, 1), pads=[3, 0, 3, 0]),
    conv("7x7 s2, 3 to 64 at 224", (3, 224, 224), (64, 3, 7, 7), strides=[2, 2], pads=[3] * 4),
    conv("3x3 s2, 3 to 32 at 224", (3, 224, 224), (32, 3, 3, 3), strides=[2, 2], pads=[1] * 4),
    conv("3x3, 1 to 32 at 128", (1, 128, 128), (32, 1, 3, 3), pads=[1] * 4),
    conv("3x3, 4 to 64 at 64", (4, 64, 64), (64, 4, 3, 3), pads=[1] * 4),
    conv("4x4 s4, 3 to 96 at 224", (3, 224, 224), (96, 3, 4, 4), strides=[4, 4]),
    conv("1-D 3, 256 at 1000", (256, 1000), (256, 256, 3), pads=[1, 1]),
    conv("1-D 8 s4, 1 to 64 at 16000", (1, 16000), (64, 1, 8), strides=[4]),
    conv("1-D depthwise 31, 256 at 500", (256, 500), (256, 1, 31), group=256, pads=[15, 15]),
    conv("3-D 3x3x3, 32 to 64 at 8x28x28", (32, 8, 28, 28), (64, 32, 3, 3, 3), pads=[1] * 6),
    conv("3-D 3x3x3, 3 to 64 at 8x56x56", (3, 8, 56, 56), (64, 3, 3, 3, 3), pads=[1] * 6),
    pool("max 3x3 s2, 64 at 112", "MaxPool", 64, 112, 3, 2, 1),
    pool("max 2x2 s2, 128 at 56", "MaxPool", 128, 56, 2, 2),
    pool("max 5x5 s1, 256 at 20", "MaxPool", 256, 20, 5, 1, 2),
    pool("average 3x3 s1, 192 at 28", "AveragePool", 192, 28, 3, 1, 1),
    pool("average 2x2 s2, 128 at 56", "AveragePool", 128, 56, 2, 2),
    Layer("global average, 1280 at 7", "GlobalAveragePool", (1280, 7, 7), None, {}),
    Layer("global average, 96 at 56", "GlobalAveragePool", (96, 56, 56), None, {}),
    resize("nearest x2, 256 at 20", 256, 20, "nearest", 2,
           coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    resize("nearest x4, 64 at 32", 64, 32, "nearest", 4,
           coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    resize("linear x2, 64 at 56", 64, 56, "linear", 2),
    softmax("softmax 1000", 1000),
    softmax("softmax 12x128 of 128", 12, 128, 128),
    softmax("softmax 64 of 1024", 64, 1024),
    softmax("softmax 21 channels at 128", 21, 128, 128, axis=1),
    product("product 12 x 128x64 by 64x128", (12, 128, 64), (12, 64, 128)),
    product("product 12 x 128x128 by 128x64", (12, 128, 128), (12, 128, 64)),
    product("product 256x256 by 256x256", (256, 256), (256, 256)),
    product("product 512x768 by 768x512", (512, 768), (768, 512)),
    product("product row by 1024x1024", (1, 1024), (1024, 1024)),
    product("product 12 x row by 256x64", (12, 1, 256), (12, 256, 64)),
    product("product 1024x1024 by column", (1024, 1024), (1024, 1)),
]


IN_A_ROW = 3  # calls of one engine, so that the caches hold what is its own


def keep_memory():
    """NumPy's outputs come from fresh pages each time, ONNX Runtime's from its own arena: let the
    allocator keep what is freed."""
    libc = ctypes.CDLL(None)
    libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def numbers(*shape):
    draw = np.random.default_rng(len(shape)).uniform(-1, 1, shape)
    return np.asarray(draw, np.float32)


def is_behind_convolution(layer):
    return "Pool" in layer.op or layer.op == "Resize"


def feeds_of(layer):
    feeds = {"x": numbers(1, *layer.x)}
    if layer.second:
        feeds["z"] = numbers(1, *layer.second)
    return feeds


def model_of(layer, change=lambda array: array):
    inputs, constants = ["x"], []
    if layer.w is not None:
        group = layer.attributes.get("group", 1)
        outputs = layer.w[0] if layer.op == "Conv" else layer.w[1] * group
        constants = [numpy_helper.from_array(change(numbers(*layer.w)), "w"),
                     numpy_helper.from_array(change(numbers(outputs)), "b")]
        inputs += ["w", "b"]
    if layer.second:
        inputs.append("z")
    if layer.constant is not None:
        constants = [numpy_helper.from_array(layer.constant, "k")]
        inputs += ["", "k"]
    nodes = [helper.make_node(layer.op, inputs, ["y"], **layer.attributes)]
    if is_behind_convolution(layer):  # here the least of them
        nodes[0].input[0] = "c"
        nodes.insert(0, helper.make_node("Conv", ["x", "one"], ["c"], group=layer.x[0]))
        ones = np.ones((layer.x[0], 1, 1, 1), np.float32)
        constants.append(numpy_helper.from_array(ones, "one"))
    graph = helper.make_graph(
        nodes, "layer",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
         for name, array in feeds_of(layer).items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    return onnx.shape_inference.infer_shapes(model)


def peer(model, threads, profile=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def terms_of(layer):
    """Products in a sum."""
    if layer.op == "MatMul":
        return layer.x[-1]
    return math.prod(layer.w[1:] if layer.op == "Conv" else (layer.w[0], *layer.w[2:]))


def compare(layer, feeds, found, expected):
    """Raises where a difference is over 2 (k + 2) u sum |a| |b|."""
    if layer.w is None and layer.op != "MatMul":
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        return
    positive = {name: np.abs(array) for name, array in feeds.items()}
    absolute = peer(model_of(layer, np.abs), 1).run(None, positive)[0]
    terms = terms_of(layer)
    bound = 2 * (terms + 3) * 2.0**-24 * absolute
    if not np.all(np.abs(found - expected) <= bound):
        raise SystemExit(f"layers.py: {layer.name}: answers differ")


def peer_node_time(session, op):
    """Least milliseconds of the operator's kernel in ONNX Runtime's own profile."""
    path = session.end_profiling()
    with open(path) as file:
        events = json.load(file)
    os.unlink(path)
    times = [event["dur"] for event in events
             if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
             and event["args"]["op_name"] in (op, "Upsample" if op == "Resize" else op)]
    return min(times) / 1e3 if times else math.nan


def measure(layer, folder, options):
    model = model_of(layer)
    onnx.save(model, f"{folder}/layer.onnx")
    libai.convert(f"{folder}/layer.onnx", f"{folder}/layer.lai")
    feeds = feeds_of(layer)
    plain = peer(model, options.threads)
    profiled = peer(model, options.threads, f"{folder}/profile")
    with libai.Model(f"{folder}/layer.lai", threads=options.threads, cpu=options.level,
                     profile=True) as ours:
        compare(layer, feeds, ours(feeds)["y"], plain.run(None, feeds)[0])
        steps = [step for step in ours.steps if step.op == layer.op]
        ours_call, ours_node, peer_call = [], [], []
        before = sum(step.ns for step in steps)
        for _ in range(options.rounds):
            for _ in range(IN_A_ROW):
                begin = time.perf_counter()
                ours(feeds)
                ours_call.append(time.perf_counter() - begin)
                ours_node.append(sum(s.ns for s in ours.steps if s.op == layer.op) - before)
                before += ours_node[-1]
            for _ in range(IN_A_ROW):
                begin = time.perf_counter()
                plain.run(None, feeds)
                peer_call.append(time.perf_counter() - begin)
            for _ in range(IN_A_ROW):
                profiled.run(None, feeds)
    return {"flops": sum(step.flops for step in steps), "kernel": steps[0].kernel,
            "call": min(ours_call) * 1e3, "node": min(ours_node) / 1e6,
            "peer_call": min(peer_call) * 1e3, "peer_node": peer_node_time(profiled, layer.op)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n")[2][7:])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="words of names, commas between")
    parser.add_argument("--level")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    keep_memory()
    print(f"ONNX Runtime {onnxruntime.__version__}, libai {libai.version()}, {options.threads} "
          f"thread, level {options.level or libai.cpu_levels()[-1]}, "
          f"least of {options.rounds} x {IN_A_ROW}\n")
    print("| layer | call: libai | ORT | ratio | node: libai | ORT | ratio | GFLOP/s | kernel |\n"
          "|---|--:|--:|--:|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as folder:
        for layer in LAYERS:
            if not any(word in layer.name for word in options.only.split(",")):
                continue
            r = measure(layer, folder, options)
            kernel = r["kernel"].removeprefix("ai_f32_")
            print(f"| {layer.name} | {r['call']:.3f} | {r['peer_call']:.3f} | "
                  f"{r['call'] / r['peer_call']:.2f} | {r['node']:.3f} | {r['peer_node']:.3f} | "
                  f"{r['node'] / r['peer_node']:.2f} | {r['flops'] / r['node'] / 1e6:.0f} | "
                  f"{kernel} |", flush=True)


if __name__ == "__main__":
    main()
