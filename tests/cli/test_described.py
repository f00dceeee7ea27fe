# SPDX-License-Identifier: Apache-2.0
"""The manual page and the completions, which come from the commands' own tables."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def commands(ai):
    """Each command's options, as its help lists them."""
    names = re.findall(r"^  (\w+) +\S", ai("--help").out, re.M)
    assert {"convert", "classify", "write", "bench"} <= set(names)
    return {name: re.findall(r"^  (?:-\w, )?--([\w-]+)", ai(name, "--help").out, re.M)
            for name in names}


def complete(ai, words: list[str]) -> list[str]:
    script = ai("--completion", "bash").out + """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ai; printf '%s\\n' "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                          check=True, env={**os.environ, "LC_ALL": "C"})  # bash tells of others' absence
    assert done.stderr == ""
    return done.stdout.split()


def test_bash(ai, commands):
    assert complete(ai, ["ai", "cl"]) == ["classify"]
    assert set(commands) <= set(complete(ai, ["ai", ""]))
    for name, options in commands.items():
        assert complete(ai, ["ai", name, "--"]) == [f"--{option}" for option in options]
    assert complete(ai, ["ai", "convert", "x.onnx", "--weights", ""]) == ["f32", "f16", "s8"]
    assert complete(ai, ["ai", "convert", "--winograd", "o"]) == ["off"]
    assert complete(ai, ["ai", "bench", "m"]) == []  # a file's name, which is bash's own work


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(ai, commands, tmp_path, shell):
    script = tmp_path / "script"
    script.write_text(ai("--completion", shell).out)
    for name, options in commands.items():
        assert name in script.read_text()
        for option in options:
            assert re.search(rf"(--|-l ){option}\b", script.read_text())
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(ai, commands, tmp_path):
    script = tmp_path / "ai.fish"
    script.write_text(ai("--completion", "fish").out)

    def offered(line: str) -> list[str]:
        done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                              capture_output=True, text=True, check=True, cwd=tmp_path,
                              env={**os.environ, "HOME": str(tmp_path)})
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    assert offered("ai cl") == ["classify"]
    assert set(offered("ai --")) == {"--help", "--version", "--man", "--completion"}
    assert set(offered("ai --completion ")) == {"bash", "zsh", "fish"}
    for name, options in commands.items():
        assert set(offered(f"ai {name} --")) == {f"--{option}" for option in options}
    assert set(offered("ai convert --weights ")) == {"f32", "f16", "s8"}


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes(ai, commands, tmp_path):
    """As a file in fpath, which is the first call's body, with what it calls replaced by a print."""
    (tmp_path / "_ai").write_text(ai("--completion", "zsh").out)
    script = """
fpath=($1); shift; autoload -U _ai; PREFIX=${@[-1]}; words=("$@"); CURRENT=$#
_describe() { print -l -- ${(P)2} }
_arguments() { print -l -- "$@" }
_ai"""

    def offered(*line: str) -> list[str]:
        done = subprocess.run(["zsh", "-f", "-c", script, "zsh", tmp_path, *line],
                              capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert {row.split(":")[0] for row in offered("ai", "cl")} == set(commands)
    assert {row.split(":")[0] for row in offered("ai", "-")} > {"--help", "--version", "--man"}
    for name, options in commands.items():
        rows = offered("ai", name, "-")
        assert [re.match(r"\*?--([\w-]+)", row)[1] for row in rows[:-1]] == options
    assert any(row.endswith(":(f32 f16 s8)") for row in offered("ai", "convert", "-"))


def test_manual(ai, commands):
    page = ai("--man").out
    shown = page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-ww"], input=page, text=True,
                              capture_output=True, check=True)
        assert done.stderr == ""
        shown = done.stdout
    for name, options in commands.items():
        assert f"ai {name}" in shown
        part = page.split(f'.SS "ai {name}"')[1].split(".SS")[0].replace("\\-", "-")
        for option in set(options) - {"help"}:
            assert f"--{option}" in part
    assert not re.search(r"^'", page, re.M)


def test_wrong(ai):
    for words in (["--completion"], ["--completion", "tcsh"]):
        result = ai(*words)
        assert (result.status, result.out) == (2, "")
        assert result.err == "ai: --completion needs bash, zsh or fish\n"
