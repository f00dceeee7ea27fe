# SPDX-License-Identifier: Apache-2.0
"""`ai info --graph` and `--map`: the plan as pictures."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from conftest import save, value
from onnx import helper

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def diamond(ai, tmp_path_factory):
    """y = Relu(x w) + Sigmoid(x w), whose name tries to end a string."""
    folder = tmp_path_factory.mktemp("diamond")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name='pro"duct\\'),
             helper.make_node("Relu", ["a"], ["b"], name="left"),
             helper.make_node("Sigmoid", ["a"], ["c"], name="right"),
             helper.make_node("Add", ["b", "c"], ["y"], name="<both>")]
    source = save(folder / "diamond.onnx", nodes, [value("x", [2, 8])], [value("y", [2, 48])],
                  {"w": np.ones((8, 48), np.float32)})
    model = folder / "diamond.lai"
    assert ai("convert", source, "-o", model).status == 0
    return model


def test_graph_text(ai, diamond, tmp_path):
    path = tmp_path / "plan.dot"
    assert ai("info", diamond, "--graph", path).status == 0
    text = path.read_text()
    steps = json.loads(ai("info", diamond, "--json", "--steps").out)["plan"]
    boxes = dict(re.findall(r'^  s(\d+) \[.*label="\d+  (\w+)', text, re.M))
    assert [boxes[str(i)] for i in range(len(steps))] == [step["op"] for step in steps]
    number = {step["op"]: f"s{i}" for i, step in enumerate(steps)}
    arrows = set(re.findall(r"^  (\w+) -> (\w+) ", text, re.M))
    assert (number["MatMul"], number["Relu"]) in arrows
    assert (number["MatMul"], number["Sigmoid"]) in arrows
    assert (number["Relu"], number["Add"]) in arrows and (number["Sigmoid"], number["Add"]) in arrows
    assert {to for source, to in arrows if source.startswith("t")} == {number["MatMul"]}
    assert {source for source, to in arrows if to.startswith("o")} == {number["Add"]}
    assert "2x48\\l  f32 384 B" in text and "weights 1.5 KiB" in text
    assert 'pro\\"duct\\\\' in text and steps[0]["kernel"] in text


@pytest.mark.parametrize("ending, head", [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_graph_picture(ai, diamond, tmp_path, ending, head):
    path = tmp_path / f"plan.{ending}"
    assert ai("info", diamond, "--graph", path).status == 0
    assert path.read_bytes().startswith(head)
    if ending == "svg":
        texts = [text.text for text in xml.parse(path).iter(f"{SVG}text")]
        assert "<both>" in texts and "2x48" in {text.strip("\xa0 ") for text in texts}


def lives(path) -> dict[str, tuple[int, ...]]:
    """Of each box: bytes, offset, first and last step."""
    seen = {}
    for box in xml.parse(path).iter(f"{SVG}rect"):
        if box.find(f"{SVG}title") is not None:
            match = re.fullmatch(r"(\S+)(?: \S+)?, (\d+) B at (\d+), steps (\d+) to (\d+)(?:, .*)?",
                                 box.find(f"{SVG}title").text)
            seen[match[1]] = tuple(map(int, match.groups()[1:]))
    return seen


def test_map(ai, diamond, tmp_path):
    path = tmp_path / "arena.svg"
    assert ai("info", diamond, "--map", path).status == 0
    about = json.loads(ai("info", diamond, "--json", "--steps").out)
    boxes = [box for box in xml.parse(path).iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]
    seen = lives(path)
    last = about["steps"] - 1
    assert seen["x"][0] == 64 and seen["x"][2:] == (0, 0)
    assert seen["y"][0] == 384 and seen["y"][3] == last
    assert seen["a"][2:] == (0, 2)
    for size, at, _, _ in seen.values():
        assert at + size <= about["arena_bytes"]
    assert seen["c"][:2] == seen["a"][:2]  # in place
    apart = [(seen[a], seen[b]) for a, b in (("a", "b"), ("x", "a"))]
    for (size, at, *_), (other, there, *_) in apart:  # alive at one step, so apart in memory
        assert at + size <= there or there + other <= at
    bottom = max(float(box.get("y")) + float(box.get("height")) for box in boxes)
    assert all(float(box.get("height")) > 0 and float(box.get("width")) > 0 for box in boxes)
    assert bottom == pytest.approx(64 + 480, abs=1)
    texts = [text.text for text in xml.parse(path).iter(f"{SVG}text")]
    assert texts[2] == "0 B" and "200 B" in texts and texts[texts.index("step 0") + 1] == "1"
    assert texts[texts.index("MatMul"):] == ["MatMul", "Relu", "Sigmoid", "Add", "from the caller", "scratch"]


def test_outputs_live_to_the_end(ai, diamond, tmp_path):
    kept = tmp_path / "kept.lai"
    assert ai("convert", diamond.with_suffix(".onnx"), "-o", kept, "--output", "a").status == 0
    assert ai("info", kept, "--map", tmp_path / "arena.svg").status == 0
    last = json.loads(ai("info", kept, "--json").out)["steps"] - 1
    seen = lives(tmp_path / "arena.svg")
    assert seen["a"][2:] == (0, last) and seen["c"][1] != seen["a"][1]


def test_refused(ai, diamond, tmp_path):
    ai("info", diamond, "--graph", tmp_path / "plan.jpeg").failed(
        tmp_path / "plan.jpeg", "a graph is written as .dot, .gv, .svg, .png or .pdf")
    result = ai("info", diamond, "--graph", tmp_path / "plan.svg", env={"PATH": str(tmp_path)})
    result.failed(tmp_path / "plan.svg", "'dot' of Graphviz is not installed")
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\nexit 3\n")
    dot.chmod(0o755)
    result = ai("info", diamond, "--graph", tmp_path / "plan.svg", env={"PATH": f"{tmp_path}:/bin"})
    result.failed(tmp_path / "plan.svg", "'dot' failed")
    ai("info", diamond, "--map", tmp_path / "no" / "plan.svg").failed(tmp_path / "no" / "plan.svg")
    assert {path.name for path in tmp_path.iterdir()} == {"dot"}
