# SPDX-License-Identifier: Apache-2.0
"""ActionLoop: lines on stdin, lines on fd 3, as OpenWhisk's proxy drives it."""
import base64
import http.client
import json
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from conftest import FUNCTION, PATIENCE, is_open, wait_for
from test_openwhisk import JSON, image, run, web


class Loop:
    """The proxy's side: its child has stdin, fd 3, and no environment but the proxy's."""

    def __init__(self, *arguments, env=None, ack=True):
        read, write = os.pipe()
        keep = os.dup(3) if os.path.exists("/proc/self/fd/3") else None
        os.dup2(write, 3, inheritable=True)
        try:
            self.process = subprocess.Popen(
                [FUNCTION, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, pass_fds=[3],
                env={"__OW_PROXY_VERSION": "1.17.1", "__OW_EXECUTION_ENV": "x", **(env or {}),
                     **({"__OW_WAIT_FOR_ACK": "1"} if ack else {})})
        finally:
            os.close(3)
            if keep is not None:
                os.dup2(keep, 3)
                os.close(keep)
            if write != 3:
                os.close(write)
        self.answers = os.fdopen(read, "rb")
        self.ack = self.answers.readline() if ack else None

    def ask_line(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return json.loads(self.answers.readline())

    def ask(self, call):
        return self.ask_line(json.dumps(call).encode())

    def end(self, status=0):
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == status, err
        assert self.answers.read() == b""
        self.answers.close()
        self.out, self.err = out.decode(), err.decode()
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def start():
    started = []

    def begin(*arguments, **options):
        started.append(Loop(*arguments, **options))
        return started[-1]

    yield begin
    for loop in started:
        if loop.process.poll() is None:
            loop.process.kill()
            loop.process.communicate()


def test_loop(start, models):
    loop = start("--model", models)
    assert loop.ack == b'{"ok":true}\n'
    answer = loop.ask(run({"image": image()}))
    assert answer["statusCode"] == 200 and answer["body"][0]["label"] == "red"
    assert loop.ask(run({"model": "poet", "seed": 3}))["body"]["seed"] == 3
    found = loop.ask(web(headers=JSON, image=image((0, 250, 0))))
    assert found["statusCode"] == 200 and found["body"]["body"][0]["label"] == "green"
    log = loop.end()
    assert [(line["id"], line["method"], line["path"]) for line in log] == [
        ("9a2f", "RUN", "/guest/ai")] * 3
    assert "SECRET" not in loop.out + loop.err
    assert "XXX_THE_END" not in loop.out + loop.err  # the proxy's


def test_without_ack(start, models):
    loop = start("--model", models, ack=False)
    assert loop.ask(run({"image": image()}))["body"][0]["label"] == "red"
    loop.end()


def test_lines_that_are_none(start, models):
    loop = start("--model", models, "--most-bytes", "100000")
    assert "JSON" in loop.ask_line(b"")["error"]
    assert "JSON" in loop.ask_line(b"\xff\xfe")["error"]
    assert "JSON" in loop.ask_line(b"{")["error"]
    assert "nested deeper" in loop.ask_line(b"[" * 5000)["error"]
    assert "dictionary" in loop.ask_line(b"[]")["error"]
    assert "dictionary" in loop.ask_line(b"{}")["error"]
    for size in (100_001, 165_536, 1_000_000):
        assert "longer" in loop.ask_line(b'{"value":"' + b"x" * size + b'"}')["error"]
    fault = loop.ask(run({"image": "AAAA"}))["error"]
    assert fault["statusCode"] in (400, 415)
    assert loop.ask(run({"image": image()}, deadline=5))["error"]["statusCode"] == 504
    two = json.dumps(run({"image": image()})).encode()
    assert loop.ask_line(two + b"\n" + two)["statusCode"] == 200
    assert json.loads(loop.answers.readline())["statusCode"] == 200
    statuses = [line["status"] for line in loop.end()]
    assert statuses == [400] * 6 + [413] * 3 + [fault["statusCode"], 504, 200, 200]


def test_lines_behind_long_ones(start, models):
    """The end of a line that is skipped is found wherever it lies in what was read."""
    loop = start("--model", models, "--most-bytes", "1000")
    for size in (1100, 2000, 30_000, 65_535, 65_536, 70_000):
        loop.process.stdin.write(b"x" * size)
        loop.process.stdin.flush()
        time.sleep(0.05)
        assert "longer" in loop.ask_line(b"y")["error"]
        assert "JSON" in loop.ask_line(b"{")["error"]


def test_memory_runs_out(start, models):
    """A line for which there is no memory fails alone."""
    loop = start("--model", models, "--threads", "1")
    call = run({"image": image()})
    assert loop.ask(call)["body"][0]["label"] == "red"
    with open(f"/proc/{loop.process.pid}/statm", encoding="utf-8") as stream:
        most = int(stream.read().split()[0]) * resource.getpagesize() + (8 << 20)
    resource.prlimit(loop.process.pid, resource.RLIMIT_AS, (most, most))
    named = 0
    for megabytes in (1, 2, 4, 8, 16, 24):
        said = loop.ask_line(b'{"value":{"image":"' + b"A" * (megabytes << 20) + b'"}}')
        named += "no memory" in json.dumps(said["error"])
        assert loop.ask(call)["body"][0]["label"] == "red"
    assert named
    assert any(line.get("fault") == "Function.OutOfMemory" for line in loop.end())


def test_model_that_is_none(start, tmp_path):
    (tmp_path / "bad.lai").write_bytes(b"x" * 100)
    loop = start("--model", tmp_path / "bad.lai")
    assert loop.ack in (b"", b'{"ok":false}\n')
    loop.end(1)
    assert "bad.lai" in loop.err


def test_nobody_reads(start, models):
    loop = start("--model", models)
    loop.answers.close()
    loop.process.stdin.write(json.dumps(run({"image": image()})).encode() + b"\n")
    loop.process.stdin.flush()
    assert loop.process.wait(PATIENCE) == 1


@pytest.mark.skipif("AI_ACTIONLOOP" not in os.environ, reason="AI_ACTIONLOOP names no proxy")
@pytest.mark.parametrize("ack", ["", "1"])
def test_real_proxy(models, tmp_path, ack):
    """The proxy listens at 8080 and nowhere else."""
    process = subprocess.Popen([os.environ["AI_ACTIONLOOP"]], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={"OW_WAIT_FOR_ACK": ack})
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)

    def post(path, value):
        connection.request("POST", path, json.dumps(value))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    code = base64.b64encode(Path(FUNCTION).read_bytes()).decode()
    try:
        wait_for(lambda: is_open(8080))
        value = {"code": code, "binary": True, "main": "main", "env": {"AI_MODEL": str(models)}}
        assert post("/init", {"value": value}) == (200, {"ok": True})
        for _ in range(3):
            status, said = post("/run", run({"image": image()}))
            assert status == 200 and said["body"][0]["label"] == "red"
        status, said = post("/run", web(headers=JSON, image=image()))
        assert status == 200 and said["body"]["body"][0]["label"] == "red"
        status, said = post("/run", run({"image": "abcde"}))
        assert status == 200 and said["error"]["statusCode"] == 400
        assert post("/init", {"value": value})[0] == 403
    finally:
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    marks = [line for line in out.decode().splitlines() if line.startswith("XXX_THE_END")]
    assert len(marks) >= 5
