# SPDX-License-Identifier: Apache-2.0
"""Classifiers over small networks made for the test: recipe, labels, softmax, ranking, refusals."""
import ctypes
import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

import libai
import task_lib as task

BUILD = os.environ["AI_BUILD"]
CLASSES = 7
SIDE = 4

core = ctypes.CDLL(os.path.join(BUILD, "lib", "libai.so"))


def picture(seed=1):
    return task.encode(Image.fromarray(task.noise(seed, SIDE, SIDE, 3)), "PNG")


def network(path, shape=(1, 3, SIDE, SIDE), classes=CLASSES, seed=1, weights=None, out_shape=None,
            second_input=False):
    """Flatten and one matrix: scores that NumPy gives as well."""
    rng = np.random.default_rng(seed)
    k = int(np.prod(shape[1:]))
    weights = rng.normal(0, 0.01, (k, classes)).astype(np.float32) if weights is None else weights
    nodes = [helper.make_node("Flatten", ["data"], ["flat"], name="flatten"),
             helper.make_node("MatMul", ["flat", "w"], ["y"], name="matmul"),
             helper.make_node("Reshape", ["y", "shape"], ["scores"], name="reshape")]
    out_shape = list(out_shape or (1, classes))
    constants = [onnx.numpy_helper.from_array(weights, "w"),
                 onnx.numpy_helper.from_array(np.array(out_shape, np.int64), "shape")]
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, out_shape)]
    if second_input:
        inputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
        nodes.append(helper.make_node("Relu", ["other"], ["z"], name="relu"))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    graph = helper.make_graph(nodes, "net", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)]),
              path)
    return weights


def convert(folder, image=None, labels=None, **options):
    weights = network(folder / "net.onnx", **options)
    if labels is not None:
        (folder / "labels.txt").write_bytes(labels)
        labels = folder / "labels.txt"
    # By the library: the command would refuse what no classifier takes.
    libai.convert(folder / "net.onnx", folder / "net.lai", image=image, labels=labels)
    return weights


class Model:
    def __init__(self, path):
        self.handle = ctypes.c_void_p()
        task.call(core.ai_model_open, ctypes.byref(self.handle), os.fsencode(path))

    def __enter__(self):
        return self.handle

    def __exit__(self, *unused):
        core.ai_model_close(self.handle)


class Classifier:
    def __init__(self, path):
        self.model = Model(path)

    def __enter__(self):
        self.handle = ctypes.c_void_p()
        try:
            task.call(task.lib.ai_classifier_open, ctypes.byref(self.handle),
                      self.model.handle, None)
        except task.Failure:
            assert self.handle.value is None
            core.ai_model_close(self.model.handle)
            raise
        return self

    def __exit__(self, *unused):
        task.lib.ai_classifier_close(self.handle)
        core.ai_model_close(self.model.handle)

    def classify(self, data, top=CLASSES):
        classes, count = (task.Class * max(top, 1))(), ctypes.c_uint32(top)
        task.call(task.lib.ai_classify, self.handle, data, ctypes.c_size_t(len(data)), classes,
                  ctypes.byref(count), None)
        return [(c.index, c.score, c.label.decode()) for c in classes[:count.value]]


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max())
    return e / e.sum()


LABELS = "\n".join(f"名 {i}" for i in range(CLASSES)).encode()


@pytest.mark.parametrize("is_softmax", [False, True])
@pytest.mark.parametrize("out_shape", [(1, CLASSES), (1, CLASSES, 1, 1), (CLASSES,)])
def test_scores(tmp_path, is_softmax, out_shape):
    weights = convert(tmp_path, json.dumps({"softmax": is_softmax}), LABELS, out_shape=out_shape)
    pixels = task.decode(picture()).transpose(2, 0, 1).astype(np.float64).ravel()
    expected = pixels @ weights.astype(np.float64)
    expected = softmax(expected) if is_softmax else expected
    with Classifier(tmp_path / "net.lai") as c:
        got = c.classify(picture())
        assert [g[0] for g in got] == np.argsort(-expected).tolist()
        assert np.allclose([g[1] for g in got], np.sort(expected)[::-1], rtol=1e-4, atol=1e-5)
        assert [g[2] for g in got] == [f"名 {g[0]}" for g in got]
        assert c.classify(picture(), 3) == got[:3]
        assert c.classify(picture(), 0) == []
        assert c.classify(picture(), 100) == got
        assert json.loads(task.answer([task.Class(*g[:2], g[2].encode()) for g in got]))


def test_ties_go_to_the_lower_index(tmp_path):
    convert(tmp_path, "{}", weights=np.zeros((3 * SIDE * SIDE, CLASSES), np.float32))
    with Classifier(tmp_path / "net.lai") as c:
        assert [g[0] for g in c.classify(picture())] == list(range(CLASSES))


def test_without_labels_the_index_is_the_label(tmp_path):
    convert(tmp_path, "{}", classes=12)
    with Classifier(tmp_path / "net.lai") as c:
        assert sorted(int(g[2]) for g in c.classify(picture(), 12)) == list(range(12))
        assert all(g[2] == str(g[0]) for g in c.classify(picture(), 12))


@pytest.mark.parametrize("labels", [LABELS, LABELS + b"\n",
                                    LABELS.replace(b"\n", b"\r\n") + b"\r\n"])
