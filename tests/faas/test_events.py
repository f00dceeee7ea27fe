# SPDX-License-Identifier: Apache-2.0
"""What stores, queues, databases and clocks send, answered by ai-function through ai-fetch, with
results written back."""

from __future__ import annotations

import json
import os
import shutil

import conftest
import pytest
from conftest import picture
from store import Store


@pytest.fixture
def store():
    one = Store()
    one.objects["cats/a+b(8) 红.png"] = picture((250, 0, 0))
    one.objects["green.png"] = picture((0, 250, 0))
    one.objects["broken.png"] = b"\x89PNG and then nothing"
    yield one
    one.close()


@pytest.fixture
def server(serve, models, store):
    return serve("--model", models / "colours.lai", env=store.settings())


def s3_record(key, bucket="in", name="ObjectCreated:Put", etag="e1"):
    return {
        "eventSource": "aws:s3",
        "awsRegion": "eu-x-1",
        "eventName": name,
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 3, "eTag": etag}},
    }


def oss_event(key, name="ObjectCreated:PutObject"):
    return {
        "eventName": name,
        "eventSource": "acs:oss",
        "region": "cn-x",
        "oss": {"bucket": {"name": "inbox"}, "object": {"key": key, "eTag": "E"}},
    }


def mns(message):
    return {"TopicName": "t", "Message": json.dumps(message), "MessageId": "1"}


