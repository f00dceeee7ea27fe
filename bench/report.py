#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/benchmarks.md and its plots from the raw results of any number of benches.

usage: report.py --out DOCS RESULT.json...

A result is one bench's: {"section": one of SECTIONS, "command": text, "machine": machine.facts(),
"versions": {name: version}, "notes": [sentence], "tables": [table]}. A table of measurements is
{"title", "unit", "rows": [row], "excluded": {name: why}}, a row {"name", "ours": bool, "values":
[number], "least": {column: [number]}, "more": {column: text}}; all else is derived here from the
raw values. The first row that is ours is the one that counts as libai. With "group" and "threads"
beside the title a table takes part in the section on threads. Any other table is {"title",
"columns": [text], "cells": [[text]]}. Results of one section are merged: values of rows of the same
name add up."""
from __future__ import annotations

import argparse
import json
import os
import statistics
import sys

import plot

SECTIONS = {
    "warm": "Warm inference",
    "threads": "Two threads",
    "int8": "Int8 inference",
    "streams": "Recurrent networks",
    "layers": "Single layers",
    "cold": "Cold start",
    "memory": "Memory",
    "quota": "CPU quota",
}
INTRO = """<!-- SPDX-License-Identifier: Apache-2.0; made by bench/report.py, do not edit -->
# Benchmarks

libai beside its peers on one machine, on the same networks and inputs. `ratio` is libai's least
over that of the best peer: below 1 libai is faster, above 1 it lost. The least is what to compare
on a machine that others share; median, spread (between the quartiles, in parts of the median) and
count stand beside it. A peer whose answers differ is left out, and said to be.
"""


# --- raw results ---------------------------------------------------------------------------------

def merge(results: list[dict]) -> dict[str, dict]:
    """One result a section, in the order of SECTIONS."""
    merged: dict[str, dict] = {}
    for result in results:
        section = result["section"]
        if section not in SECTIONS:
            raise ValueError(f"section '{section}' is unknown")
        into = merged.setdefault(section, {"commands": [], "notes": [], "tables": {}})
        for key, texts in (("commands", [result["command"]]), ("notes", result.get("notes", []))):
            into[key] += [text for text in texts if text not in into[key]]
        for table in result["tables"]:
            merge_table(into["tables"], table)
    return {name: merged[name] for name in SECTIONS if name in merged}


def merge_table(tables: dict[str, dict], table: dict) -> None:
    title = table["title"]
    if title not in tables or "rows" not in table:
        copy = json.loads(json.dumps(table))
        tables[title] = copy
        return
    known = {row["name"]: row for row in tables[title]["rows"]}
    for row in table["rows"]:
        if row["name"] in known:
            merge_row(known[row["name"]], row)
        else:
            tables[title]["rows"].append(row)
    tables[title].setdefault("excluded", {}).update(table.get("excluded", {}))


def merge_row(into: dict, row: dict) -> None:
    into["values"] += row["values"]
    into.setdefault("more", {}).update(row.get("more", {}))
    for column, values in row.get("least", {}).items():
        into.setdefault("least", {}).setdefault(column, []).extend(values)


def least(row: dict) -> float:
    return min(row["values"])


def best_peer(table: dict) -> dict | None:
    peers = [row for row in table["rows"] if not row.get("ours") and row["values"]]
    return min(peers, key=least, default=None)


def libai_row(table: dict) -> dict | None:
    return next((row for row in table["rows"] if row.get("ours") and row["values"]), None)


def spread(values: list[float]) -> float:
    """The distance of the quartiles in parts of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0


# --- Markdown ------------------------------------------------------------------------------------

def number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.{3 if value < 10 else 1}f}"


def markdown(columns: list[str], cells: list[list[str]]) -> str:
    rows = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows) + "\n"


def measured(table: dict) -> str:
    """A table of measurements, the best first."""
    best = best_peer(table)
    rows = sorted((row for row in table["rows"] if row["values"]), key=least)
    further = [{**{column: number(min(values)) for column, values in row.get("least", {}).items()},
                **row.get("more", {})} for row in rows]
    columns = list(dict.fromkeys(column for cells in further for column in cells))
    unit = table["unit"]
    cells = []
    for row, texts in zip(rows, further):
        values = row["values"]
        name = f"**{row['name']}**" if row.get("ours") else row["name"]
        cells.append([name, number(least(row)), number(statistics.median(values)),
                      f"{spread(values):.0%}", str(len(values)),
                      f"{least(row) / least(best):.2f}" if best else "",
                      *(texts.get(column, "") for column in columns)])
    head = ["", f"least {unit}", f"median {unit}", "spread", "count", "to the best peer", *columns]
    text = markdown(head, cells)
    for name, why in table.get("excluded", {}).items():
        text += f"\nLeft out: {name}: {why}\n"
    return text


def section_text(name: str, section: dict) -> str:
    text = f"\n## {SECTIONS[name]}\n"
    if section["commands"]:
        text += "\n" + "\n".join(f"    {command}" for command in section["commands"]) + "\n"
    if section["notes"]:
        text += "\n" + "\n".join(section["notes"]) + "\n"
    if any("rows" in table for table in section["tables"].values()):
        text += f"\n![{SECTIONS[name]}](benchmarks/{name}.svg)\n"
    for table in section["tables"].values():
        body = measured(table) if "rows" in table else markdown(table["columns"], table["cells"])
        text += f"\n### {table['title']}\n\n{body}"
    return text


