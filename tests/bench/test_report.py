# SPDX-License-Identifier: Apache-2.0
"""The report of the benches, from made-up results."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCH = Path(os.environ["AI_SOURCE"]) / "bench"


def result(section: str, tables: list[dict], **more) -> dict:
    return {"section": section, "command": f"bench/{section}", "tables": tables,
            "machine": {"processor": "Some CPU", "measured, 1 CPU": "100 GFLOP/s"},
            "versions": {"libai": "0.1.0"}, **more}


def timing(title: str, rows: dict[str, list[float]], **more) -> dict:
    return {"title": title, "unit": "ms", **more,
            "rows": [{"name": name, "ours": name.startswith("libai"), "values": values}
                     for name, values in rows.items()]}


@pytest.fixture
def report(tmp_path):
    def run(*results: dict, fails: bool = False) -> str:
        paths = []
        for i, one in enumerate(results):
            paths.append(tmp_path / f"{i}.json")
            paths[-1].write_text(json.dumps(one))
        command = [sys.executable, "-B", BENCH / "report.py", "--out", tmp_path, *paths]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else (tmp_path / "benchmarks.md").read_text()

    run.folder = tmp_path
    return run


def line(text: str, start: str) -> str:
    return next(row for row in text.splitlines() if row.startswith(start))


def test_least_median_ratio_and_order(report):
    text = report(result("warm", [timing("net", {"peer A": [20, 24, 30], "libai": [10, 11, 12],
                                                 "libai, other": [9.5], "peer B": [16, 18]})]))
    assert line(text, "| **libai** ") == "| **libai** | 10.0 | 11.0 | 9% | 3 | 0.62 |"
    assert line(text, "| peer B ") == "| peer B | 16.0 | 17.0 | 6% | 2 | 1.00 |"
    order = [text.index(f"| {name} |") for name in ("**libai, other**", "**libai**", "peer B",
                                                    "peer A")]
    assert order == sorted(order)
    assert "1 comparisons, 0 of them lost" in text
    assert "| Warm inference | net | 10.0 ms | peer B, 16.0 ms | 0.62 |" in text


def test_a_loss_is_said(report):
    text = report(result("cold", [timing("net", {"libai": [3.0], "peer": [2.0]})]))
    assert "1 comparisons, 1 of them lost" in text
    assert "**1.50, lost**" in text


def test_sections_come_in_order_and_merge(report):
    text = report(result("quota", [{"title": "q", "columns": ["a"], "cells": [["7"]]}]),
                  result("cold", [timing("net", {"libai": [5.0], "peer": [9.0]})]),
                  result("warm", [timing("net", {"libai": [5.0], "peer": [9.0]})]),
                  result("cold", [timing("net", {"libai": [4.0], "peer": [8.0], "new": [7.0]})],
                         notes=["A note."]))
    assert text.index("## Warm") < text.index("## Cold") < text.index("## CPU quota")
    assert text.count("    bench/cold\n") == 1 and "A note." in text
    cold = text[text.index("## Cold"):]
    assert line(cold, "| **libai** ") == "| **libai** | 4.000 | 4.500 | 11% | 2 | 0.57 |"
    assert "| a |\n| --- |\n| 7 |" in text


def test_threads_are_derived(report):
    one = timing("net, 1 thread", {"libai": [10.0], "peer": [12.0]}, group="net", threads=1)
    two = timing("net, 2 threads", {"libai": [5.0], "peer": [8.0]}, group="net", threads=2)
    text = report(result("warm", [one, two]))
    assert "| net | 2.00 | 1.50 |" in text[text.index("## Two threads"):]


def test_what_is_left_out_is_said(report):
    table = timing("net", {"libai": [1.0], "peer": [2.0]}, excluded={"MNN": "answers differ"})
    assert "Left out: MNN: answers differ" in report(result("warm", [table]))


def test_plots_are_svg(report):
    text = report(result("warm", [timing("a < b", {"libai": [1.0, 2.0], "peer": [2.0]})]))
    assert "(benchmarks/warm.svg)" in text
    root = ElementTree.parse(report.folder / "benchmarks" / "warm.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{*}rect")) == 3  # the paper and two bars


def test_results_of_two_machines_do_not_mix(report):
    other = result("cold", [])
    other["machine"] = {"processor": "Another CPU"}
    assert "different machines" in report(result("warm", []), other, fails=True)


def test_the_machine_has_all_its_processors(report):
    """Whichever bench was last: one may have run on one alone."""
    results = [result(section, [timing("net", {"libai": [5.0], "peer": [9.0]})])
               for section in ("cold", "warm", "int8", "cold")]
    for one, count in zip(results, "1221"):
        one["machine"] = {"processor": "Some CPU", "CPUs": count}
    results[2]["machine"]["memory"] = "8 GB"
    assert "| CPUs | 2 |\n| memory | 8 GB |" in report(*results)


def test_all_versions_are_told(report):
    """One that is another's beginning is the same, told shorter."""
    results = [result(section, [timing("net", {"libai": [5.0], "peer": [9.0]})])
               for section in ("cold", "warm", "int8", "layers")]
    for one, libai, peer in zip(results, ["a1", "b2", "a1", "c3-dirty"], ["1.2", "1.2-7", "1.2", "1.3"]):
        one["versions"] = {"libai": libai, "Peer": peer}
    assert "Versions: libai a1 and b2 and c3-dirty, Peer 1.2-7 and 1.3.\n" in report(*results)


def test_an_unknown_section_is_refused(report):
    assert "section 'hot' is unknown" in report(result("hot", []), fails=True)
