# SPDX-License-Identifier: Apache-2.0
"""What the libraries show to the outside: symbols, headers, ABI, size, needs, system calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ["AI_BUILD"])
SOURCE = Path(os.environ["AI_SOURCE"])
ABI = SOURCE / "tests" / "data" / "libai.abi"
LIBRARIES = {"libai.so.0": BUILD / "lib", "libai-convert.so.0": BUILD / "models",
             "libai-task.so.0": BUILD / "bindings" / "task"}
HEADERS = ["ai.h", "ai_convert.h", "ai_task.h"]
CORE = BUILD / "lib" / "libai.so.0"
MAX_BYTES = 500_000


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True,
                          cwd=SOURCE).stdout


def declared(header: str) -> set[str]:
    text = (SOURCE / "include" / header).read_text()
    return set(re.findall(r"^AI_API [^;(]*?\b(ai_\w+)\(", text, re.M))


@pytest.mark.parametrize("name, header", list(zip(LIBRARIES, HEADERS)))
def test_exported_symbols(name, header):
    """All that the header declares, and nothing else."""
    rows = run("nm", "-D", "--defined-only", LIBRARIES[name] / name).split("\n")
    exported = {row.split()[-1].split("@")[0] for row in rows if row}
    assert exported == declared(header)


def test_number_of_functions():
    assert 20 <= len(declared("ai.h")) <= 24


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("compiler, language, standard", [
    ("gcc", "c", "c99"), ("gcc", "c", "c11"), ("g++", "c++", "c++11"), ("clang", "c", "c99"),
    ("clang++", "c++", "c++11")])
def test_header_alone(tmp_path, header, compiler, language, standard):
    if not shutil.which(compiler):
        assert compiler.startswith("clang"), compiler
        pytest.skip(f"{compiler} is not installed")
    source = tmp_path / "alone"
    source.write_text(f'#include "{header}"\n')
    subprocess.run([compiler, "-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra",
                    "-Werror", "-fsyntax-only", f"-I{SOURCE / 'include'}", source], check=True)


def test_init_macros_in_cxx(tmp_path):
    structs = ["model_info", "tensor_info", "resource", "options", "session_info", "step_info",
               "call"]
    body = "".join(f"ai_{name} {name} = AI_{name.upper()}_INIT;\n" for name in structs)
    source = tmp_path / "init.cc"
    source.write_text(f'#include "ai.h"\n{body}')
    subprocess.run(["g++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror",
                    "-fsyntax-only", f"-I{SOURCE / 'include'}", source], check=True)


def test_needed_libraries():
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", CORE)))
    assert needed <= {"libc.so.6", "libm.so.6"}


def test_no_environment_no_output():
    """What the core must not call: the list of what it takes from libc says so."""
    used = {row.split()[-1].split("@")[0] for row in run("nm", "-D", "-u", CORE).splitlines()}
    assert not used & {"getenv", "secure_getenv", "setlocale", "printf", "puts", "fputs", "fprintf",
                       "abort", "exit", "fopen", "expf", "logf", "powf", "tanhf", "erff", "exp",
                       "log", "pow", "sin", "cos", "tanh", "erf", "signal", "sigaction"}


def test_stripped_size(tmp_path):
    shutil.copy(CORE, tmp_path / "libai.so")
    run("strip", tmp_path / "libai.so")
    assert (tmp_path / "libai.so").stat().st_size <= MAX_BYTES


def test_system_calls_of_open(tmp_path):
    """Opening a model and a session with a given number of threads touches the file and the map."""
    if not shutil.which("strace"):
        pytest.fail("strace is not installed")
    program = tmp_path / "open.c"
    program.write_text("""
        #include <stdlib.h>
        #include <unistd.h>
        #include "ai.h"
        int main(int argc, char **argv)
        {
            (void)argc;
            ai_model *model;
            ai_session *session;
            ai_options options = AI_OPTIONS_INIT;
            options.threads = 1;
            free(malloc(1)); /* glibc's first call asks for random bytes */
            write(1, "begin", 5);
            if (ai_model_open(&model, argv[1], NULL) != AI_OK ||
                ai_session_open(&session, model, &options, NULL) != AI_OK)
                return 1;
            write(1, "end", 3);
            return 0;
        }""")
    exe = tmp_path / "open"
    run("gcc", f"-I{SOURCE / 'include'}", program, CORE, f"-Wl,-rpath,{CORE.parent}", "-o", exe)
    import libai
    model = tmp_path / "m.lai"
    libai.convert(_small_network(tmp_path), model)
    run("strace", "-o", tmp_path / "trace", exe, model)
    trace = (tmp_path / "trace").read_text()
    between = trace[trace.index('"begin"'):trace.index('"end"')].splitlines()[1:-1]
    calls = [row.split("(")[0] for row in between]
    opened = [row for row in between if row.startswith("open")]
    assert len(opened) == 1 and str(model) in opened[0]
    assert set(calls) <= {"openat", "open", "fstat", "newfstatat", "mmap", "munmap", "close", "brk",
                          "madvise", "pread64"}, between
    assert len(calls) <= 8, between


def _small_network(folder: Path) -> Path:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    weights = np.ones((2, 1, 3, 3), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])], "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 6, 6])],
        [numpy_helper.from_array(weights, "w")])
    path = folder / "small.onnx"
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def _with_types(folder: Path) -> Path:
    """The core once more with debug information, from which abidw reads the types: the shipped
    library has none, and what it exports is compared with the header above. What the public
    functions call may stay undefined."""
    library = folder / "libai.so.0"
    sources = sorted(path.relative_to(SOURCE) for path in (SOURCE / "lib").glob("*.c"))
    run("gcc", "-std=c11", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-D_GNU_SOURCE",
        "-DAI_BUILD", "-Wl,-soname,libai.so.0", "-Iinclude", "-Ilib", "-Ikernels", *sources, "-o",
        library)
    return library


def test_abi(tmp_path):
    """Compared with tests/data/libai.abi; a change on purpose is stored with AI_STORE_ABI=1."""
    library = _with_types(tmp_path)
    dump = tmp_path / "libai.abi"
    run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
        "--drop-private-types", "--headers-dir", SOURCE / "include", "--out-file", dump, library)
    if os.environ.get("AI_STORE_ABI"):
        shutil.copy(dump, ABI)
    done = subprocess.run(["abidiff", "--no-show-locs", ABI, dump], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ai_infer" in dump.read_text()
