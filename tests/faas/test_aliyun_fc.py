# SPDX-License-Identifier: Apache-2.0
"""Function Compute's front end: hooks, /invoke, HTTP triggers, log marks, the form of errors."""
import base64
import json

import pytest

from conftest import make_poet, picture

SECRETS = {"x-fc-access-key-id": "SECRET-id", "x-fc-access-key-secret": "SECRET-key",
           "x-fc-security-token": "SECRET-token"}


def headers(number, control="/invoke", **more):
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"x-fc-request-id": f"1-{number}", "x-fc-function-name": "ai",
            "x-fc-function-memory": "512", "x-fc-function-timeout": "60",
            "x-fc-region": "cn-x", "x-fc-control-path": control,
            "Content-Type": "application/octet-stream", **SECRETS, **named}


@pytest.fixture
def function(serve, models):
    return serve("--model", models, platform=None, env={
        "FC_FUNCTION_NAME": "ai", "FC_SERVER_PORT": "1", "FC_CUSTOM_LISTEN_PORT": "0",
        "FC_FUNCTION_MEMORY_SIZE": "512", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "SECRET-env"})


def invoke(function, event, number=1, **more):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return function.ask("POST", "/invoke", body, headers(number, **more))


def test_life_of_an_instance(function):
    assert function.ask("POST", "/initialize", b"", headers(1, "/initialize")).status == 200
    image = base64.b64encode(picture()).decode()
    for event in (picture(), {"image": image}, {"image": image, "top": 3}):
        answer = invoke(function, event, 2)
        assert answer.status == 200 and answer.headers["x-fc-status"] == "200", answer.data
        assert answer.json["body"][0]["label"] == "red"
    assert function.ask("GET", "/pre-freeze", None, headers(3, "/pre-freeze")).status == 200
    assert function.ask("GET", "/pre-stop", None, headers(4, "/pre-stop")).status == 200
    log = function.stop()
    assert [line["id"] for line in log] == ["1-1"] + ["1-2"] * 3 + ["1-3", "1-4"]
    for at, name in enumerate(["Initialize"] + ["Invoke"] * 3 + ["PreFreeze", "PreStop"]):
        first, line, last = function.lines[3 * at:3 * at + 3]
        number = json.loads(line)["id"]
        assert first == f"FC {name} Start RequestId: {number}"
        assert last == f"FC {name} End RequestId: {number}"
    assert "SECRET" not in "\n".join(function.lines + function.error_lines)


@pytest.mark.parametrize("event, status, fault, words", [
    (b"", 400, "BadInput", "empty"), (b"{", 400, "BadInput", "JSON"),
    (b"\0\1\2\3", 415, "TypeNotRead", "neither"), ({"image": "abcde"}, 400, "BadInput", "base64"),
    (picture()[:60], 400, "BadInput", ""), (b"[" * 9999, 400, "BadInput", "nested deeper"),
    ({"specversion": "1.0", "id": "1"}, 400, "BadInput", "'source'")],
    ids=["empty", "json", "bytes", "base64", "cut", "deep", "cloudevent"])
def test_faults(function, event, status, fault, words):
    answer = invoke(function, event, 7)
    assert answer.status == status and answer.headers["x-fc-status"] == "404"
    assert answer.headers["content-type"] == "application/json"
    said = answer.json
    assert said.keys() == {"errorMessage", "errorType", "stackTrace"}
    assert said["errorType"] == f"Function.{fault}" and words in said["errorMessage"]
    (line,) = function.stop()
    assert line["error"] == said["errorMessage"] and line["status"] == status
    assert function.lines[-1] == "FC Invoke End RequestId: 1-7, Error: Unhandled function error"
    assert function.lines[0] == "FC Invoke Start RequestId: 1-7"


def test_wrong_calls(function):
    answer = function.ask("GET", "/invoke", None, headers(1))
    assert answer.status == 405 and answer.headers["x-fc-status"] == "404"
    assert "GET" in answer.json["errorMessage"]
    answer = function.ask("GET", "/initialize", None, headers(1, "/initialize"))
    assert answer.status == 405 and answer.headers["x-fc-status"] == "404"
    answer = function.ask("GET", "/nothing", None, headers(1, "/http-invoke"))
    answer.failed(404, "NotFound", "/nothing")
    assert "x-fc-status" not in answer.headers


def test_http_triggers(function):
    """What an HTTP trigger's caller sends and gets is as without the platform, 2.0 and 3.0."""
    plain = headers(1)
    del plain["x-fc-control-path"]
    for sent in (plain, headers(1, "/http-invoke")):
        answer = function.ask("POST", "/?top=1", picture((0, 0, 250)), sent)
        assert [row["label"] for row in answer.json["body"]] == ["blue"]
        assert "x-fc-status" not in answer.headers
        function.ask("POST", "/", b"{", sent).failed(400, "BadInput", "JSON")
        assert function.ask("GET", "/models/poet?seed=7", None, sent).json["body"]["seed"] == 7
    answer = function.ask("POST", "/invoke", picture(), headers(1, "/http-invoke"))
    assert answer.status == 200 and "x-fc-status" not in answer.headers
    assert function.ask("GET", "/health").status == 200  # nobody's request: no mark
    function.stop()
    assert sum("Start" in line for line in function.lines) == 7


def test_gateway_event(function):
    event = {"path": "/ai", "httpMethod": "POST", "headers": {"Content-Type": "image/png"},
             "queryParameters": {"top": "1"}, "pathParameters": {},
             "body": base64.b64encode(picture()).decode(), "isBase64Encoded": True}
    answer = invoke(function, event).json
    assert answer["statusCode"] == 200 and answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["body"][0]["label"] == "red"
    answer = invoke(function, {**event, "body": "AAAA"})
    assert answer.status in (400, 415) or answer.json["statusCode"] in (400, 415)


def test_eventbridge(function):
    event = {"specversion": "1.0", "id": "e", "source": "acs.mns", "type": "mns:Topic",
             "datacontenttype": "application/json",
             "data": {"image": base64.b64encode(picture()).decode()}}
    found = invoke(function, [event, event]).json
    assert [e["data"]["body"][0]["label"] for e in found] == ["red", "red"]
    assert invoke(function, event).json["data"]["body"][0]["label"] == "red"


def test_timeout_of_the_function(serve, tmp_path):
    recipe = {"first": 1, "start": 0, "length": 20000}
    path = make_poet(tmp_path, "abcdefgh", recipe, hidden=768, places=0)
    server = serve("--model", path, "--threads", "1", "--port", "0", platform="aliyun-fc")
    sent = headers(1)
    sent["x-fc-function-timeout"] = "1"
    answer = server.ask("POST", "/invoke", b'{"seed":1}', sent)
    assert answer.status == 504 and answer.json["errorType"] == "Function.Timeout"
