# SPDX-License-Identifier: Apache-2.0
"""Open Inference Protocol v2, by hand and by Triton's client where it is installed."""
import json
import struct
from urllib.parse import quote

import numpy as np
import pytest

import libai
from conftest import Server, save_colours

PLANES = np.random.default_rng(3).random((1, 3, 8, 8), np.float32)


@pytest.fixture(scope="module")
def expected(models):
    return libai.Model(models / "colours.lai")(PLANES)


def request(x=PLANES, name="image", kind="FP32", **more):
    return {"inputs": [{"name": name, "shape": list(x.shape), "datatype": kind,
                        "data": x.tolist()}], **more}


def infer(server, body, model="colours", head=None):
    headers = {} if head is None else {"Inference-Header-Content-Length": str(head)}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.ask("POST", f"/v2/models/{model}/infer", data, headers)


def binary(x=PLANES, size=None, data=None, **more):
    head = json.dumps({"inputs": [{"name": "image", "shape": list(x.shape), "datatype": "FP32",
                                   "parameters": {"binary_data_size": size or x.nbytes}}],
                       **more}).encode()
    return head + (x.tobytes() if data is None else data), len(head)


def failed(answer, status, *words):
    assert answer.status == status, answer.data
    assert list(answer.json) == ["error"]
    for word in words:
        assert word in answer.json["error"], answer.json


@pytest.mark.parametrize("pad", ["", "a", "ab"])
def test_names_are_cut_between_characters(server, pad):
    """In messages, whose names have a most: what is left is said, in the protocol's form."""
    name = pad + "春" * 40
    failed(server.ask("GET", f"/v2/models/{quote(name)}"), 404, f"'{pad}春春", "is not there")
    failed(infer(server, request(kind=name)), 400, f"'{pad}春春", "no type of tensors")
    failed(server.ask("GET", "/v2/models/%ff%fe"), 404, "model '?' is not there")
    server.post(b"", f"/?model={quote(name)}").failed(404, "ModelNotFound", f"'{pad}春春")


