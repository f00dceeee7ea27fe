# SPDX-License-Identifier: Apache-2.0
"""RNN, GRU and LSTM beside PyTorch's, random sizes and directions, within the bound that both have
of f32. Needs PyTorch, which the default tests do not install: AI_CASES asks for more cases."""

from __future__ import annotations

import os
import random

import numpy as np
import onnx
import pytest
from recurrent import evaluate
from test_recurrent import CASES, SEED, feed_of, make_model

import libai

torch = pytest.importorskip("torch")

# Gates of PyTorch in ONNX's order; PyTorch's LSTM has i, f, g, o, its GRU r, z, n.
ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}


def reordered(op, tensor):
    """A parameter with its gates in ONNX's order."""
    gates = np.split(tensor.detach().numpy(), len(ORDER[op]))
    return np.concatenate([gates[i] for i in ORDER[op]])


def parameters(op, layer, sides):
    ends = ["", "_reverse"][:sides]

    def of(name):
        return [reordered(op, getattr(layer, f"{name}_l0{end}")) for end in ends]

    bias = [np.concatenate(pair) for pair in zip(of("bias_ih"), of("bias_hh"))]
    return np.stack(of("weight_ih")), np.stack(of("weight_hh")), np.stack(bias)


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_beside_torch(op, seed, tmp_path):
    dice = random.Random(f"torch {op} {seed}")
    torch.manual_seed(seed)
    time, batch, size, width = dice.randint(1, 6), dice.choice([1, 2, 3, 35]), dice.randint(1, 37), 9
    sides = dice.randint(1, 2)
    more = {"nonlinearity": dice.choice(["tanh", "relu"])} if op == "RNN" else {}
    layer = getattr(torch.nn, op)(width, size, bidirectional=sides == 2, **more)
    x, h, c = (torch.rand(*dim) - 0.5 for dim in [(time, batch, width)] + 2 * [(sides, batch, size)])
    with torch.no_grad():
        y, states = layer(x, (h, c) if op == "LSTM" else h)
    others = [y.reshape(time, batch, sides, size).transpose(1, 2).numpy()]
    others += [s.numpy() for s in (states if op == "LSTM" else [states])]

    attributes = {"direction": "bidirectional" if sides == 2 else "forward"}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    if op == "RNN":
        attributes["activations"] = [more["nonlinearity"].capitalize()] * sides
    inputs = [x.numpy(), *parameters(op, layer, sides), None, h.numpy()]
    inputs += [c.numpy()] if op == "LSTM" else []
    model = make_model(op, attributes, inputs, True)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    with libai.Model(tmp_path / "m.lai") as network:
        found = list(network(feed_of(model, inputs)).values())
    for got, other, (_, error) in zip(found, others, evaluate(op, attributes, inputs), strict=True):
        assert (np.abs(got - other) <= 2 * error).all(), f"AI_SEED={seed}: {attributes}"
