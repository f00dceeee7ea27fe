#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws train.py's log as an SVG: perplexity of training and validation by step.

usage: curves.py LOG.csv OUT.svg"""

import csv
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 360, 60, 30, 20, 40
STYLE = {
    "training loss": ("#b8bec4", "training, with dropout"),
    "validation perplexity": ("#1b6ca8", "validation quatrains"),
}
TICKS = (200, 250, 300, 400, 500, 700, 1000, 1500, 2000)


def read(path):
    """(step, perplexity) by what was measured; the steps at which quatrains take turns."""
    curves, stages = {name: [] for name in STYLE}, []
    with open(path, encoding="utf-8", newline="") as file:
        for step, _, stage, what, value in csv.reader(file):
            step, value = int(step), float(value)
            curves[what].append((step, math.exp(value) if what == "training loss" else value))
            if not stages or stages[-1][1] != stage:
                stages.append((step, stage))
    return curves, stages


def main():
    curves, stages = read(sys.argv[1])
    points = [point for curve in curves.values() for point in curve]
    last = max(step for step, _ in points)
    least, most = (end(value for _, value in points) for end in (min, max))

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last

    def y(value):
        share = math.log(value / least) / math.log(most / least)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def text(at_x, at_y, words, anchor="start", colour="#222222"):
        return (
            f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" font-size="12" '
            f'fill="{colour}">{words}</text>'
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        text(8, 18, "perplexity a character, by step"),
    ]
    for value in TICKS:
        if least < value < most:
            parts += [
                f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#eeeeee"/>',
                text(LEFT - 6, y(value) + 4, str(value), "end", "#777777"),
            ]
    for step in range(0, last + 1, 2000):
        parts.append(text(x(step), HEIGHT - BOTTOM + 18, f"{step:,}", "middle", "#777777"))
    for i, (step, stage) in enumerate(stages):
        parts += [
            f'<path d="M{x(step):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#cccccc" '
            'stroke-dasharray="3"/>',
            text(x(step) + 4, TOP + 10 + 14 * (i % 2), stage, colour="#777777"),
        ]
    for i, (name, curve) in enumerate(curves.items()):
        colour, words = STYLE[name]
        path = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in curve)
        parts += [
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>',
            text(WIDTH / 2, TOP + 40 + 16 * i, words, "middle", colour),
        ]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
