# SPDX-License-Identifier: Apache-2.0
"""The importer: what it refuses and how it says so, encodings of tensors, functions, old opsets."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

F32 = TensorProto.FLOAT


def value(name, shape=(2, 3), dtype=F32):
    return helper.make_tensor_value_info(name, dtype, shape)


def make(nodes, inputs=None, outputs=None, initializers=(), opset=21, ir=10, functions=(),
         domains=()):
    inputs = [value("x")] if inputs is None else inputs
    outputs = [value("y", None)] if outputs is None else outputs
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(initializers))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=imports, functions=list(functions))
    model.ir_version = ir
    return model


def relu(**changes):
    return helper.make_node("Relu", ["x"], ["y"], **{"name": "r", **changes})


def convert(model, folder, **options):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / "m.onnx").write_bytes(data)
    libai.convert(folder / "m.onnx", folder / "m.lai", **options)


def refused(model, folder, message, code, **options):
    with pytest.raises(libai.Error) as error:
        convert(model, folder, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.code == code
    assert not (folder / "m.lai").exists()


def run(model, folder, inputs, **options):
    convert(model, folder, **options)
    with libai.Model(folder / "m.lai", threads=1) as network:
        return network(inputs if isinstance(inputs, dict) else {"x": inputs})


X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2

# ---- The file ----


def test_not_a_model(tmp_path):
    refused(b"", tmp_path, "is empty", "AI_E_FORMAT")
    refused(bytes(range(256)), tmp_path, "not an ONNX model, or truncated or corrupt",
            "AI_E_FORMAT")
    whole = make([relu()]).SerializeToString()
    refused(whole[:-7], tmp_path, "not an ONNX model, or truncated or corrupt", "AI_E_FORMAT")
    bomb = onnx.ModelProto(ir_version=10)
    bomb.graph.name = "g"
    refused(b"\x08\x0a\x3a\x80\x89\x7a" + b"\x0a\x00" * 1000000, tmp_path, "not a real ONNX model",
            "AI_E_FORMAT")


@pytest.mark.parametrize("changes, message, code", [
    ({"ir": 99}, "ir_version is 99, the newest known is", "AI_E_VERSION"),
    ({"opset": 99}, "the model is of opset 99, the newest known is", "AI_E_VERSION"),
    ({"opset": 6}, "the model is of opset 6, the oldest supported is 7", "AI_E_UNSUPPORTED"),
])
def test_versions(changes, message, code, tmp_path):
    refused(make([relu()], **changes), tmp_path, message, code)


def test_metadata(tmp_path):
    model = make([relu()])
    model.producer_name, model.producer_version = 'py"torch', "2.1"
    convert(model, tmp_path)
    with libai.Model(tmp_path / "m.lai") as network:
        metadata = json.loads(network.resources["metadata"])
    assert metadata["producer"] == 'py"torch 2.1'
    assert metadata["opset"] == 21


def test_missing_parts(tmp_path):
    model = make([relu()])
    del model.opset_import[:]
    refused(model, tmp_path, "imports no opset", "AI_E_FORMAT")
    refused(onnx.ModelProto(ir_version=8), tmp_path, "holds no graph", "AI_E_FORMAT")
    refused(make([relu()], outputs=[]), tmp_path, "the graph has no outputs", "AI_E_FORMAT")
    model = make([relu()])
    model.ClearField("ir_version")
    refused(model, tmp_path, "states no ir_version", "AI_E_FORMAT")


def test_sparse_initializers(tmp_path):
    model = make([relu()])
    model.graph.sparse_initializer.add().dims.append(3)
    refused(model, tmp_path, "sparse initializers", "AI_E_UNSUPPORTED")


# ---- Names ----


def test_undefined_input(tmp_path):
    model = make([helper.make_node("Add", ["x", "ghost"], ["y"], name="a")])
    refused(model, tmp_path, "Add 'a': input 'ghost' is made by no node", "AI_E_FORMAT")


def test_output_not_made(tmp_path):
    refused(make([relu()], outputs=[value("z")]), tmp_path,
            "the graph's output 'z' is made by no node", "AI_E_FORMAT")


def test_cycle(tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["y"], name="first"),
             helper.make_node("Relu", ["y"], ["b"], name="second")]
    refused(make(nodes), tmp_path, "its input depends on its own output", "AI_E_FORMAT")


def test_names_given_twice(tmp_path):
    refused(make([relu(), relu(name="s")]), tmp_path,
            "the name 'y' is given twice, to a node's output and to a node's output", "AI_E_FORMAT")
    one = numpy_helper.from_array(X, "w")
    refused(make([relu()], initializers=[one, one]), tmp_path, "the name 'w' is given twice",
            "AI_E_FORMAT")
    refused(make([relu()], outputs=[value("y"), value("y")]), tmp_path, "lists output 'y' twice",
            "AI_E_FORMAT")


def test_unsorted_nodes_run(tmp_path):
    nodes = [helper.make_node("Neg", ["a"], ["y"]), helper.make_node("Relu", ["x"], ["a"])]
    np.testing.assert_array_equal(run(make(nodes), tmp_path, X)["y"], -np.maximum(X, 0))


def test_names_stay_one_line(tmp_path):
    refused(make([helper.make_node("Relu", ["gho\nst"], ["y"], name="a\tb")]), tmp_path,
            "Relu 'a?b': input 'gho?st'", "AI_E_FORMAT")


def test_names_are_utf8(tmp_path):
    model = make([relu(name="name")]).SerializeToString()
    assert model.count(b"name") == 1
    refused(model.replace(b"name", b"n\xff\xfee"), tmp_path, "the name of a node is not UTF-8",
            "AI_E_FORMAT")


def test_input_that_is_an_initializer_is_a_constant(tmp_path):
    model = make([helper.make_node("Add", ["x", "w"], ["y"])], inputs=[value("x"), value("w")],
                 initializers=[numpy_helper.from_array(X, "w")])
    np.testing.assert_array_equal(run(model, tmp_path, {"x": X})["y"], 2 * X)


def test_outputs_without_a_node(tmp_path):
    outputs = [value("y"), value("x"), value("w")]
    model = make([relu()], outputs=outputs, initializers=[numpy_helper.from_array(X, "w")])
    found = run(model, tmp_path, X)
    assert list(found) == ["y", "x", "w"]
    np.testing.assert_array_equal(found["x"], X)
    np.testing.assert_array_equal(found["w"], X)


def test_asked_outputs(tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["inner"]), helper.make_node("Neg", ["inner"], ["y"])]
    found = run(make(nodes), tmp_path, X, outputs=["inner", "y"])
    assert list(found) == ["y", "inner"]
    np.testing.assert_array_equal(found["inner"], np.maximum(X, 0))
    refused_folder = tmp_path / "none"
    refused_folder.mkdir()
    refused(make(nodes), refused_folder, "output 'ghost' was asked for", "AI_E_ARGUMENT",
            outputs=["ghost"])


def test_node_that_no_output_needs_is_left_out(tmp_path):
    nodes = [relu(), helper.make_node("NonZero", ["x"], ["unused"])]
    np.testing.assert_array_equal(run(make(nodes), tmp_path, X)["y"], np.maximum(X, 0))


# ---- Operators and attributes ----


def test_unsupported_operators_are_listed(tmp_path):
    nodes = [helper.make_node("NonZero", ["x"], ["a"], name="n"),
             helper.make_node("Frob", ["a"], ["b"], name="f", domain="org.example"),
             helper.make_node("Det", ["b"], ["y"])]
    refused(make(nodes, domains=["org.example"]), tmp_path,
            "3 operators are not supported: NonZero 'n', org.example.Frob 'f', Det 'y'",
            "AI_E_UNSUPPORTED")
    many = [helper.make_node("Det", ["x"], [f"d{i}"], name=f"det{i}") for i in range(3)]
    kinds = [helper.make_node(f"Kind{i}", ["x"], [f"k{i}"]) for i in range(40)]
    outputs = [value(n.output[0], None) for n in (*many, *kinds)]
    refused(make(many + kinds[:1], outputs=outputs[:4]), tmp_path,
            "2 operators are not supported: Det 'det0' (3 nodes), Kind0 'k0' (docs",
            "AI_E_UNSUPPORTED")
    refused(make(many + kinds, outputs=outputs), tmp_path,
            "over 32 operators are not supported: Det 'det0' (3 nodes), Kind0 'k0', Kind1 'k1',",
            "AI_E_UNSUPPORTED")
    refused(make(nodes[:1], outputs=[value("a", None, TensorProto.INT64)]), tmp_path,
            "1 operator is not supported: NonZero 'n' (docs/operators.md)", "AI_E_UNSUPPORTED")


def test_operator_newer_than_the_opset(tmp_path):
    refused(make([helper.make_node("Mish", ["x"], ["y"])], opset=17), tmp_path,
            "1 operator is not supported: Mish 'y'", "AI_E_UNSUPPORTED")


@pytest.mark.parametrize("node, message, code", [
    (relu(foo=1), "Relu 'r': attribute 'foo' is not supported in opset 21", "AI_E_UNSUPPORTED"),
    (helper.make_node("LeakyRelu", ["x"], ["y"], alpha="a"),
     "LeakyRelu 'y': attribute 'alpha' is string, float was needed", "AI_E_FORMAT"),
    (helper.make_node("Gelu", ["x"], ["y"], approximate="fast"),
     "attribute 'approximate' is 'fast', which is not supported", "AI_E_UNSUPPORTED"),
    (helper.make_node("Relu", ["x", "x"], ["y"]), "it has 2 inputs, at most 1", "AI_E_FORMAT"),
    (helper.make_node("Add", ["x"], ["y"]), "input 1 is missing", "AI_E_FORMAT"),
    (helper.make_node("Add", ["", "x"], ["y"]), "input 0 is missing", "AI_E_FORMAT"),
    (helper.make_node("Relu", ["x"], ["y", "z"]), "it has 2 outputs, 1 to 1", "AI_E_FORMAT"),
    (helper.make_node("Max", ["x", "", "x"], ["y"]), "input 1 is missing", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"]), "attribute 'kernel_shape' is missing",
     "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1, 1, 1]),
     "4 spatial dimensions, at most 3", "AI_E_UNSUPPORTED"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[0]), "kernel has a size of 0",
     "AI_E_SHAPE"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], strides=[1, 1]),
     "attribute 'strides' has 2 numbers, 1 were needed", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], strides=[0]),
     "attribute 'strides' has 0, 1 to 2147483647 was needed", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], dilations=[1 << 62]),
     "attribute 'dilations' has 4611686018427387904, 1 to 2147483647 was needed", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1 << 31]),
     "kernel has a size of 2147483648, 1 to 2147483647 was needed", "AI_E_SHAPE"),
    (helper.make_node("", ["x"], ["y"], name="r"), "node 'r' names no operator", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], pads=[-1, 0]),
     "attribute 'pads' has -1, 0 to 2147483647", "AI_E_FORMAT"),
    (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1], auto_pad="SAME_UPPER",
                      pads=[1, 0]),
     "attribute 'pads' is given beside auto_pad 'SAME_UPPER'", "AI_E_FORMAT"),
    (helper.make_node("Conv", ["x", "x"], ["y"]), "weight has 2 dimensions, at least 3",
     "AI_E_SHAPE"),
    (helper.make_node("Conv", ["x", "x"], ["y"], kernel_shape=[1], group=0),
     "attribute 'group' is 0, 1 to 2147483647", "AI_E_UNSUPPORTED"),
    (helper.make_node("Concat", ["x"], ["y"]), "attribute 'axis' is missing", "AI_E_FORMAT"),
    (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 5]), "attribute 'perm' has 5",
     "AI_E_FORMAT"),
    (helper.make_node("Split", ["x"], ["y"], num_outputs=2),
     "attribute 'num_outputs' is 2, the node has 1 outputs", "AI_E_FORMAT"),
    (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING),
     "attribute 'to' is the type string", "AI_E_UNSUPPORTED"),
    (helper.make_node("Cast", ["x"], ["y"]), "attribute 'to' is missing", "AI_E_FORMAT"),
    (helper.make_node("LRN", ["x"], ["y"]), "attribute 'size' is missing", "AI_E_FORMAT"),
    (helper.make_node("LayerNormalization", ["x", "x"], ["y"], stash_type=11),
     "attribute 'stash_type' is 11, only 1 is supported", "AI_E_UNSUPPORTED"),
    (helper.make_node("Constant", [], ["y"]), "it has 0 attributes, 1 was needed", "AI_E_FORMAT"),
    (helper.make_node("Constant", [], ["y"], value_string="a"),
     "attribute 'value_string' is not supported", "AI_E_UNSUPPORTED"),
    (helper.make_node("ConstantOfShape", ["x"], ["y"],
                      value=numpy_helper.from_array(np.zeros(2, np.float32))),
     "attribute 'value' has 2 elements, 1 was needed", "AI_E_FORMAT"),
])
def test_refused_nodes(node, message, code, tmp_path):
    refused(make([node]), tmp_path, message, code)


@pytest.mark.parametrize("start, limit", [(0, np.inf), (np.nan, 1), (-np.inf, np.inf)])
def test_range_without_end(start, limit, tmp_path):
    ends = [numpy_helper.from_array(np.float32(v), n) for n, v in zip("abc", (start, limit, 1))]
    nodes = [helper.make_node("Range", list("abc"), ["r"], name="r"),
             helper.make_node("Add", ["x", "r"], ["y"])]
    refused(make(nodes, initializers=ends), tmp_path,
            f"Range 'r': range from {start:g} to {limit:g} by 1 has no end", "AI_E_VALUE")


def test_shape_that_is_too_big(tmp_path):
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 21]), "s")
    model = make([helper.make_node("ConstantOfShape", ["s"], ["y"], name="c")],
                 initializers=[shape])
    refused(model, tmp_path, "over 2^40 elements: 1048576x2097152", "AI_E_SHAPE")


def test_attribute_given_twice(tmp_path):
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.5)
    node.attribute.append(node.attribute[0])
    refused(make([node]), tmp_path, "attribute 'alpha' is given twice", "AI_E_FORMAT")


def test_training_outputs_of_old_batch_norm(tmp_path):
    names = ["x", *"sbmv"]
    nodes = [helper.make_node("BatchNormalization", names, ["y", "mean"], name="bn")]
    ones = [numpy_helper.from_array(np.ones(3, np.float32), n) for n in "sbmv"]
    model = make(nodes, outputs=[value("y"), value("mean", [3])], initializers=ones, opset=9)
    refused(model, tmp_path, "output 1 ('mean') is not supported", "AI_E_UNSUPPORTED")
    del model.graph.output[1]
    assert run(model, tmp_path, X)["y"].shape == (2, 3)


TABLE = np.zeros((2000, 1), np.int64)
TABLE[1500:1502, 0] = 3, 2


@pytest.mark.parametrize("nodes", [
    [("Slice", ["t", "from", "to"], "s")],
    [("Gather", ["t", "from_to"], "s")],
    [("Mul", ["t", "two"], "u"), ("Sub", ["u", "t"], "v"), ("Slice", ["v", "from", "to"], "s")],
    [("Reshape", ["t", "half"], "u"), ("ReduceSum", ["u", "zero"], "v"),
     ("Slice", ["v", "from_2", "to_2"], "s")],
], ids=lambda nodes: nodes[0][0])
def test_shape_from_a_large_table(nodes, tmp_path):
    """Larger than what a session looks into when it opens: the converter folds it before."""
    constants = {"t": TABLE, "from": [1500], "to": [1502], "from_to": [1500, 1501], "two": [2],
                 "half": [2, 1000, 1], "zero": [0], "from_2": [500], "to_2": [502], "flat": [-1]}
    options = {"ReduceSum": {"keepdims": 0}}
    model = make([*(helper.make_node(op, ins, [out], **options.get(op, {}))
                    for op, ins, out in nodes),
                  helper.make_node("Reshape", ["s", "flat"], ["shape"]),
                  helper.make_node("Reshape", ["x", "shape"], ["y"])],
                 initializers=[numpy_helper.from_array(np.asarray(v), n)
                               for n, v in constants.items()])
    np.testing.assert_array_equal(run(model, tmp_path, X)["y"], X.reshape(3, 2))


# ---- Inputs ----


def test_unset_dimensions(tmp_path):
    model = make([relu()], inputs=[value("x", ["n", 3, "h"])])
    refused(model, tmp_path, "input 'x': dimension 2 ('h') has no size: give one, such as "
            "--shape x=1x3x224", "AI_E_SHAPE")
    refused(model, tmp_path, "input 'x' has 3 dimensions, the shape given for it has 2",
            "AI_E_SHAPE", shapes={"x": [1, 3]})
    refused(model, tmp_path, "dimension 1 is fixed at 3, the shape given for it has 4",
            "AI_E_SHAPE", shapes={"x": [1, 4, 5]})
    refused(model, tmp_path, "a shape was given for 'z'", "AI_E_ARGUMENT", shapes={"z": [1]})
    refused(model, tmp_path, "is negative or too big", "AI_E_ARGUMENT",
            shapes={"x": [1, 3, 1 << 62]})
    convert(model, tmp_path, shapes={"x": [2, 3, 5]})
    with libai.Model(tmp_path / "m.lai") as network:
        assert network.inputs[0].shape == (2, 3, 5)
        assert network(np.zeros((2, 3, 5), np.float32)).shape == (2, 3, 5)


def test_batch_defaults_to_one(tmp_path):
    convert(make([relu()], inputs=[value("x", ["n", 3])]), tmp_path)
    with libai.Model(tmp_path / "m.lai") as network:
        assert network.inputs[0].shape == (1, 3)


def test_dimensions_of_one_name(tmp_path):
    model = make([helper.make_node("Add", ["a", "b"], ["y"])],
                 inputs=[value("a", ["n", "w"]), value("b", ["n", "w"])])
    convert(model, tmp_path, shapes={"b": [4, 5]})
    with libai.Model(tmp_path / "m.lai") as network:
        assert [i.shape for i in network.inputs] == [(4, 5), (4, 5)]


def test_unnamed_dimensions_are_not_one(tmp_path):
    nodes = [relu(), helper.make_node("Neg", ["b"], ["z"])]
    model = make(nodes, inputs=[value("x", ["?", "?"]), value("b", ["?", 5])],
                 outputs=[value("y", None), value("z", None)])
    convert(model, tmp_path, shapes={"x": [4, 2]})
    with libai.Model(tmp_path / "m.lai") as network:
        assert [i.shape for i in network.inputs] == [(4, 2), (1, 5)]


def test_input_without_shape(tmp_path):
    model = make([relu()], inputs=[value("x", None)])
    refused(model, tmp_path, "input 'x' has no shape: give one, such as --shape x=1x3x224x224",
            "AI_E_SHAPE")
    np.testing.assert_array_equal(run(model, tmp_path, X, shapes={"x": [2, 3]})["y"],
                                  np.maximum(X, 0))


def test_input_types(tmp_path):
    refused(make([relu()], inputs=[value("x", [1], TensorProto.STRING)]), tmp_path,
            "input 'x' is of type string, which is not supported", "AI_E_UNSUPPORTED")
    sequence = helper.make_tensor_sequence_value_info("x", F32, None)
    refused(make([relu()], inputs=[sequence]), tmp_path, "input 'x' is no tensor",
            "AI_E_UNSUPPORTED")
    refused(make([relu()], inputs=[value("x", [1] * 9)]), tmp_path,
            "input 'x' has 9 dimensions, at most 8", "AI_E_UNSUPPORTED")
    refused(make([relu()], outputs=[value("y", None, TensorProto.INT64)]), tmp_path,
            "output 'y' is declared as int64, its node makes f32", "AI_E_FORMAT")


# ---- Tensors ----

TYPES = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64,
         TensorProto.FLOAT16: np.float16, TensorProto.BOOL: np.bool_, TensorProto.INT8: np.int8,
         TensorProto.UINT8: np.uint8, TensorProto.INT16: np.int16, TensorProto.UINT16: np.uint16,
         TensorProto.INT32: np.int32, TensorProto.UINT32: np.uint32, TensorProto.INT64: np.int64,
         TensorProto.UINT64: np.uint64}


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("dtype", TYPES, ids=[t.__name__ for t in TYPES.values()])
def test_tensor_encodings(dtype, raw, tmp_path):
    array = np.array([[1, 0, 1], [0, 1, 1]]).astype(TYPES[dtype])
    if dtype != TensorProto.BOOL:
        array *= 77
    if np.issubdtype(array.dtype, np.signedinteger) or array.dtype.kind == "f":
        array = -array
    tensor = helper.make_tensor("w", dtype, array.shape,
                                array.tobytes() if raw else array.flatten(),
                                raw=raw)
    nodes = [relu(), helper.make_node("Identity", ["w"], ["z"])]
    model = make(nodes, outputs=[value("y"), value("z", [2, 3], dtype)], initializers=[tensor])
    found = run(model, tmp_path, X)["z"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def spoil(**changes):
    tensor = numpy_helper.from_array(X, "w")
    for name, content in changes.items():
        if name in ("dims", "float_data", "int32_data", "uint64_data"):
            getattr(tensor, name)[:] = content
        elif content is None:
            tensor.ClearField(name)
        else:
            setattr(tensor, name, content)
    return tensor


@pytest.mark.parametrize("tensor, message, code", [
    (spoil(raw_data=b"1234"), "initializer 'w': it has 4 bytes, its shape needs 24", "AI_E_FORMAT"),
    (spoil(raw_data=None, float_data=[1, 2]), "it has 2 elements of float, its shape needs 6",
     "AI_E_FORMAT"),
    (spoil(dims=[-2, -3]), "its shape is -2x-3, no negative size", "AI_E_FORMAT"),
    (spoil(dims=[1 << 33, 1 << 33]),
     "its shape is 8589934592x8589934592, no negative size and at most 2^40 elements",
     "AI_E_FORMAT"),
    (spoil(dims=[1] * 9), "it has 9 dimensions, at most 8", "AI_E_UNSUPPORTED"),
    (spoil(data_type=8), "its type is string, which is not supported", "AI_E_UNSUPPORTED"),
    (spoil(data_type=999), "its type is of an unknown number", "AI_E_UNSUPPORTED"),
    (spoil(raw_data=None, data_type=2, dims=[1], int32_data=[256]),
     "element 0 is 256, out of the range of uint8", "AI_E_FORMAT"),
    (spoil(raw_data=None, data_type=12, dims=[1], uint64_data=[1 << 32]),
     "element 0 is 4294967296, out of the range of uint32", "AI_E_FORMAT"),
])
def test_refused_tensors(tensor, message, code, tmp_path):
    refused(make([helper.make_node("Add", ["x", "w"], ["y"])], initializers=[tensor]), tmp_path,
            message, code)


# ---- External data ----


def external(**entries):
    tensor = TensorProto(name="w", data_type=F32, dims=[2, 3],
                         data_location=TensorProto.EXTERNAL)
    for key, content in entries.items():
        tensor.external_data.add(key=key, value=str(content))
    return make([helper.make_node("Add", ["x", "w"], ["y"], name="a")], initializers=[tensor])


@pytest.mark.parametrize("entries, offset", [
    ({"location": "w.bin"}, 0), ({"location": "./sub/w.bin", "offset": 8, "length": 24}, 8),
    ({"location": "sub/w.bin", "offset": "3"}, 3),
])
def test_external_data(entries, offset, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("w.bin", "sub/w.bin"):
        (tmp_path / name).write_bytes(b"\0" * offset + X.tobytes())
    np.testing.assert_array_equal(run(external(**entries), tmp_path, X)["y"], 2 * X)


@pytest.mark.parametrize("entries, message, code", [
    ({}, "initializer 'w': external data has no location", "AI_E_FORMAT"),
    ({"location": "/etc/passwd"}, "at the absolute path '/etc/passwd'", "AI_E_FORMAT"),
    ({"location": "../w.bin"}, "at '../w.bin', a path inside the model's folder was needed",
     "AI_E_FORMAT"),
    ({"location": "sub/../../w.bin"}, "a path inside the model's folder was needed", "AI_E_FORMAT"),
    ({"location": "link.bin"}, "'link.bin' goes through a symbolic link", "AI_E_IO"),
    ({"location": "none.bin"}, "'none.bin' cannot be opened: No such file", "AI_E_IO"),
    ({"location": "sub"}, "'sub' is not a file", "AI_E_IO"),
    ({"location": "w.bin", "offset": 1}, "needs bytes 1 to 25 of 'w.bin', which has 24",
     "AI_E_FORMAT"),
    ({"location": "w.bin", "offset": 1 << 60}, "external data", "AI_E_FORMAT"),
    ({"location": "w.bin", "offset": -1},
     "external data has offset '-1', a number from 0 to 9223372036854775807 was needed",
     "AI_E_FORMAT"),
    ({"location": "w.bin", "offset": (1 << 64) - 1},
     "external data has offset '18446744073709551615', a number from 0 to 9223372036854775807",
     "AI_E_FORMAT"),
    ({"location": "w.bin", "offset": (1 << 63) - 1},
     "needs bytes 9223372036854775807 to 9223372036854775831 of 'w.bin'", "AI_E_FORMAT"),
    ({"location": "n" * 300}, "which has a name of 300 bytes, at most 255 are possible",
     "AI_E_FORMAT"),
    ({"location": "w.bin/x"}, "'w.bin/x' cannot be opened: Not a directory", "AI_E_IO"),
    ({"location": "w.bin", "length": 23}, "external data has 23 bytes, its shape needs 24",
     "AI_E_FORMAT"),
])
def test_refused_external_data(entries, message, code, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "w.bin").write_bytes(X.tobytes())
    os.symlink(tmp_path / "w.bin", tmp_path / "link.bin")
    refused(external(**entries), tmp_path, message, code)


def test_external_data_through_a_linked_folder(tmp_path):
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "w.bin").write_bytes(X.tobytes())
    os.symlink(outside, inside / "link")
    refused(external(location="link/w.bin"), inside,
            "'link/w.bin' goes through a symbolic link", "AI_E_IO")


# ---- Functions of the model ----


def function(name, inputs, outputs, nodes, **more):
    return helper.make_function("local", name, inputs, outputs, nodes,
                                [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)],
                                **more)


def test_functions_are_put_in_place(tmp_path):
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    inner = function("Inner", ["a"], ["b"], [leaky, helper.make_node("Neg", ["t"], ["b"])],
                     attributes=["slope"])
    call = helper.make_node("Inner", ["p"], ["t"], domain="local", name="call")
    call.attribute.add(name="slope", ref_attr_name="outer_slope", type=onnx.AttributeProto.FLOAT)
    outer = function("Outer", ["p", "q"], ["r"], [call, helper.make_node("Add", ["t", "q"], ["r"])],
                     attribute_protos=[helper.make_attribute("outer_slope", 0.5)])
    nodes = [helper.make_node("Outer", ["x", "x"], ["t"], domain="local", name="one"),
             helper.make_node("Outer", ["t", "x"], ["y"], domain="local", name="two",
                              outer_slope=0.25)]
    model = make(nodes, functions=[inner, outer], domains=["local"])
    first = X - np.where(X < 0, X * 0.5, X)
    expected = X - np.where(first < 0, first * 0.25, first)
    np.testing.assert_array_equal(run(model, tmp_path, X)["y"], expected)


def test_functions_that_call_themselves(tmp_path):
    loop = function("Loop", ["a"], ["b"],
                    [helper.make_node("Loop", ["a"], ["b"], domain="local")])
    nodes = [helper.make_node("Loop", ["x"], ["y"], domain="local")]
    refused(make(nodes, functions=[loop], domains=["local"]), tmp_path,
            "function 'Loop' lies over 16 calls deep", "AI_E_UNSUPPORTED")


def test_function_that_does_not_make_its_output(tmp_path):
    half = function("Half", ["a"], ["b", "c"], [helper.make_node("Neg", ["a"], ["b"])])
    nodes = [helper.make_node("Half", ["x"], ["y", "z"], domain="local")]
    refused(make(nodes, functions=[half], domains=["local"]), tmp_path,
            "function 'Half': its output 'c' is made by none of its nodes", "AI_E_FORMAT")
    del nodes[0].output[1]
    model = make(nodes, functions=[half], domains=["local"])
    np.testing.assert_array_equal(run(model, tmp_path, X)["y"], -X)


def test_functions_that_multiply(tmp_path):
    functions = [function("F0", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])])]
    for level in range(1, 12):
        calls = [helper.make_node(f"F{level - 1}", ["a"], [f"b{i}" if i else "b"], domain="local")
                 for i in range(8)]
        functions.append(function(f"F{level}", ["a"], ["b"], calls))
    nodes = [helper.make_node("F11", ["x"], ["y"], domain="local")]
    refused(make(nodes, functions=functions, domains=["local"]), tmp_path, "not a real ONNX model",
            "AI_E_FORMAT")


# ---- If ----

NEG, RELU = helper.make_node("Neg", ["x"], ["b"]), helper.make_node("Relu", ["x"], ["b"])


def branch(*nodes, outputs=("b",), initializers=(), inputs=()):
    return helper.make_graph(nodes, "branch", inputs, [value(name, None) for name in outputs],
                             list(initializers))


def choice(condition, then, otherwise, outputs=("y",), name="if"):
    return helper.make_node("If", [condition], outputs, name=name, then_branch=then,
                            else_branch=otherwise)


def boolean(name, *values):
    return numpy_helper.from_array(np.array(values if len(values) > 1 else values[0]), name)


@pytest.mark.parametrize("is_true", [True, False])
def test_if_by_a_constant(is_true, tmp_path):
    """The branch that is not taken may hold anything."""
    bad = branch(helper.make_node("NoSuch", ["nowhere"], ["b"]))
    good = branch(NEG)
    node = choice("c", good, bad) if is_true else choice("c", bad, good)
    model = make([node], initializers=[boolean("c", is_true)])
    np.testing.assert_array_equal(run(model, tmp_path, X)["y"], -X)


def test_if_by_rank_and_within_others(tmp_path):
    """Conditions from a shape, from an outer branch's node, and in an If that makes what the outer
    one does; both use names that the other has, and what lies around them."""
    two = helper.make_node("Constant", [], ["two"], value_int=2)
    rank = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Size", ["s"], ["n"]), two,
            helper.make_node("Equal", ["n", "two"], ["is_2"])]
    deep = branch(helper.make_node("Add", ["t", "w"], ["deep"]), outputs=["deep"])
    wrong = branch(helper.make_node("Identity", ["x"], ["wrong"]), outputs=["wrong"])
    inner = branch(helper.make_node("Mul", ["x", "w"], ["t"]),
                   helper.make_node("Not", ["is_2"], ["is_not"]),
                   choice("is_not", wrong, deep, ["b"]),
                   initializers=[numpy_helper.from_array(np.float32(3), "w")])
    other = branch(helper.make_node("Neg", ["first"], ["t"]),
                   helper.make_node("Relu", ["t"], ["b"]))
    nodes = [*rank, choice("is_2", inner, wrong, ["first"]),
             choice("is_2", other, wrong, ["y"], "second")]
    np.testing.assert_array_equal(run(make(nodes), tmp_path, X)["y"], np.maximum(-(X * 3 + 3), 0))


def test_if_passes_values_on(tmp_path):
    """Outputs of a branch that no node of it makes, or that it makes once for two."""
    weight = numpy_helper.from_array(X, "w")
    then = branch(NEG, outputs=["b", "b", "w", "x"], initializers=[weight])
    otherwise = branch(outputs=["x", "x", "x", "x"])
    outputs = ["p", "q", "r", "s"]
    model = make([choice("c", then, otherwise, outputs)], initializers=[boolean("c", True)],
                 outputs=[value(name) for name in outputs])
    found = run(model, tmp_path, X + 1)
    for name, expected in zip(outputs, (-X - 1, -X - 1, X, X + 1)):
        np.testing.assert_array_equal(found[name], expected)


def test_if_in_a_function(tmp_path):
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    body = function("Body", ["a", "c"], ["b"],
                    [choice("c", branch(leaky, outputs=["t"]), branch(outputs=["a"]), ["b"])],
                    attributes=["slope"])
    nodes = [helper.make_node("Body", ["x", "yes"], ["t"], domain="local", name="1", slope=0.5),
             helper.make_node("Body", ["t", "no"], ["u"], domain="local", name="2", slope=0.5),
             helper.make_node("Body", ["u", "yes"], ["y"], domain="local", name="3", slope=0.25)]
    model = make(nodes, functions=[body], domains=["local"],
                 initializers=[boolean("yes", True), boolean("no", False)])
    expected = np.where(X < 0, X * 0.125, X)
    np.testing.assert_array_equal(run(model, tmp_path, X)["y"], expected)


def test_if_by_a_shape_that_may_vary(tmp_path):
    """It keeps the shape that decided it; an input on which nothing hangs stays free."""
    nodes = [helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
             helper.make_node("Constant", [], ["two"], value_ints=[2]),
             helper.make_node("Equal", ["s", "two"], ["c"]),
             choice("c", branch(NEG), branch(RELU)), helper.make_node("Exp", ["z"], ["e"])]
    model = make(nodes, inputs=[value("x", ["n", 3]), value("z", ["m"])],
                 outputs=[value("y", None), value("e", None)])
    convert(model, tmp_path, shapes={"x": (2, 3)})
    z = np.zeros(5, np.float32)
    with libai.Model(tmp_path / "m.lai") as network:
        np.testing.assert_array_equal(network({"x": X, "z": z})["y"], -X)
        with pytest.raises(ValueError, match=r"needed is \(2, 3\), of which vary \(\)"):
            network({"x": X[:1], "z": z})
    np.testing.assert_array_equal(
        run(model, tmp_path, {"x": X[:1], "z": np.zeros(1, np.float32)})["y"], np.maximum(X[:1], 0))


def test_if_that_is_not_constant(tmp_path):
    model = make([choice("c", branch(NEG), branch(RELU))],
                 inputs=[value("x"), value("c", [], TensorProto.BOOL)])
    refused(model, tmp_path, "If 'if': its condition depends on input 'c', only constant ones are "
            "supported: make that a constant of the model", "AI_E_UNSUPPORTED")


def nested(depth):
    graph = branch(NEG)
    for _ in range(depth):
        graph = branch(choice("c", graph, branch(RELU), ["b"]))
    return make([choice("c", graph, branch(RELU))], initializers=[boolean("c", True)])


def test_if_has_a_depth(tmp_path):
    np.testing.assert_array_equal(run(nested(14), tmp_path, X)["y"], -X)
    (tmp_path / "m.lai").unlink()
    refused(nested(15), tmp_path, "lies over 16 branches deep", "AI_E_UNSUPPORTED")


def chain(length):
    """Each condition is what the If before it chose."""
    nodes = [choice(f"c{i}", branch(helper.make_node("Not", [f"c{i}"], ["b"])),
                    branch(helper.make_node("Not", [f"c{i}"], ["b"])), [f"c{i + 1}"], f"if{i}")
             for i in range(length)]
    nodes.append(choice(f"c{length}", branch(NEG), branch(RELU)))
    return make(nodes, initializers=[boolean("c0", True)])


def test_ifs_that_depend_on_one_another(tmp_path):
    np.testing.assert_array_equal(run(chain(8), tmp_path, X)["y"], -X)
    (tmp_path / "m.lai").unlink()
    refused(chain(64), tmp_path, "conditions of If depend on one another over 64 deep",
            "AI_E_UNSUPPORTED")


TEXT = helper.make_node("If", ["c"], ["y"], name="if", then_branch="text", else_branch="text")
BARE = helper.make_node("If", [], ["y"], name="if", then_branch=branch(NEG))
ALONE = helper.make_node("If", ["c"], ["y"], name="if", else_branch=branch(NEG))
HALF = helper.make_node("If", ["c"], ["y"], name="if", else_branch=branch(NEG))
HALF.attribute.append(onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH))


@pytest.mark.parametrize("node, condition, message", [
    (TEXT, True, "If 'if': it has no graph 'then_branch'"),
    (ALONE, True, "If 'if': it has no graph 'then_branch'"),
    (HALF, True, "If 'if': it has no graph 'then_branch'"),
    (BARE, True, "If 'if': it has 0 inputs, 1 was needed"),
    (choice("c", branch(NEG), branch(NEG)), 1.0, "its condition is f64 and takes 8 bytes, one bool"),
    (choice("c", branch(NEG), branch(NEG)), [True, False],
     "its condition is bool and takes 2 bytes, one bool"),
    (choice("c", branch(NEG, inputs=[value("i")]), branch(NEG)), True,
     "If 'if': its branch has 1 inputs, none is possible"),
    (choice("c", branch(NEG, outputs=["b", "b"]), branch(NEG)), True,
     "If 'if': it has 1 outputs, its branch makes 2"),
    (choice("c", branch(NEG, outputs=["nowhere"]), branch(NEG)), True,
     "Identity 'y': input 'nowhere' is made by no node of the graph"),
    (choice("c", branch(helper.make_node("Neg", ["y"], ["b"])), branch(NEG)), True,
     "Neg 'y': its input depends on its own output"),
    (choice("c", branch(NEG, NEG), branch(NEG)), True,
     "the name 'y' is given twice, to a node's output and to a node's output"),
])
def test_refused_ifs(node, condition, message, tmp_path):
    c = numpy_helper.from_array(np.array(condition), "c")
    refused(make([node], initializers=[c]), tmp_path, message, "AI_E_FORMAT")


def test_branch_that_is_corrupt(tmp_path):
    node = choice("c", branch(NEG), branch(NEG))
    data = make([node], initializers=[boolean("c", True)]).SerializeToString()
    at = data.index(b"\x0a", data.index(b"then_branch"))
    refused(data[:at] + b"\xff" + data[at + 1:], tmp_path, "", "AI_E_FORMAT")


# ---- Old opsets, against ONNX Runtime ----

ONES = [numpy_helper.from_array(np.linspace(0.5, 1.5, 4, dtype=np.float32), n) for n in "sbmv"]
GROUPED = [numpy_helper.from_array(np.array([2, -1], np.float32), n) for n in "gh"]
IMAGE = np.random.default_rng(1).standard_normal((2, 4, 5, 6)).astype(np.float32)

OLD = [
    (7, "BatchNormalization", ["x", *"sbmv"], {"spatial": 1, "momentum": 0.5}, 1),
    (9, "BatchNormalization", ["x", *"sbmv"], {}, 1),
    (7, "Clip", ["x"], {"min": -0.5, "max": 0.5}, 1),
    (7, "Clip", ["x"], {"max": 0.5}, 1),
    (11, "Clip", ["x"], {}, 1),
    (7, "Dropout", ["x"], {"ratio": 0.9}, 1),
    (10, "Dropout", ["x"], {"ratio": 0.9}, 1),
    (12, "Dropout", ["x"], {}, 2),
    (7, "Pad", ["x"], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "value": 3.0}, 1),
    (7, "Pad", ["x"], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "mode": "reflect"}, 1),
    (7, "ReduceMean", ["x"], {"axes": [1, -1], "keepdims": 0}, 1),
    (11, "ReduceSum", ["x"], {"axes": [2]}, 1),
    (11, "ReduceSum", ["x"], {}, 1),
    (7, "Slice", ["x"], {"starts": [1, 0], "ends": [100, -1], "axes": [3, 1]}, 1),
    (7, "Slice", ["x"], {"starts": [1, 0], "ends": [100, -1]}, 1),
    (7, "Softmax", ["x"], {"axis": 2}, 1),
    (7, "LogSoftmax", ["x"], {}, 1),
    (11, "Hardmax", ["x"], {"axis": 3}, 1),
    (12, "Softmax", ["x"], {"axis": -1}, 1),
    (7, "Split", ["x"], {"axis": 3, "split": [1, 2, 3]}, 3),
    (7, "Split", ["x"], {"axis": 1}, 2),
    (18, "Split", ["x"], {"axis": 2, "num_outputs": 2}, 2),
    (7, "Unsqueeze", ["x"], {"axes": [0, 5]}, 1),
    (11, "Squeeze", ["x"], {}, 1),
    (7, "MaxPool", ["x"], {"kernel_shape": [2, 3], "strides": [2, 1], "auto_pad": "SAME_LOWER"}, 1),
    (7, "AveragePool", ["x"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                               "count_include_pad": 1}, 1),
    (8, "Sum", ["x", "x", "x"], {}, 1),
    (8, "Mean", ["x", "x", "x"], {}, 1),
    (7, "Max", ["x"], {}, 1),
    (8, "Min", ["x", "x", "x"], {}, 1),
    (18, "GroupNormalization", ["x", "g", "h"], {"num_groups": 2, "epsilon": 1e-3}, 1),
]


@pytest.mark.parametrize("opset, op, inputs, attributes, outputs", OLD,
                         ids=[f"{op}-{opset}-{i}" for i, (opset, op, *_) in enumerate(OLD)])
def test_old_opsets(opset, op, inputs, attributes, outputs, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, inputs, names, **attributes)
    types = [TensorProto.BOOL if op == "Dropout" and i == 1 else F32 for i in range(outputs)]
    model = make([node], inputs=[value("x", IMAGE.shape)], opset=opset, ir=8,
                 outputs=[value(n, None, t) for n, t in zip(names, types)],
                 initializers=[t for t in (*ONES, *GROUPED) if t.name in inputs])
    expected = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": IMAGE})
    found = run(model, tmp_path, IMAGE)
    for name, reference in zip(names, expected):
        assert found[name].dtype == reference.dtype
        np.testing.assert_allclose(found[name], reference, rtol=1e-4, atol=1e-6)


def test_constants(tmp_path):
    nodes = [helper.make_node("Constant", [], ["a"], value_float=2.5),
             helper.make_node("Constant", [], ["b"], value_int=-3),
             helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0]),
             helper.make_node("Constant", [], ["d"], value_ints=[4, 5, 6]),
             helper.make_node("Constant", [], ["e"], value=numpy_helper.from_array(X)), relu()]
    int64 = TensorProto.INT64
    outputs = [value("y"), value("a", []), value("b", [], int64), value("c", [2]),
               value("d", [3], int64), value("e")]
    found = run(make(nodes, outputs=outputs), tmp_path, X)
    assert found["a"] == np.float32(2.5) and found["b"] == -3
    assert found["c"].tolist() == [1, 2] and found["d"].tolist() == [4, 5, 6]
    np.testing.assert_array_equal(found["e"], X)
