#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the CharRNN's text from the npm package chinese-poetry: quatrains and longer verse.

usage: prepare.py PACKAGE OUT

PACKAGE is the unpacked package (its dist/quantangshi holds poet.tang.*.json and poet.song.*.json).
OUT/quatrains.{train,valid,test}.txt: one quatrain of four lines of five characters a line of text,
without punctuation (20 characters). OUT/verse.txt: the other poems made of five-character lines
alone, of an even number of lines, one poem a line. OUT/vocabulary.txt: one character a line.

A poem belongs to the test or validation split by the hash of its text, so that the split does not
depend on the order of files; poems that share a line with a held-out quatrain are left out of the
training text."""

import glob
import hashlib
import json
import os
import re
import sys

HAN = re.compile(r"^[㐀-鿿\U00020000-\U0002ffff]{5}$")


def lines_of(poem):
    """The lines without punctuation, or None if a character was lost or a note stands in it."""
    text = "".join(poem["paragraphs"])
    if re.search(r"[□○\[\]()（）《》「」{}？！；：、A-Za-z0-9]", re.sub(r"[？！；：、]", "", text)):
        return None
    return [line for line in re.split(r"[，。？！；：、]", text) if line]


def read(package):
    quatrains, verse = {}, {}
    folder = os.path.join(package, "dist", "quantangshi")
    paths = sorted(glob.glob(os.path.join(folder, "**", "poet.*.json"), recursive=True))
    if not paths:
        sys.exit(f"prepare.py: no poet.*.json under '{folder}'")
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for poem in json.load(file):
                lines = lines_of(poem)
                if not lines or len(lines) % 2 or not all(HAN.match(line) for line in lines):
                    continue
                (quatrains if len(lines) == 4 else verse).setdefault(
                    "".join(lines), "tang" in os.path.basename(path)
                )
    return quatrains, verse


def split_of(text):
    value = hashlib.sha256(text.encode()).digest()[0]
    return "test" if value < 8 else "valid" if value < 16 else "train"


def main():
    package, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    quatrains, verse = read(package)
    parts = {"train": [], "valid": [], "test": []}
    for text in sorted(quatrains):
        parts[split_of(text)].append(text)
    held = {
        text[i : i + 5]
        for part in ("valid", "test")
        for text in parts[part]
        for i in range(0, 20, 5)
    }

    def is_clean(text):
        return not any(text[i : i + 5] in held for i in range(0, len(text), 5))

    parts["train"] = [text for text in parts["train"] if is_clean(text)]
    longer = sorted(text for text in verse if is_clean(text))
    counts = {}
    for text in parts["train"] + longer:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    vocabulary = sorted((c for c in counts if counts[c] >= 24), key=lambda c: (-counts[c], c))
    for name, texts in [*((f"quatrains.{k}", v) for k, v in parts.items()), ("verse", longer)]:
        with open(os.path.join(out, name + ".txt"), "w", encoding="utf-8") as file:
            file.writelines(text + "\n" for text in texts)
        print(f"{name}: {len(texts)} poems, {sum(map(len, texts)) // 5} lines")
    with open(os.path.join(out, "vocabulary.txt"), "w", encoding="utf-8") as file:
        file.writelines(character + "\n" for character in vocabulary)
    covered = sum(c in set(vocabulary) for t in parts["test"] for c in t) / sum(
        map(len, parts["test"])
    )
    print(f"vocabulary: {len(vocabulary)} characters, {100 * covered:.2f} % of the test split")


if __name__ == "__main__":
    main()
