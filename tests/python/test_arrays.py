# SPDX-License-Identifier: Apache-2.0
"""Arrays on their way in and out: nothing is copied that need not be, nothing wrong gets through."""

import sys
import threading
import time
import weakref

import numpy as np
import pytest
from networks import convert, network
from onnx import TensorProto, helper

import libai

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def addresses(model):
    """Where the last call of this thread read and wrote."""
    session = model._session(None)
    return [[view.data for view in views] for views in (session._given, session._taken)]


def test_nothing_is_copied(double):
    with libai.Model(double) as model:
        y = model(X)
        assert (y == 2 * X).all()
        assert addresses(model) == [[X.ctypes.data], [y.ctypes.data]]


def test_where_python_has_arrays_otherwise(double, monkeypatch):
    """NumPy is asked then: the answers are the same, and nothing is copied either."""
    with libai.Model(double) as model:
        model(X)
        assert model._session(None)._parts[-1] == (sys.implementation.name == "cpython")
    monkeypatch.setattr("libai._session._DATA", 0)
    with libai.Model(double) as model:
        for x in (X, X + 1):
            y = model(x)
            assert (y == 2 * x).all() and not model._session(None)._parts[-1]
            assert addresses(model) == [[x.ctypes.data], [y.ctypes.data]]
            assert (model({"x": x})["y"] == y).all()


def test_out(double):
    with libai.Model(double) as model:
        out = np.empty_like(X)
        assert model(X, out=out) is out and (out == 2 * X).all()
        assert addresses(model)[1] == [out.ctypes.data]
        assert model({"x": X}, out={"y": out})["y"] is out


@pytest.mark.parametrize("x", [X[:, ::-1], X.T.copy().T, np.broadcast_to(X[:1], (2, 4))],
                         ids=["reversed", "transposed", "broadcast"])
def test_not_contiguous_is_copied(double, x):
    with libai.Model(double) as model:
        assert (model(x) == 2 * x).all()
        assert addresses(model)[0] != [x.ctypes.data]


def test_inputs_stay_while_they_are_read(slow):
    """Another thread may take them out of the dict meanwhile."""
    with libai.Model(slow, threads=1) as model:
        given = {"x0": np.ones((1024, 512), np.float32)}
        expected = model(given)["x100"]
        session, left, seen = model._mine.session, weakref.ref(given["x0"]), []

        def take():
            while not session._given[0].data:
                time.sleep(0.001)
            time.sleep(0.05)
            del given["x0"]
            seen.extend([left() is not None, session._is_busy])

        session._given[0].data = None
        thread = threading.Thread(target=take)
        thread.start()
        assert (model(given)["x100"] == expected).all()
        thread.join()
        assert seen[0] or not seen[1]  # a busy machine may let it come too late
        assert left() is None


