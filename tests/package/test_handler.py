# SPDX-License-Identifier: Apache-2.0
"""Packages with the real handler: it finds its models in each and answers, in a root that holds
nothing else, not even /proc."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ZIPS

HANDLER = os.environ.get("AI_FUNCTION", "")
pytestmark = [
    pytest.mark.skipif(not os.path.exists(HANDLER), reason="there is no handler in this build"),
    pytest.mark.skipif(os.getuid() != 0, reason="only root may chroot")]


def is_static() -> bool:
    parts = subprocess.run(["readelf", "-lW", HANDLER], capture_output=True, text=True, check=True)
    return "INTERP" not in parts.stdout


@contextmanager
def served(root: Path, program: str):
    """The answer to a path, with the program running in the root as nobody."""
    if not is_static():
        pytest.skip("sanitizers come as shared libraries")
    for path in (root, *root.parents[:2]):
        path.chmod(0o755)
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    process = subprocess.Popen([chroot, "--userspec=65532:65532", root, program], cwd="/usr",
                               env={"AI_PLATFORM": "http", "PORT": "0"},
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    line = process.stderr.readline()
    port = re.search(r"port (\d+)", line)

    def get(path: str, body: bytes | None = None) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}{path}", body, timeout=120) as answer:
            return answer.read().decode()

    try:
        assert port, line + process.stderr.read()
        yield get
    finally:
        process.terminate()
        process.wait(120)
        process.stderr.close()


def unpack(out: Path, root: Path, platform: str) -> Path:
    if platform in ZIPS:
        subprocess.run([shutil.which("unzip") or pytest.skip("unzip is not installed"), "-q", out,
                        "-d", root], check=True)
    elif platform == "azure":
        shutil.copytree(out, root)
    else:
        image = out / "image" if platform == "knative" else out
        subprocess.run([shutil.which("umoci") or pytest.skip("umoci is not installed"), "unpack",
                        "--image", f"{image}:latest", root.with_name("bundle")], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.move(root.with_name("bundle") / "rootfs", root)
    return root


PROGRAMS = {**ZIPS, "azure": "handler", "knative": "ai-function", "oci": "ai-function"}


@pytest.mark.parametrize("platform, program", PROGRAMS.items())
@pytest.mark.parametrize("count", [1, 2])
def test_models_are_found(packed, model, other, tmp_path, platform, program, count):
    out = packed(platform, "--handler", HANDLER, models=[model, other][:count])
    root = unpack(out, tmp_path / "root", platform)
    with served(root, f"/{program}") as get:
        assert get("/").startswith("<!doctype html>")


def test_picture(packed, tmp_path):
    """The shipped network in an image, from picture to label."""
    shipped = Path(os.environ.get("AI_ZOO", "none")) / "efficientnet-lite0.lai"
    if not shipped.exists():
        pytest.skip("the shipped network is not built")
    out = packed("oci", "--handler", HANDLER, models=[shipped])
    picture = Path(os.environ["AI_SOURCE"]) / "tests/data/chelsea.png"
    with served(unpack(out, tmp_path / "root", "oci"), "/ai-function") as get:
        answer = json.loads(get("/", picture.read_bytes()))
    assert answer["statusCode"] == 200
    assert "cat" in answer["body"][0]["label"]


@pytest.mark.parametrize("name, most", [("efficientnet-lite0-f32", 20e6),
                                         ("efficientnet-lite0", 8e6), ("charrnn", 10e6)])
def test_size_of_the_shipped_networks(packed, name, most):
    """What is promised, in bytes, with the handler, which is under 3 MB itself."""
    shipped = Path(os.environ.get("AI_ZOO", "none")) / f"{name}.lai"
    if not shipped.exists() or not is_static():
        pytest.skip("the shipped network or the static handler is not built")
    assert Path(HANDLER).stat().st_size < 3e6
    assert packed("lambda", "--handler", HANDLER, models=[shipped]).stat().st_size < most
