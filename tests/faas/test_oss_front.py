# SPDX-License-Identifier: Apache-2.0
"""Function Compute and its store: an image is put by Alibaba's own client, where it is installed, into
a store that checks signatures; the event comes with credentials of its own, the answer is put."""

from __future__ import annotations

import json
import os

import pytest
from conftest import picture
from store import KEY, SECRET, TOKEN, Store
from test_events import oss_event

CREDENTIALS = {
    "x-fc-access-key-id": KEY,
    "x-fc-access-key-secret": SECRET,
    "x-fc-security-token": TOKEN,
}


@pytest.fixture
def store():
    one = Store()
    one.objects["green.png"] = picture((0, 250, 0))
    yield one
    one.close()


@pytest.fixture
def function(serve, models, store):
    """As it stands in Function Compute, where the environment's credentials have ended."""
    env = {
        "FC_FUNCTION_NAME": "cats",
        "FC_CUSTOM_LISTEN_PORT": "0",
        "FC_REGION": "cn-x",
        "AI_OSS_ENDPOINT": store.url,
        "AI_FETCH": os.environ["AI_FETCH"],
        "AI_RESULTS": "oss://outbox/r/",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "old",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "over",
    }
    return serve("--model", models / "colours.lai", platform=None, env=env)


def event(key):
    return {"events": [oss_event(key)]}


def test_credentials_of_the_request(function, store):
    answer = function.post_json(event("green.png"), "/invoke", **CREDENTIALS)
    assert answer.status == 200, answer.data
    assert answer.json["body"][0]["label"] == "green"
    assert json.loads(store.objects["r/inbox/green.png.E.json"]) == answer.json
    assert [(one[0], one[2]["x-oss-security-token"]) for one in store.seen] == [
        ("GET", TOKEN),
        ("PUT", TOKEN),
    ]
    function.stop()
    said = "\n".join(function.lines + function.error_lines)
    assert SECRET not in said and TOKEN not in said and KEY not in said


def test_they_end_with_the_request(function, store):
    assert function.post_json(event("green.png"), "/invoke", **CREDENTIALS).status == 200
    for headers in ({}, {"x-fc-access-key-id": KEY}, {**CREDENTIALS, "x-fc-access-key-id": ""}):
        answer = function.post_json(event("green.png"), "/invoke", **headers)
        assert "denied to this function" in answer.json["errorMessage"], answer.data
    assert store.seen[-1][2]["Authorization"].startswith("OSS4-HMAC-SHA256 Credential=old/")
    wrong = {**CREDENTIALS, "x-fc-access-key-secret": "wrong"}
    answer = function.post_json(event("green.png"), "/invoke", **wrong)
    assert answer.headers["x-fc-status"] == "404" and b"wrong" not in answer.data


@pytest.mark.parametrize("key", ["a.png", "cats/a+b(8) 红.png", "x=1&y=2~.png"])
def test_alibaba_signs_as_we_do(function, store, key):
    """Both clients pass the one check of signatures, and each reads what the other put."""
    oss2 = pytest.importorskip("oss2")
    keys = oss2.credentials.StaticCredentialsProvider(KEY, SECRET, TOKEN)
    inbox = oss2.Bucket(oss2.ProviderAuthV4(keys), store.url, "inbox", region="cn-x")
    inbox.put_object(key, picture((0, 0, 250)), headers={"Content-Type": "image/png"})
    answer = function.post_json(event(key), "/invoke", **CREDENTIALS)
    assert answer.status == 200, answer.data
    outbox = oss2.Bucket(oss2.ProviderAuthV4(keys), store.url, "outbox", region="cn-x")
    assert json.loads(outbox.get_object(f"r/inbox/{key}.E.json").read()) == answer.json
    assert answer.json["body"][0]["label"] == "blue"
    wrong = oss2.credentials.StaticCredentialsProvider(KEY, "wrong", TOKEN)
    with pytest.raises(oss2.exceptions.OssError):
        oss2.Bucket(oss2.ProviderAuthV4(wrong), store.url, "inbox", region="cn-x").get_object(key)
