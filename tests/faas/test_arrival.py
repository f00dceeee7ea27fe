# SPDX-License-Identifier: Apache-2.0
"""Requests on their way in: how long they may take, in what parts they come, and who refuses what
is none."""

import json
import select
import socket
import time

import pytest

from conftest import PATIENCE, connections, picture, wait_for
from test_http import ranking, raw

POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


def request(body, path=b"/"):
    return POST % (path, len(body), body)


def trickle(server, data, more):
    """Sends some bytes 25 times a second, without an end; returns the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as s:
        s.sendall(data)
        while not select.select([s], [], [], 0.04)[0]:
            s.sendall(more)
        got = b""
        while part := s.recv(65536):  # and the connection ends
            got += part
        return got


def split(answer):
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    assert headers["content-type"] == "application/json" and headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    return int(lines[0].split()[1]), headers, json.loads(body)


@pytest.mark.parametrize("data, more", [
    (b"POST /models/colours HTTP/1.1\r\nHost: ", b"x"),             # a head that goes on
    (b"POST /models/colours HTTP/1.1\r\n", b"A: b\r\n"),           # by lines
    (request(bytes(10**6), b"/models/colours")[:100], bytes(36)),   # a body
    (b"POST /models/colours HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")],
    ids=["head", "lines", "body", "chunks"])
def test_slow_requests(serve, models, data, more):
    """Bytes that come now and then keep no connection: the time is that of the whole request."""
    server = serve("--model", models, "--arrival", "600")
    begin = time.monotonic()
    status, _, body = split(trickle(server, data, more))
    assert time.monotonic() - begin > 0.59  # not at once
    assert status == 408 and body["statusCode"] == 408, body
    assert body["body"]["type"] == "Function.Timeout" and "600 ms" in body["body"]["error"]
    assert ranking(server.post(picture()))[0] == "red"
    line = server.stop()[0]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/models/colours", 408)


def test_kept_connections_are_not_cut(serve, models):
    """Each request has the time anew, and what lies between them does not count."""
    server = serve("--model", models, "--arrival", "1500")
    end, data = time.monotonic() + 2, request(picture())
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as s:
        while time.monotonic() < end:
            for at in range(0, len(data), 40):
                s.sendall(data[at:at + 40])
                time.sleep(0.01)
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(2)
        s.sendall(data)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")


def test_gone_callers_take_none_with_them(serve, models):
    """A caller who left within a request; the descriptor is another's by the time it is over."""
    server = serve("--model", models, "--arrival", "400")
    for _ in range(3):
        socket.create_connection(("127.0.0.1", server.port)).close()
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(request(picture())[:30])
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as s:
            time.sleep(0.6)
            s.sendall(request(picture()))
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
    assert not [line for line in server.stop() if line["status"] == 408]


