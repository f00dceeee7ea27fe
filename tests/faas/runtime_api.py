# SPDX-License-Identifier: Apache-2.0
"""A Runtime API as AWS Lambda has it, with the differences of an emulator by option."""
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Result(NamedTuple):
    kind: str  # "response", "error", "init/error", "restore/error"
    id: str
    headers: dict
    body: bytes
    trailers: dict
    chunks: list

    @property
    def json(self):
        return json.loads(self.body)


class RuntimeApi:
    """emulator: lower-case names, 200 for 202, a prefix, a deadline in the past, no trace."""

    def __init__(self, emulator=False, limit=6_291_556):
        self.events = queue.Queue()
        self.results = queue.Queue()
        self.emulator, self.limit = emulator, limit
        self.prefix = "/prefix" if emulator else ""
        self.asked = []  # paths, in order
        self.status_of_next = 200
        self.status_of_result = None
        self.timeout = 30.0
        self.count = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                api.get(self)

            def do_POST(self):
                api.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        place = f"127.0.0.1:{self.server.server_address[1]}"
        self.place = f"http://{place}{self.prefix}" if emulator else place

    def close(self):
        self.events.put(None)
        self.server.shutdown()
        self.server.server_close()

    # ---- The API ----

    def answer(self, handler, status, body=b"", headers=()):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name.lower() if self.emulator else name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def get(self, handler):
        self.asked.append(handler.path)
        assert "User-Agent" in handler.headers
        if handler.path.endswith("/restore/next"):
            return self.answer(handler, 200)
        assert handler.path == self.prefix + "/2018-06-01/runtime/invocation/next"
        if self.status_of_next != 200:
            return self.answer(handler, self.status_of_next, b"{}")
        event = self.events.get()
        if event is None:
            handler.close_connection = True
            return None
        self.count += 1
        deadline = 600000 if self.emulator else int((time.time() + self.timeout) * 1000)
        headers = [("Lambda-Runtime-Aws-Request-Id", f"id-{self.count}"),
                   ("Lambda-Runtime-Deadline-Ms", str(deadline)),
                   ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x:1:function:f")]
        if not self.emulator:
            headers.append(("Lambda-Runtime-Trace-Id", "Root=1-a;Parent=b;Sampled=0"))
        return self.answer(handler, 200, event, headers)

    def post(self, handler):
        self.asked.append(handler.path)
        path = handler.path.removeprefix(self.prefix + "/2018-06-01/runtime/")
        assert path != handler.path, path
        chunks, trailers = [], {}
        if handler.headers.get("Transfer-Encoding") == "chunked":
            while size := int(handler.rfile.readline(), 16):
                chunks.append(handler.rfile.read(size))
                handler.rfile.readline()
            while line := handler.rfile.readline().strip():
                name, value = line.decode().split(": ", 1)
                trailers[name] = value
            body = b"".join(chunks)
        else:
            body = handler.rfile.read(int(handler.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        parts = path.split("/")
        kind, id = (parts[2], parts[1]) if parts[0] == "invocation" else (path, "")
        status = self.status_of_result or (
            413 if len(body) > self.limit and not chunks else 200 if self.emulator else 202)
        self.results.put(Result(kind, id, headers, body, trailers, chunks))
        self.answer(handler, status, b'{"status":"OK"}')

    # ---- The test's side ----

    def invoke(self, event, timeout=120):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.events.put(body)
        return self.results.get(timeout=timeout)
