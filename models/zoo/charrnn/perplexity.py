#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Perplexity of converted models over the lines of a text, each line by itself from the start.

usage: perplexity.py TEXT.txt MODEL.lai...

Models have the resources "text" and "vocabulary" (docs/format.md). A character outside the
vocabulary counts as number 0, as in training. Needs the Python package libai; one thread. Prints a
row a model and its ratio to the first."""

import json
import math
import sys

import libai
import numpy as np


def numbers_of(lines, model):
    """The recipe's start, and each line as numbers of the network."""
    recipe = json.loads(model.resources["text"])
    vocabulary = model.resources["vocabulary"].decode().split("\n")[:-1]
    index = {c: i for i, c in enumerate(vocabulary, recipe.get("first", 0))}
    return recipe["start"], [[index.get(c, 0) for c in line] for line in lines]


def loss_of(logits, number):
    logits = logits.reshape(-1).astype(np.float64)
    most = logits.max()
    return most + math.log(np.exp(logits - most).sum()) - logits[number]


def perplexity(path, lines):
    total, count = 0.0, 0
    with libai.Model(path, threads=1) as model:
        start, texts = numbers_of(lines, model)
        for text in texts:
            model.reset()
            for place, (before, number) in enumerate(zip([start, *text], text)):
                given = {
                    tensor.name: np.full(tensor.shape, value, tensor.dtype)
                    for tensor, value in zip(model.inputs, (before, place))
                }
                total += loss_of(model(given)[model.outputs[0].name], number)
                count += 1
    return math.exp(total / count)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().split()
    print("| model | perplexity | ratio |\n| --- | --- | --- |")
    first = None
    for path in sys.argv[2:]:
        result = perplexity(path, lines)
        first = first or result
        print(f"| {path.rsplit('/', 1)[-1]} | {result:.3f} | {result / first:.5f} |", flush=True)


if __name__ == "__main__":
    main()
