# SPDX-License-Identifier: Apache-2.0
"""The zoo: its reader of checkpoints, and its networks against ONNX Runtime on a photograph."""
import collections
import ctypes
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import task_lib as task
import test_classifier

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ZOO = os.path.join(ROOT, "models", "zoo")
sys.path.insert(0, ZOO)
import torch_file

PHOTO = os.path.join(ROOT, "tests", "data", "chelsea.png")
CATS = {281, 282, 285}


class StorageId(str):
    """Stands for a storage while a file is written."""


class Named:
    """Pickled as the name of something that only PyTorch has."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Writer(pickle._Pickler):
    """Writes what torch.save wrote, without PyTorch."""

    def persistent_id(self, thing):
        if isinstance(thing, StorageId):
            key, count = thing.split(":")
            return ("storage", Named("torch", "FloatStorage"), key, "cpu", int(count), None)
        return None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Named):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
            if thing.arguments:
                super().save(thing.arguments)
                self.write(pickle.REDUCE)
        else:
            super().save(thing, save_persistent_id)


def write(path, state, storages, magic=torch_file.MAGIC):
    with open(path, "wb") as stream:
        for part in (magic, torch_file.VERSION, {"little_endian": True}):
            pickle.dump(part, stream, 2)
        Writer(stream, 2).dump(state)
        pickle.dump(list(storages), stream, 2)
        for data in storages.values():
            stream.write(len(data).to_bytes(8, "little") + np.asarray(data, "<f4").tobytes())


def tensor(key, count, offset, shape, stride):
    return Named("torch._utils", "_rebuild_tensor_v2", StorageId(f"{key}:{count}"), offset, shape,
                 stride, False, collections.OrderedDict())


def test_reader(tmp_path):
    data = np.arange(24, dtype=np.float32)
    write(tmp_path / "f", collections.OrderedDict(
        a=tensor("7", 24, 0, (2, 3, 4), (12, 4, 1)), b=tensor("7", 24, 5, (3, 2), (1, 3)),
        c=tensor("8", 1, 0, (), ())), {"7": data, "8": [3]})
    state = torch_file.read(tmp_path / "f")
    assert list(state) == ["a", "b", "c"]
    assert np.array_equal(state["a"], data.reshape(2, 3, 4))
    assert state["b"].tolist() == [[5, 8], [6, 9], [7, 10]]
    assert state["c"] == 3


@pytest.mark.parametrize("shape, stride, offset", [
    ((25,), (1,), 0), ((24,), (1,), 1), ((2, 13), (12, 1), 0), ((4,), (-1,), 10), ((2,), (1,), -1),
    ((1 << 40, 2), (1, 1 << 40), 0), ((2, 2), (1,), 0)])
def test_reader_stays_inside_storages(tmp_path, shape, stride, offset):
    write(tmp_path / "f", {"a": tensor("7", 24, offset, shape, stride)}, {"7": np.zeros(24)})
    with pytest.raises(ValueError):
        torch_file.read(tmp_path / "f")


@pytest.mark.parametrize("module, name", [
    ("os", "system"), ("builtins", "eval"), ("posix", "system"), ("torch", "load"),
    ("torch._utils", "_rebuild_parameter"), ("torch_file", "Unpickler"), ("torch", "FloatTensor")])
def test_reader_runs_nothing(tmp_path, module, name):
    mark = tmp_path / "mark"
    write(tmp_path / "f", {"a": Named(module, name, f"touch {mark}")}, {})
    with pytest.raises(pickle.UnpicklingError, match="which is no tensor"):
        torch_file.read(tmp_path / "f")
    assert not mark.exists()


def test_reader_refuses_other_files(tmp_path):
    write(tmp_path / "f", {}, {}, magic=5)
    with pytest.raises(ValueError, match="not a legacy torch.save file"):
        torch_file.read(tmp_path / "f")
    write(tmp_path / "f", {"a": tensor("7", 24, 0, (2,), (1,))}, {"7": np.zeros(23)})
    with pytest.raises(ValueError, match="storage 7 has 23 elements, needs 24"):
        torch_file.read(tmp_path / "f")
    write(tmp_path / "f", {"a": tensor("7", 24, 0, (2,), (1,))}, {"7": np.zeros(24)})
    whole = (tmp_path / "f").read_bytes()
    (tmp_path / "f").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="truncated in storage 7|buffer size"):
        torch_file.read(tmp_path / "f")
    (tmp_path / "f").write_bytes(whole + b"x")
    with pytest.raises(ValueError, match="bytes are left"):
        torch_file.read(tmp_path / "f")


def test_fetch_says_what_there_is():
    fetch = [sys.executable, os.path.join(ZOO, "fetch")]
    names = subprocess.run([*fetch, "--list"], capture_output=True, text=True).stdout.split()
    assert {"efficientnet-lite0", "mobilenetv2", "photos"} <= set(names)
    run = subprocess.run([*fetch, "alexnet"], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == f"fetch: unknown name 'alexnet', there are {', '.join(names)}\n"


def test_labels():
    lines = open(os.path.join(ZOO, "imagenet-labels.txt"), encoding="utf-8").read().splitlines()
    assert len(lines) == 1000 and all(lines)
    assert (lines[0], lines[282], lines[999]) == (
        "tench, Tinca tinca", "tiger cat", "toilet tissue, toilet paper, bathroom tissue")


@pytest.mark.parametrize("name, source, recipe",
                         [("efficientnet-lite0-f32", "efficientnet-lite0", "lite"),
                          ("mobilenetv2", "mobilenetv2", "imagenet")])
def test_photograph(name, source, recipe):
    """The same five classes as ONNX Runtime, in its order; scores to five decimals."""
    runtime = pytest.importorskip("onnxruntime")
    source = os.path.join(ZOO, "cache", source + ".onnx")
    flat = os.path.join(os.environ["AI_BUILD"], "models", "zoo", name + ".lai")
    if not os.path.exists(source) or not os.path.exists(flat):
        pytest.skip(f"not there: models/zoo/fetch, then build")
    data = open(PHOTO, "rb").read()
    session = runtime.InferenceSession(source, providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": task.prepare(recipe, data, (1, 3, 224, 224))})[0][0]
    expected = test_classifier.softmax(logits)
    best = np.argsort(-expected)[:5]
    with test_classifier.Classifier(flat) as c:
        got = c.classify(data, 5)
    assert [index for index, _, _ in got] == best.tolist()
    assert np.allclose([score for _, score, _ in got], expected[best], atol=1e-5)
    assert CATS == {index for index, _, _ in got[:3]}


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    """Paths of the network in f32 and in int8, by name."""
    built = os.path.join(os.environ["AI_BUILD"], "models", "zoo")
    source = os.path.join(ZOO, "cache", "mobilenetv2.onnx")
    pairs = {"efficientnet-lite0": (os.path.join(built, "efficientnet-lite0-f32.lai"),
                                    os.path.join(built, "efficientnet-lite0.lai"))}
    if os.path.exists(source):
        made = str(tmp_path_factory.mktemp("int8") / "mobilenetv2.lai")
        subprocess.run([os.environ["AI_BIN"], "convert", source, "-o", made, "--image", "imagenet",
                        "--int8", os.path.join(ZOO, "mobilenetv2", "int8.json")],
                       check=True, stdout=subprocess.DEVNULL)
        pairs["mobilenetv2"] = (os.path.join(built, "mobilenetv2.lai"), made)
    return {name: pair for name, pair in pairs.items() if all(map(os.path.exists, pair))}


INT8 = ["efficientnet-lite0", "mobilenetv2"]


@pytest.mark.parametrize("name", INT8)
def test_int8_beside_f32(int8, name, tmp_path):
    """The shipped recipes, on parts of a photograph: f32's first class among int8's first five, and
    most often its first."""
    Image = pytest.importorskip("PIL.Image")
    if name not in int8:
        pytest.skip("not there: models/zoo/fetch, then build")
    photo, same = Image.open(PHOTO).convert("RGB"), 0
    with test_classifier.Classifier(int8[name][0]) as f32, \
            test_classifier.Classifier(int8[name][1]) as quantised:
        for i in range(12):
            photo.crop((10 * i, 5 * i, 280 + 14 * i, 200 + 8 * i)).save(tmp_path / "part.png")
            data = (tmp_path / "part.png").read_bytes()
            best = f32.classify(data, 1)[0][0]
            found = [row[0] for row in quantised.classify(data, 5)]
            assert best in found
            same += best == found[0]
    assert same >= 9


@pytest.mark.parametrize("name, fewer, kept", [(INT8[0], 1, 67), (INT8[1], 3, 65)])
def test_int8_counts(int8, name, fewer, kept):
    """How many fewer labelled photographs int8 may have right than f32, and of how many f32's first
    class must be among its first five."""
    if name not in int8 or not os.path.exists(os.path.join(ZOO, "cache", "labelled-photos")):
        pytest.skip("not there: models/zoo/fetch labelled-photos gets 160 MB")
    count = [sys.executable, os.path.join(ZOO, "count"), *int8[name]]
    done = subprocess.run(count, capture_output=True, text=True, check=True)
    f32, quantised = [list(map(int, line.split()[1:])) for line in done.stdout.splitlines()[1:]]
    assert f32[3] == 68 and quantised[1] >= f32[1] - fewer and quantised[3] >= kept
