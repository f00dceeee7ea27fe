# SPDX-License-Identifier: Apache-2.0
"""A store for tests of ai-fetch that checks signatures with an implementation of its own, and
behaves badly on request: by the key's beginning."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import os
import ssl
import threading
from urllib.parse import parse_qsl, quote, unquote, urlsplit

KEY, SECRET, TOKEN = "AKID", "s3cr3t/with+signs", "tok%3Den"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(
    scheme: str,
    method: str,
    resource: str,
    query: str,
    headers: dict[str, str],
    scope: str,
    date: str,
    signed: str,
) -> str:
    """Version 4 of Amazon's or Alibaba's signature."""
    first, algorithm = {
        "s3": ("AWS4", "AWS4-HMAC-SHA256"),
        "oss": ("aliyun_v4", "OSS4-HMAC-SHA256"),
    }[scheme]
    pairs = "&".join(
        f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(parse_qsl(query))
    )
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    payload = headers.get("x-amz-content-sha256") or headers["x-oss-content-sha256"]
    request = "\n".join([method, resource, pairs, lines, signed, payload])
    text = "\n".join([algorithm, date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = (first + SECRET).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def is_signed(self, path: str, query: str) -> bool:
        sent = self.headers.get("Authorization", "")
        fields = dict(
            f.strip().split("=", 1) for f in sent.partition(" ")[2].split(",") if "=" in f
        )
        if "Credential" not in fields:
            return False
        user, scope = fields["Credential"].split("/", 1)
        small = {name.lower(): value for name, value in self.headers.items()}
        if sent.startswith("AWS4"):
            names = fields["SignedHeaders"].split(";")
            assert "host" in names and "x-amz-content-sha256" in names
            assert ("x-amz-security-token" in small) == ("x-amz-security-token" in names)
            want = signature(
                "s3",
                self.command,
                path,
                query,
                {n: small[n] for n in names},
                scope,
                small["x-amz-date"],
                ";".join(names),
            )
        else:
            names = [n for n in small if n.startswith("x-oss-")]
            names += ["content-type"] if "content-type" in small else []
            resource = quote(unquote(path), safe="/-_.~")
            want = signature(
                "oss",
                self.command,
                resource,
                query,
                {n: small[n] for n in names},
                scope,
                small["x-oss-date"],
                "",
            )
        return user == KEY and hmac.compare_digest(want, fields["Signature"])

    def reply(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def do_GET(self):
        parts = urlsplit(self.path)
        store = self.server.store
        store.seen.append((self.command, self.path, dict(self.headers)))
        key = unquote(parts.path).partition("/")[2].partition("/")[2]
        if parts.path.startswith("/plain/"):
            return self.plain(key)
        if not self.is_signed(parts.path, parts.query):
            return self.reply(403, b"<Code>SignatureDoesNotMatch</Code>")
        if key.startswith("flaky") and store.count(self.path) < 3:
            return self.reply(503, b"<Code>SlowDown</Code>")
        if key.startswith("cut"):
            return self.reply(200, b"half", length=1000)
        store.stop_at(key)
        if key not in store.objects:
            return self.reply(404, b"<Code>NoSuchKey</Code>")
        return self.give(store.objects[key])

    def give(self, body: bytes):
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            return self.reply(304, headers={"ETag": etag})
        return self.reply(200, body, {"ETag": etag})

    def plain(self, key: str):
        if key.startswith("to/"):
            return self.reply(302, headers={"Location": key[3:]})
        if key in self.server.store.objects:
            return self.give(self.server.store.objects[key])
        return self.reply(200, b"plain " + key.encode())

    def do_PUT(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.store.seen.append((self.command, self.path, dict(self.headers)))
        if self.server.store.put_status:
            return self.reply(self.server.store.put_status)
        if not parts.path.startswith("/plain/") and not self.is_signed(parts.path, parts.query):
            return self.reply(403)
        self.server.store.objects[unquote(parts.path).partition("/")[2].partition("/")[2]] = body
        return self.reply(200)


class Store:
    """Serves `objects` by key, of any bucket, on a port of its own."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0):
        self.objects: dict[str, bytes] = {}
        self.seen: list = []
        self.put_status = 0  # what any PUT gets instead
        self.held = ""  # a key whose requests wait
        self.has_come, self.may_go, self.has_ended = (threading.Event() for _ in range(3))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.store = self
        self.tls = tls
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def settings(self, **more: str) -> dict[str, str]:
        """The environment in which ai-function finds it, as S3 and as OSS."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AI_OSS_ENDPOINT": self.url,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
            "AI_FETCH": os.environ["AI_FETCH"],
            **more,
        }

    def hold(self, key: str):
        """Requests for it wait until let_go, those for keys that begin with 'slow' until the end."""
        self.held = key
        self.has_come.clear()
        self.may_go.clear()

    def wait_held(self):
        """Until somebody waits."""
        assert self.has_come.wait(120)

    def let_go(self):
        self.held = ""
        self.may_go.set()

    def stop_at(self, key: str):
        if key.startswith("slow"):
            self.has_ended.wait()
        if key == self.held:
            self.has_come.set()
            self.may_go.wait()

    def count(self, path: str) -> int:
        return sum(path == seen[1] for seen in self.seen)

    def close(self):
        self.may_go.set()
        self.has_ended.set()
        self.server.shutdown()
        self.server.server_close()
