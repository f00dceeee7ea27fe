# SPDX-License-Identifier: Apache-2.0
"""`meson install` into an empty root: what lies there works from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(os.environ["AI_BUILD"])
SOURCE = Path(os.environ["AI_SOURCE"])
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root],
                   check=True, capture_output=True)
    (command,) = root.rglob("bin/ai")
    return command.parent.parent


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
            "ai.h", "ai_convert.h", "ai_task.h", "libai.pc", "libai-convert.pc", "libai-task.pc"} <= files
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


def flags(prefix: Path, *arguments: str) -> list[str]:
    (folder,) = prefix.rglob("pkgconfig")
    out = run("pkg-config", f"--define-variable=prefix={prefix}", *arguments,
              env={"PKG_CONFIG_PATH": folder})
    return out.split()


PROGRAM = """
#include <ai.h>
#include <stdio.h>
int main(void)
{
    ai_model *model;
    ai_error err;
    if (ai_model_open(&model, "none.lai", &err) != AI_E_IO)
        return 1;
    puts(err.message);
    return ai_version() == AI_VERSION ? 0 : 1;
}
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config(prefix, tmp_path, kind):
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    exe = tmp_path / "program"
    more = ["--static"] if kind == "static" else []
    options = flags(prefix, *more, "--cflags", "--libs", "libai")
    if kind == "static":
        options = ["-static", *options]
    (folder,) = {path.parent for path in prefix.rglob("libai.so.0")}
    run("gcc", "-std=c99", "-Wall", "-Werror", source, "-o", exe, *options)
    assert "no such file" in run(exe, env={"LD_LIBRARY_PATH": folder})


@pytest.mark.parametrize("name, symbol", [("libai-convert", "ai_convert_file"),
                                          ("libai-task", "ai_classify")])
def test_pkg_config_of_the_others(prefix, tmp_path, name, symbol):
    header = name.replace("lib", "").replace("-", "_") + ".h"
    source = tmp_path / "program.c"
    source.write_text(f"#include <{header}>\nint main(void) {{ return {symbol} == 0; }}\n")
    (folder,) = {path.parent for path in prefix.rglob("libai.so.0")}
    run("gcc", "-w", source, "-o", tmp_path / "program", *flags(prefix, "--cflags", "--libs", name))
    run(tmp_path / "program", env={"LD_LIBRARY_PATH": folder})
