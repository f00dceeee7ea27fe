# SPDX-License-Identifier: Apache-2.0
"""ONNX's RNN, GRU and LSTM in f64, each number with a bound of what f32 may be off.

A sum of n products in any order, fused or not, is off by at most 2 (n + 2) u sum |x|, u = 2^-24;
what its terms were off before is added. A function passes on at most its greatest slope times that,
and 8 units in the last place of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

U = 2.0**-24
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
# Function, greatest slope, numbers taken, defaults.
FUNCTIONS = {
    "Affine": (lambda x, a, b: a * x + b, lambda a, b: abs(a), 2, (1, 0)),
    "Relu": (lambda x, a, b: np.maximum(x, 0), lambda a, b: 1, 0, (0, 0)),
    "LeakyRelu": (lambda x, a, b: np.where(x < 0, a * x, x), lambda a, b: max(1, abs(a)), 1,
                  (0.01, 0)),
    "Tanh": (lambda x, a, b: np.tanh(x), lambda a, b: 1, 0, (0, 0)),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), lambda a, b: abs(a * b) + abs(a), 2,
                   (0.7, 1.3)),
    "Sigmoid": (lambda x, a, b: 1 / (1 + np.exp(-x)), lambda a, b: 0.25, 0, (0, 0)),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), lambda a, b: abs(a), 2, (0.2, 0.5)),
    "Elu": (lambda x, a, b: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x),
            lambda a, b: max(1, abs(a)), 1, (1, 0)),
    "Softsign": (lambda x, a, b: x / (1 + np.abs(x)), lambda a, b: 1, 0, (0, 0)),
    "Softplus": (lambda x, a, b: np.logaddexp(x, 0), lambda a, b: 1, 0, (0, 0)),
}


class Off(NamedTuple):
    """A number and a bound of its error."""
    value: np.ndarray
    error: np.ndarray

    def __add__(self, other):
        value = self.value + other.value
        return Off(value, self.error + other.error + U * np.abs(value) * 2)

    def __sub__(self, other):
        return self + Off(-other.value, other.error)

    def __mul__(self, other):
        value = self.value * other.value
        error = (np.abs(self.value) * other.error + np.abs(other.value) * self.error
                 + self.error * other.error)
        return Off(value, error + U * np.abs(value) * 2)


def exact(x) -> Off:
    x = np.asarray(x, np.float64)
    return Off(x, np.zeros_like(x))


def product(x: Off, w: np.ndarray, levels: int = 0) -> Off:
    """x times the transposed w. levels: each row of x is rounded to so many integers, of which the
    last is its greatest number."""
    if levels:
        greatest = (np.abs(x.value) + x.error).max(axis=1, keepdims=True)
        x = Off(x.value, x.error + greatest * (0.5 / levels + 4 * U))
    terms = 2 * (w.shape[1] + 2) * U * (np.abs(x.value) @ np.abs(w).T)
    return Off(x.value @ w.T, x.error @ np.abs(w).T + terms)


class Activation(NamedTuple):
    name: str
    alpha: float
    beta: float
    clip: float

    def __call__(self, x: Off) -> Off:
        function, slope, _, _ = FUNCTIONS[self.name]
        y = function(np.clip(x.value, -self.clip, self.clip), self.alpha, self.beta)
        own = 16 * U * (np.abs(y) + abs(self.beta) + abs(self.alpha * (self.name == "ScaledTanh")))
        return Off(y, slope(self.alpha, self.beta) * x.error + own)


def activations(op: str, attributes: dict) -> list[list[Activation]]:
    """Those of each direction. Lists of numbers are taken by the functions that want one."""
    sides = 2 if attributes.get("direction") == "bidirectional" else 1
    names = attributes.get("activations", DEFAULTS[op] * sides)
    alpha = list(attributes.get("activation_alpha", []))
    beta = list(attributes.get("activation_beta", []))
    found = []
    for name in names:
        _, _, taken, (a, b) = FUNCTIONS[name]
        a = alpha.pop(0) if taken >= 1 and alpha else a
        b = beta.pop(0) if taken >= 2 and beta else b
        is_of_gate = len(found) % len(DEFAULTS[op]) < 2
        found.append(Activation(name, a, b, attributes.get("clip", np.inf) if is_of_gate else np.inf))
    return [found[i * len(found) // sides:(i + 1) * len(found) // sides] for i in range(sides)]


def cell(op, attributes, functions, levels, x, h, c, w, r, bias, peephole):
    """New h and c of one step."""
    size = h.value.shape[1]
    part = [slice(i * size, (i + 1) * size) for i in range(GATES[op])]
    wb, rb = bias[:len(bias) // 2], bias[len(bias) // 2:]
    f, g, last = (functions + [None, None])[:3]

    def gate(i, of=h):
        return (product(x, w[part[i]], levels) + product(of, r[part[i]], levels)
                + exact(wb[part[i]]) + exact(rb[part[i]]))

    if op == "RNN":
        return f(gate(0)), c
    if op == "GRU":
        z, reset = f(gate(0)), f(gate(1))
        if attributes.get("linear_before_reset", 0):
            late = product(h, r[part[2]], levels) + exact(rb[part[2]])
            candidate = g(product(x, w[part[2]], levels) + exact(wb[part[2]]) + reset * late)
        else:
            candidate = g(gate(2, reset * h))
        return candidate + z * (h - candidate), c
    p = [exact(peephole[i * size:(i + 1) * size]) for i in range(3)]
    i = f(gate(0) + p[0] * c)
    forget = f(gate(2) + p[2] * c)
    if attributes.get("input_forget", 0):
        forget = exact(np.ones(1)) - i
    c = forget * c + i * g(gate(3))
    return f(gate(1) + p[1] * c) * last(c), c


def evaluate(op: str, attributes: dict, inputs: list, levels: int = 0) -> list[Off]:
    """Y, Y_h and of LSTM Y_c. Inputs that are None are omitted. levels: as of product."""
    x, w, r, b, lengths, initial_h, initial_c, peephole = (inputs + [None] * 8)[:8]
    batch_first = attributes.get("layout", 0) == 1
    turn = (lambda a: np.swapaxes(a, 0, 1)) if batch_first else (lambda a: a)
    x = turn(np.asarray(x, np.float64))
    time, batch, _ = x.shape
    size, sides = r.shape[2], r.shape[0]
    y = Off(np.zeros((time, sides, batch, size)), np.zeros((time, sides, batch, size)))
    finals = []
    for side in range(sides):
        reverse = attributes.get("direction") == "reverse" or side == 1
        functions = activations(op, attributes)[side]
        bias = b[side] if b is not None else np.zeros(2 * GATES[op] * size)
        holes = peephole[side] if peephole is not None else np.zeros(3 * size)
        weights = [np.asarray(a, np.float64) for a in (w[side], r[side], bias, holes)]
        for row in range(batch):
            h, c = (exact(turn(s)[side, row][None] if s is not None else np.zeros((1, size)))
                    for s in (initial_h, initial_c))
            length = time if lengths is None else int(lengths[row])
            for t in (reversed(range(length)) if reverse else range(length)):
                h, c = cell(op, attributes, functions, levels, exact(x[t, row][None]), h, c,
                            *weights)
                y.value[t, side, row], y.error[t, side, row] = h.value[0], h.error[0]
            finals.append((h, c))
    states = [Off(*(np.stack([f[k][part][0] for f in finals]).reshape(sides, batch, size)
                    for part in (0, 1))) for k in (0, 1)]
    if batch_first:
        y = Off(*(part.transpose(2, 0, 1, 3) for part in y))
        states = [Off(*(part.transpose(1, 0, 2) for part in state)) for state in states]
    return [y, *states][:3 if op == "LSTM" else 2]
