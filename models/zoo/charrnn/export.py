#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a trained CharRNN as ONNX: one character a call, its states as inputs and outputs.

usage: export.py CHECKPOINT OUT.onnx

CHECKPOINT is the best.pt that train.py wrote; PyTorch is not needed."""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_file  # noqa: E402

PRODUCER = "libai zoo: charrnn, trained on the npm package chinese-poetry 2.0.1 (MIT)"
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Graph:
    def __init__(self):
        self.constants, self.nodes, self.inputs, self.outputs = [], [], [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, outputs[0], **attributes))
        return outputs[0]

    def lstm(self, x, layer, part):
        """A step of a layer, with the states h and c as inputs and outputs."""
        hidden = part["weight_hh"].shape[1]
        states = [f"h{layer}", f"c{layer}"]
        for names, tail in ((self.inputs, ""), (self.outputs, "_out")):
            names += [
                helper.make_tensor_value_info(state + tail, TensorProto.FLOAT, (1, 1, hidden))
                for state in states
            ]
        bias = np.concatenate([gates(part["bias_ih"]), gates(part["bias_hh"])])
        weights = [
            self.constant(f"w{layer}", gates(part["weight_ih"])[None]),
            self.constant(f"r{layer}", gates(part["weight_hh"])[None]),
            self.constant(f"b{layer}", bias[None]),
        ]
        y = self.node(
            "LSTM",
            [x, *weights, "", *states],
            [f"lstm{layer}", *(state + "_out" for state in states)],
            hidden_size=hidden,
        )
        return self.node(
            "Squeeze", [y, self.constant(f"axis{layer}", np.array([1]))], [f"y{layer}"]
        )


def gates(weight):
    """PyTorch's order i, f, g, o becomes ONNX's i, o, f, c."""
    i, f, g, o = np.split(weight, 4)
    return np.concatenate([i, o, f, g])


def build(weights):
    graph = Graph()
    table = graph.constant("characters", weights["character.weight"])
    character = graph.node("Gather", [table, "before"], ["character"])
    places = graph.constant("places", weights["place.weight"])
    slot = graph.node("Gather", [places, "place"], ["slot"])
    x = graph.node("Add", [character, slot], ["embedding"])
    layer = 0
    while f"rnn.weight_ih_l{layer}" in weights:
        x = graph.lstm(x, layer, {kind: weights[f"rnn.{kind}_l{layer}"] for kind in KINDS})
        layer += 1
    numbers, width = weights["character.weight"].shape
    last = graph.node("Reshape", [x, graph.constant("row", np.array([1, width]))], ["last"])
    graph.node("Gemm", [last, table, graph.constant("bias", weights["bias"])], ["logits"], transB=1)
    info = helper.make_tensor_value_info
    return helper.make_graph(
        graph.nodes,
        "charrnn",
        [*(info(name, TensorProto.INT64, (1, 1)) for name in ("before", "place")), *graph.inputs],
        [info("logits", TensorProto.FLOAT, (1, numbers)), *graph.outputs],
        graph.constants,
    )


def main():
    model = helper.make_model(
        build(torch_file.read(sys.argv[1])),
        producer_name=PRODUCER,
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, sys.argv[2])


if __name__ == "__main__":
    main()
