# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong in every way a seed finds: no crash, no hang, memory that stays."""
import json
import os
import random
import socket
import subprocess
import threading

import pytest

from conftest import FUNCTION, PATIENCE, picture, resident
from test_actionloop import Loop
from test_azure import HOST, http
from test_openwhisk import JSON, image, init, run, web

COUNT = 10 * int(os.environ.get("AI_CASES", 20))
SEED = int(os.environ.get("AI_SEED", 1))
GROWTH = 512 << 10  # bytes: a leak of 70 in each of 10^4 requests is more

VALUES = [None, True, 0, -1, 1.5, 1e308, 2**63, "", "x", "7", "\0", "{", "[1]", "/9j/", [], {}, [[]],
          {"a": {}}, "é" * 50, "A" * 5000]


def members(value):
    """All places in a JSON value, as (container, key)."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from members(value[key])


def spoil_value(r, value):
    value = json.loads(json.dumps(value))
    for _ in range(r.randint(1, 3)):
        places = list(members(value))
        if not places:
            break
        container, key = r.choice(places)
        if r.random() < 0.3:
            del container[key]
        else:
            container[key] = r.choice(VALUES)
    return json.dumps(value).encode()


def spoil_bytes(r, data):
    data = bytearray(data)
    for _ in range(r.randint(1, 4)):
        at = r.randrange(len(data) + 1)
        kind = r.randrange(5)
        if kind == 0:
            data[at:at + r.randint(1, 50)] = b""
        elif kind == 1:
            data[at:at] = r.randbytes(r.randint(1, 20))
        elif kind == 2 and data:
            data[at % len(data)] ^= 1 << r.randrange(8)
        elif kind == 3:
            data[at:at] = r.choice([b"{", b"[", b'"', b",", b"\\u", b"}", b"\r\n", b"[" * 70])
        else:
            del data[at:]
    return bytes(data)


def bodies(r, samples):
    sample = r.choice(samples)
    if r.random() < 0.5 and isinstance(sample, dict):
        return spoil_value(r, sample)
    data = sample if isinstance(sample, bytes) else json.dumps(sample).encode()
    return r.randbytes(r.randint(0, 200)) if r.random() < 0.1 else spoil_bytes(r, data)


class Watch:
    """Memory after the first fifth, by when all buffers have had their size, and at the end."""

    def __init__(self, process):
        self.process = process
        self.first = None

    def at(self, i):
        if i == COUNT // 5:
            self.first = resident(self.process)

    def end(self):
        assert self.process.poll() is None
        assert resident(self.process) - self.first < GROWTH


def one_request(port, data):
    """Raw bytes, then no more: the answer is one of HTTP's, or the connection's end."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while part := s.recv(65536):
                got += part
        except TimeoutError:
            raise
        except OSError:  # it need not hear all of it
            pass
    assert not got or got.startswith(b"HTTP/"), got[:100]


EVENT = {"triggerTime": "2026-01-01T00:00:00Z", "triggerName": "t", "payload": ""}  # fetches nothing
PLATFORMS = {
    "openwhisk": (["/run", "/init"], [run({"image": image()}), web(headers=JSON, image=image()),
                                      web("get", query="top=1"), run(EVENT), init()], {}),
    "aliyun-fc": (["/invoke", "/", "/initialize"],
                  [{"image": image()}, picture(), EVENT,
                   {"path": "/", "httpMethod": "POST", "headers": {}, "body": image(),
                    "isBase64Encoded": True},
                   [{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {}}]],
                  {"x-fc-request-id": "1", "x-fc-function-timeout": "60"}),
    "azure": (["/cats", "/api/cats", "/"],
              [{"Data": http(json.dumps({"image": image()})), "Metadata": {}},
               {"Data": {"q": json.dumps({"image": image()})}, "Metadata": {}}, picture()], HOST),
    "http": (["/", "/models/colours"],
             [{"image": image()}, picture(), EVENT,
              {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {}}],
             {"Content-Type": "application/cloudevents+json"}),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_over_http(serve, models, platform):
    paths, samples, headers = PLATFORMS[platform]
    server = serve("--model", models / "colours.lai", "--quiet", "--threads", "1",
                   "--port", "0", platform=platform)
    drain(server.process.stdout)
    drain(server.process.stderr)
    server.post_json(init(), "/init")
    r = random.Random(f"{platform} {SEED}")
    watch = Watch(server.process)
    for i in range(COUNT):
        watch.at(i)
        path, body = r.choice(paths), bodies(r, samples)
        if i % 4:
            answer = server.ask("POST", path, body, headers)
            assert 200 <= answer.status < 600 and answer.status not in (500, 503), (i, answer.data)
            assert answer.json is not None or answer.data == b"null", i
        else:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode()
            one_request(server.port, spoil_bytes(r, head + b"\r\n" + body))
    watch.end()
    assert server.ask("GET", "/health").status == 200


def drain(stream):
    """The platform's marks are read, and kept by nobody."""
    threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()


def test_over_lines(models):
    loop = Loop("--model", models / "colours.lai", "--quiet", "--threads", "1")
    r = random.Random(f"actionloop {SEED}")
    watch = Watch(loop.process)
    samples = PLATFORMS["openwhisk"][1]
    for i in range(COUNT):
        watch.at(i)
        answer = loop.ask_line(bodies(r, samples).replace(b"\n", b" "))
        assert isinstance(answer, (dict, list))
    watch.end()
    assert loop.ask(run({"image": image()}))["body"][0]["label"] == "red"
    loop.end()


def test_over_pipes(models):
    """A process a request; the environment's texts are spoiled as well."""
    r = random.Random(f"openfaas {SEED}")
    for i in range(COUNT):
        texts = {f"Http_{r.choice(['Query', 'Method', 'Accept', 'Content_Type', '', '_'])}":
                 spoil_bytes(r, b"top=1&model=%20&&a=b=c%").replace(b"\0", b"") for _ in range(2)}
        done = subprocess.run(
            [FUNCTION, "--platform", "openfaas", "--model", models / "colours.lai", "--quiet",
             "--threads", "1"], input=bodies(r, PLATFORMS["aliyun-fc"][1]), capture_output=True,
            env=texts, timeout=PATIENCE)
        assert done.returncode in (0, 1), (i, done)
        assert json.loads(done.stdout)["statusCode"] >= 200, (i, done)
