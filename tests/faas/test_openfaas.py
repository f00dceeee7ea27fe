# SPDX-License-Identifier: Apache-2.0
"""of-watchdog's modes: a process a request with pipes, and the server behind it; Knative's PORT."""
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest

import libai
from conftest import FUNCTION, PATIENCE, free_port, picture, wait_for


def request(models, body, *arguments, method="POST", query="", **headers):
    """What the watchdog does for each request in `streaming` and `serializing`."""
    env = {"Http_Method": method, "Http_Path": "/", "Http_Query": query, "Http_Host": "x",
           "Http_Content_Length": str(len(body)), "Http_Authorization": "SECRET",
           **{f"Http_{name}": value for name, value in headers.items()}}
    return subprocess.run([FUNCTION, "--model", models, *arguments], input=body,
                          capture_output=True, env=env, timeout=PATIENCE)


def test_a_process_a_request(models):
    done = request(models, picture(), Content_Type="image/png", X_Call_Id="c1", query="top=2")
    assert done.returncode == 0, done.stderr
    assert [row["label"] for row in json.loads(done.stdout)["body"]][0] == "red"
    assert len(json.loads(done.stdout)["body"]) == 2
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["id"] == "c1" and line["status"] == 200 and line["path"] == "/"
    assert b"SECRET" not in done.stderr + done.stdout


def test_streams(models):
    done = request(models, b"", method="GET", query="model=poet&seed=3", Accept="text/event-stream")
    assert done.returncode == 0 and done.stdout.startswith(b"data: "), done
    done = request(models, b'{"seed":3,"stream":true}', query="model=poet")
    with libai.TextModel(models / "poet.lai") as poet:
        assert done.stdout.decode() == poet(seed=3)


@pytest.mark.parametrize("body, arguments, status", [
    (b"", [], 400), (b"{", [], 400), (b"\0\1", [], 415), (picture()[:60], [], 400),
    (b"x" * 200_000, ["--most-bytes", "100000"], 413), (b"x" * 10_000, ["--most-bytes", "9999"], 413)])
def test_faults_end_the_process_with_1(models, body, arguments, status):
    done = request(models, body, *arguments)
    assert done.returncode == 1
    assert json.loads(done.stdout)["statusCode"] == status
    assert json.loads(done.stderr.splitlines()[-1])["status"] == status


def test_watchdog_over_http(serve, models):
    """Mode `http`: the watchdog's own environment is inherited, its health paths are answered."""
    server = serve("--model", models, platform=None, env={
        "mode": "http", "fprocess": "ai-function", "upstream_url": "http://127.0.0.1:3000"})
    answer = server.post(picture(), X_Call_Id="c2", X_Forwarded_For="1", Accept_Encoding="gzip")
    assert answer.json["body"][0]["label"] == "red"
    assert server.ask("GET", "/_/health").status == server.ask("GET", "/_/ready").status == 200
    (line,) = server.stop()
    assert line["id"] == "c2"


def test_knative(serve, models):
    server = serve("--model", models, platform=None, env={
        "K_SERVICE": "s", "K_REVISION": "r", "K_CONFIGURATION": "c", "PORT": "0"})
    for probe in ({"K-Network-Probe": "queue"}, {"User-Agent": "kube-probe/1.30"}):
        assert server.ask("GET", "/", None, probe).status == 200
    assert server.post(picture()).json["body"][0]["label"] == "red"
    assert "0.0.0.0" in server.first_line


@pytest.mark.parametrize("port", ["x", "-1", "70000", "80a", "99999999999"])
def test_port_that_is_none(models, port):
    done = subprocess.run([FUNCTION, "--model", models], env={"PORT": port}, timeout=PATIENCE,
                          capture_output=True)
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert line["message"] == f"PORT is '{port}', needed is a number from 0 to 65535"


@pytest.mark.parametrize("address, words", [
    ("localhost", "address is 'localhost', needed is an IP address to listen at"),
    ("192.0.2.1", "cannot listen at 192.0.2.1, port 0: Cannot assign requested address")])
def test_address_that_is_none(models, address, words):
    done = subprocess.run([FUNCTION, "--model", models, "--address", address], env={"PORT": "0"},
                          timeout=PATIENCE, capture_output=True)
    assert done.returncode == 1 and json.loads(done.stderr)["message"] == words


def ask(port, body, path="/"):
    sent = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, method="POST",
                                  headers={"Content-Type": "image/png"})
    try:
        with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read()


def first_answer(port):
    """None: nobody listens yet, or, in mode `http`, the function behind does not."""
    try:
        status, body = ask(port, picture(), "/?top=1")
    except OSError:
        return None
    return json.loads(body) if status == 200 else None


@pytest.mark.skipif("AI_WATCHDOG" not in os.environ, reason="AI_WATCHDOG names no of-watchdog")
@pytest.mark.parametrize("mode, fault", [("http", 415), ("streaming", 200), ("serializing", 500)])
def test_real_watchdog(models, tmp_path, mode, fault):
    port, metrics, upstream = free_port(), free_port(), free_port()
    env = {"mode": mode, "port": str(port), "metrics_port": str(metrics), "suppress_lock": "1",
           "fprocess": f"{FUNCTION} --model {models}", "healthcheck_interval": "1s",
           "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    if mode == "http":
        env |= {"upstream_url": f"http://127.0.0.1:{upstream}", "AI_PORT": str(upstream)}
    process = subprocess.Popen([os.environ["AI_WATCHDOG"]], env=env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        (row,) = wait_for(lambda: first_answer(port))["body"]
        assert row["label"] == "red"
        assert ask(port, b"{")[0] == fault
    finally:
        process.terminate()
        process.wait(PATIENCE)
