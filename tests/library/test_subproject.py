# SPDX-License-Identifier: Apache-2.0
"""libai as a meson subproject, as docs/building.md has it: the parent's program runs alone, and the
parent keeps its own options, tests and installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import libai
from building import snippets

SOURCE = Path(os.environ["AI_SOURCE"])
ZOO = Path(os.environ["AI_ZOO"])


def run(*command, cwd) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def parent(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("parent")
    (folder / "subprojects").mkdir()
    (folder / "subprojects" / "libai").symlink_to(SOURCE)
    (text,) = snippets("A meson subproject", "meson")
    (script,) = snippets("A meson subproject", "sh")
    (folder / "meson.build").write_text(text)
    shutil.copy(SOURCE / "tests" / "library" / "infer.cpp", folder)
    run("sh", "-ec", script, cwd=folder)
    return folder


def test_program(parent, tmp_path):
    model = ZOO / "mobilenetv2.lai"
    x = np.random.default_rng(5).standard_normal((1, 3, 224, 224)).astype(np.float32)
    (tmp_path / "input").write_bytes(x.tobytes())
    run(parent / "build" / "infer", model, "input", "output", cwd=tmp_path)
    expected = np.asarray(libai.Model(model)(x)).tobytes()
    assert (tmp_path / "output").read_bytes() == expected
    assert "libai" not in run("readelf", "-d", parent / "build" / "infer", cwd=tmp_path)


def told(parent: Path, what: str):
    return json.loads(run("meson", "introspect", f"--{what}", parent / "build", cwd=parent))


def test_parent_is_left_alone(parent):
    options = {row["name"]: row["value"] for row in told(parent, "buildoptions")}
    assert (options["buildtype"], options["optimization"], options["werror"]) == ("debug", "0", False)
    assert options["warning_level"] == "1"
    assert told(parent, "tests") == []
    assert [Path(path).name for path in told(parent, "installed")] == ["infer"]


def test_core_only_builds_the_core_alone(parent):
    built = {path.name for path in (parent / "build").rglob("*") if path.suffix in (".so", ".a")}
    assert "libai.a" in built
    assert not [name for name in built if name.startswith(("libai-convert", "libai-task"))]
    assert not [path for path in (parent / "build").rglob("libai.so*") if path.is_file()]
