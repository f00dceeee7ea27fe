# SPDX-License-Identifier: Apache-2.0
"""The nine light networks against the outputs that ship with them, and their memory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import light_models
import pytest
from onnx_case import compare

import libai


@pytest.mark.parametrize("name", light_models.NAMES)
def test_light_model(name, light_folder):
    with libai.Model(light_models.convert(name, light_folder), threads=1) as model:
        x = light_models.ramp(model.inputs[0].shape)
        found = model({model.inputs[0].name: x})
    names = light_models.outputs(name)
    assert len(names) == 1
    compare(found, {names[0]: light_models.expected(name)})


def arena_bound(paths) -> None:
    tool = Path(os.environ["AI_BUILD"], "tests/unit/arena-bound")
    found = subprocess.run([tool, *paths], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 4 * len(paths), found.stdout  # 1 to 4 threads


def test_arena(light_folder):
    arena_bound([light_models.convert(name, light_folder) for name in light_models.NAMES])


def test_arena_of_zoo(zoo_models):
    arena_bound(zoo_models)
