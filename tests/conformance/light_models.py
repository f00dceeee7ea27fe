# SPDX-License-Identifier: Apache-2.0
"""The nine light networks of the onnx package, whose weights are constants made at run time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx_case import DATA, tensor

import libai

NAMES = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
         "squeezenet", "vgg19", "zfnet512"]


def source(name: str) -> Path:
    return DATA / "light" / f"light_{name}.onnx"


def expected(name: str) -> np.ndarray:
    return tensor(DATA / "light" / f"light_{name}_output_0.pb")


def ramp(shape: tuple[int, ...]) -> np.ndarray:
    """The input of onnx's runner: 0 to 1 in row-major order."""
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) / count).astype(np.float32)


def convert(name: str, folder: Path) -> Path:
    target = folder / f"{name}.lai"
    if not target.exists():
        libai.convert(source(name), target)
    return target


def outputs(name: str) -> list[str]:
    return [item.name for item in onnx.load(source(name)).graph.output]
