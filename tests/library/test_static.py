# SPDX-License-Identifier: Apache-2.0
"""libai.a linked static by musl: the same bits as the shared library, alone in an empty root."""
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import libai
from building import snippets

BUILD = Path(os.environ["AI_BUILD"])
SOURCE = Path(os.environ["AI_SOURCE"])
ZOO = Path(os.environ["AI_ZOO"])


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True,
                          **options).stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A static program by musl-gcc, as docs/building.md has it."""
    folder = tmp_path_factory.mktemp("musl") / "build"
    assert shutil.which("meson") and shutil.which("musl-gcc"), "meson and musl-gcc are needed"
    (commands,) = snippets("Static, by musl", "sh")
    run("sh", "-ec", commands, cwd=SOURCE, env={**os.environ, "BUILD": str(folder)})
    return folder / "program"


def test_is_static(program):
    assert "NEEDED" not in run("readelf", "-d", program)
    run("strip", program)
    assert program.stat().st_size <= 600_000


@pytest.mark.parametrize("levels", [1, 0xffff], ids=["ref", "best"])
def test_same_bits_in_an_empty_root(program, tmp_path, levels):
    x = np.random.default_rng(5).standard_normal((1, 3, 224, 224)).astype(np.float32)
    model = ZOO / "mobilenetv2.lai"
    expected = libai.Model(str(model))(x)
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(program, root / "program")
    shutil.copy(model, root / "model.lai")
    (root / "input").write_bytes(x.tobytes())
    run("chroot", root, "/program", "/model.lai", "/input", "/output", levels)
    assert sorted(p.name for p in root.iterdir()) == ["input", "model.lai", "output", "program"]
    assert (root / "output").read_bytes() == np.asarray(expected).tobytes()
