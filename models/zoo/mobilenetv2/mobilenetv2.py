# SPDX-License-Identifier: Apache-2.0
"""Makes MobileNetV2 1.0 as ONNX from torchvision's checkpoint.

usage: mobilenetv2.py CHECKPOINT.pth OUT.onnx

The network: Sandler et al., 2018, table 2."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import onnx_graph
import torch_file

SIDE, CLASSES = 224, 1000
# expansion, output channels, repeats, stride of the first
STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
          (6, 160, 3, 2), (6, 320, 1, 1)]
PADS = [1, 1, 1, 1]


def block(graph, x, index, stride, expansion, inputs, outputs):
    name, key, entry, part = f"blocks/{index}", f"features.{index}.conv.", x, 0
    width = inputs * expansion
    if expansion != 1:
        x = graph.conv(x, name + "/expand", key + "0.0", key + "0.1")
        part = 1
    x = graph.conv(x, name + "/depthwise", f"{key}{part}.0", f"{key}{part}.1", stride, width, PADS)
    x = graph.conv(x, name + "/project", f"{key}{part + 1}", f"{key}{part + 2}", is_clamped=False)
    if stride == 1 and inputs == outputs:
        x = graph.add(x, entry, name + "/add")
    return x


def main(checkpoint, out):
    graph = onnx_graph.Graph(torch_file.read(checkpoint), epsilon=1e-5)
    x = graph.conv("image", "stem", "features.0.0", "features.0.1", 2, pads=PADS)
    index, inputs = 1, 32
    for expansion, outputs, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            x = block(graph, x, index, first_stride if repeat == 0 else 1, expansion, inputs,
                      outputs)
            index, inputs = index + 1, outputs
    x = graph.conv(x, "head", "features.18.0", "features.18.1")
    graph.classify(x, "classifier.1", "logits")
    graph.save(out, "mobilenetv2", "image", [1, 3, SIDE, SIDE], "logits", CLASSES)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    main(*sys.argv[1:])
