# SPDX-License-Identifier: Apache-2.0
"""`meson install` into an empty root: what lies there works from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ["AI_BUILD"])
SOURCE = Path(os.environ["AI_SOURCE"])
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"


def run(*command: object, **options) -> str:
    clean = {key: value for key, value in os.environ.items()
             if key not in ("LIBAI_PATH", "PYTHONPATH", "AI_CPU")}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                          env={**clean, **options.pop("env", {})}, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_layout(prefix):
    files = {path.relative_to(prefix).name for path in prefix.rglob("*")}
    assert {"ai", "libai.so", "libai.so.0", "libai.a", "libai-convert.so.0", "libai-task.so.0",
            "ai.h", "ai_convert.h", "ai_task.h", "libai.pc", "libai-convert.pc", "libai-task.pc",
            "libaiConfig.cmake", "libaiConfigVersion.cmake", "ai.1", "ai-function.1", "ai.bash",
            "_ai", "ai.fish"} <= files
    assert [path.name for path in (prefix / "include").iterdir()].count("ai.h") == 1


def test_shipped_model(prefix):
    assert (BUILD / "models/zoo/efficientnet-lite0.lai").exists(), (
        "models/zoo/fetch efficientnet-lite0 gets it")
    answer = json.loads(run(prefix / "bin/ai", "classify", "--json", PHOTO))
    assert answer["body"][0]["index"] in (281, 282, 285)
    link = prefix.parent / "elsewhere"
    link.symlink_to(prefix / "bin/ai")
    assert json.loads(run(link, "classify", "--json", PHOTO)) == answer


def test_python_package(prefix):
    (package,) = prefix.rglob("libai/__init__.py")
    code = ("import libai; from libai import _library as l; print(libai.version());"
            "print(l.core()._name, l.converter()._name, l.task()._name)")
    out = run(sys.executable, "-B", "-c", code, env={"PYTHONPATH": package.parent.parent})
    assert out.count(str(prefix)) == 3
