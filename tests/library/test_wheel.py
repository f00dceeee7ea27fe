# SPDX-License-Identifier: Apache-2.0
"""`pip install .`: the wheel carries all it needs, and classifies a photograph in a fresh
environment, without NumPy, the build, and the system's own libraries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(os.environ["AI_SOURCE"])
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"
MODEL = Path(os.environ["AI_ZOO"]) / "efficientnet-lite0.lai"
MAX_BYTES = 4_000_000
CLEAN = {name: value for name, value in os.environ.items()
         if name not in ("PYTHONPATH", "LIBAI_PATH", "LD_LIBRARY_PATH")}


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/", **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def build(folder):
    # meson and its helpers stand beside this Python, where the README's `pip install .` fetches them.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        f"--config-settings=build-dir={folder}/build", "--wheel-dir", folder, SOURCE,
        env={**CLEAN, "PATH": path, "SOURCE_DATE_EPOCH": "1700000000"})
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory):
    """The bin/ of a new environment with the wheel alone."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    run(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet",
        "--no-deps", "--no-index", wheel, env=CLEAN)
    return folder / "bin"


def test_size_and_contents(wheel):
    assert wheel.stat().st_size <= MAX_BYTES
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("libai.so.0", "libai-convert.so.0", "libai-task.so.0", "libjpeg.so", "py.typed"):
        assert any(name.startswith(f"libai/{needed}") for name in names), needed
    assert not [name for name in names if name.endswith((".lai", ".onnx", ".a", ".h", ".pc"))]


def test_licences(wheel):
    """Of libai, of each library beside it, and of what is linked into ai-function."""
    files = zipfile.ZipFile(wheel)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files.namelist())
    said = {name.split("/")[-1]: files.read(name).decode() for name in files.namelist()
            if name.startswith("libai/licences/")}
    for stem, word in {"libjpeg": "Independent JPEG Group", "libpng": "PNG Reference Library",
                       "libjansson": "Petri Lehtinen", "libprotobuf-c": "BSD", "libevent": "Provos",
                       "zlib": "Gailly", "libc6": "Lesser General Public"}.items():
        assert [name for name in said if name.startswith(stem) and word in said[name]], (stem, list(said))
    carried = [name for name in files.namelist() if re.match(r"libai/lib(?!ai)[^/]*\.so", name)]
    assert len(carried) == 4, carried


def test_two_builds_have_the_same_bytes(wheel, tmp_path):
    assert build(tmp_path / "in another folder").read_bytes() == wheel.read_bytes()


def test_its_own_libraries_come_first(fresh):
    said = run(fresh / "python", "-c", """
import libai, libai._library as lib
lib.task(), lib.converter()
print(libai.version(), open("/proc/self/maps").read())
""", env=CLEAN)
    loaded = set(re.findall(r"(\S*/lib(?:ai|jpeg|png|jansson|protobuf)[\w-]*\.so\S*)", said))
    assert len(loaded) == 7, loaded
    assert {Path(path).parent.name for path in loaded} == {"libai"}, loaded


def test_classifies_a_photograph(fresh):
    script = "import sys, libai; print(libai.classify(sys.argv[1], sys.argv[2], top=1)[0].label)"
    label = run(fresh / "python", "-c", script, PHOTO, MODEL, env=CLEAN)
    assert "cat" in label
    assert label.strip() in run(fresh / "ai", "classify", "--model", MODEL, PHOTO, env=CLEAN)
