#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Perplexity of interpolated n-grams: the baseline beside the CharRNN.

usage: ngram.py TEXT [--order N]

Modified Kneser-Ney (Chen and Goodman, "An empirical study of smoothing techniques for language
modeling", 1998) and Witten-Bell, interpolated, over the characters of TEXT/vocabulary.txt, one
number for all others, a mark at the start of a poem and line by line the place in it: the network
sees the same. Trained on the quatrains alone, and on quatrains and longer verse; measured on the
validation and test quatrains, 20 characters each. Prints a row a model."""

import argparse
import collections
import math
import os

START = "^"
RARE = "?"


def load(folder, name, known):
    with open(os.path.join(folder, name + ".txt"), encoding="utf-8") as file:
        return ["".join(c if c in known else RARE for c in line) for line in file.read().split()]


def contexts_of(poem, order, marks):
    """Each character with the `order` - 1 before it; a line's end is a mark, as the network's
    place is."""
    text = START * (order - 1)
    for i, character in enumerate(poem):
        if marks and i and i % 5 == 0:
            text += "," if i % 10 else "."
        yield (text[-(order - 1) :] if order > 1 else ""), character
        text += character


class Grams:
    """Counts of all orders: of the highest as they stand, of the lower ones of how many different
    characters come before (Kneser-Ney) or as they stand (Witten-Bell)."""

    def __init__(self, poems, order, marks, is_kneser_ney):
        self.order, self.marks, self.is_kneser_ney = order, marks, is_kneser_ney
        counts = [collections.Counter() for _ in range(order + 1)]
        for poem in poems:
            for context, character in contexts_of(poem, order, marks):
                counts[order][context + character] += 1
        for n in range(order - 1, 0, -1):
            for gram, count in counts[n + 1].items():
                counts[n][gram[1:]] += 1 if is_kneser_ney else count
        self.counts = counts
        self.discount = [None] + [self._discounts(counts[n]) for n in range(1, order + 1)]
        self.total = [collections.Counter() for _ in range(order + 1)]
        self.kinds = [collections.defaultdict(lambda: [0, 0, 0]) for _ in range(order + 1)]
        for n in range(1, order + 1):
            for gram, count in counts[n].items():
                self.total[n][gram[:-1]] += count
                self.kinds[n][gram[:-1]][min(count, 3) - 1] += 1

    @staticmethod
    def _discounts(counts):
        have = collections.Counter(min(count, 5) for count in counts.values())
        n1, n2, n3, n4 = (max(have[i], 1) for i in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        return [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]

    def chance(self, context, character, vocabulary):
        chance = 1 / vocabulary
        for n in range(1, self.order + 1):
            near = context[len(context) - (n - 1) :]
            total = self.total[n][near]
            if not total:
                break
            kinds = self.kinds[n][near]
            count = self.counts[n][near + character]
            if self.is_kneser_ney:
                discount = self.discount[n]
                kept = max(count - discount[min(count, 3) - 1], 0) if count else 0
                left = sum(d * k for d, k in zip(discount, kinds))
                chance = (kept + left * chance) / total
            else:
                chance = (count + sum(kinds) * chance) / (total + sum(kinds))
        return chance

    def perplexity(self, poems, vocabulary):
        loss = [
            -math.log(self.chance(context, character, vocabulary))
            for poem in poems
            for context, character in contexts_of(poem, self.order, self.marks)
        ]
        return math.exp(sum(loss) / len(loss))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--order", type=int, default=5)
    args = parser.parse_args()
    with open(os.path.join(args.text, "vocabulary.txt"), encoding="utf-8") as file:
        known = set(file.read().split("\n")[:-1])
    quatrains = load(args.text, "quatrains.train", known)
    held = [load(args.text, "quatrains." + name, known) for name in ("valid", "test")]
    verse = load(args.text, "verse", known)
    print("| trained on | smoothing | lines marked | validation | test |")
    print("| --- | --- | --- | --- | --- |")
    for trained, poems in (
        ("quatrains", quatrains),
        ("quatrains and longer verse", quatrains + verse),
    ):
        for is_kneser_ney in (True, False):
            for marks in (True, False):
                grams = Grams(poems, args.order, marks, is_kneser_ney)
                found = [grams.perplexity(part, len(known) + 1) for part in held]
                name = "Kneser-Ney" if is_kneser_ney else "Witten-Bell"
                row = [trained, name, "yes" if marks else "no", *(f"{p:.1f}" for p in found)]
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
