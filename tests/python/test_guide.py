# SPDX-License-Identifier: Apache-2.0
"""Every snippet of docs/python.md, run as one program."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(os.environ["AI_SOURCE"])
ZOO = Path(os.environ["AI_ZOO"])


def test_snippets(tmp_path):
    source = SOURCE / "models" / "zoo" / "cache" / "mobilenetv2.onnx"
    if not source.exists():
        pytest.skip("models/zoo/fetch has not fetched MobileNetV2")
    text = (SOURCE / "docs" / "python.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(snippets) >= 7
    shutil.copy(ZOO / "mobilenetv2.lai", tmp_path)
    shutil.copy(SOURCE / "models" / "zoo" / "charrnn" / "charrnn.lai", tmp_path)
    shutil.copy(SOURCE / "tests" / "data" / "chelsea.png", tmp_path)
    os.symlink(source, tmp_path / "model.onnx")
    done = subprocess.run([sys.executable, "-c", "\n".join(snippets)], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for words in ("AI_E_IO -3 None", "tabby", "春", "'error'"):
        assert words in done.stdout, done.stdout