@pytest.mark.parametrize("size", [4095, 4096, 4097, 70_000, 1_000_000, 1_048_577, 5_000_000])
def test_sizes_and_parts(server, size):
    """Bodies come whole and in order, whatever parts they are sent in, and what is behind them is the
    next request."""
    values = [i * 2654435761 % 1000 for i in range(size // 4 // 192)]
    shape = [len(values), 3, 8, 8]
    data = b"".join(value.to_bytes(4, "little") * 192 for value in values)
    head = json.dumps({"inputs": [{"name": "image", "shape": shape, "datatype": "FP32", "parameters":
                                   {"binary_data_size": len(data)}}]}).encode()
    whole = (b"POST /v2/models/colours/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: "
             b"%d\r\nContent-Length: %d\r\n\r\n" % (len(head), len(head) + len(data))) + head + data
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = set()
    for part, pause in ((len(whole) + len(last), 0), (300_000, 0.002), (4096, 0)):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as s:
            sent = whole + last
            for at in range(0, len(sent), part):
                s.sendall(sent[at:at + part])
                time.sleep(pause)
            got = b""
            while more := s.recv(1 << 20):
                got += more
        assert got.count(b"HTTP/1.1 200 OK") == 2, got[:300]
        answers.add(got[got.index(b"{"):got.rindex(b"HTTP/1.1")])
    assert len(answers) == 1


WRONG = [(b"\x16\x03\x01\x00\xa5\r\n\r\n", 400, "BadInput"),
         (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "BadInput"),
         (b"POST / HTTP/1.1\r\n" + b"A" * 100_000 + b"\r\n\r\n", 400, "BadInput"),
         (b"POST /a HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n", 413, "TooLarge"),
         (b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 1\r\n\r\n{}", 417, "BadInput"),
         (b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400, "BadInput"),
         (b"POST /a HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", 400, "BadInput"),
         (b"POST /a HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0"
          b"\r\n\r\n", 400, "BadInput"),
         (b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "BadInput"),
         (b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n" + b"1" * 9000, 400, "BadInput"),
         (b"BREW /a HTTP/1.1\r\n\r\n", 501, "MethodNotAllowed"),
         (b"CONNECT x:1 HTTP/1.1\r\n\r\n", 501, "MethodNotAllowed"),
         (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadInput")]


@pytest.mark.parametrize("data, status, fault", WRONG)
def test_what_is_refused_unread(server, data, status, fault):
    """Every answer has the one form, and the connection ends."""
    got = split(raw(server, data))
    assert got[0] == got[2]["statusCode"] == status
    assert got[2]["body"]["type"] == f"Function.{fault}" and got[2]["body"]["error"]


@pytest.mark.parametrize("data, status, fault", WRONG)
@pytest.mark.parametrize("first", [b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", request(picture())],
                         ids=["at once", "later"])
def test_what_is_refused_behind_an_answer(server, first, data, status, fault):
    got = raw(server, first + data)
    answer = got[got.rindex(b"HTTP/1.1 "):]
    assert got.startswith(b"HTTP/1.1 200") and got != answer
    status_line, _, body = split(answer)
    assert status_line == body["statusCode"] == status
    assert body["body"]["type"] == f"Function.{fault}" and body["body"]["error"]


def test_bodies_of_all(serve, models):
    """No more of them at once than eight of the greatest length: the one that is too much goes, what
    gone callers left does not count, and all others have their answers."""
    server = serve("--model", models, "--most-bytes", "1000000")
    body = picture() + bytes(1_000_000 - len(picture()))
    whole = request(body)

    def begin(data):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        s.sendall(data)
        return s

    def wait_until_read():
        wait_for(lambda: not sum(connections(server.port)))

    held = [begin(whole[:-1]) for _ in range(7)]
    wait_until_read()
    for s in [begin(whole[:-900_000]) for _ in range(9)]:  # gone: few will be taken for the next
        s.close()
    wait_for(lambda: len(connections(server.port)) == len(held))
    assert ranking(server.post(picture()))[0] == "red"
    late = begin(whole[:-300_000])
    wait_until_read()
    with begin(whole[:-400_000]) as s:
        got = b""
        while part := s.recv(65536):
            got += part
    status, headers, answer = split(got)
    assert status == 429 and headers["retry-after"] == "1", answer
    assert answer["body"]["type"] == "Function.Busy" and "8000000 bytes" in answer["body"]["error"]
    for s in held:
        s.sendall(whole[-1:])
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        s.close()
    late.sendall(whole[-300_000:])
    assert late.recv(65536).startswith(b"HTTP/1.1 200")
    for _ in range(20):  # what is answered does not count either
        assert server.post(body).status == 200
    assert [line["status"] for line in server.stop()].count(429) == 1


def test_refused_in_the_platforms_words(serve, models):
    """Function Compute's and OpenWhisk's, as the path of the first line tells."""
    data = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    server = serve("--model", models, "--port", "0", platform="aliyun-fc")
    status, headers, body = split(raw(server, data % b"/invoke"))
    assert status == 413 and headers["x-fc-status"] == "404"
    assert body["errorType"] == "Function.TooLarge" and "33554432 bytes" in body["errorMessage"]
    server = serve("--model", models, "--port", "0", platform="openwhisk")
    status, _, body = split(raw(server, data % b"/run"))
    assert status == 413 and "33554432 bytes" in json.dumps(body["error"])
