# SPDX-License-Identifier: Apache-2.0
"""What the tests of the function handler share: small models, and ai-function as a server."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import libai

sys.path.insert(0, str(Path(os.environ["AI_SOURCE"]) / "tests" / "task"))
from test_writer import convert as make_poet  # noqa: E402

FUNCTION = os.environ["AI_FUNCTION"]
LABELS = ["red", "green", "blue"]
RECIPE = '{"resize":"squash","size":8,"filter":"nearest","scale":0.00392156862745098,"softmax":true}'


def save_colours(path, labels=LABELS, strength=8):
    """A classifier that tells which of red, green and blue an image has most of."""
    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
             helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
             helper.make_node("Gemm", ["flat", "weights"], ["logits"], name="logits")]
    weights = numpy_helper.from_array(strength * np.eye(3, dtype=np.float32), "weights")
    graph = helper.make_graph(nodes, "colours", [value("image", ["N", 3, 8, 8])],
                              [value("logits", ["N", 3])], [weights])
    source = path.with_suffix(".onnx")
    onnx.save(helper.make_model(graph, ir_version=8,
                                opset_imports=[helper.make_opsetid("", 17)]), source)
    libai.convert(source, path, shapes={"image": (1, 3, 8, 8)}, image=RECIPE, labels=labels)
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with the models colours.lai and poet.lai."""
    folder = tmp_path_factory.mktemp("models")
    save_colours(folder / "colours.lai")
    made = tmp_path_factory.mktemp("poet")
    make_poet(made).rename(folder / "poet.lai")
    return folder


def picture(colour=(250, 10, 10), kind="PNG", size=16):
    stream = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, kind)
    return stream.getvalue()


def free_port():
    """For what cannot choose one itself: none of those that the system gives to connections."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


PATIENCE = 120  # seconds, of a machine that is busy with other things


def wait_for(what):
    """What it gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)
    return found


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
        return True


def resident(process):
    """Bytes, counted page by page: VmRSS of Linux 6.2 and later may be some hundred KiB off."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Rss: +(\d+) kB", text, re.M)[1]) << 10


def connections(port):
    """Bytes that the server has not read yet, of each connection to this port that it has not closed:
    those that came, and those that are on their way."""
    with open("/proc/net/tcp", encoding="ascii") as stream:
        rows = [line.split() for line in stream][1:]
    sent = {(row[2], row[1]): int(row[4].split(":")[0], 16) for row in rows}
    return [int(row[4].split(":")[1], 16) + sent.get((row[1], row[2]), 0) for row in rows
            if int(row[1].split(":")[1], 16) == port and row[3] in ("01", "08")]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.data = response.read()

    @property
    def json(self):
        return json.loads(self.data)

    def failed(self, status, fault, *words):
        """The one form of faults, with these words in its message."""
        assert self.status == status, self.data
        said = self.json
        assert said["statusCode"] == status and said["body"]["type"] == f"Function.{fault}", said
        message = said["body"]["error"]
        assert message and "\n" not in message and message[-1] != "."
        for word in words:
            assert word in message, said


class Server:
    """ai-function on a free port, its log lines, and one kept connection."""

    def __init__(self, *arguments, env=None, platform="http", command=None):
        command = command or [FUNCTION, *(["--platform", platform] if platform else [])]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "PORT": "0", **(env or {})})
        line = self.process.stderr.readline().decode()
        found = re.search(r"port (\d+)", line)
        assert found, line
        self.port = int(found[1])
        self.first_line = line
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None, connection=None):
        connection = connection or self.connection
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())

    def post(self, body, path="/", type=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {**({"Content-Type": type} if type else {}), **named})

    def post_json(self, value, path="/", **headers):
        return self.post(json.dumps(value), path, "application/json", **headers)

    def metric(self, name):
        text = self.ask("GET", "/metrics", connection=self.connect()).data.decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])

    def wait_metric(self, name, value):
        wait_for(lambda: self.metric(name) == value)

    def stop(self, status=0):
        """Ends it by SIGTERM; returns its log, request by request."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == status, err
        self.lines, self.error_lines = out.decode().splitlines(), err.decode().splitlines()
        self.errors = [json.loads(line) for line in self.error_lines if line.startswith("{")]
        return [json.loads(line) for line in self.lines if line.startswith("{")]


class Asking:
    """The same request several times at once."""

    def __init__(self, server, count, body):
        self.answers = [None] * count
        self.threads = [threading.Thread(target=self.ask, args=(server, i, body))
                        for i in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self, server, i, body):
        self.answers[i] = server.ask("POST", "/", body, connection=server.connect())

    def join(self):
        for thread in self.threads:
            thread.join()
        return [answer.status for answer in self.answers]


@pytest.fixture
def serve():
    """Starts servers that end with the test."""
    started = []

    def start(*arguments, **options):
        started.append(Server(*arguments, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def server(models):
    """One for all tests of a file that leave it as it was."""
    running = Server("--model", models)
    yield running
    assert running.process.poll() is None
    running.stop()
