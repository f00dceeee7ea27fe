# SPDX-License-Identifier: Apache-2.0
"""What docs/tour.md and its diagram quote from the source is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

SOURCE = Path(os.environ["AI_SOURCE"])
TOUR = (SOURCE / "docs/tour.md").read_text()


def test_quoted_rows():
    tables = "".join(path.read_text() for folder in ("lib", "kernels", "models", "bindings")
                     for path in (SOURCE / folder).rglob("*.def"))
    rows = [line.strip() for block in re.findall(r"^ *```\n(   .*?)^ *```", TOUR, re.M | re.S)
            for line in block.splitlines() if line.strip()]
    assert len(rows) >= 4
    for row in rows:
        assert f"\n{row}\n" in tables, row


def test_names():
    """A linked name is that of the file that the link leads to."""
    links = re.findall(r"\[`([^`]+)`\]\(\.\./([^)#]+)\)", TOUR)
    assert len(links) > 30
    for name, path in links:
        assert (SOURCE / path).exists() and path.endswith(name.rstrip("/")), (name, path)


def test_files_of_the_diagram():
    """And the drawing is that of the .dot file: `dot -Tsvg docs/tour.dot -o docs/tour.svg`."""
    labels = re.findall(r'\blabel="(.*?)"', (SOURCE / "docs/tour.dot").read_text())
    words = [part.strip() for label in labels for part in label.split("\\n")]
    names = re.findall(r"[\w/]+\.(?:def|[ch])\b", " ".join(words))
    assert len(names) > 10
    for name in names:
        assert any((SOURCE / folder / name).exists()
                   for folder in ("models", "lib", "kernels", "bindings", "include", ".")), name
    drawn = (SOURCE / "docs/tour.svg").read_text().replace("&#45;", "-")
    assert not [part for part in words if f"{part}</text>" not in drawn]
