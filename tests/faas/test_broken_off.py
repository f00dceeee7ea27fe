# SPDX-License-Identifier: Apache-2.0
"""What dies, stays away or runs out in the middle of a request: each platform hears it in its own
words, nobody gets a wrong answer, and the next request is answered."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import conftest
from conftest import PATIENCE, Asking, free_port, picture, wait_for
from store import Store
from test_actionloop import Loop
from test_http import ranking
from test_lambda import labels, start  # noqa: F401  (a fixture)

def post(body, path=b"/"):
    return (b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            % (path, len(body), body))


def read_to_end(s):
    """All that came, until the connection ends or is reset."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while part := s.recv(65536):
            got += part
    return got


# ---- The function is killed ----

HELD = {"bucket": "in", "key": "red.png"}  # the store does not give it for as long as a test likes


@pytest.fixture
def store():
    one = Store()
    one.objects["red.png"] = picture()
    yield one
    one.close()


def test_killed_on_lambda(start, models, store):  # noqa: F811
    """No result is told for what it had taken (the platform says Runtime.ExitError then), and a new
    instance takes the next event."""
    api, function = start(models / "colours.lai", env=store.settings())
    store.hold("red.png")
    api.events.put(json.dumps(HELD).encode())
    store.wait_held()
    function.process.kill()
    function.process.wait()
    time.sleep(0.1)  # for what it might have sent
    assert api.results.empty() and not [path for path in api.asked if "/next" not in path]
    environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.place}
    again = subprocess.Popen([conftest.FUNCTION, "--model", models / "colours.lai"],
                             stdout=subprocess.DEVNULL, env=environment)
    try:
        result = api.invoke(picture_event())
        assert labels(result)[0] == "red" and result.id == "id-2"
    finally:
        again.kill()
        again.wait()


def picture_event():
    return {"image": base64.b64encode(picture()).decode()}


def test_killed_behind_http(models, store):
    """A supervisor starts it anew at the same port; who waited has an end and no half answer."""
    port = free_port()
    loop = 'while :; do "$@" --quiet & echo $!; wait $!; done'
    supervisor = subprocess.Popen(
        ["sh", "-c", loop, "sh", conftest.FUNCTION, "--model", models / "colours.lai"],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **store.settings(PORT=str(port), AI_PLATFORM="http")})

    def connect():
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    try:
        for _ in range(3):
            pid = int(supervisor.stdout.readline())
            store.hold("red.png")
            with wait_for(connect) as s:
                s.sendall(post(json.dumps(HELD).encode()))
                store.wait_held()
                os.kill(pid, signal.SIGKILL)
                assert read_to_end(s) == b""
            store.let_go()
        supervisor.stdout.readline()  # the killed one hears nobody any more
        with wait_for(connect) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_to_end(s).startswith(b"HTTP/1.1 200")
    finally:
        os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait()


def test_killed_in_the_action_loop(models, store):
    """The proxy has words of its own for an action that ends without a line: none of one comes."""
    loop = Loop("--model", models / "colours.lai", "--quiet", env=store.settings())
    store.hold("red.png")
    loop.process.stdin.write(json.dumps({"value": HELD}).encode() + b"\n")
    loop.process.stdin.flush()
    store.wait_held()
    loop.process.kill()
    assert loop.process.wait(PATIENCE) == -signal.SIGKILL
    assert loop.answers.read() == b""


# ---- ai-fetch is killed, the store is slow, refuses, cuts ----

@pytest.mark.parametrize("is_kept", [False, True])
def test_ai_fetch_is_killed_in_a_request(serve, models, store, tmp_path, is_kept):
    """One that was kept is started again for the same request; a fresh one that dies is named."""
    wrapper = tmp_path / "fetch"
    wrapper.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/pids\nexec {os.environ['AI_FETCH']}\n")
    wrapper.chmod(0o755)
    server = serve("--model", models / "colours.lai", env=store.settings(AI_FETCH=str(wrapper)))
    if is_kept:
        assert server.post_json(HELD).status == 200
    store.hold("red.png")
    asked = Asking(server, 1, json.dumps(HELD))
    store.wait_held()
    os.kill(int((tmp_path / "pids").read_text().split()[-1]), signal.SIGKILL)
    store.let_go()
    asked.join()
    (answer,) = asked.answers
    if is_kept:
        assert ranking(answer)[0] == "red"
    else:
        answer.failed(502, "ObjectNotRead", "no answer from")
    assert ranking(server.post_json(HELD))[0] == "red"


FAULTS = [("gone.png", "ObjectNotFound", "is not there"),
          ("cut.png", "ObjectNotRead", "Transferred a partial file"),
          ("slow.png", "Timeout", "did not come in time")]


def on_lambda(start, models, env):
    api, _ = start(models / "colours.lai", env=env)

    def ask(event, seconds):
        api.timeout = seconds
        result = api.invoke(event)
        if result.kind == "error":
            return result.json["errorType"], result.json["errorMessage"]
        return "", labels(result)[0]
    return ask


