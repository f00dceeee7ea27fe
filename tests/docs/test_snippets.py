# SPDX-License-Identifier: Apache-2.0
"""Every command and snippet of the README and of docs/, run as a reader would.

The blocks below one heading run one after the other in a folder that looks like the project's root
after `./start`. `sh` is run by bash, `console` too, and what it prints must be what the document
shows, where `...` stands for anything. All `python` of a document is one program. `c` is kept in the
file that its first line names, for the commands that follow. What belongs to a service that is not
here (STAND_INS) is not called, but the files that it is given must be there. Blocks without a language
are not run, nor are indented ones: what stands there is in UNRUN.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

SOURCE = Path(os.environ["AI_SOURCE"])
BUILD = Path(os.environ["AI_BUILD"])
ZOO = Path(os.environ["AI_ZOO"])
PHOTOGRAPH = SOURCE / "tests/data/chelsea.png"
DOCUMENTS = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]
DOCUMENTS.remove(SOURCE / "docs/building.md")  # builds against an installed tree: tests/library

# Clouds, clusters, registries, and what needs an account or an engine.
STAND_INS = ["aws", "docker", "faas-cli", "func", "gcloud", "kn", "kubectl", "s",
             "skopeo", "umoci", "wsk"]
STAND_IN = r"""#!/bin/bash
for word in "$@"; do
  file=${word#fileb://}; file=${file#file://}
  case $word in
  fileb://*|file://*) ;;
  oci:*) file=${word#oci:}; file=${file%:*} ;;
  *.zip|*.yaml|*.json) [ "$word" = answer.json ] && continue ;;
  *) continue ;;
  esac
  [ -e "$file" ] || { echo "$0: no file '$file'" >&2; exit 1; }
