# SPDX-License-Identifier: Apache-2.0
"""The converter: ONNX to flat files, and their checks."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import c_char_p, c_void_p
from pathlib import Path

from . import _library as lib

Progress = Callable[[str, int, int], None]


def recipe(spec: str | Mapping) -> bytes:
    """An image recipe as checked JSON in its full form; spec is a preset, JSON, or a dict."""
    text = spec if isinstance(spec, str) else json.dumps(spec)
    out = c_void_p()
    lib.check(lib.task().ai_task_recipe, text.encode(), ctypes.byref(out))
    try:
        return ctypes.string_at(out)
    finally:
        lib.task().ai_task_free(out)


def _labels(labels: str | os.PathLike[str] | Iterable[str]) -> bytes:
    if isinstance(labels, (str, os.PathLike)):
        return Path(labels).read_bytes()
    rows = list(labels)
    if any("\n" in row for row in rows):
        raise ValueError("a label has a line break in it")
    return "".join(f"{row}\n" for row in rows).encode()


def _named_shapes(shapes: Mapping[str, Sequence[int]]):
    rows = (lib.NamedShape * len(shapes))()
    for row, (name, dims) in zip(rows, shapes.items()):
        if len(dims) > lib.MAX_RANK:
            raise ValueError(f"shape of '{name}' has {len(dims)} dimensions, the limit is 8")
        row.name, row.rank = name.encode(), len(dims)
        row.dim[: len(dims)] = list(dims)
    return rows


def _named_data(resources: Mapping[str, bytes]):
    rows = (lib.NamedData * len(resources))()
    for row, (name, data) in zip(rows, resources.items()):
        row.name, row.bytes = name.encode(), len(data)
        row.data = ctypes.cast(c_char_p(data), c_void_p)
    return rows


def convert(source: str | os.PathLike[str], target: str | os.PathLike[str], *,
            shapes: Mapping[str, Sequence[int]] | None = None, outputs: Sequence[str] = (),
            labels: str | os.PathLike[str] | Iterable[str] | None = None,
            image: str | Mapping | None = None, resources: Mapping[str, bytes] | None = None,
            name: str | None = None, licence: str | None = None,
            progress: Progress | None = None) -> None:
    """Turns an ONNX file into a flat file, which appears only when it is complete and checked.

    shapes: default shapes of inputs by name. outputs: inner tensors to keep as outputs. labels: a
    file of them or the labels themselves. image: a preset ("imagenet", "lite", "keras") or a
    recipe. progress: called with part, done, total.
    """
    data = dict(resources or {})
    if labels is not None:
        data["labels"] = _labels(labels)
    if image is not None:
        data["image"] = recipe(image)
    raised: list[BaseException] = []

    @lib.PROGRESS
    def report(_, part, done, total):
        try:
            progress(part.decode(), done, total)
        except BaseException as error:  # it cannot cross the library: it is raised again below
            raised.append(error)
        return len(raised)

    options = lib.sized(lib.ConvertOptions)
    options.shapes, options.shape_count = _named_shapes(shapes or {}), len(shapes or {})
    options.outputs = (c_char_p * len(outputs))(*(text.encode() for text in outputs))
    options.output_count = len(outputs)
    options.resources, options.resource_count = _named_data(data), len(data)
    options.name = name.encode() if name else None
    options.licence = licence.encode() if licence else None
    if progress:
        options.progress = report
    try:
        lib.check(lib.converter().ai_convert_file, lib.encode(source), lib.encode(target),
                  ctypes.byref(options))
    except lib.Error:
        if raised:
            raise raised[0] from None
        raise


def _with_model(path: str | os.PathLike[str], use: Callable[[c_void_p], None]) -> None:
    handle = c_void_p()
    lib.check(lib.core().ai_model_open, ctypes.byref(handle), lib.encode(path))
    try:
        use(handle)
    finally:
        lib.core().ai_model_close(handle)


def verify(path: str | os.PathLike[str]) -> None:
    """Reads the whole file and compares every checksum."""
    _with_model(path, lambda model: lib.check(lib.core().ai_model_verify, model))


def self_test(path: str | os.PathLike[str], *, cpu: int | str | None = None,
              threads: int = 0) -> None:
    """Runs the file's self-test and compares the outputs to the bit."""
    mask = lib.cpu_mask(cpu)
    _with_model(path, lambda model: lib.check(lib.converter().ai_self_test, model, mask, threads))
