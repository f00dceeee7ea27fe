# SPDX-License-Identifier: Apache-2.0
"""The Python binding itself: arrays, dicts, exceptions, resources, threads."""

from __future__ import annotations

import json
import re
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32).reshape(1, 1, 3, 3)
X = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)


def info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save(path, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "test", inputs, outputs,
                              [numpy_helper.from_array(a, n) for n, a in constants])
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    source = save(folder / "edges.onnx", [helper.make_node("Conv", ["x", "w"], ["y"], name="edge")],
                  [info("x", ["N", 1, 4, 4])], [info("y", None)], [("w", KERNEL)])
    libai.convert(source, folder / "edges.lai", labels=["up", "down"], image="imagenet",
                  resources={"note": b"\0\1"})
    return folder / "edges.lai"


def test_worked_examples(edges, tmp_path):
    """A well-known article prints -10 for the first, which is wrong."""
    assert libai.Model(edges)(X).tolist() == [[[[-8, -8], [-8, -8]]]]
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    save(tmp_path / "p.onnx", [node], [info("x", [1, 1, 4, 4])], [info("y", None)])
    libai.convert(tmp_path / "p.onnx", tmp_path / "p.lai")
    assert libai.Model(tmp_path / "p.lai")(X).tolist() == [[[[6, 8], [14, 16]]]]


def test_description(edges):
    with libai.Model(edges) as model:
        assert model.name == "edges"
        assert model.inputs == [libai.Tensor("x", np.dtype(np.float32), (1, 1, 4, 4), (0,))]
        assert [tensor.name for tensor in model.outputs] == ["y"]
        assert model.resources["labels"] == b"up\ndown\n"
        assert model.resources["note"] == b"\0\1"
        assert json.loads(model.resources["image"])["resize"] == "short"
        assert model.memory_bytes > 0 and len(model.digest) == 32
        assert "Conv" in [step.op for step in model.steps]


def test_profile(edges):
    with libai.Model(edges, profile=True) as model:
        for _ in range(3):
            model(X)
        assert {step.calls for step in model.steps if step.kernel} == {3}


def test_array_or_dict(edges):
    with libai.Model(edges) as model:
        assert isinstance(model(X), np.ndarray)
        assert list(model({"x": X})) == ["y"]
        many = np.concatenate([X, -X, 2 * X])
        assert model(many)[:, 0, 0, 0].tolist() == [-8, 8, -16]
        assert model(many[:, :, ::-1, ::-1])[:, 0, 0, 0].tolist() == [8, -8, 16]
        assert model(X).shape == (1, 1, 2, 2)


@pytest.mark.parametrize("x, kind, words", [
    (X.astype(np.float64), TypeError, "'x': array is float64, needed is float32"),
    (X[0], ValueError, "'x': array is \\(1, 4, 4\\)"),
    (X[..., 1:], ValueError, "'x'"),
    ({"y": X}, ValueError, "'x' is missing"),
    ({"x": X, "z": X}, ValueError, "no input 'z'"),
])
def test_wrong_arrays(edges, x, kind, words):
    with libai.Model(edges) as model, pytest.raises(kind, match=words):
        model(x)


def test_errors_carry_the_library_s_words(edges, tmp_path):
    missing = tmp_path / "none.lai"
    with pytest.raises(libai.Error) as caught:
        libai.Model(missing)
    assert str(caught.value) == f"{missing}: file cannot be opened: no such file"
    assert caught.value.path == str(missing)
    assert (caught.value.code, caught.value.status) == ("AI_E_IO", -3)
    assert caught.value.step is None
    (tmp_path / "m.lai").write_bytes(edges.read_bytes()[:-1])
    with pytest.raises(libai.Error) as caught:
        libai.Model(tmp_path / "m.lai")
    assert caught.value.code == "AI_E_FORMAT"
    assert str(caught.value) == f"{tmp_path}/m.lai: {caught.value.message}"
    with pytest.raises(libai.Error) as caught:
        libai.convert(missing, tmp_path / "other.lai")
    assert str(caught.value) == f"{missing}: file cannot be opened: no such file"
    with pytest.raises(ValueError, match="z80"):
        libai.Model(edges, cpu="z80")


BIG = 2**64 + 3  # what a field of 64 bits would take for 3


