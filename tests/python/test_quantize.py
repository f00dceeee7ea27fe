# SPDX-License-Identifier: Apache-2.0
"""libai.quantize: calibration in each form gives the same file, the report says what became of the
layers, and what cannot be calibrated with is refused."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from networks import network
from onnx import helper, save

import libai

PHOTO = Path(os.environ["AI_SOURCE"]) / "tests" / "data" / "chelsea.png"
SQUARE = {"resize": "squash", "size": 16, "filter": "bilinear", "scale": 1 / 127.5, "mean": [1, 1, 1]}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """Two convolutions and a dense layer, as a path."""
    dice = np.random.default_rng(1)

    def weights(*shape):
        return (dice.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

    nodes = [helper.make_node("Conv", ["image", "w1"], ["y1"], name="stem", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["y1"], ["a1"]),
             helper.make_node("Conv", ["a1", "w2"], ["y2"], name="middle", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["y2"], ["a2"]),
             helper.make_node("GlobalAveragePool", ["a2"], ["p"]),
             helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Gemm", ["f", "w3"], ["logits"], name="dense", transB=1)]
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    save(network(nodes, {"image": [1, 3, 16, 16]}, {"logits": [1, 10]},
                 [("w1", weights(16, 3, 3, 3)), ("w2", weights(16, 16, 3, 3)), ("w3", weights(10, 16))]),
         path)
    return path


@pytest.fixture(scope="module")
def arrays():
    return np.random.default_rng(2).standard_normal((8, 3, 16, 16)).astype(np.float32)


def test_report(net, arrays, tmp_path):
    parts = []
    made = libai.quantize(net, tmp_path / "a.lai", arrays, keep=["dense"],
                          progress=lambda part, done, total: parts.append(part))
    assert made.path == str(tmp_path / "a.lai") and (made.samples, made.skipped) == (8, 0)
    rows = {layer.name: layer for layer in made.layers}
    assert rows["dense"].kept and rows["dense"].why == "asked for"
    assert not rows["middle"].kept and rows["middle"].form == "int8" and rows["middle"].snr > 10
    assert {"samples", "ranges", "layers", "whole"} <= set(parts)
    # What the whole is said to have lost is what it loses.
    libai.convert(net, tmp_path / "f32.lai")
    exact, small = libai.Model(tmp_path / "f32.lai"), libai.Model(tmp_path / "a.lai")
    pairs = [(exact(x[None]), small(x[None])) for x in arrays]
    assert made.whole.error == pytest.approx(max(abs(a - b).max() for a, b in pairs), rel=1e-3)
    assert made.whole.error > 0
    assert made.whole.agreement == np.mean([a.argmax() == b.argmax() for a, b in pairs])
    assert "<td>middle</td><td>Conv</td><td>int8</td>" in made._repr_html_()
    assert "Gemm 'dense': asked for" in str(made) and made.summary in str(made)


def test_same_from_every_form(net, arrays, tmp_path):
    np.savez(tmp_path / "a.npz", image=arrays)
    forms = [arrays, list(arrays[:, None]), (x for x in arrays), [{"image": x} for x in arrays],
             {"image": arrays[:, None]}, np.asfortranarray(arrays), tmp_path / "a.npz",
             tmp_path / "0.lai", tmp_path / "0.json"]
    for i, form in enumerate(forms):
        libai.quantize(net, tmp_path / f"{i}.lai", form, progress=False)
        (tmp_path / f"{i}.json").write_bytes(libai.Model(tmp_path / f"{i}.lai").resources["int8"])
        assert (tmp_path / f"{i}.lai").read_bytes() == (tmp_path / "0.lai").read_bytes(), i


def test_ranges(net, arrays, tmp_path):
    for ranges in ("percentile", "min-max", "mse"):
        made = libai.quantize(net, tmp_path / "a.lai", arrays, ranges=ranges)
        report = json.loads(libai.Model(made.path).resources["int8"])
        assert report["ranges"] == ranges


def test_folder(net, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.PNG"):
        (folder / name).write_bytes(PHOTO.read_bytes())
    with pytest.raises(TypeError, match="needs image="):
        libai.quantize(net, tmp_path / "a.lai", folder)
    made = libai.quantize(net, tmp_path / "a.lai", folder, image=SQUARE)
    assert (made.samples, made.skipped) == (2, 0)
    assert "image" in libai.Model(made.path).resources
    (folder / "broken.jpg").write_bytes(b"none")
    with pytest.warns(UserWarning, match=r"left out: .*broken\.jpg: "):
        made = libai.quantize(net, tmp_path / "a.lai", folder, image=SQUARE)
    assert (made.samples, made.skipped) == (2, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it raises within the library's call
        with pytest.raises(UserWarning, match="left out"):
            libai.quantize(net, tmp_path / "a.lai", folder, image=SQUARE)


@pytest.mark.parametrize("calibration, kind, said", [
    (3, TypeError, "calibration is int, a folder of images is needed"),
    ([], ValueError, "calibration is empty"),
    ({"image": np.zeros((0, 3, 16, 16), np.float32)}, ValueError, "calibration is empty"),
    ([np.zeros((3, 16, 16))], TypeError, "sample of 'image' is float64, needed is float32"),
    ([np.zeros((3, 8, 8), np.float32)], ValueError, r"is \(3, 8, 8\), needed is \(1, 3, 16, 16\)"),
    ([{"picture": 0}], ValueError, "a sample has no array 'image'"),
    ({"a": [1], "b": [1, 2]}, ValueError, "as many samples are needed of each array: 'a' 1, 'b' 2"),
    ("photos.tar", ValueError, "a folder of images is needed"),
])
def test_refused(net, tmp_path, calibration, kind, said):
    (tmp_path / "a.lai").write_bytes(b"before")
    with pytest.raises(kind, match=said):
        libai.quantize(net, tmp_path / "a.lai", calibration)
    assert (tmp_path / "a.lai").read_bytes() == b"before"


def test_two_inputs(tmp_path):
    """Each sample has all of them by name; a folder of images cannot."""
    dice = np.random.default_rng(5)
    nodes = [helper.make_node("MatMul", ["a", "w"], ["p"], name="left"),
             helper.make_node("MatMul", ["b", "w"], ["q"], name="right"),
             helper.make_node("Add", ["p", "q"], ["y"], name="sum")]
    path = tmp_path / "two.onnx"
    save(network(nodes, {"a": [1, 64], "b": [1, 64]}, {"y": [1, 32]},
                 [("w", dice.standard_normal((64, 32)).astype(np.float32))]), path)
    a, b = dice.standard_normal((2, 5, 64)).astype(np.float32)
    made = libai.quantize(path, tmp_path / "a.lai", {"b": b, "a": a})
    assert made.samples == 5 and made.whole.snr > 20
    again = libai.quantize(path, tmp_path / "b.lai", [{"a": x, "b": y} for x, y in zip(a, b)])
    assert Path(made.path).read_bytes() == Path(again.path).read_bytes()
    with pytest.raises(ValueError, match="a sample is needed as a dict of arrays: 'a', 'b'"):
        libai.quantize(path, tmp_path / "c.lai", a)
    with pytest.raises(ValueError, match="a sample has no array 'b'"):
        libai.quantize(path, tmp_path / "c.lai", {"a": a})
    (tmp_path / "a.png").write_bytes(PHOTO.read_bytes())
    with pytest.raises(ValueError, match="the network has 2 inputs, an image is one"):
        libai.quantize(path, tmp_path / "c.lai", tmp_path, image=SQUARE)
    assert not (tmp_path / "c.lai").exists()


def test_one_sample(net, arrays, tmp_path):
    made = libai.quantize(net, tmp_path / "a.lai", arrays[:1])
    assert (made.samples, made.whole.rows) == (1, 1) and made.whole.snr > 20


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e38])
def test_numbers_without_end(net, arrays, tmp_path, number):
    wrong = arrays.copy()
    wrong[2, 0, 1, 1] = number
    with pytest.raises(libai.Error, match="'image' has a number that is not finite, or beyond 1e36, on "
                                          "calibration sample 3"):
        libai.quantize(net, tmp_path / "a.lai", wrong)
    assert not (tmp_path / "a.lai").exists()


def test_bad_files(net, arrays, tmp_path):
    """Pickles are not loaded, damaged files are refused, and none leaves a target."""
    bad, out = tmp_path / "bad.npz", tmp_path / "a.lai"
    np.savez(bad, image=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        libai.quantize(net, out, bad)
    np.savez(bad, image=arrays)
    bad.write_bytes(bad.read_bytes()[:-40])
    with pytest.raises(Exception, match="zip"):
        libai.quantize(net, out, bad)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(libai.Error, match="is no JSON"):
        libai.quantize(net, out, tmp_path / "bad.json")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"none")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(
            libai.Error, match="none of 1 calibration samples can be read"):
        libai.quantize(net, out, folder, image=SQUARE)
    with pytest.raises(FileNotFoundError):
        libai.quantize(net, out, tmp_path / "no.npz")
    assert not out.exists()


def test_refused_options(net, arrays, tmp_path):
    out = tmp_path / "a.lai"
    with pytest.raises(ValueError, match="ranges is 'most'"):
        libai.quantize(net, out, arrays, ranges="most")
    with pytest.raises(TypeError, match="keep is one string"):
        libai.quantize(net, out, arrays, keep="stem")
    with pytest.raises(libai.Error, match="nobody"):
        libai.quantize(net, out, arrays, keep=["nobody"])
    libai.convert(net, tmp_path / "f32.lai")
    with pytest.raises(ValueError, match="has no resource 'int8'"):
        libai.quantize(net, out, tmp_path / "f32.lai")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(TypeError, match="ranges and keep belong to a calibration"):
        libai.quantize(net, out, tmp_path / "a.json", keep=["stem"])
    with pytest.raises(KeyboardInterrupt):
        libai.quantize(net, out, Interrupted(arrays))
    assert not out.exists()


class Interrupted(list):
    def __getitem__(self, _):
        raise KeyboardInterrupt
