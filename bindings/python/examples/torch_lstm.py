# SPDX-License-Identifier: Apache-2.0
"""A character LSTM of PyTorch as a model that writes text: torch_lstm.py writer.lai"""

import json
import sys

import torch

import libai

VOCABULARY = "abcdefghijklmnopqrstuvwxyz ."
FIRST, START = 1, 0  # number of the first character; what stands before a text
UNITS = 64


class Writer(torch.nn.Module):
    """The number of a character and the state in, the logits of the next and the state out."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(FIRST + len(VOCABULARY), UNITS)
        self.lstm = torch.nn.LSTM(UNITS, UNITS, batch_first=True)
        self.logits = torch.nn.Linear(UNITS, FIRST + len(VOCABULARY))

    def forward(self, before, h, c):
        y, (h, c) = self.lstm(self.table(before), (h, c))
        return self.logits(y[:, -1]), h, c


def convert(net, target):
    """The state stays in the model: h and c go round, nobody sees them."""
    zeros = torch.zeros(1, 1, UNITS)
    text = {"first": FIRST, "start": START, "length": 60}
    return libai.convert(net, target, example=(torch.tensor([[START]]), zeros, zeros),
                         states=["h=output1", "c=output2"],
                         resources={"vocabulary": "\n".join([*VOCABULARY, ""]).encode(),
                                    "text": json.dumps(text).encode()})


def top3(net, numbers):
    """PyTorch's own answers along a text."""
    state = [torch.zeros(1, 1, UNITS)] * 2
    rows = []
    with torch.no_grad():
        for number in numbers:
            logits, *state = net(torch.tensor([[number]]), *state)
            rows.append(logits[0].argsort(descending=True)[:3].tolist())
    return rows


if __name__ == "__main__":
    print(convert(Writer().eval(), sys.argv[1]))  # load_state_dict what was trained before that
    print(libai.TextModel(sys.argv[1])(start="spring", seed=7))
