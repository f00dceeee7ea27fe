#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the trained CharRNN as ONNX: one character a call, its states as inputs and outputs.

usage: export.py CHECKPOINT OUT.onnx"""

import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from network import SLOTS


def gates(weight):
    """PyTorch's order i, f, g, o becomes ONNX's i, o, f, c."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, o, f, g])


def main():
    weights = torch.load(sys.argv[1], weights_only=True, map_location="cpu")
    weights = weights.get("net", weights)
    constants, nodes, inputs, outputs = [], [], [], []

    def constant(name, value):
        array = np.ascontiguousarray(value.numpy() if torch.is_tensor(value) else value)
        constants.append(numpy_helper.from_array(array, name))
        return name

    table = weights["character.weight"].float()
    width = table.shape[1]
    nodes.append(
        helper.make_node("Gather", [constant("characters", table), "before"], ["character"])
    )
    nodes.append(
        helper.make_node(
            "Gather", [constant("places", weights["place.weight"].float()), "place"], ["slot"]
        )
    )
    nodes.append(helper.make_node("Add", ["character", "slot"], ["x0"]))
    layer = 0
    while f"rnn.weight_ih_l{layer}" in weights:
        part = {
            kind: weights[f"rnn.{kind}_l{layer}"].float()
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        bias = torch.cat([gates(part["bias_ih"]), gates(part["bias_hh"])])[None]
        state = [f"h{layer}", f"c{layer}"]
        nodes.append(
            helper.make_node(
                "LSTM",
                [
                    f"x{layer}",
                    constant(f"w{layer}", gates(part["weight_ih"])[None]),
                    constant(f"r{layer}", gates(part["weight_hh"])[None]),
                    constant(f"b{layer}", bias),
                    "",
                    *state,
                ],
                [f"y{layer}", *(name + "_out" for name in state)],
                f"lstm{layer}",
                hidden_size=part["weight_hh"].shape[1],
            )
        )
        nodes.append(
            helper.make_node(
                "Squeeze", [f"y{layer}", constant(f"axis{layer}", np.array([1]))], [f"x{layer + 1}"]
            )
        )
        size = (1, 1, part["weight_hh"].shape[1])
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name in state]
        outputs += [
            helper.make_tensor_value_info(name + "_out", TensorProto.FLOAT, size) for name in state
        ]
        layer += 1
    nodes.append(
        helper.make_node("Reshape", [f"x{layer}", constant("row", np.array([1, width]))], ["last"])
    )
    nodes.append(
        helper.make_node(
            "Gemm",
            [
                "last",
                constant("out", table.T.contiguous()),
                constant("bias", weights["bias"].float()),
            ],
            ["logits"],
        )
    )
    front = [
        helper.make_tensor_value_info(name, TensorProto.INT64, (1, 1))
        for name in ("before", "place")
    ]
    back = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, table.shape[0]))]
    graph = helper.make_graph(nodes, "charrnn", front + inputs, back + outputs, constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        sys.argv[2],
    )


if __name__ == "__main__":
    main()
