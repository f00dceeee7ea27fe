# SPDX-License-Identifier: Apache-2.0
"""BYTES and classes by the Open Inference Protocol: pictures, wishes, "score:index:label"; by hand
and by Triton's client."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
from conftest import picture
from test_oip import PLANES, binary, failed, infer, request

import libai

COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]


def pack(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in elements)


def raw(name: str, shape: list[int], data: bytes, **more) -> tuple[bytes, int]:
    tensor = {"name": name, "shape": shape, "datatype": "BYTES"}
    tensor["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": [tensor], **more}).encode()
    return head + data, len(head)


def text(name: str, *elements: str, **more):
    tensor = {"name": name, "shape": [len(elements)], "datatype": "BYTES", "data": list(elements)}
    return {"inputs": [tensor], **more}


def wanted(classes, **more):
    return {"outputs": [{"name": "logits", "parameters": {"classification": classes, **more}}]}


def planes(colour) -> np.ndarray:
    """What the recipe makes of a picture of one colour."""
    return np.float32(colour).reshape(1, 3, 1, 1) * np.ones((1, 3, 8, 8), np.float32) / 255


@pytest.fixture(scope="module")
def logits(models):
    model = libai.Model(models / "colours.lai")
    return [model(planes(colour)) for colour in COLOURS]


def values(answer) -> np.ndarray:
    assert answer.status == 200, answer.data
    (output,) = answer.json["outputs"]
    return np.float32(output["data"]).reshape(output["shape"])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures(server, logits, kind):
    """One picture, or several at once, give what tensors prepared elsewhere give."""
    files = [picture(colour, kind) for colour in COLOURS]
    near = 0 if kind == "PNG" else 0.1
    for count in (1, 3, 2, 1):
        body, head = raw("image", [count, 1], pack(*files[:count]))
        found = values(infer(server, body, head=head))
        assert found.shape == (count, 3)
        assert np.allclose(found, np.concatenate(logits[:count]), rtol=1e-6, atol=near or 1e-6)


def test_pictures_in_json(server, logits):
    encoded = [base64.b64encode(picture(colour)).decode() for colour in COLOURS]
    assert np.allclose(values(infer(server, text("image", *encoded))), np.concatenate(logits))


def test_classes(server, models):
    expected = libai.Model(models / "colours.lai")(PLANES)[0]
    order = np.argsort(-expected, kind="stable")
    labels = ["red", "green", "blue"]
    for top in (1, 2, 3, 1000):
        answer = infer(server, request(**wanted(top)))
        (output,) = answer.json["outputs"]
        assert output["datatype"] == "BYTES" and output["shape"] == [1, min(top, 3)]
        rows = [one.split(":") for one in output["data"]]
        assert [(int(i), label) for _, i, label in rows] == [(k, labels[k]) for k in order[:top]]
        assert np.float32([score for score, _, _ in rows]).tolist() == expected[order[:top]].tolist()


def test_classes_of_a_batch_and_raw(server):
    body, head = raw("image", [2], pack(picture(COLOURS[2]), picture(COLOURS[1])),
                     **wanted(1, binary_data=True))
    answer = infer(server, body, head=head)
    end = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.data[:end])["outputs"]
    assert output["shape"] == [2, 1] and output["datatype"] == "BYTES"
    assert output["parameters"] == {"binary_data_size": len(answer.data) - end}
    first = struct.unpack("<I", answer.data[end:end + 4])[0]
    assert answer.data[end + 4:end + 4 + first].endswith(b":2:blue")
    assert answer.data.endswith(b":1:green")


def test_classes_of_what_is_no_number(server):
    body, head = binary(np.full((1, 3, 8, 8), np.nan, np.float32), **wanted(3))
    (output,) = infer(server, body, head=head).json["outputs"]
    assert [one.split(":")[1:] for one in output["data"]] == [["0", "red"], ["1", "green"],
                                                              ["2", "blue"]]


def test_texts(server):
    """A wish as JSON, and how a text begins; the seed that is told gives the same again."""
    wish = {"seed": 7}
    answer = infer(server, text("text", json.dumps(wish), id="9"), "poet")
    assert answer.status == 200, answer.data
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("text", "BYTES", [1])
    assert answer.json["id"] == "9" and answer.json["parameters"] == {"seed": 7}
    assert output["data"] == [server.post_json(wish, "/models/poet").json["body"]["text"]]
    body, head = raw("text", [1], pack(b""), parameters={"binary_data_output": True})
    drawn = infer(server, body, "poet", head)
    end = int(drawn.headers["inference-header-content-length"])
    seed = json.loads(drawn.data[:end])["parameters"]["seed"]
    again = infer(server, text("text", json.dumps({"seed": seed})), "poet").json["outputs"][0]
    assert drawn.data[end + 4:].decode() == again["data"][0]


def test_every_seed_that_is_drawn_can_be_given(server):
    for seed, status in ((2**53 - 1, 200), (2**53, 400)):
        assert server.post_json({"seed": seed}, "/models/poet").status == status


@pytest.mark.parametrize("data, shape, words", [
    (b"", [1], "not 1 elements"), (b"\1\0\0\0", [1], "not 1 elements"),
    (pack(b"x") + b"y", [1], "not 1 elements"), (pack(b"x"), [2], "not 2 elements"),
    (b"\xff\xff\xff\xff", [1], "not 1 elements"), (pack(b"x"), [2**31 - 1, 2**31 - 1], "larger"),
    (pack(b"x"), [2**31 - 1], "elements"), (b"", [0], "too many pictures at once, or none"),
    (pack(*[b""] * 65), [65], "too many pictures"), (pack(b""), [1], "image is empty"),
    (pack(b"no picture"), [1], "neither JPEG, PNG nor base64"), (pack(b"\x89PNG"), [1], "starts with 89"),
    (pack(b"AAAA"), [1], "JPEG"),
])
def test_faults_of_bytes(server, data, shape, words):
    body, head = raw("image", shape, data)
    answer = infer(server, body, head=head)
    failed(answer, 400, words)


def test_faults(server):
    failed(infer(server, text("x", "AAAA")), 400, "input 'image' is missing")
    body = text("image", "AAAA")
    body["inputs"][0]["data"] = [3]
    failed(infer(server, body), 400, "element 0 is no BYTES")
    for top in (0, -1, "3", 2**40, 1.5):
        failed(infer(server, request(**wanted(top))), 400, "'classification'")
    failed(infer(server, text("x", "{}"), "poet"), 400, "named 'text'")
    failed(infer(server, text("text", "{}", "{}"), "poet"), 400, "one element")
    failed(infer(server, text("text", "{}", outputs=[{"name": "y"}]), "poet"), 400, "'text' alone")
    failed(infer(server, text("text", '{"seed":-1}'), "poet"), 400, "'seed'")
    failed(infer(server, text("text", "{}", outputs=[
        {"name": "text", "parameters": {"classification": 1}}]), "poet"), 400, "no classes")
    failed(infer(server, text("before", "x"), "poet"), 400, "named 'text'")
    assert infer(server, request(**wanted(1))).status == 200


@pytest.mark.parametrize("is_binary", [False, True])
def test_triton_client(server, is_binary):
    client = pytest.importorskip("tritonclient.http")
    with client.InferenceServerClient(f"127.0.0.1:{server.port}") as triton:
        files = np.array([[picture(COLOURS[1])], [picture(COLOURS[2])]], np.object_)
        if not is_binary:
            files = np.array([[base64.b64encode(one[0])] for one in files], np.object_)
        image = client.InferInput("image", [2, 1], "BYTES")
        image.set_data_from_numpy(files, binary_data=is_binary)
        classes = client.InferRequestedOutput("logits", binary_data=is_binary, class_count=2)
        found = triton.infer("colours", [image], outputs=[classes]).as_numpy("logits")
        assert found.shape == (2, 2)
        found = [one.decode() if is_binary else one for one in found[:, 0]]
        assert [one.split(":")[1:] for one in found] == [["1", "green"], ["2", "blue"]]
        wish = client.InferInput("text", [1], "BYTES")
        wish.set_data_from_numpy(np.array([b'{"seed":7}'], np.object_), binary_data=is_binary)
        poem = client.InferRequestedOutput("text", binary_data=is_binary)
        (text_,) = triton.infer("poet", [wish], outputs=[poem]).as_numpy("text")
        poem = server.post_json({"seed": 7}, "/models/poet").json["body"]["text"]
        assert (text_.decode() if is_binary else text_) == poem
        assert "classification" in triton.get_server_metadata()["extensions"]
