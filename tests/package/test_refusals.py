# SPDX-License-Identifier: Apache-2.0
"""What `ai package` refuses, in which words, and that nothing is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest
from conftest import PLATFORMS, build, tree


def test_zip_over_the_limit(package, model, tmp_path):
    _, done = package("lambda", "--limit", "zip=900KiB")
    done.failed(tmp_path / "lambda.zip", "zip has ", " over lambda's limit of 900.0 KiB (--limit)",
                "; f16 weights would fit (about ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit, weights, name", [(900, "f16", "f16"), (700, "s8", "int8")])
def test_what_would_fit_is_about_true(ai, package, packed, model, tmp_path, limit, weights, name):
    """The estimate is held against the size that conversion brings."""
    _, done = package("lambda", "--limit", f"zip={limit}KiB")
    told = float(re.search(name + r" weights would fit \(about ([\d.]+) KiB", done.err)[1])
    small = tmp_path / "small.lai"
    assert ai("convert", model.with_suffix(".onnx"), "-o", small, "--weights", weights).status == 0
    size = packed("lambda", models=[small]).stat().st_size / 1024
    assert told == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize("limit, words", [
    ("zip=700KiB", "int8 weights would fit"), ("zip=10KiB", "neither f16 nor int8"),
    ("unpacked=1MiB", "unpacked it has"), ("memory=100MiB", "it needs 256.0 MiB")])
def test_limits(package, model, tmp_path, limit, words):
    done = package("lambda", "--limit", limit)[1]
    done.failed(model if "memory" in limit else tmp_path / "lambda.zip", words)
    assert list(tmp_path.iterdir()) == []


def test_limit_of_an_image(package, tmp_path):
    package("oci", "--limit", "image=1000KiB")[1].failed(tmp_path / "oci", "image has", "f16")
    assert list(tmp_path.iterdir()) == []


def test_limit_raised(package):
    assert package("lambda", "--limit", "zip=900KiB", "--limit", "zip=1GiB")[1].status == 0


def test_limits_of_the_platforms(package, ai, handler, tmp_path):
    """Lambda's and OpenWhisk's own limits, by a handler that is too large; in the words of the
    table: where it is written, as of when, and the way round."""
    large = tmp_path / "large"
    shutil.copy(handler, large)
    with open(large, "ab") as file:
        file.write(os.urandom(51 << 20))
    for platform, words in (("lambda", ["50.0 MiB (AWS Lambda quotas, 20", "S3 takes"]),
                            ("openwhisk", ["48.0 MiB (OpenWhisk", "an image"])):
        out, done = package(platform, "--handler", large)
        done.failed(out, f"over {platform}'s limit of ", "neither f16", *words)
        assert not out.exists()
    done = package("openwhisk", "--memory", "1024")[1]
    assert "it needs 1024.0 MiB, 512.0 MiB over openwhisk's limit of 512.0 MiB" in done.err


def test_memory_too_small(package, model):
    package("lambda", "--memory", "16")[1].failed(model, "needs ", "--memory gives 16 MiB")


def damaged(path, to, at: int):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    to.write_bytes(data)
    return to


@pytest.mark.parametrize("platform", PLATFORMS)
def test_broken_model(package, model, tmp_path, platform):
    """A weight that differs by a bit: opening alone would not see it."""
    broken = damaged(model, tmp_path / "broken.lai", -5)
    package(platform, models=[broken])[1].failed(broken, "weights")
    assert list(tmp_path.iterdir()) == [broken]


def test_no_model(package, model, other, tmp_path):
    cut = tmp_path / "cut.lai"
    cut.write_bytes(model.read_bytes()[:5000])
    empty = tmp_path / "empty.lai"
    empty.touch()
    for path, words in ((tmp_path / "none.lai", "No such file"), (cut, ""), (empty, "empty"),
                        (tmp_path, "is a folder, needed is a file")):
        package("lambda", models=[path])[1].failed(path, words)
    twice = tmp_path / "twice" / other.name
    twice.parent.mkdir()
    shutil.copy(other, twice)
    package("lambda", models=[other, twice])[1].failed(twice, "'models/other.lai' already")
    odd = tmp_path / "odd name.lai"
    shutil.copy(other, odd)
    package("lambda", models=[other, odd])[1].failed(odd, "needs a name of letters")


def test_handlers(package, handler, folder, tmp_path):
    dynamic = build(tmp_path, "dynamic", "int main(void) { return 0; }")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    cut = tmp_path / "cut"
    cut.write_bytes(handler.read_bytes()[:100])
    thirty_two = tmp_path / "thirty-two"
    thirty_two.write_bytes(bytes(4096))
    data = bytearray(handler.read_bytes())
    data[4] = 1
    thirty_two.write_bytes(data)
    for path, words in ((tmp_path / "none", "No such file"), (script, "is no program"),
                        (dynamic, "needs 'libc.so.6', which a function does not have"),
                        (cut, "cut off"), (thirty_two, "needed is a 64-bit")):
        out, done = package("lambda", "--handler", path)
        done.failed(path, words)
        assert not out.exists()


def test_damaged_programs(package, handler, folder, tmp_path):
    """Headers with bytes of chance in them: packed or refused in one line, never a crash."""
    dynamic = build(tmp_path, "dynamic", "int main(void) { return 0; }")
    certificates = tmp_path / "certificates"
    certificates.write_text("none")
    random = Random(7)
    path = tmp_path / "damaged"
    refused = 0
    for round in range(120):
        data = bytearray((handler, dynamic)[round % 2].read_bytes())
        section = data.find(b"\x01\0\0\0\0\0\0\0", 0x2000)  # near the first DT_NEEDED
        begin, end = random.choice([(4, 64), (64, 64 + 56 * 12), (section, section + 512)])
        for _ in range(random.choice([1, 2, 8])):
            data[random.randrange(begin, end)] = random.choice([0, 1, 0x7f, 0x80, 0xff,
                                                                random.randrange(256)])
        path.write_bytes(data)
        options = ["--handler", path] if round % 4 == 0 else [
            "--store", "--certificates", certificates, "--fetch", path]
        done = package("azure", "--replace", *options)[1]
        assert done.status in (0, 1), (round, done)
        if done.status:
            refused += 1
            assert done.err.count("\n") == 1, (round, done)
    assert refused > 20


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_is_overwritten(package, packed, tmp_path, platform):
    out = packed(platform)
    before = tree(tmp_path)
    package(platform, "--name", "another")[1].failed(out, "is there already", "--replace")
    assert tree(tmp_path) == before
    packed(platform, "--name", "another", "--replace")
    assert (tree(tmp_path) == before) == (platform in ("openwhisk", "oci"))
    assert not [path for path in tmp_path.iterdir() if path.name.count(".") > 2]


def test_file_beside_is_not_overwritten(package, tmp_path):
    (tmp_path / "s.yaml").write_text("mine")
    package("aliyun-fc")[1].failed(tmp_path / "s.yaml", "is there already")
    assert tree(tmp_path).keys() == {"s.yaml"}
    assert (tmp_path / "s.yaml").read_text() == "mine"


def test_folders_of_others_are_kept(package, packed, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    packed("oci", out=mine)  # an empty folder holds nothing to lose
    home = tmp_path / "home"
    (home / "photos").mkdir(parents=True)
    package("oci", "--replace", out=home)[1].failed(home, "without 'oci-layout'")
    assert (home / "photos").is_dir()
    package("lambda", "--replace", out=home)[1].failed(home, "is a folder")
    link = tmp_path / "link"
    link.symlink_to(home)
    package("oci", out=link)[1].failed(link, "no folder")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_unwritable_folder(package, platform):
    """A mounted /sys or /proc is a folder in which not even root may make a file."""
    folder = next((f for f in ("/sys", "/proc") if os.path.ismount(f)), None)
    if not folder:
        pytest.skip("neither /sys nor /proc is mounted")
    out, done = package(platform, out=Path(folder, "package.zip"))
    done.failed(out, "cannot create: ")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_folder(package, tmp_path, platform):
    out = tmp_path / "none" / "p"
    package(platform, out=out)[1].failed(out, "No such file or directory")
    file = tmp_path / "file"
    file.touch()
    package(platform, out=file / "p")[1].failed(file / "p", "Not a directory")


def test_full_disk(ai, model, handler, tmp_path):
    """A file may grow to 100 kB: what was begun is gone when writing fails."""
    for platform in ("lambda", "azure", "oci"):
        command = (f"ulimit -f 100; trap '' XFSZ; exec {os.environ['AI_BIN']} package -p {platform}"
                   f" -m {model} -o {tmp_path}/p --handler {handler}")
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr == f"ai: {tmp_path}/p: cannot write: File too large\n"
        assert list(tmp_path.iterdir()) == []


def test_signal(model, handler, tmp_path):
    large = tmp_path / "large"
    shutil.copy(handler, large)
    with open(large, "ab") as file:
        file.write(os.urandom(40 << 20))
    folder = tmp_path / "out"
    folder.mkdir()
    for platform in ("lambda", "oci"):
        status = 0
        while status == 0:  # else it had ended before the signal came
            shutil.rmtree(folder)
            folder.mkdir()
            process = subprocess.Popen([os.environ["AI_BIN"], "package", "-p", platform, "-m", model,
                                        "-o", folder / "p", "--handler", large])
            while process.poll() is None and not list(folder.iterdir()):
                time.sleep(0.01)
            process.terminate()
            status = process.wait(120)
        assert status == -signal.SIGTERM
        assert list(folder.iterdir()) == []


WRONG = [
    (["--platform", "heroku"], "--platform is 'heroku', needed is lambda, openwhisk, aliyun-fc, "
                               "azure, knative or oci"),
    (["--name", "Dense"], "--name is 'Dense'"),
    (["--name", "a" * 64], "at most 63"),
    (["--name", "a-"], "--name is 'a-'"),
    (["--read", "ab"], "--read is 'ab'"),
    (["--read", "bucket/*"], "--read is 'bucket/*'"),
    (["--write", "Bucket"], "--write is 'Bucket'"),
    (["--write", "bucket/${aws:username}"], "--write is"),
    (["--limit", "zip"], "--limit is 'zip'"),
    (["--limit", "zip=0"], "--limit is 'zip=0'"),
    (["--limit", "zip=5MB"], "--limit is 'zip=5MB'"),
    (["--limit", "zip=999999999999GiB"], "--limit is"),
    (["--limit", "files=5"], "--limit is 'files=5'"),
    (["--fetch", "x"], "--fetch and --certificates go with --store"),
    (["--memory", "0"], "--memory is '0'"),
    (["operand"], "'operand' is one operand too many"),
]


@pytest.mark.parametrize("arguments, words", WRONG, ids=[" ".join(row[0])[:40] for row in WRONG])
def test_wrong_use(package, arguments, words):
    out, done = package("lambda", *arguments)
    assert (done.status, done.out) == (2, "")
    assert words in done.err and done.err.count("\n") == 1
    assert not out.exists()
