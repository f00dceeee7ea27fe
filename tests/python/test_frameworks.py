# SPDX-License-Identifier: Apache-2.0
"""libai.convert on models as frameworks hold them. PyTorch and Keras are tested where they are
installed, which the default tests do not do."""

import numpy as np
import onnx
import pytest
from networks import network
from onnx import helper

import libai

RNG = np.random.default_rng(3)


def test_model_proto(tmp_path):
    proto = network([helper.make_node("Gemm", ["x", "w"], ["y"])], {"x": ["N", 5]}, {"y": ["N", 3]},
                    [("w", RNG.standard_normal((5, 3)).astype(np.float32))])
    made = libai.convert(proto, tmp_path / "gemm.lai")
    assert made == libai.Conversion(str(tmp_path / "gemm.lai"), None)
    x = RNG.standard_normal((1, 5)).astype(np.float32)
    for example in (x, [x], {"x": x}):
        made = libai.convert(proto, tmp_path / "gemm.lai", example=example)
        assert made.difference is not None and made.difference < 1e-5
    with libai.Model(tmp_path / "gemm.lai") as model:
        assert model.name == "gemm" and model(x).shape == (1, 3)
    with pytest.raises(ValueError, match="example has 2 inputs, needed are .*'x'"):
        libai.convert(proto, tmp_path / "gemm.lai", example={"x": x, "z": x})


@pytest.mark.parametrize("source", [3, object(), onnx.GraphProto(), np.zeros(3)])
def test_refused(tmp_path, source):
    with pytest.raises(TypeError, match=f"source is {type(source).__name__}, a path is needed"):
        libai.convert(source, tmp_path / "a.lai")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dynamo", [False, True])
def test_torch(tmp_path, monkeypatch, dynamo):
    """By the exporter that needs nothing else, and by the newer one."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    else:
        monkeypatch.setattr("libai._frameworks.find_spec", lambda _: None)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Dropout(),
                                 torch.nn.Flatten(), torch.nn.Linear(8 * 36, 4))
    x = torch.randn(1, 3, 8, 8)
    made = libai.convert(module, tmp_path / "net.lai", example=x)
    assert made.difference < 1e-5 and module.training  # left as it was
    with torch.no_grad(), libai.Model(tmp_path / "net.lai") as model:
        assert np.abs(module.eval()(x).numpy() - model(x.numpy())).max() < 1e-5
    with pytest.raises(TypeError, match="example is None, a torch.nn.Module needs a tensor"):
        libai.convert(module, tmp_path / "other.lai")


def test_torch_state(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Sum(torch.nn.Module):
        def forward(self, x, before):
            return 2 * x + before, x + before

    zeros = torch.zeros(1, 2)
    example = zeros, zeros
    made = libai.convert(Sum(), tmp_path / "sum.lai", example=example, states=["before=output1"])
    assert made.difference == 0
    with libai.Model(tmp_path / "sum.lai") as model:
        assert [model(np.ones((1, 2), np.float32))[0, 0] for _ in range(3)] == [2, 3, 4]


def keras():
    found = pytest.importorskip("keras", reason="Keras is not installed")
    pytest.importorskip("tf2onnx", reason="tf2onnx, by which Keras exports, is not installed")
    return found


def test_keras(tmp_path):
    layers = keras().layers
    net = keras().Sequential([layers.Input((9, 9, 3), name="image"), layers.Conv2D(6, 3),
                              layers.BatchNormalization(), layers.ReLU(),
                              layers.GlobalAveragePooling2D(), layers.Dense(4)])
    made = libai.convert(net, tmp_path / "net.lai")
    assert made.difference < 1e-5
    x = RNG.random((1, 9, 9, 3), np.float32)
    with libai.Model(tmp_path / "net.lai") as model:
        assert np.abs(np.asarray(net(x)) - model(x)).max() < 1e-5
    assert libai.convert(net, tmp_path / "net.lai", example=x).difference < 1e-5


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_keras_recurrent(tmp_path, kind):
    """Unrolled for the exporter, and as it was afterwards."""
    layers = keras().layers
    layer = getattr(layers, kind)(8)
    net = keras().Sequential([layers.Input((5, 3), name="x"), layer, layers.Dense(4)])
    assert libai.convert(net, tmp_path / "net.lai").difference < 1e-5
    assert layer.unroll is False
