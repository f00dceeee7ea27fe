# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/format.md and docs/platforms.md have what those of the sources have."""

from __future__ import annotations

import os
import re
from pathlib import Path

SOURCE = Path(os.environ["AI_SOURCE"])
FORMAT = (SOURCE / "docs/format.md").read_text()


def counts(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    return int(least), int(most or least)


def test_operators():
    """Number, name, struct, inputs and outputs of every row of ops.def, and no others."""
    said = {}
    rows = re.findall(r"^\| ([\d-]+) \| ([\w, ]+) \| (\w+) \| ([\d-]+) \| ([\d-]+) \|", FORMAT, re.M)
    for numbers, names, struct, inputs, outputs in rows:
        first, last = counts(numbers)
        assert last - first + 1 == len(names.split(", ")), names
        for number, name in enumerate(names.split(", "), first):
            said[number] = (name, struct, *counts(inputs), *counts(outputs))
    table = re.findall(r'^AI_OP\((\d+), \w+, "(\w+)", ai_(\w+)_params, (\d+), (\d+), (\d+), (\d+),',
                       (SOURCE / "lib/ops.def").read_text(), re.M)
    assert said == {int(number): (name, struct, *map(int, operands))
                    for number, name, struct, *operands in table}


def test_layouts():
    section = FORMAT[FORMAT.index("\n## Layouts"):]
    said = re.findall(r"^\| (\d+) \| (\w+) \|", section[:section.index("\n### ")], re.M)
    numbers = re.findall(r"AI_LAYOUT_(\w+) = (\d+)", (SOURCE / "lib/format.h").read_text())
    assert [(int(number), name.upper()) for number, name in said] == [
        (int(number), name) for name, number in numbers]


def test_limits():
    platforms = (SOURCE / "docs/platforms.md").read_text()
    said = re.findall(r"^\| ([\w-]+) \| (\w+) \| (\d+) \| ([^;|]+)", platforms, re.M)
    table = re.findall(r'^AI_LIMIT\("([\w-]+)", (\w+), (\d+), "([^"]+)"',
                       (SOURCE / "bindings/package/limits.def").read_text(), re.M)
    assert [(*row[:3], row[3].strip()) for row in said] == [
        (platform, what.lower(), most, source) for platform, what, most, source in table]
