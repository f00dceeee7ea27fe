# SPDX-License-Identifier: Apache-2.0
"""Makes EfficientNet-Lite0 as ONNX from its checkpoint.

usage: lite0.py CHECKPOINT.pth OUT.onnx

The network: EfficientNet-B0's stages (Tan and Le, 2019, table 1) without squeeze and excitation,
with ReLU6 for swish, and with a first and last layer of fixed width. Padding is TensorFlow's SAME:
what a strided convolution needs in all, the larger half of it at the bottom and right."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import onnx_graph
import torch_file

SIDE, CLASSES, HEAD = 224, 1000, 1280
# repeats, kernel, stride of the first, expansion, input and output channels
STAGES = [(1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80),
          (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320)]


def same(side, kernel, stride):
    """[top, left, bottom, right] and the side that comes out."""
    out = -(-side // stride)
    total = max((out - 1) * stride + kernel - side, 0)
    return [total // 2, total // 2, total - total // 2, total - total // 2], out


def block(graph, x, index, side, kernel, stride, expansion, inputs, outputs):
    name, key, entry = f"blocks/{index}", f"_blocks.{index}.", x
    width = inputs * expansion
    if expansion != 1:
        x = graph.conv(x, name + "/expand", key + "_expand_conv", key + "_bn0")
    pads, side = same(side, kernel, stride)
    x = graph.conv(x, name + "/depthwise", key + "_depthwise_conv", key + "_bn1", stride, width,
                   pads)
    x = graph.conv(x, name + "/project", key + "_project_conv", key + "_bn2", is_clamped=False)
    if stride == 1 and inputs == outputs:
        x = graph.add(x, entry, name + "/add")
    return x, side


def main(checkpoint, out):
    graph = onnx_graph.Graph(torch_file.read(checkpoint), epsilon=1e-3)
    pads, side = same(SIDE, 3, 2)
    x = graph.conv("image", "stem", "_conv_stem", "_bn0", 2, pads=pads)
    index = 0
    for repeats, kernel, first_stride, expansion, inputs, outputs in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x, side = block(graph, x, index, side, kernel, stride, expansion,
                            inputs if repeat == 0 else outputs, outputs)
            index += 1
    x = graph.conv(x, "head", "_conv_head", "_bn1")
    graph.classify(x, "_fc", "logits")
    graph.save(out, "efficientnet-lite0", "image", [1, 3, SIDE, SIDE], "logits", CLASSES)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    main(*sys.argv[1:])
