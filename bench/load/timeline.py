# SPDX-License-Identifier: Apache-2.0
"""A run of load over time as SVG: rates, latency beside published figures, instances."""
from __future__ import annotations

import math
import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from plot import FAINT, INK, OURS, _text as text  # noqa: E402

WIDTH, LEFT, HIGH, BINS = 760, 70, 130, 60
REFUSED, FAULT = "#d08c2e", "#c02020"
# A TensorFlow image classifier on a function platform, as published: ms.
PUBLISHED = [("steady 200-300 ms", 200, 300), ("cold starts 20-32 s", 20000, 32000)]
PUBLISHED_SPIKES = ("spikes under 2 s", 2000)


def _bins(asks, seconds, pick):
    found = [[] for _ in range(BINS)]
    for ask in asks:
        place = int(ask["due"] / 1e6 / seconds * BINS)
        if 0 <= place < BINS and pick(ask):
            found[place].append((ask["done"] - ask["due"]) / 1e3)
    return found


def _line(points, colour, dashes=""):
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5" {dashes}/>'


def _x(i: float) -> float:
    return LEFT + i / BINS * (WIDTH - LEFT - 10)


def _frame(top: int, title: str) -> list[str]:
    return [text(LEFT, top - 6, title, weight="bold"),
            f'<path d="M{LEFT} {top}V{top + HIGH}H{WIDTH - 10}" fill="none" stroke="{FAINT}"/>']


def _linear(top: int, title: str, rows, seconds: float) -> list[str]:
    most = max(max((value for _, value in points), default=1) for points, _, _ in rows) or 1
    parts = _frame(top, title) + [text(LEFT - 6, top + 10, f"{most:.0f}", anchor="end"),
                                  text(LEFT - 6, top + HIGH, "0", anchor="end")]
    for i, (points, colour, name) in enumerate(rows):
        placed = [(_x(t / seconds * BINS), top + HIGH * (1 - v / most)) for t, v in points]
        if placed:
            parts.append(_line(placed, colour))
        parts.append(text(WIDTH - 290 + 100 * i, top - 6, name, colour=colour))
    return parts


def _log(ms: float, top: int) -> float:
    """1 ms to 100 s."""
    return top + HIGH * (1 - min(max(math.log10(max(ms, 1)), 0), 5) / 5)


def _latency(top: int, asks, seconds: float) -> list[str]:
    parts = _frame(top, "latency from the scheduled time")
    for name, low, high in PUBLISHED:
        parts.append(f'<rect x="{LEFT}" y="{_log(high, top):.1f}" width="{WIDTH - LEFT - 10}" '
                     f'height="{_log(low, top) - _log(high, top):.1f}" fill="#dddddd"/>')
        parts.append(text(WIDTH - 14, _log(high, top) - 2, "TensorFlow function, published: " + name,
                          anchor="end", size=10, colour=FAINT))
    y = _log(PUBLISHED_SPIKES[1], top)
    parts.append(_line([(LEFT, y), (WIDTH - 10, y)], FAINT, 'stroke-dasharray="4 4"'))
    parts.append(text(WIDTH - 14, y - 2, PUBLISHED_SPIKES[0], anchor="end", size=10, colour=FAINT))
    for ms, name in ((1, "1 ms"), (100, "100 ms"), (10000, "10 s")):
        parts.append(text(LEFT - 6, _log(ms, top) + 4, name, anchor="end"))
    rows = (("served, median", OURS, 200, 0.5), ("served, p99", INK, 200, 0.99),
            ("refused, median", REFUSED, 429, 0.5))
    for i, (name, colour, status, part) in enumerate(rows):
        points = [(_x(k + 0.5), _log(sorted(v)[min(int(part * len(v)), len(v) - 1)], top))
                  for k, v in enumerate(_bins(asks, seconds, lambda a, s=status: a["status"] == s))
                  if v]
        if points:
            parts.append(_line(points, colour))
        parts.append(text(WIDTH - 330 + 110 * i, top - 6, name, colour=colour))
    return parts


def draw(title: str, result: dict, seconds: float) -> str:
    width = seconds / BINS
    kinds = (("served", OURS, lambda a: a["status"] == 200),
             ("refused", REFUSED, lambda a: a["status"] == 429),
             ("errors", FAULT, lambda a: a["status"] not in (200, 429) or
              (a["status"] == 200 and not a["right"])))
    rates = [([((i + 0.5) * width, len(v) / width)
               for i, v in enumerate(_bins(result["asks"], seconds, pick))], colour, name)
             for name, colour, pick in kinds]
    parts = [text(LEFT, 20, title, size=14, weight="bold")]
    parts += _linear(60, "requests a second", rates, seconds)
    parts += _latency(230, result["asks"], seconds)
    high = 390
    if result.get("instances"):
        steps = [(t, float(n)) for t, n in result["instances"]] + [
            (seconds, float(result["instances"][-1][1]))]
        parts += _linear(400, "instances", [(steps, OURS, "")], seconds)
        high = 560
    parts.append(text(WIDTH - 10, high - 8, f"{seconds:g} s", anchor="end", colour=FAINT))
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{high}" '
                      f'viewBox="0 0 {WIDTH} {high}" font-family="sans-serif">',
                      f'<rect width="{WIDTH}" height="{high}" fill="#ffffff"/>', *parts, "</svg>"
                      ]) + "\n"
