# SPDX-License-Identifier: Apache-2.0
"""Azure Functions' host before a custom handler: its default mode, and requests forwarded."""
import base64
import json

import pytest

from conftest import picture

HOST = {"X-Azure-Functions-InvocationId": "inv-1", "X-Azure-Functions-HostVersion": "4.1",
        "User-Agent": "Azure-Functions-Host/4.1"}


@pytest.fixture(params=["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"])
def handler(serve, models, request):
    return serve("--model", models, platform=None, env={request.param: "0"})


def image(colour=(250, 10, 10)):
    return base64.b64encode(picture(colour)).decode()


def call(handler, data, **metadata):
    body = {"Data": data, "Metadata": {"sys": {"MethodName": "cats"}, **metadata}}
    return handler.ask("POST", "/cats", json.dumps(body),
                       {**HOST, "Content-Type": "application/json"})


def http(body, query=None, type="application/json", method="POST"):
    return {"req": {"Url": "http://h/api/cats", "Method": method, "Query": query or {},
                    "Headers": {"Content-Type": [type], "Authorization": ["SECRET"]},
                    "Params": {}, "Identities": [{"x": "SECRET"}], "Body": body}}


def result(answer, status=200):
    assert answer.status == 200, answer.data
    assert answer.headers["content-type"] == "application/json"
    said = answer.json
    assert said.keys() == {"Outputs", "Logs", "ReturnValue"} and said["ReturnValue"] is None
    res = said["Outputs"]["res"]
    assert res["statusCode"] == status and res["headers"] == {"Content-Type": "application/json"}
    assert isinstance(res["body"], str)
    return json.loads(res["body"])


def test_default_mode(handler):
    assert handler.ask("GET", "/").status == 200  # what the host waits for
    wish = json.dumps({"image": image()})
    for data in (http(wish), http(image(), type="application/octet-stream"),
                 http({"image": image()}), {"req": json.dumps(http(wish)["req"])},
                 http(wish, "{}"), {"other": "x", **http(wish)}):
        assert result(call(handler, data))["body"][0]["label"] == "red"
    for query in ({"top": "1"}, '{"top":"1"}', {"top": ["1"]}):
        assert len(result(call(handler, http(wish, query)))["body"]) == 1
    for data in (http("", {"seed": "7", "model": "poet"}, method="GET"),
                 http(None, {"seed": "7", "model": "poet"}, method="GET")):
        assert result(call(handler, data))["body"]["seed"] == 7
    log = handler.stop()
    assert {line["id"] for line in log} == {"inv-1"}
    assert "SECRET" not in "\n".join(handler.lines + handler.error_lines)


def test_faults_of_callers(handler):
    for data, status in ((http("{"), 400), (http(""), 400), (http("AAAA", type="image/png"), 415),
                         (http("{}", {"model": "absent"}), 404), (http('{"image":"abcde"}'), 400)):
        said = result(call(handler, data), status)
        assert said["statusCode"] == status and said["body"]["error"]
    assert [line["status"] for line in handler.stop()] == [400, 400, 415, 404, 400]


def test_other_triggers(handler):
    wish = {"image": image()}
    for value in (wish, json.dumps(wish), json.dumps(json.dumps(wish)), image()):
        answer = call(handler, {"myQueueItem": value})
        assert answer.status == 200, answer.data
        said = answer.json
        assert said["Outputs"] == {} and said["Logs"] == []
        assert said["ReturnValue"]["body"][0]["label"] == "red"
    for value, status in (("{", 400), ("", 400), (None, 400), (3, 400), ("hello", 415)):
        answer = call(handler, {"myQueueItem": value})  # the host tries again, or gives it up
        assert answer.status == status, (value, answer.data)
    assert call(handler, {}).status == 400


def test_forwarding(handler):
    for path in ("/api/cats", "/api/cats?top=1", "/cats", "/"):
        answer = handler.ask("POST", path, picture((0, 250, 0)), {**HOST, "Content-Type": "image/png"})
        assert answer.json["body"][0]["label"] == "green"
        assert len(answer.json["body"]) == (1 if "top" in path else 3)
    answer = handler.ask("GET", "/api/poems?model=poet&seed=7", None, HOST)
    assert answer.json["body"]["seed"] == 7
    handler.ask("POST", "/api/cats", b"{", HOST).failed(400, "BadInput", "JSON")
    handler.ask("DELETE", "/api/cats", None, HOST).failed(405, "MethodNotAllowed")
    # A caller's own Data is no host's call without the host's header.
    body = json.dumps({"Data": {"image": image()}, "Metadata": {}})
    handler.ask("POST", "/cats", body).failed(400, "BadInput", "no event")


def test_listens_on_the_loop_alone(handler):
    assert "127.0.0.1" in handler.first_line