def test_metadata(server, models):
    assert server.ask("GET", "/v2").json == {
        "name": "libai", "version": "0.1.0", "extensions": ["binary_tensor_data", "classification"]}
    digest = libai.Model(models / "colours.lai").digest.hex()[:16]
    expected = {"name": "colours", "versions": [digest], "platform": "libai_lai",
                "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 8, 8]}],
                "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 3]}],
                "properties": {"task": "classify"}}
    for path in ("", "/versions/1", f"/versions/{digest}"):
        answer = server.ask("GET", "/v2/models/colours" + path)
        answer.json["outputs"][0]["shape"] = [-1, 3]
        assert {**answer.json, "outputs": expected["outputs"]} == expected
    assert server.ask("GET", "/v2/models/colours/ready").json == {"name": "colours", "ready": True}
    poet = server.ask("GET", "/v2/models/poet").json["properties"]
    assert poet["task"] == "write" and "traditional" in poet["scripts"]
    names = [row["name"] for row in server.ask("POST", "/v2/repository/index").json]
    assert names == ["colours", "poet"]


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_json(server, expected, shape):
    body = request(id="42")
    if shape == "flat":
        body["inputs"][0]["data"] = PLANES.ravel().tolist()
    answer = infer(server, body)
    assert answer.status == 200 and answer.json["id"] == "42"
    assert answer.json["model_name"] == "colours"
    (output,) = answer.json["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("logits", [1, 3], "FP32")
    assert np.array_equal(np.float32(output["data"]).reshape(1, 3), expected)
    assert float(answer.headers["ai-duration-ms"]) > 0


def test_binary(server, expected):
    body, head = binary(parameters={"binary_data_output": True})
    answer = infer(server, body, head=head)
    assert answer.headers["content-type"] == "application/octet-stream"
    end = int(answer.headers["inference-header-content-length"])
    said = json.loads(answer.data[:end])
    assert said["outputs"][0]["parameters"] == {"binary_data_size": 12}
    assert answer.data[end:] == expected.tobytes()
    body, head = binary(outputs=[{"name": "logits", "parameters": {"binary_data": False}}],
                        parameters={"binary_data_output": True})
    assert np.float32(infer(server, body, head=head).json["outputs"][0]["data"]).tobytes() == \
        expected.tobytes()


def test_other_shapes(server, models):
    """A batch gives what its pictures give alone, and single ones are served as before."""
    batch = np.random.default_rng(4).random((3, 3, 8, 8), np.float32)
    model = libai.Model(models / "colours.lai")
    for x in (batch, PLANES, batch[:2], PLANES):
        body, head = binary(x, parameters={"binary_data_output": True})
        answer = infer(server, body, head=head)
        end = int(answer.headers["inference-header-content-length"])
        assert answer.data[end:] == model(x).tobytes()


def test_integers_and_state(server, models):
    """A recurrent model begins each request anew."""
    def ask():
        return infer(server, {"inputs": [
            {"name": name, "shape": [1, 1], "datatype": "INT64", "data": [[value]]}
            for name, value in (("before", 1), ("place", 0))]}, "poet").json["outputs"][0]["data"]
    assert ask() == ask()
    model = libai.Model(models / "poet.lai")
    x = {"before": np.int64([[1]]), "place": np.int64([[0]])}
    assert np.array_equal(np.float32(ask()), next(iter(model(x).values())).ravel())


def test_faults(server):
    failed(infer(server, request(), "absent"), 404, "'absent' is not there")
    failed(server.ask("POST", "/v2/models/colours/versions/9/infer", b"{}"), 404, "version '9")
    failed(server.ask("POST", "/v2/models/colours/nothing", b"{}"), 404)
    failed(server.ask("GET", "/v2/models/colours/nothing"), 404)
    failed(infer(server, request(name="x")), 400, "input 'image' is missing")
    failed(infer(server, request(kind="FP64")), 400, "needs type FP32")
    failed(infer(server, request(kind="BYTES")), 400, "is no BYTES")
    failed(infer(server, request(kind="STRING")), 400, "'STRING'")
    failed(infer(server, request(kind="FP16")), 400, "no JSON form")
    failed(infer(server, request(outputs=[{"name": "y"}])), 400, "output 'y' is not there")
    failed(infer(server, request(np.zeros((1, 3, 8, 9), np.float32))), 400)
    failed(infer(server, request(np.zeros((1, 1), np.float32))), 400)
    failed(infer(server, b"{"), 400, "JSON")
    failed(infer(server, {"inputs": 3}), 400, "'inputs'")
    failed(infer(server, {"inputs": [3]}), 400, "no 'name'")
    bad = request()
    bad["inputs"].append(bad["inputs"][0])
    failed(infer(server, bad), 400, "inputs that the model has not")
    bad = request()
    bad["inputs"][0]["data"] = PLANES.ravel().tolist()[1:]
    failed(infer(server, bad), 400, "has 191 elements, its shape 192")
    bad["inputs"][0]["data"] += [1, 2]
    failed(infer(server, bad), 400, "more than the shape's 192")
    bad["inputs"][0]["data"] = ["a"] * 192
    failed(infer(server, bad), 400, "element 0 is no FP32")
    for shape in ([-1, 3, 8, 8], [2**31, 1], [2**30, 2**30, 2**30], [1.5], "x", [1] * 9):
        bad = request()
        bad["inputs"][0]["shape"] = shape
        failed(infer(server, bad), 400, "'image'")


def test_binary_faults(server):
    body, head = binary()
    failed(infer(server, body, head=len(body) + 1), 400, "the body has")
    failed(infer(server, body[:-1], head=head), 400, "more")
    failed(infer(server, body + b"x", head=head), 400, "1 bytes behind")
    failed(infer(server, body), 400, "JSON")
    failed(infer(server, body, head="x"), 400, "needed is a number")
    body, head = binary(size=764)
    failed(infer(server, body, head=head), 400, "its shape has 768 bytes")


def test_every_type(tmp_path_factory):
    """Each type comes back from a network that only passes it on, raw and as JSON."""
    import onnx
    from onnx import TensorProto, helper
    folder = tmp_path_factory.mktemp("types")
    kinds = {"FP32": (TensorProto.FLOAT, "f4", [1.5, -2.25]),
             "FP64": (TensorProto.DOUBLE, "f8", [1e-300, 2.5]),
             "INT8": (TensorProto.INT8, "i1", [-128, 127]),
             "UINT8": (TensorProto.UINT8, "u1", [0, 255]),
             "INT16": (TensorProto.INT16, "i2", [-32768, 7]),
             "INT32": (TensorProto.INT32, "i4", [-2**31, 2**31 - 1]),
             "UINT32": (TensorProto.UINT32, "u4", [0, 2**32 - 1]),
             "INT64": (TensorProto.INT64, "i8", [-2**63, 2**63 - 1]),
             "BOOL": (TensorProto.BOOL, "?", [True, False])}
    for name, (kind, _, _) in kinds.items():
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], name,
                                  [helper.make_tensor_value_info("x", kind, [2])],
                                  [helper.make_tensor_value_info("y", kind, [2])])
        onnx.save(helper.make_model(graph, ir_version=8,
                                    opset_imports=[helper.make_opsetid("", 17)]), folder / "n.onnx")
        libai.convert(folder / "n.onnx", folder / f"{name}.lai")
    server = Server("--model", folder)
    for name, (_, dtype, values) in kinds.items():
        tensor = {"name": "x", "shape": [2], "datatype": name}
        answer = infer(server, {"inputs": [{**tensor, "data": values}]}, name)
        assert answer.json["outputs"][0]["data"] == values, answer.data
        raw = np.array(values, dtype).tobytes()
        head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}],
                           "parameters": {"binary_data_output": True}}).encode()
        answer = infer(server, head + raw, name, len(head))
        assert answer.data[int(answer.headers["inference-header-content-length"]):] == raw
    failed(infer(server, {"inputs": [{"name": "x", "shape": [2], "datatype": "UINT8",
                                      "data": [1, 256]}]}, "UINT8"), 400, "element 1 is no UINT8")
    server.stop()


