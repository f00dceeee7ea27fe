# SPDX-License-Identifier: Apache-2.0
"""The same bits at every CPU level of the machine, and with any number of threads."""

from __future__ import annotations

import light_models
import numpy as np
import pytest

import libai


def random_inputs(model: libai.Model) -> dict[str, np.ndarray]:
    random = np.random.default_rng(20240229)
    return {tensor.name: random.standard_normal(tensor.shape).astype(tensor.dtype)
            for tensor in model.inputs}


def assert_same_bits(path) -> None:
    with libai.Model(path, cpu="ref", threads=1) as model:
        inputs = random_inputs(model)
        reference = model(inputs)
    levels = libai.cpu_levels()
    others = [(level, 1) for level in levels[1:]] + [(levels[-1], n) for n in (2, 3, 5)]
    for level, threads in others:
        with libai.Model(path, cpu=level, threads=threads) as model:
            found = model(inputs)
        for name, array in reference.items():
            assert found[name].tobytes() == array.tobytes(), (level, threads, name)


def test_levels_beside_ref():
    assert libai.cpu_levels()[0] == "ref"


@pytest.mark.parametrize("name", light_models.NAMES)
def test_light_model(name, light_folder):
    assert_same_bits(light_models.convert(name, light_folder))


def test_zoo(zoo_models):
    for path in zoo_models:
        assert_same_bits(path)
