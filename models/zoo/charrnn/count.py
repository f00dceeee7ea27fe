#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what a model's poems keep of the form, beside human quatrains of the test split.

usage: count.py TEXT [--ai AI] [--model M.lai] [--seeds 200] [-- OPTION...]

Poems of seeds 1 to N by `ai write`, with the options after `--`; as many quatrains drawn from
TEXT/quatrains.test.txt (--split valid: of the validation split). Rhymes and tones are judged by
TEXT/rhymes.txt: a character of two tones fits either, one that is not in it fits everything but a
rhyme. Tones, strictly: one of the four patterns of a regulated quatrain, of which the first
character of most lines is free. Loosely: the second and fourth character of each line and its last
one as in one of them."""

import argparse
import json
import os
import random
import re
import subprocess
import sys

PATTERNS = (
    "*OLLO LLOOL *LLOO *OOLL",
    "*OOLL LLOOL *LLOO *OOLL",
    "*LLOO *OOLL *OLLO LLOOL",
    "LLOOL *OOLL *OLLO LLOOL",
)
ROWS = (
    "four lines of five",
    "lines 2 and 4 rhyme",
    "line 1 rhymes too",
    "tones, strictly",
    "tones, loosely",
    "a line twice",
    "lines from the training text",
    "different lines",
    "a character more than once",
    "characters a hundred lines",
)


class Judge:
    def __init__(self, folder):
        def lines(name):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return file.read().split("\n")[:-1]

        self.readings = {
            c: {(r[0], r[1:]) for r in line.split()}
            for c, line in zip(lines("vocabulary.txt"), lines("rhymes.txt"))
        }
        self.training = {
            poem[i : i + 5]
            for name in ("quatrains.train.txt", "verse.txt")
            for poem in lines(name)
            for i in range(0, len(poem), 5)
        }

    def fits(self, character, tone):
        readings = self.readings.get(character)
        return tone == "*" or not readings or any(t == tone for t, _ in readings)

    def keeps(self, lines, is_strict):
        for pattern in PATTERNS:
            wanted = zip("".join(lines), pattern.replace(" ", ""))
            if all(
                self.fits(character, tone)
                for i, (character, tone) in enumerate(wanted)
                if is_strict or i % 5 in (1, 3, 4)
            ):
                return True
        return False

    def rhymes(self, lines):
        ends = [line[-1] for line in lines]
        groups = set.intersection(*(self.readings.get(end, set()) for end in ends))
        return bool(groups) and len(set(ends)) == len(ends)

    def count(self, poems):
        """A share for each row, in percent."""
        good = [lines for lines in poems if [len(line) for line in lines] == [5, 5, 5, 5]]
        all_lines = [line for lines in good for line in lines]
        doubled = sum(len(set("".join(lines))) < 20 for lines in good)
        hundred = len(set("".join(all_lines[:100])))
        return [
            100 * found / whole
            for found, whole in (
                (len(good), len(poems)),
                (sum(self.rhymes([lines[1], lines[3]]) for lines in good), len(poems)),
                (sum(self.rhymes([lines[0], lines[1], lines[3]]) for lines in good), len(poems)),
                (sum(self.keeps(lines, True) for lines in good), len(poems)),
                (sum(self.keeps(lines, False) for lines in good), len(poems)),
                (sum(len(set(lines)) < 4 for lines in good), len(poems)),
                (sum(line in self.training for line in all_lines), len(all_lines)),
                (len(set(all_lines)), len(all_lines)),
                (doubled, len(poems)),
                (hundred, 100),
            )
        ]


def written(args):
    command = [args.ai, "write", "--seed", "1", "--count", str(args.seeds), "--json", *args.options]
    if args.model:
        command += ["--model", args.model]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        text = json.loads(line)["body"]["text"]
        if not re.fullmatch(r"(\w+[，。]\n)+", text):
            raise SystemExit(f"count.py: what is this: {text!r}")
        yield re.findall(r"\w+", text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--ai", default="ai")
    parser.add_argument("--model")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--split", default="test", help="of the human quatrains, else test")
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    args = parser.parse_args(given[:split])
    args.options = given[split + 1 :]
    judge = Judge(args.text)
    with open(os.path.join(args.text, f"quatrains.{args.split}.txt"), encoding="utf-8") as file:
        drawn = random.Random(1).sample(file.read().split(), args.seeds)
    human = judge.count([[poem[i : i + 5] for i in range(0, 20, 5)] for poem in drawn])
    model = judge.count(list(written(args)))
    print(f"| {args.seeds} poems, % | model | human |\n| --- | --- | --- |")
    for name, ours, theirs in zip(ROWS, model, human):
        print(f"| {name} | {ours:.1f} | {theirs:.1f} |")


if __name__ == "__main__":
    main()
