# SPDX-License-Identifier: Apache-2.0
"""libai.handler in runtimes that speak their platform themselves."""
import base64
import json

import pytest

import libai
from conftest import make_poet, picture

IMAGE = {"image": base64.b64encode(picture()).decode()}


class LambdaContext:
    aws_request_id = "id-1"
    left = 30_000

    def get_remaining_time_in_millis(self):
        return self.left


class FcContext:
    request_id = "id-1"


@pytest.fixture(scope="module")
def colours(models):
    with libai.handler(models / "colours.lai") as opened:
        yield opened


def test_lambda(colours):
    answer = colours(IMAGE, LambdaContext())
    assert answer["statusCode"] == 200 and answer["body"][0]["label"] == "red"
    with pytest.raises(libai.Fault, match="base64") as caught:
        colours({"image": "*"}, LambdaContext())
    assert caught.value.fault == "Function.BadInput" and caught.value.status == 400


def test_lambda_http(colours):
    event = {"version": "2.0", "requestContext": {"http": {"method": "POST"}}, "headers": {},
             "body": IMAGE["image"], "isBase64Encoded": True}
    envelope = colours(event, LambdaContext())
    assert envelope["statusCode"] == 200
    assert json.loads(envelope["body"])["body"][0]["label"] == "red"
    envelope = colours({**event, "body": "*"}, LambdaContext())
    assert envelope["statusCode"] == 400


def test_lambda_time(tmp_path):
    context = LambdaContext()
    context.left = 20
    slow = make_poet(tmp_path, "abcdefgh", {"first": 1, "start": 0, "length": 4000}, hidden=256,
                     places=0)
    with libai.handler(slow, threads=1) as poet:
        with pytest.raises(libai.Fault, match="over") as caught:
            poet({"seed": 1}, context)
    assert caught.value.fault == "Function.Timeout"


def test_openwhisk(models, colours):
    assert colours({**IMAGE, "top": 1})["body"] == [colours(IMAGE)["body"][0]]
    assert "base64" in colours({"image": "*"})["error"]
    with libai.handler(models / "poet.lai") as main, libai.TextModel(models / "poet.lai") as poet:
        assert main({"seed": 4}) == {"statusCode": 200, "body": {"seed": 4, "text": poet(seed=4)}}


def test_function_compute(colours):
    answer = colours(json.dumps(IMAGE).encode(), FcContext())
    assert json.loads(answer)["body"][0]["label"] == "red"
    assert json.loads(colours(picture(), FcContext()))["statusCode"] == 200
    event = {"httpMethod": "POST", "path": "/", "headers": {}, "queryParameters": {"top": "1"},
             "body": IMAGE["image"], "isBase64Encoded": True}
    envelope = colours(json.dumps(event).encode(), FcContext())
    assert len(json.loads(envelope["body"])["body"]) == 1
    with pytest.raises(libai.Fault):
        colours(b"{", FcContext())


def test_closed(models):
    opened = libai.handler(models / "colours.lai")
    opened.close()
    with pytest.raises(ValueError, match="closed"):
        opened(IMAGE)
