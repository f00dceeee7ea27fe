# SPDX-License-Identifier: Apache-2.0
"""AWS Lambda: the loop, its errors, HTTP events, streaming; on a Runtime API of our own, and on that
of cargo-lambda where it is installed."""
import base64
import json
import os
import shutil
import subprocess

import pytest

import libai
from conftest import FUNCTION, PATIENCE, free_port, is_open, picture, wait_for
from runtime_api import RuntimeApi

IMAGE = {"image": base64.b64encode(picture()).decode()}


class Function:
    def __init__(self, api, model, **env):
        self.process = subprocess.Popen(
            [FUNCTION, "--model", str(model)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.place, **env})

    def log(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err.decode()


@pytest.fixture
def start():
    """Starts a Runtime API and the function on it; both end with the test."""
    apis, functions = [], []

    def run(model, emulator=False, limit=6_291_556, env=None, before=None):
        apis.append(RuntimeApi(emulator, limit))
        if before:
            before(apis[-1])
        functions.append(Function(apis[-1], model, **(env or {})))
        return apis[-1], functions[-1]

    yield run
    for function in functions:
        function.process.kill()
        function.process.wait()
    for api in apis:
        api.close()


@pytest.fixture(params=[False, True], ids=["aws", "emulator"])
def colours(start, models, request):
    return start(models / "colours.lai", request.param)


def labels(result):
    assert result.kind == "response", result
    assert result.json["statusCode"] == 200
    return [row["label"] for row in result.json["body"]]


def test_direct(colours):
    api, function = colours
    for i in range(1, 4):
        result = api.invoke(IMAGE)
        assert labels(result)[0] == "red" and result.id == f"id-{i}"
        assert result.headers["content-type"] == "application/json"
        line = function.log()
        assert line["id"] == f"id-{i}" and line["status"] == 200 and line["method"] == "invoke"
        assert line["model"].startswith("colours@") and line["bytes_out"] == len(result.body)


def test_faults(colours):
    api, function = colours
    for event, words in ((b"{", "JSON"), ({"image": "*"}, "base64"), ({"x": 1}, "no event"),
                         (b"", "empty"), (b"[" * 5000, "nested"), ({"start": "x"}, "names pictures"),
                         ({"Records": []}, "no event")):
        result = api.invoke(event)
        assert result.kind == "error", result
        assert result.headers["content-type"] == "application/vnd.aws.lambda.error+json"
        assert result.headers["lambda-runtime-function-error-type"] == "Function.BadInput"
        assert result.json["errorType"] == "Function.BadInput" and result.json["stackTrace"] == []
        assert words in result.json["errorMessage"]
        assert function.log()["error"] == result.json["errorMessage"]
    assert labels(api.invoke(IMAGE))[0] == "red"


# ---- HTTP events ----

def v2(body, base64_encoded=True, **more):
    return {"version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": {},
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": body, "isBase64Encoded": base64_encoded, **more}


def v1(body, base64_encoded=True, **more):
    return {"resource": "/", "path": "/", "httpMethod": "POST", "headers": {}, "body": body,
            "isBase64Encoded": base64_encoded, "requestContext": {}, **more}


@pytest.mark.parametrize("make", [v1, v2])
def test_http_event(colours, make):
    api, _ = colours
    result = api.invoke(make(IMAGE["image"], headers={"content-type": "image/png"},
                             queryStringParameters={"top": "2"}))
    assert result.kind == "response"
    envelope = result.json
    assert envelope["statusCode"] == 200 and envelope["isBase64Encoded"] is False
    assert envelope["headers"] == {"Content-Type": "application/json"}
    assert envelope["cookies"] == []
    said = json.loads(envelope["body"])
    assert said["statusCode"] == 200 and [r["label"] for r in said["body"]][0] == "red"
    assert len(said["body"]) == 2
    text = make(json.dumps(IMAGE), False, headers={"Content-Type": "application/json"})
    assert json.loads(api.invoke(text).json["body"])["body"][0]["label"] == "red"


@pytest.mark.parametrize("make", [v1, v2])
def test_http_event_faults(colours, make):
    """The caller's mistakes are answers with a status, not failures of the function."""
    api, _ = colours
    for event, status in ((make("*"), 400), (make("{", False), 400), (make(None, False), 400),
                          (make("AAAA"), 415), (make(json.dumps(v2(IMAGE["image"])), False), 400)):
        result = api.invoke(event)
        assert result.kind == "response" and result.json["statusCode"] == status, result
        assert json.loads(result.json["body"])["statusCode"] == status


def test_load_balancer(colours):
    api, _ = colours
    event = v1(IMAGE["image"], requestContext={"elb": {"targetGroupArn": "a"}},
               multiValueHeaders={"content-type": ["image/png"]},
               multiValueQueryStringParameters={"top": ["9", "1"]})
    envelope = api.invoke(event).json
    assert envelope["statusDescription"] == "200 OK"
    assert envelope["multiValueHeaders"] == {"Content-Type": ["application/json"]}
    assert len(json.loads(envelope["body"])["body"]) == 1


# ---- Texts, streams ----

@pytest.mark.parametrize("emulator", [False, True])
def test_streams(start, models, emulator):
    api, function = start(models / "poet.lai", emulator, env={"AI_STREAM": "1"})
    with libai.TextModel(models / "poet.lai") as poet:
        pieces = list(poet.write(seed=5))
    wish = {"seed": 5, "stream": True}
    result = api.invoke(wish)
    assert result.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert result.headers["content-type"].startswith("text/plain")
    assert [chunk.decode() for chunk in result.chunks] == pieces and not result.trailers
    result = api.invoke(v2(json.dumps(wish), False, headers={"accept": "text/event-stream"}))
    assert result.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    prelude, zeros, *events = result.chunks
    assert zeros == bytes(8)
    assert json.loads(prelude) == {
        "statusCode": 200, "cookies": [],
        "headers": {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}}
    assert len(events) == len(pieces) + 1 and events[-1].startswith(b"event: end\ndata: ")
    assert json.loads(events[0].removeprefix(b"data: ")) == {"text": pieces[0]}
    whole = api.invoke({"seed": 5})  # one that asks for none
    assert whole.json["body"]["text"] == "".join(pieces) and not whole.chunks
    assert function.log()["bytes_out"] > 60


def test_no_streams_unless_asked_for(start, models):
    api, _ = start(models / "poet.lai")
    result = api.invoke({"seed": 5, "stream": True})
    assert not result.chunks and len(result.json["body"]["text"]) > 20


def test_stream_that_fails(start, models, tmp_path):
    """Out of time in the middle: the trailers say so."""
    from conftest import make_poet
    slow = make_poet(tmp_path, "abcdefgh", {"first": 1, "start": 0, "length": 1_000_000},
                     hidden=256, places=0)
    api, _ = start(slow, env={"AI_STREAM": "1", "AI_THREADS": "1"},
                   before=lambda api: setattr(api, "timeout", 3))
    result = api.invoke({"seed": 1, "stream": True})
    assert result.trailers["Lambda-Runtime-Function-Error-Type"] == "Function.Timeout"
    said = json.loads(base64.b64decode(result.trailers["Lambda-Runtime-Function-Error-Body"]))
    assert said["errorType"] == "Function.Timeout" and "over" in said["errorMessage"]
    api.timeout = 0.1
    result = api.invoke({"seed": 1})
    assert result.kind == "error" and result.json["errorType"] == "Function.Timeout"


# ---- Begin and end ----

def test_init_error(start, tmp_path):
    (tmp_path / "bad.lai").write_bytes(b"no model" * 100)
    api, function = start(tmp_path / "bad.lai")
    result = api.results.get(timeout=PATIENCE)
    assert result.kind == "init/error"
    assert result.headers["lambda-runtime-function-error-type"] == "Runtime.ModelLoad"
    assert "bad.lai" in result.json["errorMessage"]
    status, err = function.end()
    assert status != 0 and "bad.lai" in err
    assert len(api.asked) == 1  # no `next`


def test_too_large_an_answer(start, models):
    """413: the invocation is over, the next is served."""
    api, function = start(models / "poet.lai", limit=50)
    assert len(api.invoke({"seed": 1}).body) > 50
    api.limit = 1 << 20
    assert api.invoke({"seed": 1}).kind == "response"


def test_states(start, models):
    """403 is of one invocation, 500 of the platform."""
    api, function = start(models / "colours.lai")
    api.status_of_result = 403
    api.invoke(IMAGE)
    api.status_of_result = 500
    api.invoke(IMAGE)
    status, err = function.end()
    assert status != 0 and "answers 403" in err and "answers 500" in err


def test_next_fails(start, models):
    api, function = start(models / "colours.lai",
                          before=lambda api: setattr(api, "status_of_next", 500))
    status, err = function.end()
    assert status != 0 and "'next'" in err


def test_restore(start, models):
    api, _ = start(models / "colours.lai", env={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"})
    assert labels(api.invoke(IMAGE))[0] == "red"
    assert [path.rsplit("/runtime/")[1] for path in api.asked[:2]] == ["restore/next",
                                                                        "invocation/next"]


def test_many_at_once(start, models):
    api, _ = start(models / "colours.lai", env={"AWS_LAMBDA_MAX_CONCURRENCY": "3"})
    for _ in range(9):
        api.events.put(json.dumps(IMAGE).encode())
    results = [api.results.get(timeout=PATIENCE) for _ in range(9)]
    assert {result.id for result in results} == {f"id-{i}" for i in range(1, 10)}
    assert all(labels(result)[0] == "red" for result in results)


def test_handler_names_the_model(start, models):
    api, function = start(models, env={"_HANDLER": "poet"})
    assert "text" in api.invoke({"seed": 1}).json["body"]
    assert function.log()["model"].startswith("poet@")


# ---- cargo-lambda ----

CARGO = shutil.which("cargo-lambda")


@pytest.mark.skipif(not CARGO or not shutil.which("cargo"),
                    reason="cargo-lambda and the cargo that it asks are not installed")
def test_cargo_lambda(models, tmp_path):
    """Its Runtime API, with the function started beside it."""
    import http.client
    port = free_port()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text("fn main() {}\n")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "f"\nversion = "0.1.0"\n')
    emulator = subprocess.Popen(
        [CARGO, "lambda", "watch", "--only-lambda-apis", "--invoke-port", str(port),
         "--invoke-address", "127.0.0.1"], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    function = None
    try:
        wait_for(lambda: is_open(port))
        api = type("Api", (), {"place": f"http://127.0.0.1:{port}/.rt/f"})
        function = Function(api, models / "colours.lai", AWS_LAMBDA_FUNCTION_NAME="f")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for event, key in ((IMAGE, "body"), ({"x": 1}, "errorMessage")):
            connection.request("POST", "/2015-03-31/functions/f/invocations", json.dumps(event))
            response = connection.getresponse()
            assert key in json.loads(response.read())
    finally:
        for process in (emulator, function.process if function else None):
            if process:
                process.kill()
                process.wait()
