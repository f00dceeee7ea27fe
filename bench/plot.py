# SPDX-License-Identifier: Apache-2.0
"""Bar charts as SVG, with nothing but text: a panel a table, a bar a row."""
from __future__ import annotations

from html import escape

WIDTH, LABEL, BAR, LINE = 800, 270, 400, 20
OURS, THEIRS, INK, FAINT = "#1b6ca8", "#b8bec4", "#222222", "#777777"


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12,
          colour: str = INK, weight: str = "normal") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}" font-weight="{weight}">{escape(text)}</text>')


def _panel(top: int, title: str, unit: str, bars: list[tuple[str, float, float, bool]]
           ) -> tuple[list[str], int]:
    parts = [_text(8, top + 16, f"{title} ({unit}, less is better)", size=13, weight="bold")]
    scale = BAR / max(max(least, median) for _, least, median, _ in bars)
    y = top + 26
    for name, least, median, is_ours in bars:
        width = max(least * scale, 1)
        parts.append(_text(LABEL - 8, y + 13, name, anchor="end"))
        parts.append(f'<rect x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{LINE - 5}" '
                     f'fill="{OURS if is_ours else THEIRS}"/>')
        tick = LABEL + median * scale
        parts.append(f'<path d="M{tick:.1f} {y + 2}v{LINE - 5}" stroke="{INK}"/>')
        parts.append(_text(max(tick, LABEL + width) + 6, y + 13, f"{least:.4g}", colour=FAINT))
        y += LINE
    return parts, y + 14


def bars(panels: list[tuple[str, str, list[tuple[str, float, float, bool]]]]) -> str:
    """An SVG of panels (title, unit, rows of (name, least, median, is ours)): a bar is the least, a
    stroke the median."""
    parts, y = [], 8
    for title, unit, rows in panels:
        drawn, y = _panel(y, title, unit, rows)
        parts += drawn
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
            f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif">')
    paper = f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, paper, *parts, "</svg>"]) + "\n"