def summary(sections: dict[str, dict]) -> str:
    """What libai's default form reaches against the best peer, losses too."""
    cells = []
    for name, section in sections.items():
        for table in section["tables"].values():
            if "rows" not in table:
                continue
            ours, best = libai_row(table), best_peer(table)
            if ours and best:
                ratio = least(ours) / least(best)
                unit = table["unit"]
                cells.append([SECTIONS[name], table["title"], f"{number(least(ours))} {unit}",
                              f"{best['name']}, {number(least(best))} {unit}",
                              f"{ratio:.2f}" if ratio < 1 else f"**{ratio:.2f}, lost**"])
    lost = sum("lost" in row[-1] for row in cells)
    text = f"\n## Summary\n\n{len(cells)} comparisons, {lost} of them lost.\n\n"
    return text + markdown(["", "", "libai", "best peer", "ratio"], cells)


def threads_section(warm: dict) -> dict | None:
    """Speed-up from one thread to two, of rows that were measured in the same run."""
    groups: dict[str, dict[int, dict]] = {}
    for table in warm["tables"].values():
        if "group" in table:
            groups.setdefault(table["group"], {})[table["threads"]] = table
    names = list(dict.fromkeys(
        row["name"] for tables in groups.values() for row in tables.get(1, {"rows": []})["rows"]))
    cells = []
    for group, tables in groups.items():
        if not {1, 2} <= set(tables):
            continue
        pair = [{row["name"]: least(row) for row in tables[n]["rows"] if row["values"]}
                for n in (1, 2)]
        cells.append([group, *(f"{pair[0][name] / pair[1][name]:.2f}"
                               if name in pair[0] and name in pair[1] else "" for name in names)])
    if not cells:
        return None
    table = {"title": "Speed-up from one thread to two", "columns": ["", *names], "cells": cells}
    note = "The least with one thread over the least with two, measured in turn in the same run."
    return {"commands": [], "notes": [note], "tables": {table["title"]: table}}


# --- the whole -----------------------------------------------------------------------------------

def add_threads(sections: dict[str, dict]) -> dict[str, dict]:
    derived = threads_section(sections["warm"]) if "warm" in sections else None
    if derived:
        held = sections.setdefault("threads", {"commands": [], "notes": [], "tables": {}})
        held["notes"] = derived["notes"] + held["notes"]
        held["tables"] = {**derived["tables"], **held["tables"]}
    return {name: sections[name] for name in SECTIONS if name in sections}


def head(results: list[dict]) -> str:
    """Machine and versions. All results must be of one machine, which the last that had most of its
    processors tells of: some benches take one alone."""
    machines = {result["machine"]["processor"] for result in results}
    if len(machines) > 1:
        raise ValueError("results of different machines: " + ", ".join(sorted(machines)))
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.get("versions", {}).items():
            told = versions.setdefault(name, [])
            if not any(other.startswith(version) for other in told):
                told[:] = [other for other in told if not version.startswith(other)] + [version]
    text = "\n## Machine\n\n"
    machine = max((result["machine"] for result in reversed(results)),
                  key=lambda facts: int(facts.get("CPUs", 0)))
    text += markdown(["", ""], [list(row) for row in machine.items()])
    text += "\nVersions: " + ", ".join(f"{k} {' and '.join(v)}" for k, v in versions.items()) + ".\n"
    return text


def panels(tables: list[dict]) -> list[tuple]:
    """What plot.bars takes, of the tables that have measurements."""
    made = []
    for table in tables:
        rows = sorted((r for r in table.get("rows", []) if r["values"]), key=least)
        if rows:
            made.append((table["title"], table["unit"],
                         [(r["name"], least(r), statistics.median(r["values"]),
                           bool(r.get("ours"))) for r in rows]))
    return made


def plots(sections: dict[str, dict]) -> dict[str, str]:
    """An SVG of each section that has measurements, by section, and `cold-warm-cache`: what the
    README shows."""
    made = {name: panels(list(section["tables"].values())) for name, section in sections.items()}
    made["cold-warm-cache"] = panels([table for title, table in
                                      sections.get("cold", {"tables": {}})["tables"].items()
                                      if title.endswith("page cache warm")])
    return {name: plot.bars(drawn) for name, drawn in made.items() if drawn}


def write(results: list[dict], docs: str) -> None:
    """docs/benchmarks.md and docs/benchmarks/SECTION.svg."""
    sections = add_threads(merge(results))
    text = INTRO + head(results) + summary(sections)
    text += "".join(section_text(name, section) for name, section in sections.items())
    folder = os.path.join(docs, "benchmarks")
    os.makedirs(folder, exist_ok=True)
    for name, svg in plots(sections).items():
        with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as out:
            out.write(svg)
    with open(os.path.join(docs, "benchmarks.md"), "w", encoding="utf-8") as out:
        out.write(text)


def read(paths: list[str]) -> list[dict]:
    results = []
    for path in paths:
        with open(path, encoding="utf-8") as stream:
            results.append(json.load(stream))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="the folder docs/")
    parser.add_argument("results", nargs="+")
    args = parser.parse_args()
    try:
        write(read(args.results), args.out)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"report.py: {error}")


if __name__ == "__main__":
    main()
