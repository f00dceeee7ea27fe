# SPDX-License-Identifier: Apache-2.0
"""Every public name says what it is for, and the examples there hold."""

import doctest
import inspect
import os
import pkgutil
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import network
from onnx import helper

import libai

ZOO = Path(os.environ["AI_ZOO"])
PHOTO = Path(os.environ["AI_SOURCE"]) / "tests" / "data" / "chelsea.png"
MODULES = [libai] + [import_module(f"libai.{found.name}") for found in pkgutil.iter_modules(libai.__path__)]
WITH_EXAMPLE = {"Classifier", "Error", "Handler", "Model", "TextModel", "classify", "convert", "cpu_levels",
                "handler", "quantize", "self_test", "verify", "version"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the examples speak of."""
    rng = np.random.default_rng(2)
    proto = network([helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")], {"x": ["N", 4]},
                    {"y": ["N", 3]}, [("w", rng.standard_normal((4, 3)).astype(np.float32))])
    onnx.save(proto, tmp_path / "net.onnx")
    libai.convert(tmp_path / "net.onnx", tmp_path / "net.lai", progress=False)
    for source, name in ((ZOO / "charrnn.lai", "poems.lai"), (ZOO / "efficientnet-lite0.lai", "lite.lai"),
                         (PHOTO, "chelsea.png")):
        if source.exists():
            shutil.copy(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    return {test.name: test for module in MODULES for test in finder.find(module, module.__name__)
            if test.examples}


@pytest.mark.parametrize("name", sorted(examples()))
def test_example(folder, name):
    test = examples()[name]
    if "lite.lai" in test.docstring and not (folder / "lite.lai").exists():
        pytest.skip("the zoo is not fetched")
    test.globs.update(libai=libai, np=np)
    if ".Model." in name or ".TextModel." in name:  # goes on where that of its class ended
        above = examples()[name.rpartition(".")[0]]
        test.examples[:0] = above.examples
    said = []
    failed = doctest.DocTestRunner().run(test, out=said.append)
    assert not failed.failed, "".join(said)


def test_all_is_described():
    without = []
    for name in libai.__all__:
        thing = getattr(libai, name)
        members = inspect.getmembers(thing) if inspect.isclass(thing) else []
        for member, value in [("", thing), *members]:
            mine = (getattr(value, "__module__", None) or "").startswith("libai")
            is_public = not member.startswith("_") or (member == "__call__" and mine)
            if is_public and (callable(value) or isinstance(value, property)) and not inspect.getdoc(value):
                without.append(f"{name}.{member}")
    assert not without
    tested = {name.split(".")[-1] for name in examples()}
    assert WITH_EXAMPLE <= tested, WITH_EXAMPLE - tested
