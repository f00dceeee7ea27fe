# SPDX-License-Identifier: Apache-2.0
"""CloudEvents over HTTP in their three forms."""
import base64
import json

import pytest

from conftest import picture

ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/camera", "type": "photo.taken"}
IMAGE = base64.b64encode(picture()).decode()


def binary(server, body, kind="image/png", **changed):
    attributes = {**ATTRIBUTES, **changed}
    headers = {f"CE-{name}": value for name, value in attributes.items() if value}
    return server.ask("POST", "/", body, {"Content-Type": kind, **headers})


def structured(server, **more):
    return server.post_json({**ATTRIBUTES, **more}, "/",
                            **{"Content-Type": "application/cloudevents+json; charset=utf-8"})


def labels(answer):
    assert answer["statusCode"] == 200, answer
    return [row["label"] for row in answer["body"]]


def own(attributes, event_id="e-1"):
    """A reply has attributes of its own."""
    assert attributes["specversion"] == "1.0" and attributes["id"] == event_id + "-answer"
    assert attributes["source"].startswith("/libai/colours@")
    return attributes["type"]


@pytest.mark.parametrize("body, kind", [(picture(), "image/png"),
                                        (json.dumps({"image": IMAGE}), "application/json")],
                         ids=["image", "json"])
def test_binary(server, body, kind):
    answer = binary(server, body, kind)
    assert labels(answer.json)[0] == "red"
    assert answer.headers["content-type"] == "application/json"
    assert own({name: answer.headers["ce-" + name] for name in ATTRIBUTES}) == "dev.libai.answer.v1"


@pytest.mark.parametrize("data", [{"data_base64": IMAGE, "datacontenttype": "image/png"},
                                  {"data": {"image": IMAGE}},
                                  {"data": IMAGE, "datacontenttype": "text/plain"}])
def test_structured(server, data):
    answer = structured(server, **data)
    assert answer.headers["content-type"] == "application/cloudevents+json"
    assert own(answer.json) == "dev.libai.answer.v1"
    assert answer.json["datacontenttype"] == "application/json"
    assert labels(answer.json["data"])[0] == "red"
    assert float(answer.headers["ai-duration-ms"]) > 0


def test_batch(server):
    """Each has its answer, in order; one that fails harms no other."""
    events = [{**ATTRIBUTES, "id": f"e-{i}", **data} for i, data in enumerate(
        [{"data": {"image": IMAGE}}, {"data": {"image": "*"}},
         {"data_base64": base64.b64encode(picture((0, 0, 250))).decode()}])]
    answer = server.post(json.dumps(events), type="application/cloudevents-batch+json")
    assert answer.headers["content-type"] == "application/cloudevents-batch+json"
    first, bad, last = answer.json
    assert labels(first["data"])[0] == "red" and labels(last["data"])[0] == "blue"
    assert own(bad, "e-1") == "dev.libai.fault.v1"
    assert bad["data"]["statusCode"] == 400
    assert server.post(b"[]", type="application/cloudevents-batch+json").json == []


def test_faults(server):
    for name in ("id", "source", "type"):
        binary(server, picture(), **{name: None}).failed(400, "BadInput", f"no '{name}'")
        structured(server, **{name: None}).failed(400, "BadInput", f"no '{name}'")
    structured(server, data={"image": "*"}).failed(400, "BadInput", "base64")
    structured(server, data_base64="*").failed(400, "BadInput", "base64")
    structured(server).failed(400, "BadInput", "body is empty")
    binary(server, b"").failed(400, "BadInput", "body is empty")
    kind = "application/cloudevents+json"
    server.post(b"[]", type=kind).failed(400, "BadInput", "no JSON object")
    server.post(b"{", type=kind).failed(400, "BadInput", "JSON")
    server.post(b"{}", type="application/cloudevents-batch+json").failed(400, "BadInput", "array")
    assert server.ask("GET", "/").status == 200


def test_sdk(server):
    """Through the SDK's own reader and writer, where it is installed."""
    http = pytest.importorskip("cloudevents.v1.http")
    event = http.CloudEvent({"source": "/camera", "type": "photo.taken"}, picture())
    event["datacontenttype"] = "image/png"
    for write in (http.to_binary, http.to_structured):
        headers, body = write(event)
        answer = server.ask("POST", "/", body, dict(headers))
        reply = http.from_http(answer.headers, answer.data)
        assert reply["type"] == "dev.libai.answer.v1" and reply["id"] == event["id"] + "-answer"
        data = reply.data if isinstance(reply.data, dict) else json.loads(reply.data)
        assert labels(data)[0] == "red"