def test_read_only_and_odd_addresses(double):
    with libai.Model(double) as model:
        x = X.copy()
        x.flags.writeable = False
        assert (model(x) == 2 * X).all() and addresses(model)[0] == [x.ctypes.data]
        odd = np.zeros(X.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(X.shape)
        odd[:] = X
        assert (model(odd) == 2 * X).all() and addresses(model)[0] == [odd.ctypes.data]
        assert (model(memoryview(X)) == 2 * X).all()


@pytest.mark.parametrize("x, kind, words", [
    (X.astype(">f4"), TypeError, "input 'x': array is >f4, needed is float32"),
    (X.astype(np.int32), TypeError, "input 'x': array is int32, needed is float32"),
    ([[1.0, 2, 3, 4]], TypeError, "input 'x': array is float64, needed is float32"),
    ("abc", TypeError, "input 'x': array is <U3, needed is float32"),
    (None, TypeError, "input 'x' is NoneType, an array of float32 is needed"),
    ((row for row in X), TypeError, "input 'x' is generator, an array of float32 is needed"),
    (X.astype(object), TypeError, "input 'x': array is object, needed is float32"),
    (b"1234" * 4, TypeError, r"input 'x': array is \|S16, needed is float32"),
    ([[1.0], [1.0, 2.0]], ValueError, "input 'x': setting an array element with a sequence"),
    (np.ma.array(X, mask=X > 3), TypeError, "input 'x' is MaskedArray, an array without mask is needed"),
    (np.float32(1), ValueError, r"input 'x': array is \(\), needed is \(1, 4\)"),
    ({"X": X, 1: X}, ValueError, "input 'x' is missing, 'X', 1 is no input"),
    ({"x": X, "z": X}, ValueError, "model 'double' has no input 'z'"),
    (X[0], ValueError, r"input 'x': array is \(4,\), needed is \(1, 4\), of which vary \(0,\)"),
    (X[:, :3], ValueError, r"input 'x': array is \(2, 3\), needed is \(1, 4\)"),
    ({}, ValueError, "input 'x' is missing"),
])
def test_refused(double, x, kind, words):
    with libai.Model(double) as model:
        with pytest.raises(kind, match=words):
            model(x)
        assert (model(X) == 2 * X).all()


def read_only():
    out = np.empty_like(X)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize("out, kind, words", [
    (np.empty((2, 4)), ValueError, r"out 'y': array is float64 \(2, 4\), needed is float32"),
    (np.empty((1, 4), np.float32), ValueError, r"out 'y': array is float32 \(1, 4\), needed is"),
    (np.empty((4, 2), np.float32).T, ValueError, "out 'y': array is read-only or not contiguous"),
    (read_only(), ValueError, "out 'y': array is read-only or not contiguous"),
    (X, ValueError, "out 'y': array overlaps with another"),
    ([1.0], TypeError, "out 'y' is list, an array is needed"),
    ({}, TypeError, "out 'y' is NoneType, an array is needed"),
    ({"y": X.copy(), "z": X}, ValueError, "model 'double' has no output 'z'"),
])
def test_refused_out(double, out, kind, words):
    with libai.Model(double) as model, pytest.raises(kind, match=words):
        model(X, out=out)


def test_errors_have_status_step_and_message(tmp_path):
    proto = network([helper.make_node("Abs", ["x"], ["places"]),
                     helper.make_node("Gather", ["table", "places"], ["y"], name="look")],
                    {"x": [2]}, {"y": [2]}, [("table", np.arange(3))], TensorProto.INT64)
    with libai.Model(convert(tmp_path, "look", proto)) as model:
        assert model(np.array([-2, 1])).tolist() == [2, 1]
        with pytest.raises(libai.Error) as caught:
            model(np.array([0, 7]))
        error = caught.value
        assert (error.code, error.status) == ("AI_E_VALUE", -8)
        assert model.steps[error.step].name == "look" and "7" in error.message
        assert model(np.array([0, 2])).tolist() == [0, 2]


def test_closed(double, adder):
    model = libai.Model(adder)
    model({"x": np.ones((1, 2), np.float32)})
    model.close()
    model.close()
    for use in (lambda: model(np.ones((1, 2), np.float32)), lambda: model.state, model.reset,
                lambda: model.steps, lambda: model.memory_bytes, lambda: model.resources):
        with pytest.raises(ValueError, match="model 'adder' is closed"):
            use()
    assert "adder" in repr(model) and model._repr_html_()
    with pytest.raises(ValueError, match="model 'double' is closed"):
        with libai.Model(double) as unused:
            pass
        unused.inputs  # noqa: B018: it asks the file


def test_notebook(double):
    with libai.Model(double) as model:
        page = model._repr_html_()
        assert "<td>x</td><td>float32</td><td>1* × 4</td>" in page and "double" in page
    rows = libai.Classes([libai.Class(1, "<cat>", 0.5, 3), libai.Class(2, "dog", 0.25, 1)])
    page = rows._repr_html_()
    assert "&lt;cat&gt;" in page and "width:100.0%" in page and "width:50.0%" in page
    assert libai.Classes()._repr_html_() == "<table></table>"
    assert isinstance(rows, list) and rows[0].label == "<cat>"
