# SPDX-License-Identifier: Apache-2.0
"""A poem by ONNX Runtime in Python, one thread: what `ai write` is measured beside.

usage: poem_ort.py MODEL.onnx RECIPE VOCABULARY

RECIPE and VOCABULARY are the resources "text" and "vocabulary" of the converted model. It draws as
the recipe says, but knows no rules of verse."""

import json
import sys

import numpy as np
import onnxruntime

THREADS = onnxruntime.SessionOptions()
THREADS.intra_op_num_threads = THREADS.inter_op_num_threads = 1


def draw(logits, first, recipe, generator):
    logits = logits.reshape(-1)[first:].astype(np.float64) / recipe.get("temperature", 1)
    chance = np.exp(logits - logits.max())
    chance /= chance.sum()
    order = np.argsort(-chance)
    kept = order[:np.searchsorted(np.cumsum(chance[order]), recipe.get("top_p", 1)) + 1]
    return first + int(generator.choice(kept, p=chance[kept] / chance[kept].sum()))


def main():
    model, recipe, vocabulary = sys.argv[1:]
    with open(recipe, encoding="utf-8") as file:
        recipe = json.load(file)
    with open(vocabulary, encoding="utf-8") as file:
        vocabulary = file.read().split("\n")
    session = onnxruntime.InferenceSession(model, THREADS, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    states = [np.zeros(tensor.shape, np.float32) for tensor in inputs[2:]]
    generator, before, width = np.random.default_rng(1), recipe["start"], recipe["width"]
    for place in range(recipe["lines"] * width):
        given = [np.array([[before]]), np.array([[place]]), *states]
        logits, *states = session.run(None, dict(zip((tensor.name for tensor in inputs), given)))
        before = draw(logits, recipe["first"], recipe, generator)
        print(vocabulary[before - recipe["first"]], end="")
        if place % width == width - 1:
            print(recipe["marks"][place // width], end="")


if __name__ == "__main__":
    main()