def test_numbers_json_has_not(serve, tmp_path):
    save_colours(tmp_path / "m.lai", strength=1)
    server = serve("--model", tmp_path / "m.lai")
    x = np.full((1, 3, 8, 8), np.nan, np.float32)
    body, head = binary(x)
    failed(infer(server, body, "m", head), 400, "JSON has not")
    body, head = binary(x, parameters={"binary_data_output": True})
    answer = infer(server, body, "m", head)
    assert answer.status == 200
    assert np.isnan(struct.unpack("<3f", answer.data[-12:])).all()


@pytest.mark.parametrize("is_binary", [False, True])
def test_triton_client(server, expected, is_binary):
    client = pytest.importorskip("tritonclient.http")
    with client.InferenceServerClient(f"127.0.0.1:{server.port}") as triton:
        assert triton.is_server_live() and triton.is_server_ready()
        assert triton.is_model_ready("colours") and not triton.is_model_ready("absent")
        assert triton.get_server_metadata()["name"] == "libai"
        assert triton.get_model_metadata("colours")["inputs"][0]["name"] == "image"
        x = client.InferInput("image", list(PLANES.shape), "FP32")
        x.set_data_from_numpy(PLANES, binary_data=is_binary)
        wanted = [client.InferRequestedOutput("logits", binary_data=is_binary)]
        result = triton.infer("colours", [x], outputs=wanted, request_id="7")
        assert result.get_response()["id"] == "7"
        assert np.array_equal(result.as_numpy("logits"), expected)
        with pytest.raises(Exception, match="is missing"):
            triton.infer("poet", [x])