RED = "cats/a%2Bb%288%29+%E7%BA%A2.png"
EVENTS = {
    "s3": {"Records": [s3_record(RED)]},
    "s3, raw key": {"Records": [s3_record("cats/a+b(8) 红.png", name="s3:ObjectCreated:Put")]},
    "bridge": {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "region": "eu-x-1",
        "detail": {"bucket": {"name": "in"}, "object": {"key": "cats/a+b(8) 红.png"}},
    },
    "sns": {"Records": [{"Sns": {"Message": json.dumps({"Records": [s3_record(RED)]})}}]},
    "oss": {"events": [oss_event("cats/a+b(8)%20%E7%BA%A2.png")]},
    "oss by mns": mns({"events": [oss_event("cats/a+b(8)%20%E7%BA%A2.png")]}),
    "direct": {"bucket": "in", "key": "cats/a+b(8) 红.png"},
    "url": {"url": "s3://in/cats/a+b(8) 红.png"},
    "google": {"bucket": "in", "name": "cats/a+b(8) 红.png", "generation": "17"},
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_object_is_named(server, event):
    answer = server.post_json(event)
    assert answer.status == 200, answer.data
    assert answer.json["body"][0]["label"] == "red"


def test_several_objects(server):
    event = {"Records": [s3_record(RED), s3_record("green.png")]}
    answer = server.post_json(event)
    assert [one["body"][0]["label"] for one in answer.json["body"]] == ["red", "green"]
    event["Records"] += [s3_record("gone.png"), s3_record("broken.png")]
    answer = server.post_json(event)
    answer.failed(404, "ObjectNotFound", "2 of 4 objects failed, the first: ", "s3://in/gone.png")


def test_queue_names_the_messages_that_failed(server):
    def message(name, key):
        body = json.dumps({"Records": [s3_record(key)]})
        return {"eventSource": "aws:sqs", "messageId": name, "body": body}

    event = {"Records": [message("a", RED), message("b", "gone.png"), message("c", "green.png")]}
    event["Records"].append({"eventSource": "aws:sqs", "messageId": "d", "body": "{"})
    answer = server.post_json(event)
    assert answer.status == 200
    assert answer.json == {"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "d"}]}


@pytest.mark.parametrize(
    "event",
    [
        {"triggerTime": "2026-01-01T00:00:00Z", "triggerName": "warm", "payload": "x"},
        {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"},
        {"Records": [s3_record("green.png", name="ObjectRemoved:Delete")]},
        {"events": [oss_event("green.png", name="ObjectRemoved:DeleteObject")]},
        {"id": "doc", "changes": [{"rev": "2-a"}], "deleted": True},
    ],
)
def test_no_inference_for(server, store, event):
    answer = server.post_json(event)
    assert answer.status == 200, answer.data
    assert not store.seen


@pytest.mark.parametrize(
    "event, status, fault",
    [
        ({"Records": [{"s3": {}}]}, 400, "BadInput"),
        ({"events": [{"oss": {"bucket": {}}}]}, 400, "BadInput"),
        ({"detail-type": "Object Created", "detail": {}}, 400, "BadInput"),
        ({"bucket": "in", "key": "broken.png"}, 400, "BadInput"),
        ({"bucket": "in", "key": "../x"}, 400, "BadInput"),
        ({"bucket": "IN/..", "key": "x"}, 400, "BadInput"),
        ({"url": "http://127.0.0.1:9/x"}, 403, "ObjectDenied"),
        ({"id": "doc", "changes": [{"rev": "1-a"}]}, 400, "BadInput"),
        (mns(mns(mns(mns({"events": []})))), 400, "BadInput"),
        ({"Records": [s3_record("x")] * 1001}, 400, "BadInput"),
    ],
)
def test_refusals(server, event, status, fault):
    server.post_json(event).failed(status, fault)
    assert server.post_json({"bucket": "in", "key": "green.png"}).status == 200


def test_results_are_stored_once_per_version(serve, models, store):
    server = serve("--model", models / "colours.lai", env=store.settings(AI_RESULTS="s3://out/r/"))
    answer = server.post_json({"Records": [s3_record(RED)]})
    assert answer.status == 200, answer.data
    stored = store.objects["r/in/cats/a+b(8) 红.png.e1.json"]
    assert json.loads(stored) == answer.json
    # A result is itself an object that is announced where triggers cover all of a bucket.
    answer = server.post_json({"Records": [s3_record("r/in/x.json", bucket="out")]})
    assert answer.json["body"] == {"skipped": "the object lies where results go"}
    assert list(store.objects)[3:] == ["r/in/cats/a+b(8) 红.png.e1.json"]


@pytest.mark.parametrize("key", ["a+b%2F/x.json", "a%2Bb%252F/x.json"])
def test_results_are_no_events(serve, models, store, key):
    """Raw, as gateways send it, or escaped: neither fetched nor answered by a result of its own."""
    env = store.settings(AI_RESULTS="s3://out/a+b%2F/")
    server = serve("--model", models / "colours.lai", env=env)
    answer = server.post_json({"Records": [s3_record(key, bucket="out")]})
    assert answer.json["body"] == {"skipped": "the object lies where results go"}
    assert not store.seen


def test_results_go_to_a_database(serve, models, store):
    place = store.url.replace("//", "//user:secret@") + "/plain/results"
    server = serve("--model", models / "colours.lai", env=store.settings(AI_RESULTS=place))
    assert server.post_json({"Records": [s3_record("green.png")]}).status == 200
    assert store.seen[-1][:2] == ("PUT", "/plain/results/in%2Fgreen.png.e1.json")
    assert store.seen[-1][2]["Authorization"].startswith("Basic ")
    store.put_status = 409  # the document is there: the event came twice
    assert server.post_json({"Records": [s3_record("green.png")]}).status == 200
    store.put_status = 403
    answer = server.post_json({"Records": [s3_record("green.png", etag="e2")]})
    answer.failed(502, "ResultNotStored", "denied")
    assert b"secret" not in answer.data
    assert "secret" not in json.dumps([server.stop(), server.errors])


def test_a_changed_document(serve, models, store):
    url = store.url.replace("//", "//user:secret@") + "/plain"
    env = store.settings(AI_COUCHDB_URL=url)
    server = serve("--model", models / "colours.lai", env=env)
    store.objects["photos/a b/image"] = picture((0, 0, 250))
    event = {"id": "a b", "dbname": "photos", "seq": "3", "changes": [{"rev": "1-a"}]}
    answer = server.post_json(event)
    assert answer.status == 200, answer.data
    assert answer.json["body"][0]["label"] == "blue"


def test_a_name_longer_than_a_line(serve, models, store):
    server = serve("--model", models / "colours.lai", env=store.settings())
    for event in ({"bucket": "in", "key": "k" * 70000}, {"url": "https://x/" + "k" * 70000}):
        server.post_json(event).failed(400, "BadInput", "longer than any store takes")


def test_ai_fetch_that_dies_is_started_again(serve, models, store, tmp_path):
    wrapper = tmp_path / "fetch"
    wrapper.write_text(f"#!/bin/sh\necho $$ >>{tmp_path}/pids\nexec {os.environ['AI_FETCH']}\n")
    wrapper.chmod(0o755)
    server = serve("--model", models / "colours.lai", env=store.settings(AI_FETCH=str(wrapper)))
    event = {"bucket": "in", "key": "green.png"}
    for _ in range(3):
        assert server.post_json(event).status == 200
        assert server.post_json(event).status == 200  # the same process
        os.kill(int((tmp_path / "pids").read_text().split()[-1]), 9)
    assert len((tmp_path / "pids").read_text().split()) == 3


@pytest.mark.parametrize("program", ["exit 0", "echo nonsense; sleep 9", "cat >/dev/null; sleep 9"])
def test_ai_fetch_that_answers_nothing(serve, models, store, tmp_path, program):
    wrapper = tmp_path / "fetch"
    wrapper.write_text(f"#!/bin/sh\n{program}\n")
    wrapper.chmod(0o755)
    env = store.settings(AI_FETCH=str(wrapper), AI_TIMEOUT_MS="2000")
    server = serve("--model", models / "colours.lai", env=env)
    server.post_json({"bucket": "in", "key": "green.png"}).failed(502, "ObjectNotRead", "from")
    assert server.post(picture()).status == 200


def test_without_ai_fetch(serve, models, store):
    env = store.settings(AI_FETCH="/nowhere/ai-fetch")
    server = serve("--model", models / "colours.lai", env=env)
    server.post_json({"bucket": "in", "key": "x"}).failed(502, "ObjectNotRead", "/nowhere/ai-fetch")


def test_where_no_ai_fetch_lies(serve, models, tmp_path, monkeypatch):
    monkeypatch.setattr(conftest, "FUNCTION", shutil.copy(conftest.FUNCTION, tmp_path))
    server = serve("--model", models / "colours.lai")
    server.post_json({"url": "https://example.com/a.png"}).failed(400, "NoStore", "ai-fetch")