def on_function_compute(serve, models, env):
    server = serve("--model", models / "colours.lai", "--port", "0", platform="aliyun-fc", env=env)

    def ask(event, seconds):
        headers = {"x-fc-request-id": "1", "x-fc-function-timeout": str(seconds)}
        answer = server.ask("POST", "/invoke", json.dumps(event), headers)
        if answer.status != 200 or "errorType" in answer.json:
            assert answer.headers["x-fc-status"] == "404"
            return answer.json["errorType"], answer.json["errorMessage"]
        return "", ranking(answer)[0]
    return ask


def on_openwhisk(serve, models, env):
    server = serve("--model", models / "colours.lai", "--port", "0", platform="openwhisk", env=env)
    assert server.post_json({"value": {}}, "/init").json == {"ok": True}

    def ask(event, seconds):
        deadline = str(int((time.time() + seconds) * 1000))
        said = server.post_json({"value": event, "deadline": deadline}, "/run").json
        if said.get("statusCode") == 200:
            return "", said["body"][0]["label"]
        body = said["error"]["body"]
        return body["type"], body["error"]
    return ask


@pytest.mark.parametrize("platform", ["lambda", "aliyun-fc", "openwhisk"])
def test_store_in_the_platforms_words(start, serve, models, store, platform):  # noqa: F811
    def function(**more):
        env = store.settings(**more)
        return {"lambda": lambda: on_lambda(start, models, env),
                "aliyun-fc": lambda: on_function_compute(serve, models, env),
                "openwhisk": lambda: on_openwhisk(serve, models, env)}[platform]()

    ask = function()
    for key, fault, words in FAULTS:
        kind, message = ask({"bucket": "in", "key": key}, 2 if fault == "Timeout" else PATIENCE)
        assert kind == f"Function.{fault}" and words in message, (key, kind, message)
        assert ask(HELD, PATIENCE) == ("", "red")
    ask = function(AWS_SECRET_ACCESS_KEY="wrong")
    kind, message = ask(HELD, PATIENCE)
    assert kind == "Function.ObjectDenied" and "wrong" not in message
    ask = function(AWS_ENDPOINT_URL="http://127.0.0.1:1")  # where nobody listens
    kind, message = ask(HELD, 2)
    assert kind in ("Function.ObjectNotRead", "Function.Timeout") and "s3://in/red.png" in message
    assert ask(picture_event(), PATIENCE) == ("", "red")


# ---- The instance's memory ----

@pytest.fixture
def limit_memory(tmp_path):
    """Makes a group of this many bytes; returns its folder."""
    parent = Path("/sys/fs/cgroup/memory")
    made = []

    def limit(bytes):
        group = parent / f"libai-test-{os.getpid()}-{tmp_path.name}"
        try:
            group.mkdir()
            made.append(group)
            (group / "memory.limit_in_bytes").write_text(str(bytes))
            (group / "memory.swappiness").write_text("0")
        except OSError as fault:
            pytest.skip(f"no memory controller to write to: {fault}")
        return group

    def is_removed(group):
        with contextlib.suppress(OSError):  # busy until its last process is gone for good
            group.rmdir()
        return not group.exists()

    yield limit
    for group in made:
        wait_for(lambda: is_removed(group))


def test_weights_need_no_memory_of_their_own(limit_memory, serve, tmp_path):
    """Less memory than the network's weights: its pages come and go, the answers are the same."""
    zoo = Path(os.environ["AI_ZOO"]) / "efficientnet-lite0-f32.lai"
    if not zoo.exists():
        pytest.skip("the shipped network is not built")
    copy = tmp_path / "lite0.lai"
    with open(copy, "wb") as stream:
        stream.write(zoo.read_bytes())
        os.fsync(stream)
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # who reads it pays for it
    photo = (Path(os.environ["AI_SOURCE"]) / "tests/data/chelsea.png").read_bytes()
    group = limit_memory(17 << 20)
    server = serve("--platform", "http", "--model", copy, "--quiet", "--threads", "1", command=[
        "sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh", conftest.FUNCTION])
    for _ in range(3):
        assert "cat" in ranking(server.ask("POST", "/", photo, connection=server.connect()))[0]
    assert int((group / "memory.max_usage_in_bytes").read_text()) <= 17 << 20
    assert int((group / "memory.failcnt").read_text()) > 0


def test_memory_of_the_instance_runs_out(limit_memory, serve, models):
    """The kernel ends the process, as platforms do (Lambda: Runtime.OutOfMemory): who waits has an
    end and no half answer."""
    server = serve("--model", models, "--quiet")
    (limit_memory(32 << 20) / "cgroup.procs").write_text(str(server.process.pid))
    assert ranking(server.post(picture()))[0] == "red"
    data = post(bytes(2 << 20))[:1 << 20]
    callers = []
    with contextlib.suppress(OSError):  # it is gone
        for _ in range(60):
            callers.append(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
            callers[-1].sendall(data)
    assert server.process.wait(PATIENCE) == -signal.SIGKILL
    for s in callers:
        assert read_to_end(s) == b""
        s.close()
