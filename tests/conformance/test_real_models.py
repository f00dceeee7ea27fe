# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 and MobileNetV2 beside ONNX Runtime, on photographs.

End to end no bound is of use: it would double with each of fifty layers. So each layer is fed ONNX
Runtime's own input and held to the bound of its sum, and the logits are held to a distance from a
float64 evaluation.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import float64
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import libai

SOURCE = Path(os.environ["AI_SOURCE"])
CACHE = SOURCE / "models" / "zoo" / "cache"
ZOO = Path(os.environ["AI_ZOO"])
NAMES = ["efficientnet-lite0", "mobilenetv2"]
FLAT = {"efficientnet-lite0": ZOO / "efficientnet-lite0-f32.lai", "mobilenetv2": ZOO / "mobilenetv2.lai"}
UNIT = 2.0**-24


@pytest.fixture(params=NAMES)
def name(request) -> str:
    assert (CACHE / f"{request.param}.onnx").exists(), f"models/zoo/fetch {request.param} gets it"
    return request.param


@cache
def network(name: str) -> onnx.ModelProto:
    return onnx.load(CACHE / f"{name}.onnx")


@cache
def photographs() -> dict[str, Image.Image]:
    """Those of the zoo's cache, and parts of one, mirrored ones too."""
    paths = sorted(path for path in (CACHE / "photos").glob("*.*") if path.suffix != ".new")
    assert len(paths) >= 4, "models/zoo/fetch photos gets them"
    photos = {path.name: Image.open(path).convert("RGB") for path in paths}
    first = photos["chelsea.png"]
    width, height = first.size
    for i, (x, y) in enumerate([(0, 0), (width // 4, height // 4), (width // 2, height // 3)]):
        part = first.crop((x, y, x + width // 2, y + height // 2))
        photos[f"part {i}"] = part
        photos[f"part {i} mirrored"] = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return photos


def prepare(name: str, photo: Image.Image) -> np.ndarray:
    """The recipes `lite` and `imagenet`, by Pillow."""
    width, height = photo.size
    if name == "efficientnet-lite0":
        side = int(min(width, height) * 0.875)
        left, top = (width - side) // 2, (height - side) // 2
        photo = photo.crop((left, top, left + side, top + side))
        photo = photo.resize((224, 224), Image.Resampling.BICUBIC)
        pixels = (np.asarray(photo, np.float32) - 127) / 128
    else:
        factor = 256 / min(width, height)
        photo = photo.resize((round(width * factor), round(height * factor)),
                             Image.Resampling.BILINEAR)
        left, top = (photo.width - 224) // 2, (photo.height - 224) // 2
        photo = photo.crop((left, top, left + 224, top + 224))
        pixels = (np.asarray(photo, np.float32) / 255 - np.float32([0.485, 0.456, 0.406])
                  ) / np.float32([0.229, 0.224, 0.225])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)


def reference(model: onnx.ModelProto, optimised: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    if not optimised:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


@cache
def answers(name: str) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Input, libai's logits and ONNX Runtime's for each photograph."""
    theirs = reference(network(name))
    key = theirs.get_inputs()[0].name
    found = {}
    with libai.Model(FLAT[name], threads=1) as ours:
        for title, photo in photographs().items():
            x = prepare(name, photo)
            found[title] = x, ours(x), theirs.run(None, {key: x})[0]
    return found


def best(logits: np.ndarray) -> list[int]:
    return np.argsort(-logits[0], kind="stable")[:5].tolist()


def test_same_top_5(name):
    assert len(answers(name)) >= 10
    for title, (_, ours, theirs) in answers(name).items():
        assert best(ours) == best(theirs), title


def test_distance_to_float64(name):
    """At most twice as far as ONNX Runtime's, over all photographs: each alone is one throw."""
    ours_all, theirs_all = [], []
    source, output = network(name).graph.input[0].name, network(name).graph.output[0].name
    for x, ours, theirs in answers(name).values():
        exact = float64.evaluate(network(name), {source: x})[output]
        ours_all.append(ours - exact)
        theirs_all.append(theirs - exact)
    ours_distance, theirs_distance = np.linalg.norm(ours_all), np.linalg.norm(theirs_all)
    assert ours_distance <= 2 * theirs_distance, (ours_distance, theirs_distance)


def test_weights_as_f16(name, tmp_path, capsys):
    """Half the file, the same best and the same five; how far the logits move is told. Of those next
    to one another two may change places: they are closer than what rounding moves."""
    path = tmp_path / "f16.lai"
    libai.convert(CACHE / f"{name}.onnx", path, weights="f16")
    libai.self_test(path, threads=1)
    assert path.stat().st_size <= 0.52 * FLAT[name].stat().st_size
    moved = []
    with libai.Model(path, threads=1) as rounded:
        for title, (x, ours, _) in answers(name).items():
            logits = rounded(x)
            assert best(logits)[0] == best(ours)[0], title
            assert sorted(best(logits)) == sorted(best(ours)), title
            moved.append(np.linalg.norm(logits - ours) / np.linalg.norm(ours))
    with capsys.disabled():
        print(f"{name}: f16 weights move the logits by {max(moved):.2%} at most")
    assert max(moved) <= 0.02


# ---- Layer by layer ----


def layers(model: onnx.ModelProto) -> list[list[onnx.NodeProto]]:
    """A convolution with what follows it up to the next is one layer: so the passes fuse them."""
    found: list[list[onnx.NodeProto]] = []
    for node in model.graph.node:
        follows = found and node.op_type in ("BatchNormalization", "Clip", "Add") and (
            found[-1][-1].output[0] in node.input)
        if follows:
            found[-1].append(node)
        else:
            found.append([node])
    return found


def layer_model(model: onnx.ModelProto, nodes: list[onnx.NodeProto],
                values: dict[str, np.ndarray]) -> onnx.ModelProto:
    known = {item.name: item for item in model.graph.initializer}
    used = list(dict.fromkeys(name for node in nodes for name in node.input if name))
    made = {node.output[0] for node in nodes}

    def info(key):
        return onnx.helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, values[key].shape)

    graph = onnx.helper.make_graph(
        nodes, "layer", [info(key) for key in used if key not in known and key not in made],
        [info(nodes[-1].output[0])], [known[key] for key in used if key in known])
    return onnx.helper.make_model(graph, opset_imports=model.opset_import,
                                  ir_version=model.ir_version)


def bound(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray],
          values: dict[str, np.ndarray]) -> np.ndarray:
    """2 (k + 2) u sum |a| |b| of a layer's sum, k its products; what BatchNormalization and a
    residual add are products too, and its three operations round as three more would."""
    size = {name: np.abs(array).astype(np.float64)
            for name, array in {**constants, **values}.items()}
    count, total = 0, np.zeros(())
    for node in nodes:
        first = size.get(node.input[0])  # of an inner tensor there is none, nor need for it
        options = float64.attributes(node)
        if node.op_type == "Conv":
            weight = size[node.input[1]]
            count += weight[0].size
            total = float64.conv(first, weight, *(size[key] for key in node.input[2:]), **options)
        elif node.op_type == "Gemm":
            count += first.shape[-1]
            total = float64.gemm(first, size[node.input[1]], size[node.input[2]], **options)
        elif node.op_type == "GlobalAveragePool":
            count += first[0, 0].size
            total = first.mean((2, 3), keepdims=True)
        elif node.op_type == "BatchNormalization":
            scale, bias, mean, _ = (size[key][:, None, None] for key in node.input[1:])
            variance = constants[node.input[4]].astype(np.float64)[:, None, None]
            count += 3
            total = (total + mean) * scale / np.sqrt(variance + options["epsilon"]) + bias
        elif node.op_type == "Add":
            other = next(key for key in node.input if key not in {n.output[0] for n in nodes})
            count += 1
            total = total + size[other]
    return 2 * (count + 2) * UNIT * total


def every_tensor(name: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """All tensors of the graph as ONNX Runtime computes them, node by node."""
    model = onnx.ModelProto()
    model.CopyFrom(network(name))
    names = [node.output[0] for node in model.graph.node]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in names)
    key = model.graph.input[0].name
    return {key: x, **dict(zip(names, reference(model, optimised=False).run(None, {key: x})))}


def is_sum(nodes: list[onnx.NodeProto]) -> bool:
    return nodes[0].op_type in ("Conv", "Gemm", "GlobalAveragePool")


def test_each_layer_fed_with_onnx_runtime_s_input(name, tmp_path):
    """Converted alone, as a network of one layer."""
    model = network(name)
    values = every_tensor(name, prepare(name, next(iter(photographs().values()))))
    constants = float64.constants(model)
    checked = 0
    for nodes in layers(model):
        part = layer_model(model, nodes, values)
        onnx.save(part, tmp_path / "layer.onnx")
        libai.convert(tmp_path / "layer.onnx", tmp_path / "layer.lai")
        with libai.Model(tmp_path / "layer.lai", threads=1) as layer:
            (found,) = layer({item.name: values[item.name] for item in part.graph.input}).values()
        distance = np.abs(found.astype(np.float64) - values[nodes[-1].output[0]])
        assert (distance <= bound(nodes, constants, values)).all(), nodes[0].name
        checked += is_sum(nodes)
    assert checked >= 50


def test_each_layer_within_the_network(name, tmp_path):
    """Every layer's output kept; ONNX Runtime computes each layer anew from what libai fed it."""
    model = network(name)
    x, plain, _ = next(iter(answers(name).values()))
    kept = [nodes[-1].output[0] for nodes in layers(model)[:-1]]
    libai.convert(CACHE / f"{name}.onnx", tmp_path / "kept.lai", outputs=kept)
    with libai.Model(tmp_path / "kept.lai", threads=1) as network_kept:
        values = {model.graph.input[0].name: x, **network_kept(x)}
    assert [*values][1:] == [model.graph.output[0].name, *kept]
    assert values[model.graph.output[0].name].tobytes() == plain.tobytes()
    constants = float64.constants(model)
    checked = 0
    for nodes in layers(model):
        part = layer_model(model, nodes, values)
        feeds = {item.name: values[item.name] for item in part.graph.input}
        theirs = reference(part, optimised=False).run(None, feeds)[0]
        distance = np.abs(values[nodes[-1].output[0]].astype(np.float64) - theirs)
        assert (distance <= bound(nodes, constants, values)).all(), nodes[0].name
        checked += is_sum(nodes)
    assert checked >= 50
