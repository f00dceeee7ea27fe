# SPDX-License-Identifier: Apache-2.0
"""From the trigger to the store, with other people's ends: an image is put by boto3, moto's S3 sends
the event through its SQS, the function fetches, answers and puts the result, boto3 reads it."""

from __future__ import annotations

import json
import os
import time
import urllib.request

import pytest
from conftest import picture

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")

KEY = "cats/a+b(8) 红.png"
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def cloud():
    """moto's server, and clients by service."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def client(service):
        return boto3.client(service, endpoint_url=url, region_name="eu-west-1",
                            aws_access_key_id="AKID", aws_secret_access_key="s3cr3t")

    client.url = url
    yield client
    server.stop()


@pytest.fixture
def s3(cloud):
    """The buckets `inbox`, whose events go to the queue `events`, and `outbox`."""
    urllib.request.urlopen(urllib.request.Request(cloud.url + "/moto-api/reset", method="POST"))
    store, queues = cloud("s3"), cloud("sqs")
    place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    store.create_bucket(Bucket="inbox", **place)
    store.create_bucket(Bucket="outbox", **place)
    queues.create_queue(QueueName="events")
    store.put_bucket_notification_configuration(Bucket="inbox", NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:events",
                                 "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]})
    return store


@pytest.fixture
def function(serve, models, cloud):
    return serve("--model", models / "colours.lai", env={
        "AWS_ENDPOINT_URL": cloud.url, "AWS_ACCESS_KEY_ID": "AKID", "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AI_FETCH": os.environ["AI_FETCH"],
        "AI_RESULTS": "s3://outbox/answers/"})


def deliver(cloud, function):
    """What Lambda does with a queue: messages to the function, those that failed stay."""
    queues = cloud("sqs")
    url = queues.get_queue_url(QueueName="events")["QueueUrl"]
    failed = []
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        records = [{"eventSource": "aws:sqs", "messageId": one["MessageId"], "body": one["Body"]}
                   for one in messages]
        answer = function.post_json({"Records": records})
        assert answer.status == 200, answer.data
        failed += [one["itemIdentifier"] for one in answer.json["batchItemFailures"]]
    return failed


def names(s3, bucket):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_image_to_result(cloud, s3, function):
    put = s3.put_object(Bucket="inbox", Key=KEY, Body=picture((0, 250, 0)), ContentType="image/png")
    assert deliver(cloud, function) == []
    (name,) = names(s3, "outbox")
    assert name == f"answers/inbox/{KEY}.{put['ETag'].strip(chr(34))}.json"
    stored = s3.get_object(Bucket="outbox", Key=name)
    assert stored["ContentType"] == "application/json"
    result = json.loads(stored["Body"].read())
    assert result["statusCode"] == 200
    assert [(row["rank"], row["label"]) for row in result["body"]][0] == (1, "green")
    assert len(result["body"]) == 3


def test_several_again_and_gone(cloud, s3, function):
    colours = {"red.png": (250, 0, 0), "blue.png": (0, 0, 250)}
    for key, colour in colours.items():
        s3.put_object(Bucket="inbox", Key=key, Body=picture(colour))
    s3.put_object(Bucket="inbox", Key="bad.png", Body=b"\x89PNG and then nothing")
    s3.put_object(Bucket="inbox", Key="gone.png", Body=picture())
    s3.delete_object(Bucket="inbox", Key="gone.png")
    assert len(deliver(cloud, function)) == 2  # bad, and gone before it was fetched
    for name in names(s3, "outbox"):
        result = json.loads(s3.get_object(Bucket="outbox", Key=name)["Body"].read())
        assert name.startswith(f"answers/inbox/{result['body'][0]['label']}.png.")
    assert len(names(s3, "outbox")) == 2
    s3.put_object(Bucket="inbox", Key="red.png", Body=picture(colours["red.png"]))
    assert deliver(cloud, function) == [] and len(names(s3, "outbox")) == 2


def test_model_from_the_bucket(cloud, s3, serve, models):
    s3.upload_file(str(models / "colours.lai"), "inbox", "nets/colours.lai")
    server = serve("--model", "s3://inbox/nets/colours.lai", env={
        "AWS_ENDPOINT_URL": cloud.url, "AWS_ACCESS_KEY_ID": "AKID", "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AI_FETCH": os.environ["AI_FETCH"],
        "AI_RECHECK_S": "1"})
    begin = time.monotonic()
    while time.monotonic() - begin < 1.5:  # it looks again, by the ETag: nothing is newer
        assert server.post(picture()).json["body"][0]["label"] == "red"
        time.sleep(0.05)
    assert server.metric("ai_model_reloads_total") == 0
    assert server.metric("ai_model_refusals_total") == 0
