# SPDX-License-Identifier: Apache-2.0
"""What callers, files and limits do to the server: it answers rightly, or names the fault, and lives.

AI_CASES multiplies the number of requests; AI_SEED begins another row of them."""

import http.client
import itertools
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import (LABELS, PATIENCE, Server, connections, picture, resident, save_colours,
                      wait_for)

CASES = int(os.environ.get("AI_CASES", "1"))
SEED = int(os.environ.get("AI_SEED", "1"))
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


@pytest.fixture(scope="module")
def server(models):
    running = Server("--model", models, "--quiet")  # nobody reads its log
    yield running
    assert running.process.poll() is None
    running.stop()


def request(body):
    return POST % (len(body), body)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def is_well(server):
    answer = server.ask("POST", "/", picture(), connection=server.connect())
    assert answer.status == 200, answer.data
    assert [row["label"] for row in answer.json["body"]][0] in ("red", "red-0")


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- Callers that end, wait, or send bit by bit ----

def test_callers_are_killed(server):
    """Processes that are killed in their requests."""
    code = ("import socket,sys\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n"
            "d=bytes.fromhex(sys.argv[2])\nprint(flush=True)\nwhile 1: s.sendall(d)")
    data = request(picture()).hex()
    for _ in range(2 * CASES):
        caller = subprocess.Popen([sys.executable, "-c", code, str(server.port), data],
                                  stdout=subprocess.PIPE)
        caller.stdout.readline()
        time.sleep(0.05)
        caller.kill()
        caller.communicate()
    is_well(server)


@pytest.mark.parametrize("part", [b"P", b"POST / HT", request(picture())[:-1], b""])
def test_callers_go(server, part):
    """Connections that end within a request, or are reset."""
    for i in range(50 * CASES):
        with connect(server) as s:
            s.sendall(part)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    is_well(server)


def test_callers_go_before_the_answer(server):
    for _ in range(100 * CASES):
        with connect(server) as s:
            s.sendall(request(picture()))
    server.wait_metric("ai_waiting_requests", 0)
    server.wait_metric("ai_running_requests", 0)
    is_well(server)


def test_slow_callers(serve, models):
    """More connections than there are descriptors, each with a begun request: the server takes what
    it can, rests, and serves those who wait as soon as others go."""
    server = serve("--model", models)
    is_well(server)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    slow = [connect(server) for _ in range(100)]
    for s in slow:
        s.sendall(request(picture())[:20])
    time.sleep(0.3)
    used = cpu_seconds(server)
    time.sleep(1)
    assert cpu_seconds(server) - used < 0.2
    late = connect(server)
    late.sendall(request(picture()))
    for s in slow:
        s.close()
    assert late.recv(15).startswith(b"HTTP/1.1 200")
    late.close()
    is_well(server)


def test_nobody_reads_the_log(serve, models):
    """Requests go on; the log says how many lines it has not, as soon as somebody reads."""
    server = serve("--model", models)
    for i in range(600):  # a pipe holds some 200 lines, or 10 where a user has many pipes
        assert server.ask("GET", "/absent" + "x" * (i % 300)).status == 404
    lost = server.metric("ai_log_lost_total")
    assert 0 < lost < 600
    os.set_blocking(server.process.stdout.fileno(), False)
    read = server.process.stdout.read()
    os.set_blocking(server.process.stdout.fileno(), True)
    assert server.ask("GET", "/absent").status == 404
    lines = read.splitlines() + [server.process.stdout.readline() for _ in range(2)]
    *written, notice, last = map(json.loads, lines)
    assert f"{lost:.0f} lines" in notice["message"] and last["status"] == 404
    assert len(written) + lost == 600


def test_frozen(serve, models):
    """What a request and its caller spend frozen does not count: an instance sleeps as it is."""
    server = serve("--model", models, "--arrival", "2000")
    with connect(server) as s:
        data = request(picture())
        s.sendall(data[:60])
        wait_for(lambda: not sum(connections(server.port)))
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        server.process.send_signal(signal.SIGCONT)
        is_well(server)  # and whatever was due has been done
        s.sendall(data[60:])
        assert s.recv(15).startswith(b"HTTP/1.1 200")


# ---- A model that changes ----

class Caller(threading.Thread):
    """Asks models in turn over one kept connection; keeps which version said what."""

    def __init__(self, server, names, is_over):
        super().__init__()
        self.socket, self.names, self.is_over = connect(server), names, is_over
        self.body, self.count, self.seen, self.faults = picture(), 0, set(), []

    def ask(self, name):
        self.socket.sendall(b"POST /models/%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
                            % (name.encode(), len(self.body), self.body))
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65536) or pytest.fail("the connection ends")
        head, data = got.split(b"\r\n\r\n", 1)
        bytes_left = int(re.search(rb"(?i)content-length: (\d+)", head)[1]) - len(data)
        while bytes_left > 0:
            more = self.socket.recv(bytes_left) or pytest.fail("the connection ends")
            data, bytes_left = data + more, bytes_left - len(more)
        return head, data

    def run(self):
        for name in itertools.cycle(self.names):
            if self.is_over():
                return
            head, data = self.ask(name)
            said = b"".join(sorted(set(re.findall(rb'"(?:red|green|blue)-(\d)"', data)))).decode()
            version = re.search(rb"(?i)ai-model: (\S+)", head)
            if not head.startswith(b"HTTP/1.1 200") or len(said) != 1 or not version:
                self.faults.append((head, data))
            else:
                self.seen.add((name, version[1].decode(), said))
            self.count += 1


