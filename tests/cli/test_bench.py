# SPDX-License-Identifier: Apache-2.0
"""`ai bench` and `ai info`: what they print."""

from __future__ import annotations

import json


def test_json(ai, edges):
    status, out, err = ai("bench", edges, "--json", "--threads", 1)
    assert (status, err, out.count("\n")) == (0, "", 1)
    row = json.loads(out)
    assert {"model", "threads", "runs", "min_ms", "median_ms", "p99_ms", "peak_rss_bytes",
            "open_ms"} <= set(row)
    assert row["model"] == "edges" and row["threads"] == 1 and row["runs"] >= 11
    assert 0 < row["min_ms"] <= row["median_ms"] <= row["p99_ms"]
    assert row["open_ms"] > 0 and 1 << 20 < row["peak_rss_bytes"] < 1 << 26


def test_profile(ai, edges):
    row = json.loads(ai("bench", edges, "--json", "--profile", "--shape", "x=3x1x4x4").out)
    assert {"Conv", "MaxPool"} <= {step["op"] for step in row["steps"]}
    assert all(step["ms"] >= 0 for step in row["steps"])
    text = ai("bench", edges, "--profile").out
    assert "####" in text and "Conv" in text and "median" in text


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