done
"""
# Commands that stand in documents indented, which is not run here, and why.
UNRUN = {
    "bench/cold/cold.py": "empties the page cache",
    "bench/load/": "loads the machine for minutes",
    "bench/peers/run": "installs and measures other engines",
    "bench/python_call.py": "measures a call by itself",
    "bench/quota.py": "needs cgroups of its own",
    "ray_photographs.py": "tests/python/test_ray.py runs it",
    "ai convert silero_vad_16k_op15.onnx": "tests/conformance/test_silero.py does so",
}
# Machines type faster than a server starts; other machines are not asked.
CURL = """#!/bin/sh
case "$*" in *localhost:*) ;; *) exit 0 ;; esac
exec {curl} --silent --show-error --retry-connrefused --retry 20 --retry-delay 1 "$@"
"""


class Block(NamedTuple):
    heading: int  # how many stand above it
    line: int
    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    """The fenced blocks that have a language."""
    text = document.read_text()
    return [Block(len(re.findall(r"^##+ ", text[:match.start()], re.M)),
                  text[:match.start()].count("\n") + 1, match[1], match[2])
            for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in STAND_INS:
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    (folder / "curl").write_text(CURL.format(curl=shutil.which("curl")))
    (folder / "curl").chmod(0o755)
    for name in ("AI_BIN", "AI_FUNCTION"):
        (folder / Path(os.environ[name]).name).symlink_to(os.environ[name])
    return folder


def give(source: Path, path: Path) -> None:
    """A name of its own, which a reader may put another file under; `ai` writes through symbolic
    links."""
    try:
        os.link(source, path)
    except OSError:
        shutil.copy(source, path)


def furnish(folder: Path) -> None:
    """What documents speak of."""
    for name in ("include", "tests", "models", "bindings", "bench"):
        (folder / name).symlink_to(SOURCE / name)
    (folder / "build").symlink_to(BUILD)
    (folder / "photographs").symlink_to(PHOTOGRAPH.parent)
    for model in ZOO.glob("*.lai"):
        give(model, folder / model.name)
    for name, source in {"model.lai": ZOO / "efficientnet-lite0.lai", "chelsea.png": PHOTOGRAPH,
                         "model.onnx": SOURCE / "models/zoo/cache/efficientnet-lite0.onnx",
                         "labels.txt": SOURCE / "models/zoo/imagenet-labels.txt"}.items():
        give(source, folder / name)
    for name in ("photo.jpg", "cat.jpg"):
        Image.open(PHOTOGRAPH).save(folder / name)


@pytest.fixture
def reader(tmp_path, programs):
    """Runs commands in the folder of a heading."""
    port = str(random.randrange(10_000, 30_000))  # 8080 may be somebody else's
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "AI_PORT": port}

    def run(heading: int, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([word.replace("8080", port) for word in words], text=True, env=env,
                              cwd=run.folder(heading), timeout=300, capture_output=True)

    def folder(heading: int) -> Path:
        path = tmp_path / str(heading)
        if not path.exists():
            path.mkdir()
            furnish(path)
        return path

    run.folder = folder
    return run


def commands(console: str) -> list[tuple[str, str]]:
    """What is typed after each `$ `, further lines after `> `, and what is shown below."""
    found: list[list[str]] = []
    for line in console.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif line.startswith("> "):
            found[-1][0] += line[2:]
        else:
            found[-1][1] += line
    return [(typed, shown) for typed, shown in found]


def matches(shown: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.S) is not None


def run_shell(reader, heading: int, script: str) -> str:
    """What still runs at the end of a block ends with it."""
    end = "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n"
    done = reader(heading, "bash", "-e", "-c", end + script)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_console(reader, heading: int, text: str) -> None:
    """One shell for all, so that variables and background programs live as long as they would."""
    typed = commands(text)
    script = "".join(f"{command}\nprintf '\\x1e'\n" for command, _ in typed)
    for (command, shown), seen in zip(typed, run_shell(reader, heading, script).split("\x1e")):
        if shown.strip():
            assert matches(shown, seen), f"{command}shown:\n{shown}printed:\n{seen}"


def run_python(reader, text: str) -> None:
    done = reader(0, sys.executable, "-c", text)
    assert done.returncode == 0, done.stderr


def run_block(reader, block: Block) -> None:
    if block.language == "console":
        run_console(reader, block.heading, block.text)
    elif block.language == "sh":
        run_shell(reader, block.heading, block.text)
    elif block.language == "c":
        name = re.match(r"/\* (\w+\.c)", block.text)
        assert name, "the first line names the file"
        (reader.folder(block.heading) / name[1]).write_text(block.text)
    else:
        pytest.fail(f"nobody knows how to run '{block.language}'")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document(reader, document):
    found = blocks(document)
    program = "".join(block.text for block in found if block.language == "python")
    for block in found:
        if block.text.startswith("./start") or block.language == "python":
            continue  # .ci/bare-root runs ./start, which makes what this test runs in
        try:
            run_block(reader, block)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.fail(f"{document.name}:{block.line}: {error}", pytrace=False)
    if program:
        run_python(reader, program)


def unrun(document: Path) -> list[str]:
    """Commands of indented blocks, without what stands before the program's name; a line that ends
    with a backslash goes on."""
    text = re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.M | re.S)
    found = re.findall(r"\n\n((?: {4,}[^\s*|-].*\n)+)", text)
    before = r"^\s*(?:\w+=\S+ |taskset -c \S+ |python3 )*"
    return [re.sub(before, "", re.sub(r"\\\n\s*", "", line)).strip() for block in found
            for line in re.findall(r"(?:.*\\\n)*.+", block)]


def test_what_is_not_run_is_known():
    """And names programs that are there, and options that they have."""
    seen = set()
    for document in [*DOCUMENTS, SOURCE / "docs/building.md"]:
        for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", document.read_text(), re.M | re.S):
            assert language or not re.search(r"^ *(\$|ai|\./\S+|meson|cmake|python3?|curl) ", block, re.M)
        for command in unrun(document):
            name = next((name for name in UNRUN if command.startswith(name)), None)
            assert name, f"{document.name}: not run, and not in UNRUN: {command}"
            seen.add(name)
            if command.startswith("ai "):
                continue
            program = command.split()[0]
            program = SOURCE / ("" if "/" in program else "bindings/python/examples") / program
            texts = "".join(path.read_text() for path in program.parent.iterdir()
                            if path.is_file() and path.suffix in ("", ".py"))
            assert program.exists(), f"{document.name}: {program}"
            for option in re.findall(r"--[a-z][\w-]*", command.split("#")[0]):
                assert f'"{option}"' in texts, f"{document.name}: {program.name} has no {option}"
    assert seen == set(UNRUN)


def test_differences_are_seen(reader):
    assert matches("a ... c\n", "a b\nb c\n") and not matches("a ... c", "a b d")
    with pytest.raises(AssertionError):
        run_console(reader, 0, "$ echo one\ntwo\n")
    with pytest.raises(AssertionError):
        run_shell(reader, 0, "false\n")
    with pytest.raises(AssertionError):
        run_shell(reader, 0, "aws lambda --zip-file fileb://missing.zip\n")
    with pytest.raises(AssertionError):
        run_python(reader, "import libai; libai.Model('missing.lai')\n")


def test_links():
    """Links within the project lead to files, and to headings of theirs."""
    for document in [*DOCUMENTS, SOURCE / "models/zoo/charrnn/README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text()):
            name, _, heading = target.partition("#")
            path = document.parent / name if name else document
            assert path.exists(), f"{document.name}: {target}"
            if heading:
                heads = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
                slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
                assert heading in slugs, f"{document.name}: {target}"
