# SPDX-License-Identifier: Apache-2.0
"""ai-fetch beside a strict store: signatures, names, limits, errors, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from store import KEY, SECRET, TOKEN, Store

PROGRAM = os.environ["AI_FETCH"]


class Fetch:
    """A running ai-fetch."""

    def __init__(self, **settings):
        self.process = subprocess.Popen(
            [PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=settings,
        )

    def __call__(self, body: bytes = b"", **job) -> tuple[dict, bytes]:
        job.setdefault("timeout_ms", 60000)
        if job.get("method") == "PUT":
            job["bytes"] = len(body)
        self.process.stdin.write(json.dumps(job).encode() + b"\n" + body)
        self.process.stdin.flush()
        line = json.loads(self.process.stdout.readline())
        return line, self.process.stdout.read(line.get("bytes", 0))

    def close(self) -> str:
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        return self.process.stderr.read().decode()


@pytest.fixture
def store():
    one = Store()
    yield one
    one.close()


@pytest.fixture
def s3(store):
    fetch = Fetch(
        AWS_ENDPOINT_URL=store.url,
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_SESSION_TOKEN=TOKEN,
        AWS_REGION="eu-x-1",
    )
    yield fetch
    assert fetch.close() == ""


@pytest.fixture
def oss(store):
    fetch = Fetch(
        AI_OSS_ENDPOINT=store.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID=KEY,
        ALIBABA_CLOUD_ACCESS_KEY_SECRET=SECRET,
        ALIBABA_CLOUD_SECURITY_TOKEN=TOKEN,
    )
    yield fetch
    assert fetch.close() == ""


NAMES = ["a.jpg", "cats/a+b(8).jpg", "春眠/不覺曉 .png", "a%20b", "x=1&y=2?z#~-._!*'()", "d//e"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_signed_and_found(store, s3, oss, name):
    store.objects[name] = os.urandom(100000)
    for fetch, kind in ((s3, "s3"), (oss, "oss")):
        line, data = fetch(store=kind, bucket="in", key=name, region="oss-cn-x")
        assert line["status"] == 200, line
        assert data == store.objects[name]


def test_url_forms(store, s3, oss):
    store.objects["a/b.jpg"] = b"picture"
    assert s3(url="s3://in/a/b.jpg")[1] == b"picture"
    assert oss(url="oss://in/a/b.jpg")[1] == b"picture"
    assert oss(bucket="in", key="a/b.jpg")[1] == b"picture"  # by the credentials there are


def test_version_is_signed(store, s3, oss):
    store.objects["a"] = b"old"
    for fetch, kind in ((s3, "s3"), (oss, "oss")):
        assert fetch(store=kind, bucket="in", key="a", version="v/1+x")[0]["status"] == 400
        assert fetch(store=kind, bucket="in", key="a", version="Ab1_.-")[0]["status"] == 200
        assert "versionId=Ab1_.-" in store.seen[-1][1]


def test_put(store, s3, oss):
    for fetch, kind in ((s3, "s3"), (oss, "oss")):
        body = os.urandom(300000)
        line, _ = fetch(
            body,
            method="PUT",
            store=kind,
            bucket="out",
            key=f"r/{kind}.json",
            type="application/json",
        )
        assert line["status"] == 200, line
        assert store.objects[f"r/{kind}.json"] == body


def test_etag(store, s3):
    store.objects["m.lai"] = b"model"
    line, data = s3(bucket="in", key="m.lai")
    assert data == b"model"
    assert s3(bucket="in", key="m.lai", etag=line["etag"])[0]["status"] == 304
    assert s3(bucket="in", key="m.lai", etag='"other"')[1] == b"model"


def test_a_document_is_no_folder(store):
    """Ids come from events: none leads out of its database."""
    fetch = Fetch(AI_COUCHDB_URL=f"{store.url}/plain/db")
    for name in ("..", "."):
        line, _ = fetch(store="couchdb", key=name)
        assert line["status"] == 400 and "is no document's id" in line["error"]
    assert not store.seen
    fetch.close()


@pytest.mark.parametrize("pad", ["", "a", "ab"])
def test_a_name_is_cut_between_characters(s3, pad):
    line, _ = s3(bucket="in", key=pad + "春" * 200)
    assert line["status"] == 404 and "春" in line["error"]


def test_raw_key_is_tried_second(store, s3):
    store.objects["a+b.jpg"] = b"raw"
    assert s3(bucket="in", key="a b.jpg", raw_key="a+b.jpg")[1] == b"raw"
    assert s3(bucket="in", key="x", raw_key="x")[0]["error"] == "object 's3://in/x' is not there"


def test_a_busy_store_is_asked_again(store, s3):
    store.objects["flaky"] = b"at last"
    assert s3(bucket="in", key="flaky")[1] == b"at last"


@pytest.mark.parametrize(
    "job, status, words",
    [
        ({"key": "gone"}, 404, "object 's3://in/gone' is not there"),
        ({"key": "big", "most": 999}, 413, "object 's3://in/big' has more than 999 bytes"),
        ({"key": "cut"}, 502, "object 's3://in/cut' cannot be had: Transferred a partial file"),
        ({"key": "slow", "timeout_ms": 300}, 504, "object 's3://in/slow' did not come in time"),
        ({"bucket": "evil.com/x", "key": "a"}, 400, "'evil.com/x' is no name of a bucket"),
        ({"bucket": "..", "key": "a"}, 400, "is no name of a bucket"),
        ({"key": "a/../../b"}, 400, "is no key"),
        ({"key": "a", "region": "x@evil"}, 400, "none of a region"),
        ({"key": "k" * 5000}, 400, "is no key"),
    ],
)
def test_refusals(store, s3, job, status, words):
    store.objects["big"] = bytes(1000)
    line, _ = s3(**{"bucket": "in", **job})
    assert line["status"] == status
    assert words in line["error"]
    assert s3(bucket="in", key="big")[0]["status"] == 200  # and it goes on


def test_most_is_inclusive(store, s3):
    store.objects["big"] = bytes(1000)
    assert len(s3(bucket="in", key="big", most=1000)[1]) == 1000


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "gopher://x", "s3://in", "oss:///k"]
)
def test_schemes(s3, url):
    assert s3(url=url)[0]["status"] == 400


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[fe80::1]",
    ],
)
def test_private_addresses_are_refused(store, s3, host):
    port = store.url.rpartition(":")[2]
    line, _ = s3(url=f"http://{host}:{port}/plain/x", timeout_ms=3000)
    assert "error" in line
    assert "not public" in line["error"] or "cannot be had" in line["error"]
    assert not store.seen


def test_a_kept_connection_is_no_way_in(store, s3):
    """The store's own is kept after an object: a caller's URL must not go over it."""
    store.objects["a"] = b"object"
    for _ in range(2):
        assert s3(bucket="in", key="a")[1] == b"object"
        seen = len(store.seen)
        line, _ = s3(url=f"{store.url}/plain/x", timeout_ms=3000)
        assert line["status"] == 403 and "not public" in line["error"]
        assert len(store.seen) == seen


def test_private_addresses_on_request(store):
    fetch = Fetch(AI_FETCH_PRIVATE="1")
    assert fetch(url=f"{store.url}/plain/x")[1] == b"plain x"
    assert fetch(url=f"{store.url}/plain/to//plain/y")[1] == b"plain y"
    line, _ = fetch(url=f"{store.url}/plain/to/file:///etc/passwd")
    assert line["status"] == 502
    fetch.close()


def test_no_secret_in_messages(store):
    fetch = Fetch(AI_FETCH_PRIVATE="1")
    line, _ = fetch(url="http://user:pass@127.0.0.1:1/x?X-Amz-Signature=abc", timeout_ms=3000)
    assert line["error"].startswith("object 'http://127.0.0.1:1/x' cannot be had")
    fetch.close()
    wrong = Fetch(AWS_ENDPOINT_URL=store.url, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY="wrong")
    line, _ = wrong(store="s3", bucket="in", key="a")
    assert line == {
        "status": 403,
        "error": "object 's3://in/a' is denied to this function's " "credentials (status 403)",
    }
    wrong.close()


def test_nobody_listens(store):
    fetch = Fetch(AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_ACCESS_KEY_ID=KEY)
    line, _ = fetch(store="s3", bucket="in", key="a", timeout_ms=1500)
    assert line["status"] in (502, 504)
    fetch.close()


@pytest.mark.parametrize(
    "text", [b"\n", b"{\n", b"[]\n", b"x" * 70000, b'{"method":"PUT","bytes":9}\nabc']
)
def test_a_broken_line_ends_it(text):
    process = subprocess.run([PROGRAM], input=text, capture_output=True, timeout=60)
    assert process.returncode == 0
    assert process.stdout == b""
