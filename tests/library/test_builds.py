# SPDX-License-Identifier: Apache-2.0
"""Programs of others against an installed tree, built as docs/building.md says: by pkg-config,
CMake and rustc, shared and static. They give what the Python package gives, to the bit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai
from building import snippets

SOURCE = Path(os.environ["AI_SOURCE"])
PHOTO = SOURCE / "tests" / "data" / "chelsea.png"
CLEAN = {key: value for key, value in os.environ.items()
         if key not in ("LIBAI_PATH", "PYTHONPATH", "AI_CPU", "LD_LIBRARY_PATH")}
CLEAN["CMAKE_GENERATOR"] = "Ninja"  # meson needs it anyway; make may not be there


@pytest.fixture(scope="module")
def libdir(prefix) -> Path:
    (library,) = prefix.rglob("libai.so")
    return library.parent


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A Conv and a Gemm with random weights: two classes from 224x224 pictures."""
    rng = np.random.default_rng(8)
    weights = {"w": rng.standard_normal((4, 3, 3, 3)), "g": rng.standard_normal((4, 2))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], strides=[2, 2]),
             helper.make_node("Relu", ["c"], ["r"]),
             helper.make_node("GlobalAveragePool", ["r"], ["p"]),
             helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Gemm", ["f", "g"], ["y"])]
    graph = helper.make_graph(
        nodes, "two", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(data.astype(np.float32), name) for name, data in weights.items()])
    path = tmp_path_factory.mktemp("network") / "two.onnx"
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture
def work(tmp_path) -> Path:
    for name in ("infer.cpp", "infer.rs", "classify.cpp"):
        shutil.copy(SOURCE / "tests" / "library" / name, tmp_path)
    return tmp_path


def run(*command, cwd, **env) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd,
                          env={**CLEAN, **{key: str(value) for key, value in env.items()}})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def build(script: str, prefix: Path, libdir: Path, work: Path) -> None:
    assert "warning" not in run("sh", "-ec", script, cwd=work, PREFIX=prefix,
                                PKG_CONFIG_PATH=libdir / "pkgconfig")


def infers(program: Path, network: Path, work: Path, **env) -> None:
    """What it writes is what the package computes."""
    libai.convert(network, work / "two.lai")
    x = np.random.default_rng(5).standard_normal((1, 3, 224, 224)).astype(np.float32)
    (work / "input").write_bytes(x.tobytes())
    run(program, work / "two.lai", "input", "output", cwd=work, **env)
    assert (work / "output").read_bytes() == np.asarray(libai.Model(work / "two.lai")(x)).tobytes()
    failed = subprocess.run([program, "none.lai", "input", "output"], cwd=work, text=True,
                            env={**CLEAN, **{k: str(v) for k, v in env.items()}},
                            capture_output=True)
    assert failed.returncode == 1 and "no such file" in failed.stderr


def classifies(program: Path, network: Path, work: Path, **env) -> None:
    libai.convert(network, work / "two.lai", labels=["dark", "light"], image="imagenet")
    rows = libai.classify(PHOTO, work / "two.lai", top=2)
    said = run(program, network, "own.lai", PHOTO, cwd=work, **env).split()
    assert said[::2] == [row.label for row in rows]
    assert np.allclose([float(score) for score in said[1::2]], [row.score for row in rows],
                       rtol=1e-5)


def is_static(program: Path) -> bool:
    return "NEEDED" not in run("readelf", "-d", program, cwd="/")


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config(prefix, libdir, network, work, kind):
    shared, static = snippets("pkg-config", "sh")
    build(shared if kind == "shared" else static, prefix, libdir, work)
    assert is_static(work / "infer") == is_static(work / "classify") == (kind == "static")
    env = {"LD_LIBRARY_PATH": libdir} if kind == "shared" else {}
    infers(work / "infer", network, work, **env)
    classifies(work / "classify", network, work, **env)


def test_cmake(prefix, libdir, network, work):
    """By its own run path: no LD_LIBRARY_PATH."""
    assert shutil.which("cmake"), "cmake is not installed"
    (lists,) = snippets("CMake", "cmake")
    (script,) = snippets("CMake", "sh")
    (work / "CMakeLists.txt").write_text(lists)
    build(script, prefix, libdir, work)
    for name in ("infer", "alone"):
        infers(work / "build" / name, network, work)
    assert "libai" not in run("readelf", "-d", work / "build" / "alone", cwd="/")
    classifies(work / "build" / "classify", network, work)


def test_cmake_versions(prefix, work):
    wanted = {"0.0.9": True, "0.1.0 EXACT": True, "0.2": False, "1.0": False, "": True}
    (work / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(versions CXX)\n" + "".join(
            f"find_package(libai {version} QUIET)\nmessage(STATUS found=${{libai_FOUND}})\n"
            "unset(libai_DIR CACHE)\n" for version in wanted))
    said = run("cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=work)
    assert [found == "1" for found in re.findall("found=(.)", said)] == list(wanted.values())


def test_rust(prefix, libdir, network, work):
    if not shutil.which("rustc"):
        pytest.skip("rustc is not installed: .ci/run installs it")
    (script,) = snippets("Rust", "sh")
    build(script, prefix, libdir, work)
    infers(work / "infer", network, work, LD_LIBRARY_PATH=libdir)
