# SPDX-License-Identifier: Apache-2.0
"""The examples, with random weights: the frameworks' own best three, and then as a packed function
that answers AWS Lambda's events. Each is tested where its framework is installed."""

import base64
import importlib.util
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import libai

SOURCE = Path(os.environ["AI_SOURCE"])
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"


def example(name, *needed):
    for package in needed:
        pytest.importorskip(package, reason=f"{package} is not installed")
    path = SOURCE / "bindings" / "python" / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def function(model, folder):
    """Asks the packed model: `ai package`, its bootstrap, a Runtime API."""
    sys.path.insert(0, str(SOURCE / "tests" / "faas"))
    try:
        from runtime_api import RuntimeApi
    finally:
        sys.path.remove(str(SOURCE / "tests" / "faas"))
    packed, root = folder / "function.zip", folder / "root"
    subprocess.run([os.environ["AI_BIN"], "package", "--platform", "lambda", "--handler",
                    os.environ["AI_FUNCTION"], "--model", model, "--out", packed,
                    "--limit", "zip=250MiB"], check=True)  # ResNet-50 goes by S3
    zipfile.ZipFile(packed).extractall(root)
    (root / "bootstrap").chmod(0o755)
    api = RuntimeApi()
    process = subprocess.Popen([root / "bootstrap"], cwd=root, stdout=subprocess.DEVNULL, env={
        "AWS_LAMBDA_RUNTIME_API": api.place, "LAMBDA_TASK_ROOT": str(root)})
    try:
        yield lambda event: api.invoke(event).json
    finally:
        process.kill()
        process.wait()
        api.close()


def same_pictures(model, expected, folder):
    rows = libai.classify(PHOTO, model, top=3)
    assert [row.index for row in rows] == expected
    with function(model, folder) as ask:
        answer = ask({"image": base64.b64encode(PHOTO.read_bytes()).decode()})
    assert answer["statusCode"] == 200
    assert [row["index"] for row in answer["body"]] == expected
    assert [row["label"] for row in answer["body"]] == [row.label for row in rows]


def same_texts(recipe, net, model, folder):
    numbers = [recipe.START, *(recipe.FIRST + recipe.VOCABULARY.index(c) for c in "spring rain")]
    with libai.Model(model) as opened:
        kind = opened.inputs[0].dtype
        found = [np.argsort(opened(np.array([[n]], kind))[0])[::-1][:3].tolist() for n in numbers]
    assert found == recipe.top3(net, numbers)
    text = libai.TextModel(model)(start="spring", seed=7)
    assert text.startswith("spring") and len(text) == 60
    with function(model, folder) as ask:
        assert ask({"start": "spring", "seed": 7}) == {"statusCode": 200,
                                                       "body": {"seed": 7, "text": text}}


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def test_torchvision(tmp_path, name):
    recipe = example("torchvision_classifier", "torch", "torchvision")
    import torch
    torch.manual_seed(1)
    net = recipe.network(name, weights=None).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1  # else random weights answer the same to all pictures
    with torch.no_grad():
        net(torch.randn(4, 3, 224, 224))
    net.eval()
    made = recipe.convert(net, name, tmp_path / "net.lai")
    assert made.difference < 1e-3
    same_pictures(tmp_path / "net.lai", recipe.top3(net, name, PHOTO), tmp_path)


def test_keras_resnet50(tmp_path):
    recipe = example("keras_resnet50", "keras", "tf2onnx")
    recipe.keras.utils.set_random_seed(1)
    net = recipe.network(weights=None)
    assert recipe.convert(net, tmp_path / "net.lai").difference < 1e-3
    same_pictures(tmp_path / "net.lai", recipe.top3(net, PHOTO), tmp_path)


def test_torch_lstm(tmp_path):
    recipe = example("torch_lstm", "torch")
    recipe.torch.manual_seed(1)
    net = recipe.Writer().eval()
    assert recipe.convert(net, tmp_path / "net.lai").difference < 1e-5
    same_texts(recipe, net, tmp_path / "net.lai", tmp_path)


def test_keras_lstm(tmp_path):
    recipe = example("keras_lstm", "keras", "tf2onnx")
    recipe.keras.utils.set_random_seed(1)
    net = recipe.network()
    assert recipe.convert(net, tmp_path / "net.lai").difference < 1e-5
    same_texts(recipe, net, tmp_path / "net.lai", tmp_path)
