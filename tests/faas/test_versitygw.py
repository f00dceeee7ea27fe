# SPDX-License-Identifier: Apache-2.0
"""A gateway that checks Amazon's signature strictly and sends its events itself: an image is put by
boto3, the gateway calls the function, whose result is put there. versitygw is written in Go:
`.ci/front-ends` builds it, AI_VERSITYGW names another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from urllib.parse import unquote_plus

import pytest
from conftest import free_port, is_open, picture, wait_for

GATEWAY = os.environ.get("AI_VERSITYGW") or shutil.which("versitygw")
pytestmark = pytest.mark.skipif(not GATEWAY, reason="versitygw is not installed")
boto3 = pytest.importorskip("boto3")

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cr3t+/=", "AWS_REGION": "us-east-1"}


@pytest.fixture
def front(serve, models, tmp_path):
    """The function, its gateway and a client of that."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "data").mkdir()
    function = serve("--model", models / "colours.lai", env={
        **KEYS, "AWS_ENDPOINT_URL": url, "AI_FETCH": os.environ["AI_FETCH"],
        "AI_RESULTS": "s3://outbox/answers/"})
    process = subprocess.Popen(
        [GATEWAY, "--access", KEYS["AWS_ACCESS_KEY_ID"], "--secret", KEYS["AWS_SECRET_ACCESS_KEY"],
         "--port", f"127.0.0.1:{port}", "--event-webhook-url", f"http://127.0.0.1:{function.port}/",
         "posix", tmp_path / "data"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def client(secret=KEYS["AWS_SECRET_ACCESS_KEY"]):
        return boto3.client("s3", endpoint_url=url, region_name="us-east-1",
                            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=secret)

    try:
        wait_for(lambda: is_open(port))
        s3 = client()
        for bucket in ("inbox", "outbox"):
            s3.create_bucket(Bucket=bucket)
        yield function, s3, client
    finally:
        process.kill()
        process.wait()


def results(s3):
    return [one["Key"] for one in s3.list_objects_v2(Bucket="outbox").get("Contents", [])]


@pytest.mark.parametrize("key", ["a.png", "cats/a+b(8) 红.png", "a%20b=&~.png"])
def test_webhook(front, key):
    function, s3, _ = front
    s3.put_object(Bucket="inbox", Key=key, Body=picture((0, 0, 250)))
    (name,) = wait_for(lambda: results(s3))
    assert name.startswith(f"answers/inbox/{unquote_plus(key)}.")  # events say keys escaped: S3's do
    result = json.loads(s3.get_object(Bucket="outbox", Key=name)["Body"].read())
    assert result["body"][0]["label"] == "blue"
    time.sleep(0.3)  # the result is announced as well, and must not be answered by another
    assert results(s3) == [name]
    assert all(line["status"] == 200 for line in function.stop())


def test_signatures_are_checked(front, serve, models):
    """Else the tests above show nothing: with another secret both clients are refused."""
    _, s3, client = front
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        client("wrong").list_objects_v2(Bucket="inbox")
    s3.put_object(Bucket="inbox", Key="a.png", Body=picture())
    url = s3.meta.endpoint_url
    wrong = serve("--model", models / "colours.lai", env={
        **KEYS, "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_ENDPOINT_URL": url,
        "AI_FETCH": os.environ["AI_FETCH"]})
    wrong.post_json({"bucket": "inbox", "key": "a.png"}).failed(403, "ObjectDenied", "denied")
