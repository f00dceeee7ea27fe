# SPDX-License-Identifier: Apache-2.0
"""A whole ResNet-50 as ONNX Runtime's quantiser writes it (QDQ): ONNX Runtime's answers to within one
step of the last scale, and the same bits at every level and by any number of threads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from test_quantiser import last_scale

import libai

SOURCE = Path(os.environ["AI_SOURCE"])


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """Without its Softmax, by which 255 steps would hold little of a thousand classes."""
    folder = tmp_path_factory.mktemp("resnet50")

    def run(script: str, *arguments: str) -> None:
        subprocess.run([sys.executable, "-B", SOURCE / script, *arguments], check=True, cwd=folder,
                       capture_output=True)

    run("models/zoo/resnet50/resnet50.py", "resnet50.onnx")
    model = onnx.load(folder / "resnet50.onnx")
    softmax = model.graph.node.pop()
    assert softmax.op_type == "Softmax"
    model.graph.output[0].name = softmax.input[0]
    onnx.save(model, folder / "logits.onnx")
    np.save(folder / "samples.npy", pictures(7, 2))
    run("bench/peers/quantised.py", "logits.onnx", "samples.npy", "qdq.onnx")
    libai.convert(folder / "qdq.onnx", folder / "qdq.lai", progress=False)
    return folder / "qdq.lai"


def pictures(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 224, 224)).astype(np.float32)


def test_onnx_runtime(network):
    source = network.with_suffix(".onnx")
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    step = last_scale(onnx.load(source))
    with libai.Model(network) as model:
        for picture in pictures(8, 3)[:, None]:
            expected, = session.run(None, {session.get_inputs()[0].name: picture})
            found = model(picture)
            assert np.abs(found - expected).max() <= 1.001 * step
            assert len(np.unique(found)) > 50


def test_levels_and_threads(network):
    picture = pictures(9, 1)
    found = {}
    for level, threads in itertools.product(libai.cpu_levels()[1:], (1, 2, 3)):
        with libai.Model(network, cpu=level, threads=threads) as model:
            found[level, threads] = model(picture).tobytes()
    assert len(set(found.values())) == 1, found.keys()
    libai.self_test(network)  # whose outputs ref has computed
