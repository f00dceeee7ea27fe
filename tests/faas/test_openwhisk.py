# SPDX-License-Identifier: Apache-2.0
"""A docker action of OpenWhisk, as the invoker drives it: /init, /run, marks in the logs."""
import base64
import json
import time
from pathlib import Path

import pytest

from conftest import picture

SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
ENV = {"__OW_NAMESPACE": "guest", "__OW_ACTION_NAME": "/guest/ai", "__OW_DEADLINE": "1",
       "number": 7, "list": [1, {"a": None}]}


def image(colour=(250, 10, 10)):
    return base64.b64encode(picture(colour)).decode()


def init(**more):
    return {"value": {"name": "ai", "main": "main", "code": "", "binary": False, "env": ENV, **more}}


def run(value, **more):
    deadline = str(int(time.time() * 1000) + 3_600_000)
    return {"value": value, "namespace": "guest", "action_name": "/guest/ai",
            "action_version": "0.0.1", "activation_id": "9a2f", "transaction_id": "t",
            "deadline": deadline, "api_host": "https://example.com", "api_key": "SECRET:key", **more}


@pytest.fixture
def action(serve, models):
    server = serve("--model", models, platform=None,
                   env={"__OW_API_HOST": "https://example.com", "AI_PORT": "0"})
    assert server.post_json(init(), "/init").json == {"ok": True}
    return server


def labels(answer):
    assert answer.status == 200, answer.data
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["statusCode"] == 200, answer.json
    return [row["label"] for row in answer.json["body"]]


def test_activations(action, models):
    assert labels(action.post_json(run({"image": image()}), "/run"))[0] == "red"
    assert labels(action.post_json(run({"image": image((1, 1, 250)), "top": 1}), "/run")) == ["blue"]
    poem = action.post_json(run({"model": "poet", "seed": 7}), "/run").json
    assert poem["statusCode"] == 200 and poem["body"]["seed"] == 7
    number = run({"image": image()}, deadline=int(time.time() * 1000) + 60_000, activation_id=None)
    assert labels(action.post_json(number, "/run"))[0] == "red"
    environ = Path(f"/proc/{action.process.pid}/environ").read_text()
    assert "SECRET" not in environ
    log = action.stop()
    assert [line["id"] for line in log][1:4] == ["9a2f"] * 3
    assert [line["status"] for line in log] == [200] * 5
    assert log[1]["model"].startswith("colours@")
    # A mark after each activation's own line, on both streams; none after a good /init.
    assert [line == SENTINEL for line in action.lines] == [False] + [False, True] * 4
    assert action.error_lines.count(SENTINEL) == 4
    assert "SECRET" not in "\n".join(action.lines + action.error_lines)


def test_faults_are_errors_of_the_application(action):
    def fault(value, status=200, **more):
        answer = action.post_json(run(value, **more), "/run")
        assert answer.status == status, answer.data
        assert answer.json.keys() == {"error"}
        return answer.json["error"]

    said = fault({"image": "abcde"})
    assert said["statusCode"] == 400 and said["body"]["type"] == "Function.BadInput"
    assert "ends within a byte" in said["body"]["error"]
    assert fault({"model": "absent", "image": image()})["statusCode"] == 404
    assert "no event that is known" in fault({})["body"]["error"]
    late = fault({"image": image()}, 502, deadline="1700000000000")
    assert late["statusCode"] == 504 and late["body"]["type"] == "Function.Timeout"
    for value in (None, 3, "text"):
        assert "did not receive a dictionary" in fault(value)
    assert labels(action.post_json(run({"image": image()}), "/run"))[0] == "red"
    log = action.stop()
    assert [line["status"] for line in log[1:4]] == [400, 404, 400]
    assert action.lines.count(SENTINEL) == action.error_lines.count(SENTINEL) == 8


def test_protocol_errors(serve, models):
    server = serve("--model", models, "--port", "0", platform="openwhisk")

    def failed(answer, status, words):
        assert answer.status == status and answer.json.keys() == {"error"}
        assert words in answer.json["error"], answer.json

    failed(server.post_json(run({"image": image()}), "/run"), 500, "no action defined yet")
    failed(server.post(b"{", "/init"), 400, "JSON")
    failed(server.post(b"[]", "/init"), 400, "'value'")
    failed(server.post_json(init(code="UEsDBA=="), "/init"), 400, "8 bytes of code")
    assert server.post_json(init(), "/init").status == 200
    failed(server.post_json(init(), "/init"), 403, "Cannot initialize the action more than once.")
    failed(server.post(b"{", "/run"), 400, "JSON")
    failed(server.post(b"[1]", "/run"), 200, "did not receive a dictionary")
    failed(server.post(b"", "/run"), 400, "JSON")
    failed(server.post(b"[" * 1000, "/run"), 400, "nested deeper")
    failed(server.ask("GET", "/run"), 405, "GET")
    failed(server.ask("GET", "/nothing"), 404, "/nothing")
    assert server.ask("GET", "/health").status == 200
    server.stop()
    # Four failed /init, five /run, a GET /run: each has its mark.
    assert server.lines.count(SENTINEL) == server.error_lines.count(SENTINEL) == 10


