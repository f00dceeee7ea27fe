# SPDX-License-Identifier: Apache-2.0
"""The CharRNN: tied embedding, two LSTM layers, one step a character."""

import torch

LINES, WIDTH = 4, 5
SLOTS = LINES * WIDTH  # place in the quatrain, an input beside the character before
UNKNOWN, QUATRAIN, VERSE = (
    0,
    1,
    2,
)  # a rare character; starts of a quatrain and of a cut of longer verse
SPECIAL = 3  # characters of the vocabulary follow


class CharRNN(torch.nn.Module):
    def __init__(self, vocabulary, width=512, layers=2, dropout=0.2):
        super().__init__()
        self.character = torch.nn.Embedding(vocabulary + SPECIAL, width)
        self.place = torch.nn.Embedding(SLOTS, width)
        self.rnn = torch.nn.LSTM(width, width, layers, batch_first=True, dropout=dropout)
        self.dropout = torch.nn.Dropout(dropout)
        self.bias = torch.nn.Parameter(torch.zeros(vocabulary + SPECIAL))
        torch.nn.init.normal_(self.character.weight, std=0.05)
        torch.nn.init.normal_(self.place.weight, std=0.05)

    def forward(self, before, place, state=None):
        """before, place: [batch, time] integers; logits of the next one [batch, time, vocabulary]."""
        x = self.dropout(self.character(before) + self.place(place))
        y, state = self.rnn(x, state)
        return torch.nn.functional.linear(self.dropout(y), self.character.weight, self.bias), state


def load_text(path, index):
    """Poems as one long tensor of character numbers and the offset at which each begins."""
    with open(path, encoding="utf-8") as file:
        poems = file.read().split()
    offsets, total = [], 0
    for poem in poems:
        offsets.append(total)
        total += len(poem)
    characters = torch.tensor(
        [index.get(c, UNKNOWN) for poem in poems for c in poem], dtype=torch.int32
    )
    return characters, torch.tensor(offsets + [total])


def load_vocabulary(path):
    with open(path, encoding="utf-8") as file:
        characters = file.read().split("\n")[:-1]
    return characters, {c: i + SPECIAL for i, c in enumerate(characters)}