def test_models_are_replaced(serve, tmp_path):
    """Four models at once, by two files in turn: the version that an answer names is that of its
    labels, in all answers, by several workers. AI_CASES=25: 100 replacements, 10^5 requests."""
    made, names, rounds = [], "abcd", max(3, CASES)
    for i in range(2):
        path = save_colours(tmp_path / f"v{i}.lai", [f"{label}-{i}" for label in LABELS])
        made.append(path.read_bytes())
    folder = tmp_path / "models"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.lai").write_bytes(made[0])
    server = serve("--model", folder, "--workers", "2", "--quiet")
    is_over = threading.Event()
    callers = [Caller(server, names, is_over.is_set) for _ in range(3)]
    for caller in callers:
        caller.start()
    for i in range(1, rounds + 1):
        for name in names:
            (tmp_path / "next").write_bytes(made[i % 2])
            os.rename(tmp_path / "next", folder / f"{name}.lai")
        server.wait_metric("ai_model_reloads_total", i * len(names))  # a worker looks once a second
    while sum(caller.count for caller in callers) < 4000 * CASES:
        assert all(caller.is_alive() for caller in callers)
        time.sleep(0.05)
    is_over.set()
    for caller in callers:
        caller.join()
    assert not [fault for caller in callers for fault in caller.faults]
    seen = set().union(*(caller.seen for caller in callers))
    versions = {said: version.split("@")[1] for _, version, said in seen}
    assert len(set(versions.values())) == 2
    assert seen == {(name, f"{name}@{versions[said]}", said) for name in names for said in "01"}
    assert server.metric("ai_model_reloads_total") == rounds * len(names)
    assert server.metric("ai_model_refusals_total") == 0


# ---- What is no request ----

def damage(draw, data):
    """Bytes changed, put in, left out, said twice."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        kind = draw.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = draw.randrange(256)
        elif kind == 1:
            data[at:at] = draw.randbytes(draw.randint(1, 8))
        elif kind == 2:
            del data[at:at + draw.randint(1, 12)]
        else:
            data[at:at] = data[at:at + draw.randint(1, 40)]
    return bytes(data)


BODIES = [b'{"image":"aGVsbG8="}', b'{"bucket":"b","key":"k"}', b'{"seed":7,"start":"x","top_p":0.5}',
          b'{"inputs":[{"name":"image","shape":[1,3,8,8],"datatype":"FP32","data":[1,2,3]}]}',
          b'{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"k%20"}}}]}',
          b'[[[[{"a":[1e308,-0.0,null,true,"\\ud83d\\ude00"]}]]]]']
HEADS = [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
         b"POST /v2/models/colours/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"2\r\n{}\r\n0\r\n\r\n", b"GET /models/poet?seed=1&top=%31 HTTP/1.0\r\nAccept: */*\r\n\r\n",
         b"PUT /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"]


def test_damaged_bodies(server):
    draw = random.Random(SEED)
    for _ in range(500 * CASES):
        body = damage(draw, draw.choice(BODIES))
        path = draw.choice(["/", "/models/poet", "/v2/models/colours/infer"])
        answer = server.post(body, path, "application/json")
        assert 200 <= answer.status < 600 and answer.status != 500, (SEED, body, answer.data)
        if answer.status >= 400:
            json.loads(answer.data)
    is_well(server)


def test_damaged_requests(server):
    draw = random.Random(SEED)
    for _ in range(500 * CASES):
        data = damage(draw, draw.choice(HEADS))
        with connect(server) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                got = s.recv(65536)
            except ConnectionError:
                got = b""
        assert not got or got.startswith(b"HTTP/1."), (SEED, data, got)
    is_well(server)


# ---- Memory ----

def test_memory_is_flat(server):
    for _ in range(300):
        server.post(picture())
    before = resident(server.process)
    for _ in range(4000 * min(CASES, 5)):  # 20,000 of the least block, 32 bytes, are 625 KiB
        assert server.post(picture()).status == 200
    assert resident(server.process) <= before + (256 << 10)


def test_memory_runs_out(serve, models):
    """A body for which there is no memory fails alone; one that cannot even arrive is cut."""
    server = serve("--model", models, "--quiet")
    is_well(server)
    with open(f"/proc/{server.process.pid}/statm", encoding="utf-8") as stream:
        most = int(stream.read().split()[0]) * resource.getpagesize() + (12 << 20)
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (most, most))
    named = 0
    for megabytes in range(1, 20):
        body = picture() + bytes(megabytes << 20)
        try:
            answer = server.ask("POST", "/", body, connection=server.connect())
        except (ConnectionError, http.client.HTTPException):
            assert megabytes > 8
            continue
        if answer.status != 200:
            answer.failed(503, "OutOfMemory", "no memory for the body")
            named += 1
        is_well(server)
    assert named
    is_well(server)
    assert server.process.poll() is None
