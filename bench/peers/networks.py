# SPDX-License-Identifier: Apache-2.0
"""The networks that are compared, as ONNX files that every converter takes."""
from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ZOO = os.path.join(ROOT, "models", "zoo")


@dataclass(frozen=True)
class Network:
    title: str
    source: str   # of models/zoo/fetch
    batch: int
    burst: float  # seconds of an engine's turn


NETWORKS = {
    "resnet50": Network("ResNet-50, batch 1", "resnet50-synthetic", 1, 0.5),
    "resnet50_b8": Network("ResNet-50, batch 8", "resnet50-synthetic", 8, 1.0),
    "mobilenetv2": Network("MobileNetV2, batch 1", "mobilenetv2", 1, 0.2),
    "efficientnet_lite0": Network("EfficientNet-Lite0, batch 1", "efficientnet-lite0", 1, 0.2),
}


def single(name: str) -> str:
    """The same network with batch 1."""
    return name.removesuffix("_b8")


def image(network: Network) -> np.ndarray:
    """Seeded values as a normalised photograph has them."""
    shape = (network.batch, 3, 224, 224)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _plain_node(node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The spelling that the most converters know, for any batch; None for the softmax."""
    if node.op_type == "Softmax":
        return None
    if node.op_type == "Sum":
        return helper.make_node("Add", node.input, node.output, node.name)
    if node.op_type == "AveragePool":  # over the whole plane in the networks above
        return helper.make_node("GlobalAveragePool", node.input, node.output, node.name)
    if node.op_type == "Reshape":
        return helper.make_node("Flatten", node.input[:1], node.output, node.name)
    return node


def simplify(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """The same network from `input` to the logits `output`, with a fixed batch."""
    graph = model.graph
    nodes = [plain for node in graph.node if (plain := _plain_node(node))]
    renamed = {graph.input[0].name: "input", nodes[-1].output[0]: "output"}
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    read = {name for node in nodes for name in node.input}
    constants = [constant for constant in graph.initializer if constant.name in read]
    info, f32 = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    plain = helper.make_graph(nodes, "network", [info("input", f32, [batch, *shape[1:]])],
                              [info("output", f32, [batch, 1000])], constants)
    made = helper.make_model(plain, opset_imports=model.opset_import, ir_version=8)
    onnx.checker.check_model(made)
    return made


def prepare(name: str, folder: str) -> str:
    """The network's file in the folder, made where it is missing or older than its source."""
    network = NETWORKS[name]
    subprocess.run([os.path.join(ZOO, "fetch"), network.source], check=True)
    source = os.path.join(ZOO, "cache", network.source + ".onnx")
    path = os.path.join(folder, name + ".onnx")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
        onnx.save(simplify(onnx.load(source), network.batch), path)
    return path


@dataclass(frozen=True)
class Layer:
    title: str
    channels: int
    side: int      # of the square input
    outputs: int
    kernel: int = 1
    stride: int = 1
    group: int = 1

    @property
    def pad(self) -> int:
        return self.kernel // 2

    @property
    def flops(self) -> int:
        out = (self.side + 2 * self.pad - self.kernel) // self.stride + 1
        return 2 * out**2 * self.outputs * self.channels // self.group * self.kernel**2


LAYERS = {
    "stem": Layer("ResNet-50's first: 7x7 stride 2, 3 to 64 channels, 224x224", 3, 224, 64, 7, 2),
    "k3-56": Layer("3x3, 64 to 64 channels, 56x56", 64, 56, 64, 3),
    "k3-28": Layer("3x3, 128 to 128 channels, 28x28", 128, 28, 128, 3),
    "k3-14": Layer("3x3, 256 to 256 channels, 14x14", 256, 14, 256, 3),
    "k3-7": Layer("3x3, 512 to 512 channels, 7x7", 512, 7, 512, 3),
    "k1-56": Layer("1x1, 64 to 256 channels, 56x56", 64, 56, 256),
    "k1-14": Layer("1x1, 1024 to 256 channels, 14x14", 1024, 14, 256),
    "depthwise": Layer("3x3 depthwise, 144 channels, 56x56", 144, 56, 144, 3, 1, 144),
    "dense": Layer("dense, 2048 to 1000, one vector", 2048, 1, 1000),
}


def layer_arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Seeded input and weights."""
    random = np.random.default_rng(1)
    x = random.standard_normal((1, layer.channels, layer.side, layer.side))
    inner = layer.channels // layer.group * layer.kernel**2
    shape = (layer.outputs, layer.channels // layer.group, layer.kernel, layer.kernel)
    w = random.standard_normal(shape) / np.sqrt(inner)
    return x.astype(np.float32), w.astype(np.float32)


def prepare_layer(name: str, folder: str) -> str:
    """A network of this one layer: Conv without bias, or Gemm where there is no picture."""
    layer = LAYERS[name]
    x, w = layer_arrays(layer)
    is_dense = layer.side == 1
    shape = (1, layer.channels) if is_dense else x.shape
    if is_dense:
        node = helper.make_node("Gemm", ["input", "w"], ["output"], "layer", transB=1)
        w = w.reshape(layer.outputs, layer.channels)
    else:
        node = helper.make_node("Conv", ["input", "w"], ["output"], "layer", group=layer.group,
                                kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2,
                                pads=[layer.pad] * 4)
    info, f32 = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph([node], name, [info("input", f32, shape)],
                              [info("output", f32, None)], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path = os.path.join(folder, f"layer-{name}.onnx")
    if not os.path.exists(path):
        onnx.save(model, path)
    np.save(path.replace(".onnx", ".npy"), x.reshape(shape))
    x.tofile(path.replace(".onnx", ".x"))
    w.tofile(path.replace(".onnx", ".w"))
    return path
