#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of docs/operators.md from those that the sources expand.

    docs/operators.py            writes the file anew
    docs/operators.py --check    exits 1 if it would change

models/onnx/lower.def has the operators of ONNX: its sections say of which types their operators
are, and a comment before an operator, `/* Name, types: remark */`, says what else is to be said.
lib/ops.def says which file runs an operator, the file which kernels it calls, and
kernels/kernels.def at which levels there is one. The prose of the file is written by hand: a table
stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = re.compile(r"(<!-- table: ([^\n]+) -->\n).*?(<!-- end -->)", re.S)
SECTION = re.compile(r"/\* -{4} (.+?): (.+?) \(.*\) -{4} \*/")
REMARK = re.compile(r"/\* (\w+)(?:, ([\w ]+))?(?:: (.*))? \*/", re.S)
ROW = re.compile(r'AI_LOWER\("(\w+)", (\d+), (\w+),')
TOKEN = re.compile(f"(?P<row>{ROW.pattern})|(?P<comment>/\\*.*?\\*/)", re.S)
KERNEL = re.compile(r"AI_KERNEL\(AI_K_(\w+), (\w+), (\w+), AI_LAYOUT_(\w+), (\w+),")
LEVELS = ["ref", "avx2", "avx512", "vnni", "amx", "neon", "dotprod", "openblas", "onednn"]


class Wrong(Exception):
    """What in the tables cannot be understood."""


def operators(text: str) -> dict[str, dict]:
    """Each operator of lower.def: section, first and last opset, types, remark."""
    found: dict[str, dict] = {}
    section = types = ""
    said: dict[str, tuple] = {}
    for token in TOKEN.finditer(text):
        comment = token["comment"]
        if comment:
            comment = re.sub(r"\s*\n \* ", " ", comment)
            if match := SECTION.fullmatch(comment):
                section, types = match.groups()
            elif match := REMARK.fullmatch(comment):
                said[match[1]] = match.groups()[1:]
            continue
        name, first, last = ROW.match(token["row"]).groups()
        own = said.pop(name, (None, None))
        row = found.setdefault(name, {"section": section, "first": int(first),
                                      "types": own[0] or types, "remark": own[1] or ""})
        row["last"] = "" if last == "AI_NEWEST" else int(last)
    if said:
        raise Wrong(f"lower.def has remarks on {', '.join(said)} without a row below them")
    return found


def operator_table(rows: dict[str, dict], section: str) -> list[str]:
    lines = ["| operator | opset | types | remarks |", "|---|---|---|---|"]
    for name, row in rows.items():
        if row["section"] == section:
            opset = f"{row['first']} to {row['last']}" if row["last"] else f"{row['first']}"
            cells = [name, opset, row["types"], row["remark"]]
            lines.append("| " + " | ".join(cells).rstrip() + " |")
    return lines


def called_kernels(sources: dict[str, str], file: str, owners: set[str]) -> list[str]:
    """AI_K_* of a file, of those that go on under its name, and of the helpers that it calls."""
    parts = [file] + [other for other in sources if other not in owners
                      and other.startswith(file[:-2] + "_") and other.endswith(".c")]
    text = "".join(sources[part] for part in parts)
    found = set(re.findall(r"\bAI_K_(\w+)", text))
    for helper in ("activation.c", "rounded.c", "wide.c"):
        for body in re.split(r"(?m)^}\n", sources[helper]):
            function = re.findall(r"(?m)^[a-z].*?\b(ai_\w+)\(", body)
            if function and re.search(rf"\b{function[-1]}\(", text):
                found |= set(re.findall(r"\bAI_K_(\w+)", body))
    return sorted(found)


def file_table(root: Path) -> list[str]:
    sources = {path.name: path.read_text() for path in sorted((root / "lib/ops").glob("*.[ch]"))}
    where = {op: file for file, text in sources.items()
             for op in re.findall(r"^const ai_op (ai_op_\w+) =", text, re.M)}
    rows = re.findall(r'^AI_OP\(\d+, \w+, "(\w+)",.*?\b(ai_op_\w+)\)',
                      (root / "lib/ops.def").read_text(), re.M | re.S)
    run: dict[str, list[str]] = {}
    for name, op in rows:
        run.setdefault(where[op], []).append(name)
    lines = ["| file | operators | kernels |", "|---|---|---|"]
    for file, names in run.items():
        kernels = called_kernels(sources, file, set(where.values()))
        none = "those of the steps in it" if "->op->run(" in sources[file] else "none"
        lines.append(f"| {file} | {', '.join(names)} | {', '.join(kernels) or none} |")
    return lines


def kernel_rows(root: Path) -> list[tuple]:
    """Operation, activations, weights, layout and level of each row, those of vec.def included."""
    vec = (root / "kernels/vec.def").read_text()
    rows = [(op, layout) for op, layout in
            re.findall(r"^AI_VEC_ROW\(AI_K_(\w+)(?: \+ \w+)?, AI_LAYOUT_(\w+), \w+\)", vec, re.M)]
    rows += [("BINARY", "PLAIN"), ("UNARY", "PLAIN")]
    found = []
    for line in re.sub(r",\n *", ", ", (root / "kernels/kernels.def").read_text()).splitlines():
        if match := re.match(r"#define AI_VEC_ROW.* (\w+), ai_f32_", line):
            found += [(op, "F32", "F32", layout, match[1]) for op, layout in rows]
        elif match := KERNEL.match(line):
            found.append(match.groups())
    return list(dict.fromkeys(found))


def kernel_table(root: Path) -> list[str]:
    levels: dict[tuple, list[str]] = {}
    for *kernel, level in kernel_rows(root):
        levels.setdefault(tuple(kernel), []).append(level.lower())
    lines = ["| kernel | activations | weights | layout | levels |", "|---|---|---|---|---|"]
    for (op, activations, weights, layout), found in levels.items():
        if unknown := set(found) - set(LEVELS):
            raise Wrong(f"kernels.def has levels {unknown} that are not known here")
        lines.append(f"| {op} | {activations.lower()} | {weights.lower()} | {layout} |"
                     f" {', '.join(sorted(found, key=LEVELS.index))} |")
    return lines


def render(root: Path, text: str) -> str:
    """The file with its tables as the sources have them now."""
    rows = operators((root / "models/onnx/lower.def").read_text())
    left = {row["section"] for row in rows.values()}

    def table(match: re.Match) -> str:
        name = match[2]
        if name == "files":
            lines = file_table(root)
        elif name == "kernels":
            lines = kernel_table(root)
        elif name in left:
            left.remove(name)
            lines = operator_table(rows, name)
        else:
            raise Wrong(f"no section of lower.def is named {name!r}")
        return match[1] + "\n".join(lines) + "\n" + match[3]

    text = TABLE.sub(table, text)
    if left:
        raise Wrong(f"docs/operators.md has no place for {', '.join(sorted(left))}")
    return text


def main() -> int:
    path = ROOT / "docs/operators.md"
    old = path.read_text()
    try:
        new = render(ROOT, old)
    except Wrong as wrong:
        print(f"operators.py: {wrong}", file=sys.stderr)
        return 1
    if sys.argv[1:] == ["--check"]:
        if new != old:
            print("docs/operators.md is not what its tables say: docs/operators.py writes it anew",
                  file=sys.stderr)
        return int(new != old)
    path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
