# SPDX-License-Identifier: Apache-2.0
"""`ai bench` and `ai info`: what they print."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml

import pytest
from conftest import save, value
from onnx import helper
from test_terminal import on_terminal


def test_json(ai, edges):
    status, out, err = ai("bench", edges, "--json", "--threads", 1)
    assert (status, err, out.count("\n")) == (0, "", 1)
    row = json.loads(out)
    assert {"model", "threads", "runs", "min_ms", "median_ms", "p99_ms", "peak_rss_bytes",
            "open_ms"} <= set(row)
    assert row["model"] == "edges" and row["threads"] == 1 and row["runs"] >= 11
    assert 0 < row["min_ms"] <= row["median_ms"] <= row["p99_ms"]
    assert row["open_ms"] > 0 and 1 << 20 < row["peak_rss_bytes"] < 1 << 26


@pytest.mark.parametrize("threads", [1, 2])
def test_profile(ai, edges, threads):
    row = json.loads(ai("bench", edges, "--json", "--profile", "--shape", "x=3x1x4x4", "--threads",
                        threads).out)
    steps, sums, total = row["steps"], row["operators"], row["total"]
    assert {"Conv", "MaxPool"} <= {step["op"] for step in steps}
    assert row["peak_gflops"] > 0.1
    for step in steps:
        assert 0 <= step["ms"] <= step["mean_ms"] and step["kernel"] and "name" in step
        if step["ms"]:
            speed = step["flops"] / step["ms"] / 1e6
            assert step["gflops"] == pytest.approx(speed, rel=0.01, abs=0.01)
            assert step["peak_share"] == pytest.approx(speed / row["peak_gflops"], rel=0.01, abs=1e-4)
            assert step["gigabytes_per_s"] == pytest.approx(step["bytes"] / step["ms"] / 1e6,
                                                            rel=0.01, abs=0.01)
    assert sum(item["steps"] for item in sums) == len(steps)
    assert [item["ms"] for item in sums] == sorted((item["ms"] for item in sums), reverse=True)
    for key in ("ms", "flops", "bytes", "share"):
        for rows in (steps, sums):
            assert total[key] == pytest.approx(sum(item[key] for item in rows), abs=2e-5)
    assert total["share"] == pytest.approx(1)


def test_profile_text(ai, edges):
    text = ai("bench", edges, "--profile").out
    lines = text.splitlines()
    heads = [line.split() for line in lines if "GFLOP/s" in line and "operator" in line]
    columns = ["operator", "kernel", "ms", "%", "GFLOP/s", "peak", "MB", "GB/s"]
    assert heads == [["step", *columns, "name"], ["sum", *columns]]
    assert "####" in text and "median" in text and "\033" not in text
    assert any(re.match(r" +0 Conv +\S+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+ % .* edge$", line)
               for line in lines), text
    assert any(line.split()[1:2] == ["all"] for line in lines)


def table(seen: str) -> list[str]:
    """The lines of both tables."""
    return [line for line in seen.splitlines() if re.match(r"(step| sum|[ \d]{3}\d) ", line)]


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 132, 200])
def test_profile_fits_the_terminal(edges, columns):
    status, seen = on_terminal("bench", edges, "--profile", "--runs", 3, columns=columns,
                               TERM="xterm", LC_ALL="C.UTF-8", NO_COLOR="1")
    assert status == 0 and "\033" not in seen
    lines = table(seen)
    assert len(lines) == 7 and max(map(len, lines)) <= max(columns, 54)
    assert ("\u2588" in seen) == (columns >= 60)
    assert ("kernel" in seen) == (columns >= 80)
    assert ("GB/s" in seen) == (columns >= 100)


def test_profile_is_coloured(edges):
    for env, is_coloured in [({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False),
                             ({"NO_COLOR": "", "TERM": "dumb"}, False)]:
        _, seen = on_terminal("bench", edges, "--profile", "--runs", 3, columns=100,
                              **{"TERM": "xterm", "LC_ALL": "C", **env})
        assert ("\033[36m" in seen) == is_coloured
        assert len(re.findall("\033\\[3\\dm", seen)) == seen.count("\033[0m")
        assert "\u2588" not in seen and "####" in seen


def test_plot(ai, edges, tmp_path):
    path = tmp_path / "steps.svg"
    assert ai("bench", edges, "--runs", 3, "--plot", path).err == ""
    text = path.read_text()
    tree = xml.fromstring(text)
    assert tree.tag.endswith("svg")
    steps = json.loads(ai("bench", edges, "--runs", 3, "--profile", "--json").out)
    bars = [item for item in tree.iter() if item.tag.endswith("rect") and item.get("x")]
    assert len(bars) == len(steps["steps"]) + len(steps["operators"])
    assert all(float(bar.get("x")) + float(bar.get("width")) <= float(tree.get("width"))
               for bar in bars)
    for word in ("edges", "Conv", "peak", "GFLOP/s", "By operator", " ms"):
        assert word in text
    assert list(tmp_path.iterdir()) == [path]


def test_plot_refused(ai, edges, tmp_path):
    wrong = ai("bench", edges, "--plot", tmp_path / "steps.png")
    assert wrong.status == 2 and ".svg" in wrong.err
    there = tmp_path / "no" / "steps.svg"
    ai("bench", edges, "--runs", 1, "--plot", there).failed(there)


def test_plot_escapes_names(ai, tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="a<b&c>\u00e4\n")]
    source = save(tmp_path / "odd.onnx", nodes, [value("x", [4])], [value("y", [4])])
    assert ai("convert", source, "-o", tmp_path / "odd.lai").status == 0
    assert ai("bench", tmp_path / "odd.lai", "--runs", 1, "--plot", tmp_path / "o.svg").status == 0
    assert "a<b&c>" in "".join(xml.parse(tmp_path / "o.svg").getroot().itertext())


def test_number_of_runs(ai, edges):
    assert json.loads(ai("bench", edges, "--json", "--runs", 1).out)["runs"] == 1
    assert json.loads(ai("bench", edges, "--json", "--runs", 100).out)["runs"] == 100


def test_level_is_obeyed(ai, edges):
    row = json.loads(ai("bench", edges, "--json", env={"AI_CPU": "ref"}).out)
    assert row["cpu"] == "ref"


def test_info(ai, edges):
    one = json.loads(ai("info", edges, "--json").out)
    many = json.loads(ai("info", edges, "--json", "--shape", "x=64x1x4x4", "--threads", "2").out)
    assert one["inputs"][0]["varies"] == [0]
    assert many["outputs"][1]["shape"] == [64, 1, 2, 2]
    assert many["arena_bytes"] > one["arena_bytes"]
    assert one["function_bytes"] == (one["file_bytes"] + one["session_bytes"] +
                                     one["allowance_bytes"])
    assert one["arena_ratio"] == round(one["arena_bytes"] / one["live_bytes"], 4) >= 1
    text = ai("info", edges, "--steps").out
    assert f"{one['arena_ratio']:.3f} times the least" in text
    for word in ("weights", "arena", "state", "session", "function", "Conv"):
        assert word in text


def test_info_refuses_shapes(ai, edges):
    ai("info", edges, "--shape", "x=1x2x4x4").failed(edges, "'x'")
    ai("info", edges, "--shape", "x=1x4x4").failed(edges, "'x'")
    ai("info", edges, "--shape", "y=1x4x4").failed(edges, "'y'")
