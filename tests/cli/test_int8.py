# SPDX-License-Identifier: Apache-2.0
"""`ai convert --int8`: what becomes of the layers, that the same comes out each time, and what is
said where calibration cannot be."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import save, value
from onnx import helper

CHELSEA = Path(__file__).resolve().parents[1] / "data" / "chelsea.png"
SQUARE = '{"resize":"squash","size":16,"filter":"bilinear","scale":0.00784313725,"mean":[1,1,1]}'


def network(path, inner=16, outlier=False, lossy=False, scale=1):
    """Two convolutions, a sum, and a dense layer."""
    random = np.random.default_rng(inner)

    def weights(*shape):
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return (random.standard_normal(shape) * scale).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["y1"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y1"], ["a1"], name="stem/relu"),
        helper.make_node("Conv", ["a1", "w2"], ["y2"], name="middle", pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["y2", "zero", "six"], ["a2"], name="middle/clip"),
        helper.make_node("Add", ["a1", "a2"], ["a3"], name="sum"),
        helper.make_node("GlobalAveragePool", ["a3"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["logits"], name="dense", transB=1)]
    constants = {"w1": weights(inner, 3, 3, 3), "b1": weights(inner, 1)[:, 0],
                 "w2": weights(inner, inner, 3, 3), "zero": np.float32(0), "six": np.float32(6),
                 "w3": weights(10, inner), "b3": weights(10, 1)[:, 0]}
    constants["w1"] *= np.float32(scale)
    if outlier:  # one channel is ten thousand times the others, which the next layer passes over
        constants["w1"][0] *= 1e4
        constants["w2"][:, 0] = 0
    if lossy:  # of each channel all weights but one become 0
        constants["w2"][:] = 0.45 / 127
        constants["w2"][:, 0, 1, 1] = 1
    return save(path, nodes, [value("image", [1, 3, 16, 16])], [value("logits", [1, 10])],
                constants)


def samples(count=8, seed=1):
    return np.random.default_rng(seed).standard_normal((count, 3, 16, 16)).astype(np.float32)


@pytest.fixture
def net(tmp_path):
    return network(tmp_path / "net.onnx")


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "samples.npz", image=samples())
    return tmp_path / "samples.npz"


def report(path):
    """The resource "int8" of a file."""
    data = path.read_bytes()
    begin = data.index(b'{"ranges"')
    return json.JSONDecoder().raw_decode(data[begin:].decode("latin-1"))[0]


def forms(path):
    return {layer["name"]: layer["form"] for layer in report(path)["layers"]}


def steps(ai, path):
    return [step["op"] for step in json.loads(ai("info", path, "--steps", "--json").out)["plan"]]


def run(ai, path, x, folder, *options):
    np.save(folder / "x.npy", x)
    done = ai("run", path, "--input", f"image={folder / 'x.npy'}", "--output-dir", folder, *options)
    assert done.status == 0, done
    return np.load(folder / "logits.npy")


def test_layers(ai, net, npz, tmp_path):
    out = tmp_path / "net.lai"
    done = ai("convert", net, "-o", out, "--int8", npz)
    assert (done.status, done.err) == (0, "")
    assert forms(out) == {"stem": "int8", "middle": "int8", "sum": "int8", "pool": "int8",
                          "flatten": "int8", "dense": "s8 weights"}
    assert steps(ai, out).count("QLinearConv") == 2
    lines = done.out.splitlines()
    assert [line.split("'")[1] for line in lines[:-1]] == list(forms(out))
    assert lines[-1].startswith("6 of 6 layers are int8; on 8 calibration samples, ")
    assert "the same top-1 in 8 of 8" in lines[-1]
    assert all(layer["snr"] > 25 for layer in report(out)["layers"] if layer["name"] != "flatten")
    assert report(out)["whole"]["rows"] == 8
    assert ai("verify", out).status == 0


@pytest.mark.parametrize("ranges", ["percentile", "min-max", "mse"])
def test_answers(ai, net, npz, tmp_path, ranges):
    """On pictures that were not calibrated with: noise of at most a tenth of the signal."""
    out = tmp_path / "net.lai"
    assert ai("convert", net, "-o", out, "--int8", npz, "--ranges", ranges).status == 0
    assert report(out)["ranges"] == ranges
    session = onnxruntime.InferenceSession(str(net), providers=["CPUExecutionProvider"])
    signal = noise = 0
    for x in samples(4, seed=2):
        expected = session.run(None, {"image": x[None]})[0]
        found = run(ai, out, x[None], tmp_path)
        signal += (expected**2).sum()
        noise += ((expected - found)**2).sum()
        assert (expected != found).any()
    assert 10 * np.log10(signal / noise) > 20


def test_same_again(ai, npz, tmp_path):
    """From the same samples, from the file itself, and from its report alone."""
    first, second = tmp_path / "net.lai", tmp_path / "again.lai"
    net = network(tmp_path / "wide.onnx", inner=128)
    assert ai("convert", net, "-o", first, "--int8", npz, "--keep", "stem").status == 0
    kept = {layer["name"]: layer for layer in report(first)["layers"]}
    assert any(kept["middle"]["bias"]) and kept["stem"]["why"] == "asked for"
    assert any(lo != round(lo, 4) for lo, _ in report(first)["tensors"].values())
    for source in (npz, first, tmp_path / "report.json"):
        if source.suffix == ".json":
            data = first.read_bytes()
            text = data[data.index(b'{"ranges"'):]
            source.write_bytes(text[:text.index(b"}}\n") + 3])
        options = ["--keep", "stem"] if source == npz else []
        done = ai("convert", net, "-o", second, "--int8", source, *options)
        assert done.status == 0, done
        assert first.read_bytes() == second.read_bytes(), source


def test_deflated_and_shapes_with_one(ai, net, npz, tmp_path):
    out, other = tmp_path / "a.lai", tmp_path / "b.lai"
    assert ai("convert", net, "-o", out, "--int8", npz).status == 0
    np.savez_compressed(tmp_path / "deflated.npz", image=samples()[:, None])
    assert ai("convert", net, "-o", other, "--int8", tmp_path / "deflated.npz").status == 0
    assert out.read_bytes() == other.read_bytes()


def test_keep(ai, npz, tmp_path):
    net, out = network(tmp_path / "net.onnx", inner=128), tmp_path / "net.lai"
    assert ai("convert", net, "-o", out, "--int8", npz, "--keep", "stem", "--keep",
              "dense").status == 0
    assert forms(out) == {"stem": "f32", "middle": "int8", "sum": "f32", "pool": "f32",
                          "flatten": "f32", "dense": "f32"}
    why = {layer["name"]: layer.get("why") for layer in report(out)["layers"]}
    assert (why["stem"], why["sum"], why["middle"]) == ("asked for", "reads numbers", None)
    assert "Conv" in steps(ai, out) and "QLinearConv" in steps(ai, out)


def test_what_is_slower_stays_f32(ai, net, npz, tmp_path):
    """A layer of few products between others that read and write numbers."""
    out = tmp_path / "net.lai"
    assert ai("convert", net, "-o", out, "--int8", npz, "--keep", "stem").status == 0
    why = {layer["name"]: layer.get("why") for layer in report(out)["layers"]}
    assert (why["middle"], why["dense"]) == ("converting costs more", "result")
    assert "QLinearConv" not in steps(ai, out)


@pytest.mark.parametrize("stride, dilation, form", [(1, 1, "f32"), (2, 1, "int8"), (1, 2, "int8")])
def test_what_winograd_runs_saves_less(ai, npz, tmp_path, stride, dilation, form):
    random = np.random.default_rng(3)
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["y1"], name="stem", pads=[1] * 4),
        helper.make_node("Conv", ["y1", "w2"], ["y2"], name="middle", pads=[dilation] * 4,
                         strides=[stride] * 2, dilations=[dilation] * 2),
        helper.make_node("GlobalAveragePool", ["y2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["logits"], name="flatten")]
    net = save(tmp_path / "net.onnx", nodes, [value("image", [1, 3, 16, 16])],
               [value("logits", [1, 20])],
               {"w1": random.standard_normal((20, 3, 3, 3)).astype(np.float32),
                "w2": random.standard_normal((20, 20, 3, 3)).astype(np.float32)})
    out = tmp_path / "net.lai"
    done = ai("convert", net, "-o", out, "--int8", npz, "--keep", "stem")
    assert (forms(out) if done.status == 0 else {"middle": "f32"})["middle"] == form, done


def test_keep_of_an_unknown_node(ai, net, npz, tmp_path):
    """The nearest: those that contain the name first, then those that it must be changed least to."""
    out = tmp_path / "net.lai"
    ai("convert", net, "-o", out, "--int8", npz, "--keep", "ens").failed(
        net, "no layer is called 'ens', the nearest are 'dense', ")
    long = "/a/node/far/down/in/a/network/of/modules/" + "x" * 60
    ai("convert", net, "-o", out, "--int8", npz, "--keep", long).failed(
        net, f"no layer is called '{long[:80]}', the nearest are 'middle', 'flatten', 'dense'")
    ai("convert", net, "-o", out, "--int8", npz, "--keep", "midle").failed(
        net, "no layer is called 'midle', the nearest are 'middle', ")
    assert not out.exists()


def test_what_loses_too_much_stays_f32(ai, npz, tmp_path):
    net, out = network(tmp_path / "outlier.onnx", outlier=True), tmp_path / "net.lai"
    done = ai("convert", net, "-o", out, "--int8", npz, "--ranges", "min-max")
    assert done.status == 0, done
    middle = next(layer for layer in report(out)["layers"] if layer["name"] == "middle")
    assert (middle["form"], middle["why"]) == ("f32", "loses too much")
    assert middle["snr"] < 10


def test_biases_take_what_is_lost(ai, npz, tmp_path):
    """Weights that round to 0 leave out what their inputs are on average."""
    net = network(tmp_path / "lossy.onnx", lossy=True)
    out, without = tmp_path / "net.lai", tmp_path / "without.lai"
    assert ai("convert", net, "-o", out, "--int8", npz).status == 0
    recipe = report(out)
    assert any(any(layer.get("bias", [])) for layer in recipe["layers"])
    for layer in recipe["layers"]:
        layer.pop("bias", None)
    (tmp_path / "without.json").write_text(json.dumps(recipe))
    assert ai("convert", net, "-o", without, "--int8", tmp_path / "without.json").status == 0
    session = onnxruntime.InferenceSession(str(net), providers=["CPUExecutionProvider"])
    means = []
    for path in (out, without):
        distance = [session.run(None, {"image": x[None]})[0] - run(ai, path, x[None], tmp_path)
                    for x in samples()]
        means.append(np.abs(np.mean(distance, axis=0)).sum())
    assert means[0] < means[1] / 4


# ---- What cannot be ----

def fails(ai, net, folder, array, *words, **arrays):
    np.savez(folder / "bad.npz", **({"image": array} if array is not None else {}), **arrays)
    out = folder / "bad.lai"
    where = words[0]
    ai("convert", net, "-o", out, "--int8", folder / "bad.npz").failed(where, *words[1:])
    assert not out.exists()


def test_wrong_arrays(ai, net, tmp_path):
    bad = tmp_path / "bad.npz"
    fails(ai, net, tmp_path, samples()[..., :15], net,
          "array 'image' is f32 8x3x16x15, needed is N x f32 1x3x16x16: N samples")
    fails(ai, net, tmp_path, samples().astype(np.float64), net, "array 'image' is f64")
    fails(ai, net, tmp_path, None, net, "has no array 'image', which is an input: its first is 'picture'",
          picture=samples())
    fails(ai, net, tmp_path, samples(), bad, "array 'other' has 7 samples, 'image' has 8",
          other=samples(7))
    fails(ai, net, tmp_path, samples(0), bad, "array 'image' has no samples")
    fails(ai, net, tmp_path, None, bad, "file has no array")
    wrong = samples()
    wrong[3, 0, 0, 0] = np.nan
    fails(ai, net, tmp_path, wrong, net, "'image' has a number that is not finite", "sample 4")


def test_damaged_npz(ai, net, npz, tmp_path):
    whole = npz.read_bytes()
    bad, out = tmp_path / "bad.npz", tmp_path / "bad.lai"
    for data in (b"", whole[:-30], whole[:100] + whole[200:], b"x" * 1000,
                 whole.replace(b"PK\1\2", b"PK\1\3"), whole[2000:]):
        bad.write_bytes(data)
        ai("convert", net, "-o", out, "--int8", bad).failed(bad)
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(npz, "image.npy")
    ai("convert", net, "-o", out, "--int8", bad).failed(bad, "array 'image' is damaged, or no stored")
    assert not out.exists()


def test_folder_of_images(ai, net, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "net.lai"
    folder.mkdir()
    convert = ["convert", net, "-o", out, "--int8", folder]
    ai(*convert).failed(folder, "needs --image")
    convert += ["--image", SQUARE]
    ai(*convert).failed(folder, "folder has no .jpg, .jpeg or .png")
    (folder / "broken.png").write_bytes(CHELSEA.read_bytes()[:5000])
    (folder / "text.jpg").write_text("no picture")
    done = ai(*convert)
    assert done.status == 1
    lines = done.err.splitlines()
    assert lines[0].startswith(f"ai: {folder}/broken.png: left out: ")
    assert lines[1].startswith(f"ai: {folder}/text.jpg: left out: image is neither JPEG nor PNG")
    assert "none of 2 calibration samples can be read" in lines[2]
    assert not out.exists()
    shutil.copy(CHELSEA, folder / "chelsea.png")
    done = ai(*convert)
    assert done.status == 0 and len(done.err.splitlines()) == 2
    assert (report(out)["samples"], report(out)["skipped"]) == (1, 2)


def test_what_is_quantised_or_converted_already(ai, net, npz, tmp_path):
    out = tmp_path / "net.lai"
    assert ai("convert", net, "-o", out).status == 0
    ai("convert", out, "-o", tmp_path / "b.lai", "--int8", npz).failed(
        out, "a flat file already: an ONNX model was needed")
    one, zero = np.float32(0.1), np.uint8(3)
    pair = ["one", "zero"]
    nodes = [helper.make_node("QuantizeLinear", ["image", *pair], ["q"]),
             helper.make_node("DequantizeLinear", ["q", *pair], ["x"]),
             helper.make_node("DequantizeLinear", ["w", "one"], ["v"]),
             helper.make_node("Conv", ["x", "v"], ["y"]),
             helper.make_node("QuantizeLinear", ["y", *pair], ["r"]),
             helper.make_node("DequantizeLinear", ["r", *pair], ["logits"])]
    weight = np.ones((16, 3, 3, 3), np.int8)
    save(tmp_path / "q.onnx", nodes, [value("image", [1, 3, 16, 16])],
         [value("logits", [1, 16, 14, 14])], {"one": one, "zero": zero, "w": weight})
    ai("convert", tmp_path / "q.onnx", "-o", out, "--int8", npz).failed(
        tmp_path / "q.onnx", "quantised already: convert it without int8")


def test_the_report_is_printed(ai, net, npz, tmp_path):
    """As the file holds it, and as another conversion reads it."""
    out = tmp_path / "net.lai"
    assert ai("convert", net, "-o", out, "--int8", npz).status == 0
    done = ai("info", out, "--resource", "int8")
    assert (done.status, done.err) == (0, "") and json.loads(done.out) == report(out)
    assert report(out)["tensors"]["a1"][0] == 0 < report(out)["tensors"]["a1"][1]
    (tmp_path / "a.json").write_text(done.out)
    assert ai("convert", net, "-o", tmp_path / "b.lai", "--int8", tmp_path / "a.json").status == 0
    assert (tmp_path / "b.lai").read_bytes() == out.read_bytes()
    ai("info", out, "--resource", "int4").failed(out, "file has no resource 'int4'")


def test_other_sources(ai, net, npz, tmp_path):
    out, text = tmp_path / "net.lai", tmp_path / "net.txt"
    text.write_text("no")
    ai("convert", net, "-o", out, "--int8", text).failed(text, "neither a folder of images")
    assert ai("convert", net, "-o", out).status == 0
    ai("convert", net, "-o", tmp_path / "b.lai", "--int8", out).failed(out, "no resource 'int8'")
    for options in (["--keep", "stem"], ["--ranges", "mse"]):
        assert ai("convert", net, "-o", out, *options).status == 2
        assert ai("convert", net, "-o", out, "--int8", out, *options).status == 2
    assert ai("convert", net, "-o", out, "--int8", npz, "--ranges", "best").status == 2
    ai("convert", net, "-o", out, "--int8", npz, "--weights", "f16").failed(
        out, "both int8 and rounded otherwise")


def test_bad_recipes(ai, net, npz, tmp_path):
    out, bad = tmp_path / "net.lai", tmp_path / "bad.json"
    assert ai("convert", net, "-o", out, "--int8", npz).status == 0
    good = report(out)

    def refuses(change, *words):
        recipe = json.loads(json.dumps(good))
        change(recipe)
        bad.write_text(json.dumps(recipe))
        ai("convert", net, "-o", tmp_path / "bad.lai", "--int8", bad).failed(net, *words)

    refuses(lambda r: r["tensors"].update(image=[1, 2]), "range of tensor 'image'")
    refuses(lambda r: r["tensors"].update(image=[0, 1e300]), "range of tensor 'image'")
    refuses(lambda r: r["tensors"].update(other=[0, 1]), "no tensor 'other'")
    refuses(lambda r: r["tensors"].pop("image"), "no range of tensor 'image'")
    refuses(lambda r: r["layers"].pop(), "there is no layer 'dense'")
    refuses(lambda r: r["layers"][0].update(name="x"), "no layer 'x'")
    refuses(lambda r: r["layers"][0].update(form="s4"), "layer 'stem' has form 's4'")
    refuses(lambda r: r["layers"][0].update(form="s8 weights"), "which it cannot take")
    refuses(lambda r: r["layers"][0].update(bias=[0] * 17), "has 17 biases, it has 16 channels")
    refuses(lambda r: r["layers"][0].update(bias=[0.5]), "bias 0 of layer 'stem'")
    refuses(lambda r: r["layers"][3].update(bias=[1]), "it has 0 channels")
    bad.write_text("{")
    ai("convert", net, "-o", tmp_path / "bad.lai", "--int8", bad).failed(net, "is no JSON")
