# SPDX-License-Identifier: Apache-2.0
"""The same bits at every CPU level of the machine, and with any number of threads.

A network's self-test holds what ref computed when it was converted: ref, the slowest by far, computes
large ones no second time. The zoo's run on other numbers, by ref with each number of threads, too."""

from __future__ import annotations

import itertools
import os
import runpy
from pathlib import Path

import light_models
import numpy as np
import pytest

import libai

SOURCE = Path(os.environ["AI_SOURCE"])
THREADS = (1, 2, 3, 4)


def random_inputs(model: libai.Model) -> dict[str, np.ndarray]:
    random = np.random.default_rng(20240229)
    return {tensor.name: random.standard_normal(tensor.shape).astype(tensor.dtype)
            for tensor in model.inputs}


def assert_same_bits(path) -> None:
    with libai.Model(path, cpu="ref", threads=1) as model:
        inputs = random_inputs(model)
        reference = model(inputs)
    for level, threads in itertools.product(libai.cpu_levels(), THREADS):
        if (level, threads) == ("ref", 1):
            continue
        with libai.Model(path, cpu=level, threads=threads) as model:
            found = model(inputs)
        for name, array in reference.items():
            assert found[name].tobytes() == array.tobytes(), (level, threads, name)


def test_levels_beside_ref():
    assert libai.cpu_levels()[0] == "ref"


def assert_self_test(path) -> None:
    native = 0xfffe if len(libai.cpu_levels()) > 1 else 1  # bits of ai_options.cpu, ref's is 1
    for threads in THREADS:
        libai.self_test(path, cpu=native, threads=threads)


@pytest.mark.parametrize("name", light_models.NAMES)
def test_light_model(name, light_folder):
    assert_self_test(light_models.convert(name, light_folder))


def test_zoo(zoo_models):
    for path in zoo_models:
        assert_same_bits(path)


def test_resnet50(tmp_path):
    """Full size, with random weights: the light one's are the same number all over."""
    source = tmp_path / "resnet50.onnx"
    runpy.run_path(str(SOURCE / "models/zoo/resnet50/resnet50.py"))["main"](str(source))
    libai.convert(source, tmp_path / "resnet50.lai")
    assert_self_test(tmp_path / "resnet50.lai")


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenetv2"])
def test_strips(name, tmp_path):
    """Blocks that run in strips of rows, beside their steps one by one."""
    source = SOURCE / "models" / "zoo" / "cache" / f"{name}.onnx"
    assert source.exists(), f"models/zoo/fetch {name} gets it"
    found = {}
    for strips in (True, False):
        path = tmp_path / "m.lai"
        libai.convert(source, path, strips=strips)
        for threads in (1, 2, 3):
            with libai.Model(path, threads=threads) as model:
                outputs = model(random_inputs(model))
            found[strips, threads] = [array.tobytes() for array in outputs.values()]
    assert all(outputs == found[False, 1] for outputs in found.values())
