# SPDX-License-Identifier: Apache-2.0
"""The converter: ONNX to flat files, and their checks."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from ctypes import c_char_p, c_void_p
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import _frameworks
from . import _library as lib
from ._model import Model
from ._progress import Progress, Reporter


def recipe(spec: str | Mapping[str, Any]) -> bytes:
    """An image recipe as checked JSON in its full form; spec is a preset, JSON, or a dict."""
    text = json.dumps(spec) if isinstance(spec, Mapping) else spec
    out = c_void_p()
    lib.check(lib.task().ai_task_recipe, lib.text_bytes(text, "image"), ctypes.byref(out))
    try:
        return ctypes.string_at(out.value or 0)
    finally:
        lib.task().ai_task_free(out)


def _labels(labels: str | os.PathLike[str] | Iterable[str]) -> bytes:
    if isinstance(labels, (str, os.PathLike)):
        return Path(labels).read_bytes()
    rows = list(labels)
    for i, row in enumerate(rows):
        lib.text_bytes(row, f"labels: entry {i}")
    if any("\n" in row for row in rows):
        raise ValueError("a label has a line break in it")
    return "".join(f"{row}\n" for row in rows).encode()


def _named_shapes(shapes: Mapping[str, Sequence[int]]) -> Any:
    rows = (lib.NamedShape * len(shapes))()
    for row, (name, dims) in zip(rows, shapes.items()):
        row.name = lib.text_bytes(name, "shapes: a name")
        if isinstance(dims, str) or not isinstance(dims, Iterable):
            raise TypeError(f"shapes: '{name}' is {type(dims).__name__}, integers are needed")
        dims = [lib.integer(dim, f"shapes: dimension {i} of '{name}'", 0, lib.INT64_MAX)
                for i, dim in enumerate(dims)]
        if len(dims) > lib.MAX_RANK:
            raise ValueError(f"shapes: '{name}' has {len(dims)} dimensions, "
                             f"at most {lib.MAX_RANK} are supported")
        row.rank = len(dims)
        row.dim[: len(dims)] = dims
    return rows


def _named_data(resources: Mapping[str, bytes]) -> Any:
    rows = (lib.NamedData * len(resources))()
    for row, (name, data) in zip(rows, resources.items()):
        row.name = lib.text_bytes(name, "resources: a name")
        if not isinstance(data, bytes):
            raise TypeError(f"resources: '{name}' is {type(data).__name__}, bytes are needed")
        row.bytes = len(data)
        row.data = ctypes.cast(c_char_p(data), c_void_p)
    return rows


_WEIGHTS = {"f32": 0, "f16": lib.CONVERT_F16_WEIGHTS, "s8": lib.CONVERT_S8_WEIGHTS}


def _options(shapes: Mapping[str, Sequence[int]], outputs: Sequence[str], states: Sequence[str],
             data: Mapping[str, bytes], name: str | None, licence: str | None
             ) -> lib.ConvertOptions:
    options = lib.sized(lib.ConvertOptions)
    options.shapes, options.shape_count = _named_shapes(shapes), len(shapes)
    options.outputs = (c_char_p * len(outputs))(
        *(lib.text_bytes(text, "outputs: a name") for text in outputs))
    options.output_count = len(outputs)
    options.states = (c_char_p * len(states))(
        *(lib.text_bytes(text, "states: a name") for text in states))
    options.state_count = len(states)
    options.resources, options.resource_count = _named_data(data), len(data)
    options.name = None if name is None else lib.text_bytes(name, "name")
    options.licence = None if licence is None else lib.text_bytes(licence, "licence")
    return options


@dataclass(frozen=True)
class Conversion:
    """What was made. difference: the largest from the framework's own answer to the example; None:
    there was none to compare with."""

    path: str
    difference: float | None = None


def convert(source: Any, target: str | os.PathLike[str], *, example: Any = None,
            shapes: Mapping[str, Sequence[int]] | None = None, outputs: Sequence[str] = (),
            states: Sequence[str] = (),
            labels: str | os.PathLike[str] | Iterable[str] | None = None,
            image: str | Mapping[str, Any] | None = None, resources: Mapping[str, bytes] | None = None,
            name: str | None = None, licence: str | None = None, winograd: bool = True,
            weights: str = "f32", strips: bool = True, progress: Progress | bool | None = None
            ) -> Conversion:
    """Turns a network into a flat file, which appears only when it is complete and checked.

    source: the path of an ONNX file, an onnx.ModelProto, a torch.nn.Module or a keras.Model, the
    last two by the exporters of their frameworks. example: its inputs, in order or by name: PyTorch
    needs them, Keras does without; the answers to it are compared.

    shapes: default shapes of inputs by name. outputs: inner tensors to keep as outputs. states:
    "IN=OUT", so that output OUT is input IN of the next call, or the name of a recurrent node that
    goes on where it ended. labels: a file of them or the labels themselves. image: a preset
    ("imagenet", "lite", "keras") or a recipe. winograd: False: every Conv runs directly, in a smaller
    file. weights: "f16" or "s8": they are rounded, in half or a quarter of the file; the resource
    "metadata" has the error. strips: False: every Conv and pool is a step of its own. progress: called
    with part, done, total; None: bars by tqdm, where it is installed and somebody watches; True: bars;
    False: nothing.

    What the network has and libai has not is an Error that names the node; nothing is written then. Any
    number of threads may convert at once.

    >>> made = libai.convert("net.onnx", "net.lai", shapes={"x": [8, 4]}, progress=False)
    >>> libai.Model(made.path).inputs[0].shape
    (8, 4)
    """
    if weights not in _WEIGHTS:
        raise ValueError(f"weights is {weights!r}, needed is 'f32', 'f16' or 's8'")
    flags = ((0 if winograd else lib.CONVERT_NO_WINOGRAD) | _WEIGHTS[weights] |
             (0 if strips else lib.CONVERT_NO_STRIPS))
    return make(source, target, flags, example, shapes, outputs, states, labels, image, resources,
                name, licence, Reporter(progress), None)


def make(source: Any, target: str | os.PathLike[str], flags: int, example: Any,
         shapes: Mapping[str, Sequence[int]] | None, outputs: Sequence[str], states: Sequence[str],
         labels: str | os.PathLike[str] | Iterable[str] | None,
         image: str | Mapping[str, Any] | None, resources: Mapping[str, bytes] | None,
         name: str | None, licence: str | None, reporter: Reporter,
         quantise: lib.QuantiseOptions | None) -> Conversion:
    """convert, and with `quantise` quantize."""
    place = lib.path_bytes(target, "target")
    for what, names in (("outputs", outputs), ("states", states)):
        if isinstance(names, str):
            raise TypeError(f"{what} is one string, a list of names is needed")
    data = dict(resources or {})
    if labels is not None:
        data["labels"] = _labels(labels)
    if image is not None:
        data["image"] = recipe(image)
    zeros = [row.split("=")[0] for row in states if isinstance(row, str) and "=" in row]
    with ExitStack() as stack:
        exported = None
        if isinstance(source, (str, os.PathLike)):
            path = lib.path_bytes(source, "source")
        else:
            folder = stack.enter_context(TemporaryDirectory(prefix="libai-"))
            made = Path(folder) / "model.onnx"
            exported = _frameworks.export(source, example, made, zeros)
            path, name = lib.path_bytes(made, "source"), name or Path(target).stem
        options = _options(shapes or {}, outputs, states, data, name, licence)
        options.flags, options.progress = flags, reporter.callback
        if quantise is not None:
            options.quantise = ctypes.pointer(quantise)
        reporter.run(lib.converter().ai_convert_file, path, place, ctypes.byref(options),
                     path=None if exported else path)
        if exported is None:
            return Conversion(os.fsdecode(place))
        with Model(target) as model:
            return Conversion(os.fsdecode(place),
                              _frameworks.difference(exported, made, model, zeros))


def _with_model(path: str | os.PathLike[str], function: Callable[..., int], *arguments: Any) -> None:
    handle = c_void_p()
    file = lib.path_bytes(path, "path")
    lib.check(lib.core().ai_model_open, ctypes.byref(handle), file, path=file)
    try:
        lib.check(function, handle, *arguments, path=file)
    finally:
        lib.core().ai_model_close(handle)


def verify(path: str | os.PathLike[str]) -> None:
    """Reads the whole file and compares every checksum: an Error where one differs. Opening a model does not
    read its weights.

    >>> libai.verify("net.lai")
    """
    _with_model(path, lib.core().ai_model_verify)


def self_test(path: str | os.PathLike[str], *, cpu: int | str | None = None,
              threads: int = 0) -> None:
    """Runs the file's self-test, and compares the outputs to the bit: an Error where one differs. cpu,
    threads: as of Model.

    >>> libai.self_test("net.lai", cpu="ref")
    """
    mask, count = lib.cpu_mask(cpu), lib.thread_count(threads)
    _with_model(path, lib.converter().ai_self_test, mask, count)
