# SPDX-License-Identifier: Apache-2.0
"""A whole ResNet-50 by `ai convert --int8`, of which every platform's package is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PLATFORMS
from PIL import Image
from test_sizes import MB, taken

SOURCE = Path(os.environ["AI_SOURCE"])


def convert(*arguments: object) -> tuple[int, str]:
    """The peak of memory in bytes, and what is told."""
    process = subprocess.Popen([os.environ["AI_BIN"], "convert", *map(str, arguments)],
                               stdout=subprocess.PIPE, text=True)
    told = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024, told


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("resnet50") / "resnet50.onnx"
    subprocess.run([sys.executable, SOURCE / "models/zoo/resnet50/resnet50.py", path], check=True,
                   stdout=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    photo = Image.open(SOURCE / "tests/data/chelsea.png").convert("RGB")
    for i, box in enumerate([(0, 0, 300, 300), (100, 0, 400, 250), (50, 20, 250, 220)]):
        photo.crop(box).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def quantised(network, pictures) -> tuple[Path, int, str]:
    out = network.with_suffix(".lai")
    return out, *convert(network, "-o", out, "--image", "imagenet", "--int8", pictures)


def test_network(ai, quantised):
    out, peak, told = quantised
    assert 25 * MB < out.stat().st_size <= 26.5 * MB
    assert peak < 1300 * MB  # of a network of 102 MB
    data = out.read_bytes()
    report = json.JSONDecoder().raw_decode(data[data.index(b'{"ranges"'):].decode("latin-1"))[0]
    assert len(report["layers"]) > 70
    assert {row["form"] for row in report["layers"] if row["op"] == "Conv"} == {"int8"}
    assert all(row["snr"] > 25 for row in report["layers"] if "snr" in row)
    whole = report["whole"]
    assert whole["rows"] == whole["same"] == 3 and whole["snr"] > 30
    assert "the same top-1 in 3 of 3" in told
    assert ai("verify", out).status == 0


def test_same_from_itself(network, quantised, tmp_path):
    again = tmp_path / "resnet50.lai"
    convert(network, "-o", again, "--image", "imagenet", "--int8", quantised[0])
    assert again.read_bytes() == quantised[0].read_bytes()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_package(ai, quantised, tmp_path, platform):
    assert 20 * MB < taken(ai, tmp_path, platform, quantised[0]) < 27 * MB
