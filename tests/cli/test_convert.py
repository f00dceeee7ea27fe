# SPDX-License-Identifier: Apache-2.0
"""`ai convert`: what it writes, and that it writes nothing when it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import RECIPE, save, value
from onnx import TensorProto, helper


def test_result_verifies(ai, edges):
    status, out, err = ai("verify", edges)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "checksums good"
    assert lines[1].split() == ["ref", "same", "bits"]


def test_info_tells_what_was_given(ai, colours):
    info = json.loads(ai("info", colours, "--json").out)
    assert info["model"] == "colours"
    assert info["inputs"] == [{"name": "image", "type": "f32", "shape": [1, 3, 8, 8],
                               "varies": info["inputs"][0]["varies"], "bytes": 768}]
    assert {"labels", "image", "self-test", "metadata"} <= {r["name"] for r in info["resources"]}


def test_name(ai, edges_onnx, tmp_path):
    out = tmp_path / "a.lai"
    assert ai("convert", edges_onnx, "-o", out, "--shape", "x=2x1x4x4", "--name", "Kanten",
              "--licence", "CC0-1.0").status == 0
    info = json.loads(ai("info", out, "--json").out)
    assert (info["model"], info["inputs"][0]["shape"]) == ("Kanten", [2, 1, 4, 4])
    assert b"CC0-1.0" in out.read_bytes()


def test_inner_tensor_as_output(ai, tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["inner"]), helper.make_node("Neg", ["inner"], ["y"])]
    source = save(tmp_path / "m.onnx", nodes, [value("x", [2])], [value("y", [2])])
    out = tmp_path / "m.lai"
    assert ai("convert", source, "-o", out, "--output", "inner").status == 0
    info = json.loads(ai("info", out, "--json").out)
    assert [tensor["name"] for tensor in info["outputs"]] == ["y", "inner"]
    ai("convert", source, "-o", tmp_path / "n.lai", "--output", "outer").failed(source, "outer")


def test_same_bytes_every_time(ai, edges_onnx, edges, tmp_path):
    out = tmp_path / "edges.lai"
    assert ai("convert", edges_onnx, "-o", out, "--shape", "x=1x1x4x4").status == 0
    assert out.read_bytes() == edges.read_bytes()


def unsupported_operator(path):
    node = helper.make_node("NonMaxSuppression", ["x", "x"], ["y"], name="pick/1")
    return save(path, [node], [value("x", [1, 4, 4])], [value("y", None)])


def unsupported_attribute(path):
    node = helper.make_node("Resize", ["x"], ["y"], name="grow/1", mode="trilinear")
    return save(path, [node], [value("x", [1, 1, 4, 4])], [value("y", None)])


def unknown_attribute(path):
    node = helper.make_node("Relu", ["x"], ["y"], name="bend/1", colour=3)
    return save(path, [node], [value("x", [4])], [value("y", [4])])


def misfitting_weight(path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="stem/1")
    return save(path, [node], [value("x", [1, 4, 8, 8])], [value("y", None)],
                {"w": np.ones((2, 3, 3, 3), np.float32)})


def old_opset(path):
    node = helper.make_node("Relu", ["x"], ["y"], name="bend/1")
    return save(path, [node], [value("x", [4])], [value("y", [4])], opset=5)


@pytest.mark.parametrize("make, words", [
    (unsupported_operator, ["NonMaxSuppression", "pick/1"]),
    (unsupported_attribute, ["Resize", "grow/1"]),
    (unknown_attribute, ["Relu", "bend/1", "colour"]),
    (misfitting_weight, ["Conv", "stem/1", "3", "4"]),
    (old_opset, ["5", "7"]),
], ids=lambda item: getattr(item, "__name__", ""))
def test_refused_networks(ai, tmp_path, make, words):
    source = make(tmp_path / "m.onnx")
    out = tmp_path / "m.lai"
    out.write_bytes(b"what was there before")
    ai("convert", source, "-o", out).failed(source, *words)
    assert out.read_bytes() == b"what was there before"
    assert sorted(os.listdir(tmp_path)) == ["m.lai", "m.onnx"]


@pytest.mark.parametrize("content", [
    b"", b"hello, world\n" * 20, b"\x89PNG\r\n\x1a\n" + bytes(64), bytes(1000), b"\xff" * 1000,
], ids=["empty", "text", "png", "zeros", "ones"])
def test_no_onnx_file(ai, tmp_path, content):
    source = tmp_path / "m.onnx"
    source.write_bytes(content)
    ai("convert", source, "-o", tmp_path / "m.lai").failed(source)
    assert os.listdir(tmp_path) == ["m.onnx"]


def test_truncated_onnx_files(ai, edges_onnx, tmp_path):
    data = edges_onnx.read_bytes()
    source = tmp_path / "m.onnx"
    for length in range(1, len(data), 7):
        source.write_bytes(data[:length])
        done = ai("convert", source, "-o", tmp_path / "m.lai", "--shape", "x=1x1x4x4")
        done.failed(source)
    assert os.listdir(tmp_path) == ["m.onnx"]


def test_missing_files(ai, edges_onnx, tmp_path):
    out = tmp_path / "m.lai"
    ai("convert", tmp_path / "none.onnx", "-o", out).failed(tmp_path / "none.onnx")
    ai("convert", tmp_path, "-o", out).failed(tmp_path)
    ai("convert", edges_onnx, "-o", out, "--labels", tmp_path / "none").failed(tmp_path / "none")
    ai("convert", edges_onnx, "-o", tmp_path / "no" / "m.lai", "--shape",
       "x=1x1x4x4").failed(tmp_path / "no" / "m.lai", "cannot be created", "No such")
    assert os.listdir(tmp_path) == []


def test_shapes_that_do_not_fit(ai, edges_onnx, tmp_path):
    out = tmp_path / "m.lai"
    for shape, words in [("y=1x1x4x4", ["'y'"]), ("x=1x1x4", ["'x'"]), ("x=1x2x4x4", ["'x'"])]:
        ai("convert", edges_onnx, "-o", out, "--shape", shape).failed(edges_onnx, *words)
    assert not out.exists()


def test_unknown_width_needs_a_shape(ai, tmp_path):
    node = helper.make_node("GlobalMaxPool", ["x"], ["y"])
    source = save(tmp_path / "m.onnx", [node], [value("x", ["N", 1, "H", "W"])],
                  [value("y", ["N", 1, 1, 1])])
    out = tmp_path / "m.lai"
    ai("convert", source, "-o", out).failed(source, "'x'", "'H'", "--shape x=1x1x224x224")
    assert ai("convert", source, "-o", out, "--shape", "x=1x1x6x5").status == 0
    assert json.loads(ai("info", out, "--json").out)["inputs"][0]["varies"] == [0, 2, 3]


def test_bad_labels_and_recipes(ai, edges_onnx, tmp_path):
    labels = tmp_path / "labels.txt"
    shape = ["--shape", "x=1x1x4x4"]
    for content in (b"", b"cat\0dog\n"):
        labels.write_bytes(content)
        ai("convert", edges_onnx, "-o", tmp_path / "m.lai", *shape, "--labels",
           labels).failed(labels, "one label a line")
    for spec in ("sepia", "{", '{"width":0}', '{"colour":"red"}'):
        ai("convert", edges_onnx, "-o", tmp_path / "m.lai", *shape, "--image",
           spec).failed("--image")
    assert os.listdir(tmp_path) == ["labels.txt"]


def test_labels_and_recipes_that_classify_would_refuse(ai, colours, tmp_path):
    source = colours.with_suffix(".onnx")
    labels = tmp_path / "labels.txt"
    out = tmp_path / "m.lai"
    labels.write_bytes(b"red\ncaf\xe9\nblue\n")
    ai("convert", source, "-o", out, "--labels", labels).failed(labels, "line 2 is not UTF-8")
    labels.write_text("red\ngreen\n")
    given = ["--labels", labels, "--image", RECIPE]
    ai("convert", source, "-o", out, *given).failed(source, "2 lines", "3 classes")
    large = RECIPE.replace('"size":8', '"size":16')
    ai("convert", source, "-o", out, "--image", large).failed(source, "16", "8")
    assert os.listdir(tmp_path) == ["labels.txt"]


def test_what_is_read_is_not_replaced(ai, colours, tmp_path):
    source = tmp_path / "same.onnx"
    source.write_bytes(colours.with_suffix(".onnx").read_bytes())
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    for out, words in [(source, "the model that is read"), (labels, "the file of labels")]:
        link = tmp_path / "link"
        link.symlink_to(out)
        for path in (out, link):
            before = out.read_bytes()
            ai("convert", source, "-o", path, "--labels", labels).failed(path, words)
            assert out.read_bytes() == before
        link.unlink()


def test_external_data_is_not_replaced(ai, tmp_path):
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4],
                          data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="w.bin")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [value("x", [4])],
                              [value("y", [4])], [weights])
    source = tmp_path / "m.onnx"
    source.write_bytes(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]).SerializeToString())
    data = tmp_path / "w.bin"
    data.write_bytes(bytes(16))
    ai("convert", source, "-o", data).failed(source, "external data", "'w.bin'")
    assert data.read_bytes() == bytes(16)
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "w.bin"]


def test_names_of_any_bytes_and_length(ai, edges_onnx, tmp_path):
    source = os.path.join(os.fsencode(tmp_path), b"caf\xe9.onnx")
    out = tmp_path / ("n" * 255)
    with open(source, "wb") as file:
        file.write(edges_onnx.read_bytes())
    done = subprocess.run([os.environ["AI_BIN"], "convert", source, "-o", out, "--shape",
                           "x=1x1x4x4"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(ai("info", out, "--json").out)["model"] == "caf\ufffd"
    done = subprocess.run([os.environ["AI_BIN"], "convert", source, "-o", out, "--name", b"\xff"],
                          capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"ai: --name: name of the model is not UTF-8\n")


def test_long_paths_leave_room_for_the_reason(ai, edges_onnx, tmp_path):
    folder = tmp_path / ("f" * 250)
    folder.mkdir()
    source = folder / "none.onnx"
    ai("convert", source, "-o", folder / "m.lai").failed(source, "no such file")
    out = folder / "no" / "m.lai"
    ai("convert", edges_onnx, "-o", out, "--shape", "x=1x1x4x4").failed(out, "No such file")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_nothing(edges_onnx, tmp_path, number):
    """Wherever the signal comes in: it ends the command, or the command was done."""
    out = tmp_path / "m.lai"
    for delay in (0.001, 0.003, 0.006, 0.01, 0.02):
        process = subprocess.Popen([os.environ["AI_BIN"], "convert", edges_onnx, "-o", out,
                                    "--shape", "x=1x1x4x4"], stderr=subprocess.PIPE)
        time.sleep(delay)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert err == b"" and process.returncode in (0, -number)
        assert os.listdir(tmp_path) == (["m.lai"] if out.exists() else [])


@pytest.mark.parametrize("option", ["--winograd", "--strips"])
def test_choices_are_auto_or_off(ai, edges_onnx, edges, tmp_path, option):
    for choice in ("auto", "off"):  # no layer of this network gains by it
        out = tmp_path / f"{choice}.lai"
        assert ai("convert", edges_onnx, "-o", out, "--shape", "x=1x1x4x4",
                  option, choice).status == 0
    wrong = ai("convert", edges_onnx, "-o", tmp_path / "x.lai", option, "on")
    assert wrong.status == 2
    assert f"{option} is 'on', needed is auto or off" in wrong.err


def wide_product(path, greatest=1.0):
    weights = np.random.default_rng(7).uniform(-1, 1, (256, 96)).astype(np.float32)
    weights[3, 5] = greatest
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="fc/1")
    return save(path, [node], [value("x", [1, 256])], [value("y", None)], {"w": weights})


def test_weights_as_f16(ai, tmp_path):
    source = wide_product(tmp_path / "m.onnx")
    files = {choice: tmp_path / f"{choice}.lai" for choice in ("f32", "f16")}
    assert ai("convert", source, "-o", files["f32"], "--weights", "f32") == (0, "", "")
    status, out, err = ai("convert", source, "-o", files["f16"], "--weights", "f16")
    assert (status, err) == (0, "")
    told = re.fullmatch(r"1 weights are f16, with a relative error of at most (0\.000\d+)\n", out)
    assert told and 0.0001 < float(told[1]) < 0.0005
    assert files["f32"].stat().st_size - files["f16"].stat().st_size == 2 * 256 * 96
    assert ai("verify", files["f16"]).status == 0
    metadata = re.search(rb'"weights":(\{[^}]*\})', files["f16"].read_bytes())
    found = json.loads(metadata[1])
    assert (found["type"], found["count"]) == ("f16", 1)
    assert found["error"] == pytest.approx(float(told[1]), rel=0.05)
    assert b'"weights":' not in files["f32"].read_bytes()


def test_weights_that_f16_has_not(ai, tmp_path):
    source, out = wide_product(tmp_path / "m.onnx", 65520), tmp_path / "m.lai"
    ai("convert", source, "-o", out, "--weights", "f16").failed(
        source, "MatMul 'fc/1': weight 'w' has 65520", "f16 ends at 65504")
    assert not out.exists()
    assert ai("convert", source, "-o", out).status == 0


def test_weights_as_s8(ai, tmp_path):
    source, path = wide_product(tmp_path / "m.onnx"), tmp_path / "s8.lai"
    status, out, err = ai("convert", source, "-o", path, "--weights", "s8")
    assert (status, err) == (0, "")
    told = re.fullmatch(r"1 weights are s8, with a relative error of at most (0\.00\d+)\n", out)
    assert told and 0.003 < float(told[1]) < 0.005
    verified = ai("verify", path)
    assert verified.status == 0 and "ref" in verified.out
    assert b'"weights":{"type":"s8","count":1,' in path.read_bytes()
    assert ai("convert", source, "-o", tmp_path / "f32.lai").status == 0
    saved = (tmp_path / "f32.lai").stat().st_size - path.stat().st_size
    assert saved == 4 * 256 * 96 - 6 * (64 + 256 * 16)


def test_weights_are_of_three_types(ai, edges_onnx, tmp_path):
    wrong = ai("convert", edges_onnx, "-o", tmp_path / "x.lai", "--weights", "s4")
    assert wrong.status == 2
    assert "--weights is 's4', needed is f32, f16 or s8" in wrong.err
