# SPDX-License-Identifier: Apache-2.0
"""What the tests of `ai package` share: the command, small models, a static program that stands for
the function handler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# Prints which file of those beside it begins as a model, as the handler looks for one, then what
# the environment says.
HANDLER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char path[4096];
    char magic[5] = {0};
    snprintf(path, sizeof path, "%s", (const char *)getauxval(AT_EXECFN));
    strcpy(strrchr(path, '/') + 1, argc > 1 ? argv[1] : "model.lai");
    FILE *file = fopen(path, "rb");
    if (!file || fread(magic, 1, 4, file) != 4) {
        printf("no %s\n", path);
        return 1;
    }
    const char *model = getenv("AI_MODEL");
    printf("%s %s %d %s\n", path, magic + 1, (int)getuid(), model ? model : "-");
    return 0;
}
"""

PLATFORMS = ["lambda", "openwhisk", "aliyun-fc", "azure", "knative", "oci"]
ZIPS = {"lambda": "bootstrap", "openwhisk": "exec", "aliyun-fc": "bootstrap"}


class Result(NamedTuple):
    status: int
    out: str
    err: str

    def failed(self, path: object, *words: str) -> None:
        """One line `ai: <path>: <message>` with these words in it, and exit 1."""
        assert self.status == 1, self
        assert self.err.startswith(f"ai: {path}: "), self
        assert self.err.count("\n") == 1 and self.err.endswith("\n"), self
        message = self.err[len(f"ai: {path}: "):].strip()
        assert message and message[-1] != "." and "?" not in message, self
        assert len(message) < 239, "cut off"
        for word in words:
            assert word in message, self


@pytest.fixture(scope="session")
def ai():
    def run(*arguments: object, env: dict[str, str] | None = None, **options) -> Result:
        done = subprocess.run([os.environ["AI_BIN"], *map(str, arguments)], capture_output=True,
                              timeout=120, env={**os.environ, **(env or {})}, **options)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("package")


def build(folder: Path, name: str, source: str, *flags: str) -> Path:
    program = folder / name
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-O1", "-o", program, folder / f"{name}.c", *flags], check=True)
    return program


@pytest.fixture(scope="session")
def handler(folder) -> Path:
    return build(folder, "handler", HANDLER, "-static")


def save(ai, path: Path, columns: int) -> Path:
    weight = np.random.default_rng(1).standard_normal((256, columns)).astype(np.float32)
    def value(name, width):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="dense")], "test",
                              [value("x", 256)], [value("y", columns)],
                              [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path.with_suffix(".onnx"))
    assert ai("convert", path.with_suffix(".onnx"), "-o", path) == (0, "", "")
    return path


@pytest.fixture(scope="session")
def model(ai, folder) -> Path:
    """A megabyte of weights that a zip cannot make much smaller."""
    return save(ai, folder / "Dense_Net.lai", 1024)


@pytest.fixture(scope="session")
def other(ai, folder) -> Path:
    return save(ai, folder / "other.lai", 16)


@pytest.fixture
def package(ai, model, handler, tmp_path):
    """Packs the model, or others, for a platform; the result lies in its own folder."""
    def run(platform: str, *arguments: object, models: list | None = None, out: Path | None = None,
            env: dict[str, str] | None = None):
        out = out or tmp_path / (platform + (".zip" if platform in ZIPS else ""))
        given = [word for path in models or [model] for word in ("--model", path)]
        return out, ai("package", "--platform", platform, "--out", out, "--handler", handler,
                       *given, *arguments, env=env)

    return run


@pytest.fixture
def packed(package):
    def run(*arguments, **options) -> Path:
        out, done = package(*arguments, **options)
        assert (done.status, done.err) == (0, ""), done
        return out

    return run


def tree(path: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of a file, or of every file of a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file.relative_to(path)): (file.stat().st_mode, file.read_bytes())
            for file in files if file.is_file()}
