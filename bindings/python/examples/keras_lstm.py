# SPDX-License-Identifier: Apache-2.0
"""A character LSTM of Keras as a model that writes text: keras_lstm.py writer.lai"""

import json
import sys

import keras
import numpy as np

import libai

VOCABULARY = "abcdefghijklmnopqrstuvwxyz ."
FIRST, START = 1, 0  # number of the first character; what stands before a text
UNITS = 64


def network():
    """The number of a character and the state in, the logits of the next and the state out."""
    numbers = FIRST + len(VOCABULARY)
    before = keras.Input((1,), batch_size=1, dtype="int32", name="before")
    h, c = (keras.Input((UNITS,), batch_size=1, name=name) for name in "hc")
    y, *state = keras.layers.LSTM(UNITS, return_state=True)(
        keras.layers.Embedding(numbers, UNITS)(before), initial_state=[h, c])
    return keras.Model([before, h, c], [keras.layers.Dense(numbers)(y), *state])


def convert(net, target):
    """The state stays in the model: h and c go round, nobody sees them."""
    text = {"first": FIRST, "start": START, "length": 60}
    return libai.convert(net, target, states=["h=Identity_1:0", "c=Identity_2:0"],
                         resources={"vocabulary": "\n".join([*VOCABULARY, ""]).encode(),
                                    "text": json.dumps(text).encode()})


def top3(net, numbers):
    """Keras' own answers along a text."""
    state = [np.zeros((1, UNITS), np.float32)] * 2
    rows = []
    for number in numbers:
        logits, *state = map(np.asarray, net([np.array([[number]], np.int32), *state]))
        rows.append(np.argsort(logits[0])[::-1][:3].tolist())
    return rows


if __name__ == "__main__":
    print(convert(network(), sys.argv[1]))  # load_weights what was trained before that
    print(libai.TextModel(sys.argv[1])(start="spring", seed=7))
