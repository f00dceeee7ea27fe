#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts instructions in the innermost loops of kernels, from their disassembly: what a machine that
is not at hand can be expected to do. Prints a Markdown table.

  meson setup --cross-file .ci/cross/aarch64-linux-gnu.ini -Dcore_only=true build-arm
  ninja -C build-arm
  bench/inner_loops.py --objdump aarch64-linux-gnu-objdump build-arm/kernels/libai-kernels-neon.a
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from typing import NamedTuple

KERNELS = r"(tile(_\w+)?|depthwise)_[0-9]\w*|ai_f32_(winograd|conv_depthwise|conv_plain)\w*|input[24]|output[24]"
BRANCH = re.compile(r"^(b\.\w+|cbn?z|tbn?z|j[a-z]+)$")
ARITHMETIC = re.compile(r"^(fml[as]|fn?m(add|sub)|fadd|fsub|fmul|v(f(n?m(add|sub)\d*)|add|sub|mul)[ps]s)$")
PRODUCT = re.compile(r"^(fml[as]|fn?m(add|sub)|vfn?m(add|sub)\d*[ps]s)$")


class Instruction(NamedTuple):
    address: int
    name: str
    operands: str


class Loop(NamedTuple):
    function: str
    instructions: int
    arithmetic: int
    products: int  # of numbers: lanes of all multiply-add instructions
    loads: int  # loading instructions, and operands of x86 in memory
    stores: int
    stack: int  # operands on the stack


def functions(objdump: str, paths: list[str]) -> dict[str, list[Instruction]]:
    """Names repeat from object to object: the longest of a name counts."""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", *paths], check=True,
                          capture_output=True, text=True).stdout
    found: dict[str, list[Instruction]] = {}
    body: list[Instruction] = []
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <([\w.]+)>:$", line):
            body = []
            if head[1] not in found:
                found[head[1]] = body
        elif part := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", line):
            body.append(Instruction(int(part[1], 16), part[2], part[3]))
    return found


def innermost(body: list[Instruction]) -> list[list[Instruction]]:
    """Stretches from a branch's target to the branch back to it that hold no other such stretch."""
    index = {item.address: i for i, item in enumerate(body)}
    spans = []
    for i, item in enumerate(body):
        target = re.search(r"\b([0-9a-f]+) <", item.operands)
        if BRANCH.match(item.name) and target and index.get(int(target[1], 16), i + 1) <= i:
            spans.append((index[int(target[1], 16)], i))
    return [body[a:b + 1] for a, b in spans
            if not any((c, d) != (a, b) and a <= c and d <= b for c, d in spans)]


def lanes(item: Instruction) -> int:
    if item.name.endswith("ss") or ".4s" not in item.operands and not item.name.startswith("v"):
        return 1
    return 16 if "%zmm" in item.operands else 8 if "%ymm" in item.operands else 4


def count(function: str, loop: list[Instruction]) -> Loop:
    is_arm = not any("%" in item.operands for item in loop)
    stores = loads = 0
    for item in loop:
        if is_arm:
            loads += item.name.startswith("ld")
            stores += item.name.startswith("st")
        elif "(" in item.operands and not item.name.startswith(("lea", "prefetch", "nop")):
            is_store = item.name.startswith("vmov") and item.operands.endswith(")")
            stores += is_store
            loads += not is_store
    return Loop(function, len(loop), sum(bool(ARITHMETIC.match(item.name)) for item in loop),
                sum(lanes(item) for item in loop if PRODUCT.match(item.name)), loads, stores,
                sum(bool(re.search(r"\[sp|\(%r[sb]p", item.operands)) for item in loop))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--functions", default=KERNELS, help="a regular expression of names")
    parser.add_argument("archive", nargs="+")
    arguments = parser.parse_args()
    print("| loop | instructions | arithmetic | loads | stores | instructions each arithmetic one "
          "| each multiply-add of two numbers | on the stack |")
    print("| --- " * 8 + "|")
    rows = 0
    for name, body in functions(arguments.objdump, arguments.archive).items():
        if not re.fullmatch(arguments.functions, name):
            continue
        loops = [count(name, loop) for loop in innermost(body)] or [count(name, body)]
        best = max(loops, key=lambda loop: loop.arithmetic)
        if not best.arithmetic:
            continue
        is_sum = best.products >= 4 * best.arithmetic  # not a transform
        each = f"{best.instructions / best.products:.3f}" if is_sum else ""
        print(f"| {name} | {best.instructions} | {best.arithmetic} | {best.loads} | {best.stores} "
              f"| {best.instructions / best.arithmetic:.2f} | {each} | {best.stack} |")
        rows += 1
    return 0 if rows else "no kernel found"


if __name__ == "__main__":
    sys.exit(main())