def test_both_at_once(serve, models):
    """POST / of the runtimes on Knative: /init and /run in one request, or either alone."""
    server = serve("--model", models, "--port", "0", platform="openwhisk")
    both = {"init": init()["value"], "activation": run(None), "value": {"image": image()}}
    del both["activation"]["value"]
    failed = server.post_json({**both, "init": {"code": "UEsDBA=="}})
    assert failed.status == 400 and "bytes of code" in failed.json["error"]
    assert "'value'" in server.post_json({}).json["error"]
    assert labels(server.post_json(both))[0] == "red"
    again = server.post_json(both)
    assert again.status == 403 and "more than once" in again.json["error"]
    del both["init"]
    assert labels(server.post_json({**both, "value": {"image": image((1, 250, 1))}}))[0] == "green"
    assert "dictionary" in server.post_json({"activation": both["activation"]}).json["error"]
    assert "dictionary" in server.post_json({"activation": 3}).json["error"]
    assert labels(server.post_json(run({"image": image()}), "/run"))[0] == "red"
    log = server.stop()
    assert [line["id"] for line in log if line["status"] == 200] == ["9a2f"] * 3
    assert server.lines.count(SENTINEL) == server.error_lines.count(SENTINEL) == 8


def test_an_activation_alone(serve, models):
    server = serve("--model", models, "--port", "0", platform="openwhisk")
    activation = {"activation_id": "1"}
    answer = server.post_json({"activation": activation, "value": {"image": image()}})
    assert labels(answer)[0] == "red"
    assert labels(server.post_json(run({"image": image()}), "/run"))[0] == "red"
    assert server.post_json(init(), "/init").status == 403  # it was one: the image's own


def test_too_large(serve, models):
    server = serve("--model", models, "--port", "0", "--most-bytes", "100000",
                   platform="openwhisk")
    server.post_json(init(), "/init")
    answer = server.post(b"x" * 200_000, "/run")
    assert answer.status == 413
    server.connection.close()
    assert labels(server.post_json(run({"image": image()}), "/run"))[0] == "red"


# ---- Web actions ----

def web(method="post", headers=None, body=None, query=None, **members):
    value = {"__ow_method": method, "__ow_path": "", "__ow_headers": headers or {}, **members}
    if body is not None:
        value["__ow_body"] = body
    if query is not None:
        value["__ow_query"] = query
    return run(value)


JSON, PNG = {"content-type": "application/json"}, {"content-type": "image/png"}


def web_labels(answer):
    assert answer.status == 200, answer.data
    said = answer.json
    assert said["statusCode"] == 200, said
    assert said["headers"] == {"Content-Type": "application/json"}
    assert said["body"]["statusCode"] == 200
    return [row["label"] for row in said["body"]["body"]]


@pytest.mark.parametrize("activation, count", [
    (web(headers=JSON, image=image()), 3),
    (web(headers=JSON, image=image(), top=2), 2),
    (web(headers=JSON, image=image(), top="2"), 2),  # by the query
    (web(headers=PNG, body=image()), 3),
    (web(headers=PNG, body=image(), top="1"), 1),
    (web(headers=PNG, body=image(), query="top=1&x=%20"), 1),
    (web(headers={"content-type": "text/plain"}, body=image()), 3),
    (web(headers=JSON, body=base64.b64encode(json.dumps({"image": image()}).encode()).decode()), 3),
    (web(headers=JSON, body=json.dumps({"image": image()})), 3),
], ids=["members", "top", "top-by-query", "binary", "binary-query", "raw-query", "text", "raw-json",
        "raw-text"])
def test_web_action(action, activation, count):
    found = web_labels(action.post_json(activation, "/run"))
    assert found[0] == "red" and len(found) == count


def test_web_action_of_poems(action):
    for activation in (web("get", model="poet", seed="7"), web("get", query="model=poet&seed=7"),
                       web(headers=JSON, model="poet", seed=7)):
        said = action.post_json(activation, "/run").json
        assert said["statusCode"] == 200 and said["body"]["body"]["seed"] == 7, said


def test_web_action_faults(action):
    for activation, status in ((web(headers=PNG, body="AAAA"), 415), (web("get"), 400),
                               (web(headers=JSON, image=3), 400),
                               (web("get", model="absent"), 404)):
        answer = action.post_json(activation, "/run")
        assert answer.status == 200 and answer.json.keys() == {"error"}
        said = answer.json["error"]
        assert said["statusCode"] == said["body"]["statusCode"] == status, said
        assert said["headers"] == {"Content-Type": "application/json"}