@pytest.mark.parametrize("options, kind, words", [
    ({"shapes": {"x": (1, BIG)}}, ValueError,
     f"shapes: dimension 1 of 'x' is {BIG}, 0 to 9223372036854775807 is needed"),
    ({"shapes": {"x": (-1,)}}, ValueError, "shapes: dimension 0 of 'x' is -1, 0 to"),
    ({"shapes": {"x": (1.5,)}}, TypeError, "dimension 0 of 'x' is float, an integer is needed"),
    ({"shapes": {"x": "abc"}}, TypeError, "shapes: 'x' is str, integers are needed"),
    ({"shapes": {"x": 5}}, TypeError, "shapes: 'x' is int, integers are needed"),
    ({"shapes": {"x": (1,) * 9}}, ValueError, "'x' has 9 dimensions, at most 8 are supported"),
    ({"shapes": {3: (1,)}}, TypeError, "shapes: a name is int, a string is needed"),
    ({"outputs": "y"}, TypeError, "outputs is one string, a list of names is needed"),
    ({"outputs": [3]}, TypeError, "outputs: a name is int, a string is needed"),
    ({"labels": ["a", 3]}, TypeError, "labels: entry 1 is int, a string is needed"),
    ({"image": 3}, TypeError, "image is int, a string is needed"),
    ({"resources": {"a": "b"}}, TypeError, "resources: 'a' is str, bytes are needed"),
    ({"name": "a\0b"}, ValueError, "name has a zero character, a string without one is needed"),
    ({"name": "a\ud800"}, ValueError, "name has half a character at 1"),
    ({"licence": b"MIT"}, TypeError, "licence is bytes, a string is needed"),
    ({"target": "zz\0.lai"}, ValueError, "target has a zero character, a path without one"),
    ({"source": None}, TypeError, "source is NoneType, a path is needed"),
])
def test_arguments_of_convert(edges, tmp_path, monkeypatch, options, kind, words):
    """Refused before ctypes cuts them; nothing is written."""
    monkeypatch.chdir(tmp_path)
    paths = {"source": edges.with_suffix(".onnx"), "target": "a.lai"}
    with pytest.raises(kind, match=re.escape(words)):
        libai.convert(**(paths | options))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options, kind, words", [
    ({"threads": -1}, ValueError, "threads is -1, 0 to 4294967295 is needed"),
    ({"threads": 2**40}, ValueError, "threads is 1099511627776, 0 to"),
    ({"threads": "a"}, TypeError, "threads is str, an integer is needed"),
    ({"cpu": 2**32 + 1}, ValueError, "cpu is 4294967297, 0 to"),
    ({"cpu": 1.5}, TypeError, "cpu is float, a mask or the name of a level is needed"),
    ({"path": "a\0b"}, ValueError, "path has a zero character"),
    ({"path": 3}, TypeError, "path is int, a path is needed"),
])
def test_arguments_of_a_model(edges, options, kind, words):
    for open_it in libai.Model, libai.Classifier, libai.self_test:
        with pytest.raises(kind, match=re.escape(words)):
            open_it(**({"path": edges} | options))


def test_level_of_the_environment(edges, monkeypatch):
    monkeypatch.setenv("AI_CPU", "z80")
    with pytest.raises(libai.Error, match="z80"):
        libai.Model(edges)
    monkeypatch.setenv("AI_CPU", "ref")
    with libai.Model(edges) as model:
        assert {step.kernel.rsplit("_")[-1] for step in model.steps if step.kernel} == {"ref"}


def test_damaged_weights_are_found(edges, tmp_path):
    data = bytearray(edges.read_bytes())
    data[-8] ^= 1
    (tmp_path / "m.lai").write_bytes(data)
    libai.verify(edges)
    libai.self_test(edges)
    with pytest.raises(libai.Error):
        libai.verify(tmp_path / "m.lai")


def test_progress_and_its_exceptions(edges, tmp_path):
    source = edges.with_suffix(".onnx")
    seen = []
    libai.convert(source, tmp_path / "a.lai", progress=lambda *row: seen.append(row))
    assert seen and all(done <= total for _, done, total in seen)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        libai.convert(source, tmp_path / "b.lai", progress=interrupt)
    assert not (tmp_path / "b.lai").exists()


def test_threads_share_a_model(edges):
    with libai.Model(edges) as model:
        wrong = []

        def work(factor):
            for _ in range(50):
                batch = np.concatenate([X] * (1 + factor % 3)) * factor
                if not (model(batch) == -8 * factor).all():
                    wrong.append(factor)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_shape_option_and_metadata(edges, tmp_path):
    libai.convert(edges.with_suffix(".onnx"), tmp_path / "a.lai", shapes={"x": (5, 1, 4, 4)},
                  name="five", licence="CC0-1.0")
    with libai.Model(tmp_path / "a.lai") as model:
        assert model.name == "five" and model.inputs[0].shape == (5, 1, 4, 4)
        assert b"CC0-1.0" in model.resources["metadata"]


def test_classify(tmp_path):
    from PIL import Image
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
             helper.make_node("Flatten", ["mean"], ["y"])]
    save(tmp_path / "c.onnx", nodes, [info("image", [1, 3, 4, 4])], [info("y", [1, 3])])
    libai.convert(tmp_path / "c.onnx", tmp_path / "c.lai", labels=["red", "green", "blue"],
                  image={"resize": "squash", "size": 4, "filter": "nearest", "softmax": True})
    Image.new("RGB", (9, 5), (1, 2, 3)).save(tmp_path / "a.png")
    rows = libai.classify(tmp_path / "a.png", tmp_path / "c.lai", top=2)
    assert [(row.rank, row.label, row.index) for row in rows] == [(1, "blue", 2), (2, "green", 1)]
    assert rows[0].score == pytest.approx(np.exp(3) / np.exp([1, 2, 3]).sum(), rel=1e-5)
    with pytest.raises(libai.Error):
        libai.classify(b"no image", tmp_path / "c.lai")
    for top in (0, 2**32 + 1):
        with pytest.raises(ValueError, match=f"top is {top}, 1 to"):
            libai.classify(tmp_path / "a.png", tmp_path / "c.lai", top=top)
