# SPDX-License-Identifier: Apache-2.0
"""The nine light networks against the outputs that ship with them."""

from __future__ import annotations

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
