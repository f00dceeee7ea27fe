# SPDX-License-Identifier: Apache-2.0
"""Help, and what is answered to a wrong use."""

from __future__ import annotations

import json
import re

import pytest

COMMANDS = ["convert", "info", "verify", "run", "classify", "write", "package", "serve", "bench"]


def test_overview_lists_the_commands(ai):
    status, out, err = ai("--help")
    assert (status, err) == (0, "")
    assert re.findall(r"^  (\w+) ", out, re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help(ai, command):
    status, out, err = ai(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: ai {command} ")
    assert "--help" in out
    assert max(map(len, out.splitlines())) <= 100
    assert ai(command, "-h").out == out


OPTIONS = {
    "convert": ["--out", "--shape", "--labels", "--image", "--resource", "--output", "--state", "--name",
                "--licence", "--winograd", "--weights", "--int8", "--ranges", "--keep", "--strips"],
    "info": ["--shape", "--threads", "--resource", "--steps", "--json", "--graph", "--map"],
    "verify": [],
    "run": ["--input", "--output-dir", "--shape", "--threads", "--cpu"],
    "classify": ["--model", "--cpu", "--top", "--json"],
    "write": ["--model", "--start", "--acrostic", "--theme", "--seed", "--count", "--temperature",
              "--top-p", "--script", "--no-rules", "--json", "--stream", "--threads", "--cpu"],
    "package": ["--platform", "--model", "--out", "--name", "--handler", "--memory", "--image", "--read",
                "--write", "--store", "--fetch", "--certificates", "--limit", "--replace"],
    "serve": ["--port", "--address", "--workers", "--timeout", "--threads", "--cpu"],
    "bench": ["--threads", "--cpu", "--shape", "--runs", "--profile", "--plot", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option(ai, command):
    named = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", ai(command, "--help").out, re.M)
    assert named == [*OPTIONS[command], "--help"]


WRONG = [
    ([], "usage: ai COMMAND"),
    (["sing"], "'sing' is no command;"),
    (["calssify"], "'calssify' is no command, 'classify' is one;"),
    (["converter"], "'converter' is no command, 'convert' is one;"),
    (["wr"], "'wr' is no command;"),
    (["info"], "M.lai is missing"),
    (["info", "a", "b"], "'b' is one operand too many"),
    (["info", "a", "--loud"], "'--loud' is no option"),
    (["info", "a", "-q"], "'-q' is no option;"),
    (["info", "a", "--stepz"], "'--stepz' is no option, '--steps' is one;"),
    (["info", "a", "--hlep"], "'--hlep' is no option, '--help' is one;"),
    (["bench", "a", "-thread=2"], "'-thread=2' is no option, '--threads' is one;"),
    (["info", "a", "--" + "steps" * 9], "is no option;"),
    (["info", "a", "--json=yes"], "--json takes no value"),
    (["info", "a", "--threads"], "--threads needs N"),
    (["info", "a", "--threads", "0"], "--threads is '0'"),
    (["info", "a", "--threads", "two"], "--threads is 'two'"),
    (["info", "a", "--threads=99999999999"], "--threads is '99999999999'"),
    (["convert", "a.onnx"], "--out OUT.lai is missing"),
    (["convert", "a.onnx", "-o"], "--out needs OUT.lai"),
    (["convert", "a.onnx", "-o", "b", "--shape", "x=1x"], "--shape is 'x=1x'"),
    (["convert", "a.onnx", "-o", "b", "--shape", "=1x2"], "--shape is '=1x2'"),
    (["convert", "a.onnx", "-o", "b", "--shape", "x=1x2x3x4x5x6x7x8x9"], "--shape is"),
    (["convert", "a.onnx", "-o", "b", "--shape", "x=10000000000000"], "--shape is"),
    (["convert", "a.onnx", "-o", "b", "--resource", "text"], "--resource is 'text'"),
    (["convert", "a.onnx", "-o", ""], "--out is empty, needed is OUT.lai"),
    (["convert", "", "-o", "b"], "a path is empty, needed is IN.onnx"),
    (["info", ""], "a path is empty, needed is M.lai"),
    (["run", "a", "--input=", "--output-dir", "d"], "--input is empty, needed is NAME=F.npy"),
    (["run", "a", "--input", "x=f"], "--output-dir DIR is missing"),
    (["classify"], "IMAGE... is missing"),
    (["classify", "a", "--top", "-1"], "--top is '-1'"),
    (["write", "--temperature", "0"], "--temperature is '0'"),
    (["write", "--temperature=-1"], "--temperature is '-1'"),
    (["write", "--temperature", "nan"], "--temperature is 'nan'"),
    (["write", "--temperature", "1x"], "--temperature is '1x'"),
    (["write", "--top-p", "1.5"], "--top-p is '1.5'"),
    (["write", "--seed", "x"], "--seed is 'x'"),
    (["write", "--json", "--stream"], "--json prints whole texts"),
    (["write", "--script", "runes"], "--script is 'runes', there are simplified and traditional"),
    (["write", "poem"], "'poem' is one operand too many"),
    (["package", "--platform", "oci", "--out", "a"], "--model M.lai is missing"),
    (["bench", "--json"], "M.lai is missing"),
    (["serve", "--port", "80"], "MODEL... is missing"),
    (["--versoin"], "'--versoin' is no command"),
]


@pytest.mark.parametrize("arguments, words", WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_use(ai, arguments, words):
    status, out, err = ai(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    if arguments:
        assert err.count("\n") == 1


def test_version(ai):
    status, out, err = ai("--version")
    assert (status, err) == (0, "") and re.fullmatch(r"ai \d+\.\d+\.\d+\n", out)


def test_serving_what_is_not_there(ai, edges):
    ai("serve", edges, "gone.lai").failed("gone.lai", "cannot open: No such file")


def test_unknown_level(ai, edges):
    ai("info", edges, env={"AI_CPU": "z80"}).failed(
        "info", "AI_CPU is 'z80', this machine and build have ref")
    ai("bench", edges, "--cpu", "z80").failed("--cpu", "level is 'z80', this machine")


def test_option_goes_before_environment(ai, edges):
    env = {"AI_CPU": "z80"}
    out = ai("bench", edges, "--cpu", "ref", "--runs", "1", "--json", env=env).out
    assert json.loads(out)["cpu"] == "ref"


def test_full_disk(ai, edges):
    with open("/dev/full", "wb") as full:
        import os
        import subprocess
        done = subprocess.run([os.environ["AI_BIN"], "info", edges], stdout=full,
                              stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"ai: standard output: No space left on device\n"


def test_control_characters_do_not_reach_the_terminal(ai):
    assert ai("info", "a\033[2Jb\x9b").err.startswith("ai: a?[2Jb")
    assert "\033" not in ai("\033[2J").err
