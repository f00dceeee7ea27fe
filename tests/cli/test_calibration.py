# SPDX-License-Identifier: Apache-2.0
"""`ai convert --int8`: what it calibrates with, of one sample to several inputs, and what it says of
files that are no calibration."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
import zlib

import numpy as np
import onnxruntime
import pytest
from conftest import save, value
from onnx import TensorProto, helper
from test_int8 import CHELSEA, SQUARE, forms, network, report, samples
from test_terminal import on_terminal


@pytest.fixture
def net(tmp_path):
    return network(tmp_path / "net.onnx")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "net.lai"


def archive(path, **members):
    """A zip of members as they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def npy(descr, shape, data=b""):
    """A .npy with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


# ---- What there is to see ----


def test_bar(out, tmp_path):
    """Of what takes long enough to be seen."""
    net = network(tmp_path / "net.onnx", inner=128)
    np.savez(tmp_path / "a.npz", image=samples(100))
    status, seen = on_terminal("convert", net, "-o", out, "--int8", tmp_path / "a.npz")
    assert status == 0
    assert 0 < seen.find(f"\r{'ranges':10} [") < seen.find(f"\r{'layers':10} [")
    assert seen.rindex("\r\033[K") < seen.index("layers are int8")


# ---- One sample, several inputs ----


@pytest.mark.parametrize("ranges", ["percentile", "min-max", "mse"])
def test_one_sample(ai, net, out, tmp_path, ranges):
    np.savez(tmp_path / "one.npz", image=samples(1))
    done = ai("convert", net, "-o", out, "--int8", tmp_path / "one.npz", "--ranges", ranges)
    assert done.status == 0, done
    assert "; on 1 calibration sample, against f32" in done.out
    assert (report(out)["samples"], report(out)["whole"]["rows"]) == (1, 1)
    assert report(out)["whole"]["snr"] > 20
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(CHELSEA, folder)
    assert ai("convert", net, "-o", out, "--int8", folder, "--image", SQUARE).status == 0
    assert (report(out)["samples"], report(out)["skipped"]) == (1, 0)


def two_inputs(path):
    """A picture, and a row that a table gives an integer."""
    random = np.random.default_rng(3)
    nodes = [helper.make_node("Conv", ["picture", "w"], ["a"], name="conv", pads=[1] * 4),
             helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("GlobalAveragePool", ["b"], ["c"]),
             helper.make_node("Flatten", ["c"], ["d"]),
             helper.make_node("Gather", ["table", "word"], ["e"]),
             helper.make_node("Add", ["d", "e"], ["f"]),
             helper.make_node("Gemm", ["f", "w2"], ["logits"], name="dense")]
    constants = {"w": random.standard_normal((64, 16, 3, 3)).astype(np.float32) / 12,
                 "table": random.standard_normal((5, 64)).astype(np.float32),
                 "w2": random.standard_normal((64, 10)).astype(np.float32)}
    return save(path, nodes, [value("picture", [1, 16, 24, 24]), value("word", [1], TensorProto.INT64)],
                [value("logits", [1, 10])], constants)


def test_two_inputs(ai, out, tmp_path):
    net, npz = two_inputs(tmp_path / "two.onnx"), tmp_path / "two.npz"
    pictures = np.random.default_rng(4).standard_normal((6, 16, 24, 24)).astype(np.float32)
    words = np.arange(6) % 5
    np.savez(npz, word=words[:, None], picture=pictures)
    assert ai("convert", net, "-o", out, "--int8", npz).status == 0
    assert forms(out)["conv"] == "int8"
    np.save(tmp_path / "picture.npy", pictures[:1])
    np.save(tmp_path / "word.npy", words[:1])
    assert ai("run", out, "--input", f"picture={tmp_path / 'picture.npy'}", "--input",
              f"word={tmp_path / 'word.npy'}", "--output-dir", tmp_path).status == 0
    session = onnxruntime.InferenceSession(str(net), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"picture": pictures[:1], "word": words[:1]})[0]
    assert np.abs(np.load(tmp_path / "logits.npy") - expected).max() < np.abs(expected).max() / 10
    np.savez(npz, picture=pictures)
    ai("convert", net, "-o", out, "--int8", npz).failed(net, "has no array 'word', which is an input")
    np.savez(npz, picture=pictures, word=words[:, None].astype(np.int32))
    ai("convert", net, "-o", out, "--int8", npz).failed(net, "'word' is s32 6x1, needed is N x s64 1")
    np.savez(npz, picture=pictures, word=(words + 3)[:, None])  # 5 is no row
    ai("convert", net, "-o", out, "--int8", npz).failed(net, "index 5")


def test_a_folder_for_two_inputs(ai, out, tmp_path):
    net = two_inputs(tmp_path / "two.onnx")
    shutil.copy(CHELSEA, tmp_path)
    ai("convert", net, "-o", out, "--int8", tmp_path, "--image", SQUARE).failed(
        net, "network has 2 inputs, an image is one: calibrate with an .npz")
    assert not out.exists()


# ---- What cannot be ----


def test_nothing_to_quantise(ai, out, tmp_path):
    net = save(tmp_path / "net.onnx", [helper.make_node("Softmax", ["x"], ["y"])],
               [value("x", [1, 4])], [value("y", [1, 4])])
    np.savez(tmp_path / "a.npz", x=np.ones((2, 4), np.float32))
    ai("convert", net, "-o", out, "--int8", tmp_path / "a.npz").failed(net, "nothing to quantise: no Conv")
    weights = np.full((4, 4), np.inf, np.float32)
    save(net, [helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", [1, 4])],
         [value("y", [1, 4])], {"w": weights})
    ai("convert", net, "-o", out, "--int8", tmp_path / "a.npz").failed(net, "nothing to quantise: no Conv")
    assert not out.exists()


@pytest.mark.parametrize("number, size", [(np.inf, 1), (-np.inf, 1), (np.nan, 1), (1e30, 1e10)])
def test_numbers_without_end(ai, out, tmp_path, number, size):
    """In the input, or only in what a layer makes of it."""
    wrong = samples()
    wrong[5, 1, 2, 3] = number
    np.savez(tmp_path / "a.npz", image=wrong)
    net = network(tmp_path / "net.onnx", scale=size)
    ai("convert", net, "-o", out, "--int8", tmp_path / "a.npz").failed(
        net, "a number that is not finite, or beyond 1e36, on calibration sample 6",
        "'image'" if size == 1 else "'a1'")


def test_npz_of_other_things(ai, net, out, tmp_path):
    bad = tmp_path / "bad.npz"
    convert = ["convert", net, "-o", out, "--int8", bad]
    np.savez(bad, image=np.array([{"a": 1}, None], object))
    ai(*convert).failed(bad, "array 'image': elements are of dtype '|O', needed are little-endian")
    np.savez(bad, image=samples().astype(">f4"))
    ai(*convert).failed(bad, "array 'image': elements are of dtype '>f4'")
    np.savez(bad, image=np.zeros(8, [("a", "f4")]))
    ai(*convert).failed(bad, "array 'image': elements are records")
    np.savez(bad, image=np.array(["a", "b"]))
    ai(*convert).failed(bad, "array 'image': elements are of dtype '<U1'")
    archive(bad, image=npy("'<f4'", (1 << 40, 1 << 40)))
    ai(*convert).failed(bad, "array 'image': 0 bytes of elements do not fill")
    archive(bad, image=npy("'<f4'", (8, 3, 16, 16), bytes(100)))
    ai(*convert).failed(bad, "array 'image': 100 bytes of elements do not fill f32 8x3x16x16")
    archive(bad, image=b"text")
    ai(*convert).failed(bad, "array 'image': not a .npy file")
    np.savez(bad, image=np.float32(1))
    ai(*convert).failed(bad, "array 'image' has no samples")
    np.save(tmp_path / "alone.npy", samples())
    shutil.copy(tmp_path / "alone.npy", bad)
    ai(*convert).failed(bad, "not an .npz")
    assert not out.exists()


def test_bombs(ai, net, out, tmp_path):
    """What a few bytes claim to hold is not believed, and not unpacked without end."""
    bad = tmp_path / "bad.npz"
    archive(bad, image=bytes(1000))
    data = bytearray(bad.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + 24:entry + 28] = struct.pack("<I", 0xfffffff0)
    bad.write_bytes(data)
    ai("convert", net, "-o", out, "--int8", bad).failed(bad, "array 'image' is damaged")
    # Forty-three names for the same 100 MB of zeros.
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(100_000_000)) + packer.flush()
    zeros = b"PK\3\4" + bytes(22) + struct.pack("<HH", 1, 0) + b"a" + packed
    row = b"PK\1\2" + bytes(6) + struct.pack("<HHHIII", 8, 0, 0, 0, len(packed), 100_000_000)
    row += struct.pack("<H", 1) + bytes(16) + b"a"
    for count, said in ((42, "array 'a': not a .npy file"), (43, "have 4300000000 bytes, the limit is")):
        end = struct.pack("<HHIIH", count, count, count * len(row), len(zeros), 0)
        bad.write_bytes(zeros + count * row + b"PK\5\6" + bytes(4) + end)
        ai("convert", net, "-o", out, "--int8", bad).failed(bad, said)
    assert not out.exists()


def test_what_cannot_be_read(ai, net, out, tmp_path):
    for name in ("no.npz", "no.json", "no.lai", "no"):
        ai("convert", net, "-o", out, "--int8", tmp_path / name).failed(
            tmp_path / name, "no such file")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "nowhere.png").symlink_to("nothing")
    (folder / "folder.jpg").mkdir()
    (folder / "empty.jpeg").write_bytes(b"")
    shutil.copy(CHELSEA, folder)
    done = ai("convert", net, "-o", out, "--int8", folder, "--image", SQUARE)
    assert done.status == 0, done
    assert report(out)["samples"] == 1
    assert f"{folder}/empty.jpeg: left out: " in done.err
    assert f"{folder}/nowhere.png: left out: " in done.err


def test_recipe_of_another_network(ai, net, out, tmp_path):
    np.savez(tmp_path / "a.npz", image=samples())
    assert ai("convert", net, "-o", out, "--int8", tmp_path / "a.npz").status == 0
    other = two_inputs(tmp_path / "two.onnx")
    ai("convert", other, "-o", tmp_path / "b.lai", "--int8", out).failed(
        other, "int8: the network has no tensor 'image'")
    wider = network(tmp_path / "wider.onnx", inner=32)  # of the same names
    assert ai("convert", wider, "-o", tmp_path / "b.lai", "--int8", out).status == 0
    narrow = network(tmp_path / "narrow.onnx", inner=8)
    recipe = report(out)
    recipe["layers"][0]["bias"] = [1] * 16
    (tmp_path / "a.json").write_text(json.dumps(recipe))
    ai("convert", narrow, "-o", tmp_path / "c.lai", "--int8", tmp_path / "a.json").failed(
        narrow, "layer 'stem' has 16 biases, it has 8 channels")


@pytest.mark.parametrize("text, said", [
    ("", "line 1 is no JSON"), ("[]", "is no JSON"), ("{}", "there is no layer 'stem'"),
    ("[" * 100000, "is no JSON"), ('{"tensors":[1],"layers":{}}', "there is no layer 'stem'"),
    ('{"tensors":{"image":{"0":0}}}', "range of tensor 'image'"),
    ('{"tensors":{"image":[0,1,2]}}', "range of tensor 'image'"),
    ('{"tensors":{"image":["0","1"]}}', "range of tensor 'image'"),
    ('{"tensors":{"image":[-3e38,3e38]}}', "range of tensor 'image'"),
    ('{"layers":[1,2,3]}', "no layer ''"),
    ('{"layers":[{"name":"stem"}]}', "form ''"),
    ('{"layers":[{"name":"stem","form":["int8"]}]}', "form ''"),
    ('{"layers":[{"name":"stem","form":"f32"}]}', "there is no layer 'middle'"),
    ('{"layers":[{"name":"stem","form":"int8","bias":[1e99]}]}', "bias 0 of layer 'stem'"),
    ('{"layers":[{"name":"stem","form":"int8","bias":[4294967296]}]}', "bias 0 of layer 'stem'"),
    ('{"layers":[{"name":"a\\u0000b"}]}', "is no JSON"),
])
def test_recipes(ai, net, out, tmp_path, text, said):
    (tmp_path / "bad.json").write_text(text)
    ai("convert", net, "-o", out, "--int8", tmp_path / "bad.json").failed(net, said)
    assert not out.exists()


def test_a_sum_needs_all_its_ranges(ai, net, out, tmp_path):
    np.savez(tmp_path / "a.npz", image=samples())
    assert ai("convert", net, "-o", out, "--int8", tmp_path / "a.npz").status == 0
    recipe = report(out)
    for layer in recipe["layers"]:
        layer["form"] = "int8" if layer["name"] in ("sum", "middle") else "f32"
    del recipe["tensors"]["a2"]
    (tmp_path / "bad.json").write_text(json.dumps(recipe))
    ai("convert", net, "-o", tmp_path / "b.lai", "--int8", tmp_path / "bad.json").failed(
        net, "no range of tensor 'a2'")
