# SPDX-License-Identifier: Apache-2.0
"""The Ray Data job of the examples, on two local nodes: the table has what libai.classify says, and
the workers share the pages of the model's file. Tested where ray[data] is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import libai

ray = pytest.importorskip("ray", reason="ray is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

SOURCE = Path(os.environ["AI_SOURCE"])
JOB = SOURCE / "bindings" / "python" / "examples" / "ray_photographs.py"
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"
MODEL = Path(os.environ["AI_ZOO"]) / "efficientnet-lite0.lai"


def test_two_nodes(tmp_path):
    if not MODEL.exists():
        pytest.skip("the zoo is not fetched")
    from PIL import Image
    folder, out = tmp_path / "photos", tmp_path / "table"
    folder.mkdir()
    image = Image.open(PHOTO)
    for i in range(64):
        image.rotate(5 * i).save(folder / f"{i:02d}.jpg")
    done = subprocess.run([sys.executable, JOB, folder, MODEL, out, "--nodes", "2", "--maps"],
                          capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(out).to_pylist()
    with libai.Classifier(MODEL) as classifier:
        expected = {str(path): classifier(path, top=1)[0] for path in folder.iterdir()}
    assert {row["path"]: (row["index"], row["score"]) for row in table} == {
        path: (best.index, best.score) for path, best in expected.items()}
    assert len({row["node"] for row in table}) == len({row["pid"] for row in table}) == 2
    # Both are processes of this machine, so each page belongs to both.
    last = max(table, key=lambda row: row["end"])
    assert last["rss"] > MODEL.stat().st_size / 1024 / 2
    assert last["pss"] < 0.75 * last["rss"]