def test_ends_of_lines(tmp_path, labels):
    convert(tmp_path, "{}", labels)
    with Classifier(tmp_path / "net.lai") as c:
        assert {g[2] for g in c.classify(picture())} == {f"名 {i}" for i in range(CLASSES)}


def test_a_failed_image_leaves_the_classifier_usable(tmp_path):
    convert(tmp_path, "{}", LABELS)
    with Classifier(tmp_path / "net.lai") as c:
        before = c.classify(picture())
        with pytest.raises(task.Failure):
            c.classify(b"nothing")
        assert c.classify(picture()) == before


def scores_of(folder, logits):
    """The softmax of given numbers: one red pixel of 1 chooses the first row of the matrix."""
    rows = np.zeros((3 * SIDE * SIDE, len(logits)), np.float32)
    rows[0] = logits
    convert(folder, '{"softmax": true}', weights=rows, classes=len(logits))
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[0, 0, 0] = 1
    with Classifier(folder / "net.lai") as c:
        ranked = c.classify(task.encode(Image.fromarray(red), "PNG"), len(logits))
    return np.array([score for _, score, _ in sorted(ranked)], np.float32)


def test_softmax(tmp_path):
    """Within one rounding to f32 of the f64 result, also where it underflows."""
    rng = np.random.default_rng(3)
    for spread in (0.01, 1, 30, 500):
        logits = (rng.normal(0, spread, 300)).astype(np.float32)
        expected = softmax(logits).astype(np.float32)
        got = scores_of(tmp_path, logits)
        assert np.all(np.abs(got - expected) <= np.spacing(expected))


def test_softmax_has_fixed_bits(tmp_path):
    """No machine may answer otherwise."""
    got = scores_of(tmp_path, [0, -0.25, 0.5, -1, -3, 2, -4])
    assert got.view(np.uint32).tolist() == [1035337926, 1032699517, 1041631552, 1023797516,
                                            999357307, 1059592852, 987060247]


@pytest.mark.parametrize("options, code, message", [
    ({}, task.E_FORMAT,
     "model has no image recipe: convert it with --image, or with a resource 'image'"),
    ({"image": "{}", "labels": b"a\nb\n"}, task.E_FORMAT,
     "labels: 2 lines, the output has 7 classes"),
    ({"image": "{}", "labels": b"a\nb\xff\n"}, task.E_FORMAT,
     "labels: line 2 is not UTF-8 at byte 3"),
    ({"image": "lite"}, task.E_SHAPE, "recipe makes 224 x 224 pixels, the input takes 4 x 4"),
    ({"image": "{}", "shape": (1, 5, 4, 4)}, task.E_SHAPE,
     "input 'data' is 1x5x4x4, the recipe needs NCHW or NHWC with 3 channels"),
    ({"image": "{}", "second_input": True}, task.E_SHAPE,
     "model has 2 inputs and 2 outputs, a classifier has one input and at least one output"),
    ({"image": "{}", "classes": 12, "out_shape": (1, 3, 4)}, task.E_SHAPE,
     "output 'scores' has 3 and 4 along two dimensions, classes lie along one")])
def test_refused(tmp_path, options, code, message):
    convert(tmp_path, **options)
    with pytest.raises(task.Failure) as failure:
        Classifier(tmp_path / "net.lai").__enter__()
    assert (failure.value.code, str(failure.value)) == (code, message)


@pytest.mark.parametrize("value, message", [
    (np.nan, "output 'scores' has NaN at class 2, needs a number"),
    (np.inf, "output 'scores' has an infinity at class 2, needs a number")])
def test_scores_that_are_no_numbers(tmp_path, value, message):
    weights = np.zeros((3 * SIDE * SIDE, CLASSES), np.float32)
    weights[0, 2] = value
    convert(tmp_path, "{}", weights=weights)
    with Classifier(tmp_path / "net.lai") as c:
        with pytest.raises(task.Failure) as failure:
            c.classify(task.encode(Image.fromarray(np.full((SIDE, SIDE, 3), 9, np.uint8)), "PNG"))
    assert (failure.value.code, str(failure.value)) == (task.E_VALUE, message)


def test_null_arguments():
    for function, arguments, message in (
            (task.lib.ai_classifier_open, (None, None, None), "'model' is NULL"),
            (task.lib.ai_classify, (None, b"", ctypes.c_size_t(0), None, None, None),
             "'classifier' is NULL"),
            (task.lib.ai_task_recipe, (None, None), "'spec' is NULL"),
            (task.lib.ai_classes_json, (None, 1, None), "'json' is NULL"),
            (task.lib.ai_image_decode, (None, b"", ctypes.c_size_t(0)), "'image' is NULL"),
            (task.lib.ai_image_resize, (None, None, 1, 1, 0, None), "'out' is NULL"),
            (task.lib.ai_image_prepare, (None, b"", ctypes.c_size_t(0), None, None),
             "'recipe' is NULL"),
            (task.lib.ai_task_cpu, (None,), "'mask' is NULL"),
            (task.lib.ai_task_cpu_mask, (b"ref", None), "'mask' is NULL"),
            (task.lib.ai_task_cpu_mask, (None, None), "'name' is NULL")):
        with pytest.raises(task.Failure) as failure:
            task.call(function, *arguments)
        assert (failure.value.code, str(failure.value)) == (task.E_ARGUMENT, message)
    task.lib.ai_classifier_close(None)
