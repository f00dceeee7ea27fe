# SPDX-License-Identifier: Apache-2.0
"""The page at `/`: what it is sent with, and what it may do. tests/page has a browser use it."""
import base64
import hashlib
import re

import pytest

from conftest import picture

ALLOWED = {"http://www.w3.org/2000/svg"}  # a name, which no browser asks for


@pytest.fixture(scope="module")
def page(server):
    return server.ask("GET", "/")


def test_headers(page):
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assert int(page.headers["content-length"]) == len(page.data) <= 40_000


def test_policy(page):
    """All is forbidden but the one script and the one style that stand in it, by their digests."""
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    text = page.data.decode()
    for kind in ("script", "style"):
        (inner,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert policy.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert policy.pop("connect-src") == "'self'"
    assert policy.pop("img-src") == "data:"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}
    assert not re.search(r"\s(?:on\w+|style)=", re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.S))


def test_nothing_from_elsewhere(page):
    text = page.data.decode()
    assert set(re.findall(r"https?://[^'\" )]+", text)) <= ALLOWED
    assert not re.search(r"@import|url\((?!#)|src=|<link (?!rel=\"icon\" href=\"data:)", text)


def test_only_get_and_head(server, page):
    head = server.ask("HEAD", "/")
    assert head.status == 200 and head.data == b""
    same = ("content-length", "etag", "content-security-policy", "content-type")
    assert [head.headers[name] for name in same] == [page.headers[name] for name in same]
    for method in ("DELETE", "OPTIONS", "PATCH"):
        server.ask(method, "/").failed(405, "MethodNotAllowed", method)
    assert server.post(picture()).json["body"][0]["label"] == "red"  # what POST always was


def test_kept_by_its_tag(server, page):
    tag = page.headers["etag"]
    for known in (tag, f'W/{tag}, "other"'):
        again = server.ask("GET", "/", None, {"If-None-Match": known})
        assert again.status == 304 and again.data == b"" and again.headers["etag"] == tag
        assert "content-security-policy" in again.headers
    assert server.ask("GET", "/", None, {"If-None-Match": '"other"'}).data == page.data


@pytest.mark.parametrize("platform", ["aliyun-fc", "azure"])
def test_wherever_it_speaks_http(page, models, serve, platform):
    server = serve("--model", models, "--port", "0", platform=platform)
    assert server.ask("GET", "/").data == page.data
