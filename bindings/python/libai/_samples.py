# SPDX-License-Identifier: Apache-2.0
"""Calibration samples: images of a folder, arrays, or what an earlier conversion found out."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _library as lib
from ._model import Model, Tensor

Fill = Callable[[int, list[lib.TensorInfo], list[int]], int]


class Samples:
    """`count` samples that `fill` writes, or else the text of the resource "int8" of a file."""

    def __init__(self, fill: Fill | None, count: int, recipe: bytes | None = None):
        self.fill, self.count, self.recipe = fill, count, recipe


def samples(calibration: Any, image: bytes | None) -> Samples:
    if isinstance(calibration, (str, os.PathLike)):
        return _at(Path(calibration), image)
    if isinstance(calibration, Mapping):
        return _stacked(calibration)
    if not isinstance(calibration, Iterable):
        raise TypeError(f"calibration is {type(calibration).__name__}, a folder of images is needed, "
                        "an .npz, or an iterable of arrays or of dicts of arrays")
    rows: Any = calibration if hasattr(calibration, "__len__") and hasattr(
        calibration, "__getitem__") else list(calibration)
    if len(rows) == 0:
        raise ValueError("calibration is empty, samples are needed")
    return Samples(lambda i, *place: _write(rows[i], *place), len(rows))


def _at(path: Path, image: bytes | None) -> Samples:
    lib.path_bytes(path, "calibration")
    if path.is_dir():
        return _folder(path, image)
    if path.suffix == ".npz":
        import numpy as np
        with np.load(path, allow_pickle=False) as arrays:
            return _stacked(dict(arrays))
    if path.suffix == ".json":
        return Samples(None, 0, path.read_bytes())
    if path.suffix == ".lai":
        with Model(path) as model:
            if "int8" not in model.resources:
                raise ValueError(f"calibration: {path} has no resource 'int8', it was not quantised")
            return Samples(None, 0, model.resources["int8"])
    raise ValueError(f"calibration is {str(path)!r}, a folder of images is needed, an .npz, or a .lai "
                     "or .json that an earlier calibration made")


def _folder(folder: Path, image: bytes | None) -> Samples:
    if image is None:
        raise TypeError("a folder of images needs image=, how an image becomes the input")
    recipe = image
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != "."
                   and path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise ValueError(f"calibration: {folder} has no .jpg, .jpeg or .png")

    def fill(i: int, inputs: list[lib.TensorInfo], data: list[int]) -> int:
        if len(inputs) != 1:
            raise ValueError(f"the network has {len(inputs)} inputs, an image is one: arrays by name "
                             "are needed")
        try:
            content = paths[i].read_bytes()
            lib.check(lib.task().ai_image_prepare, recipe, content, len(content),
                      ctypes.byref(inputs[0]), data[0], path=os.fsencode(paths[i]))
        except (lib.Error, OSError) as error:
            if isinstance(error, lib.Error) and error.status not in (lib.FORMAT, lib.UNSUPPORTED):
                raise
            warnings.warn(f"left out: {error}", stacklevel=2)
            return lib.FORMAT
        return 0
    return Samples(fill, len(paths))


def _stacked(arrays: Mapping[str, Any]) -> Samples:
    """Samples along the first dimension of each array."""
    counts = {name: len(array) for name, array in arrays.items()}
    if not counts or 0 in counts.values():
        raise ValueError("calibration is empty, samples are needed")
    if len(set(counts.values())) != 1:
        said = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise ValueError(f"calibration: as many samples are needed of each array: {said}")
    return Samples(lambda i, *place: _write({name: array[i] for name, array in arrays.items()}, *place),
                   next(iter(counts.values())))


def _write(sample: Any, inputs: list[lib.TensorInfo], data: list[int]) -> int:
    """An array for each input, by name or for the only one; the input's first dimension of 1 may be
    missing."""
    import numpy as np
    tensors: Sequence[Tensor] = [Tensor.of(row) for row in inputs]
    if not isinstance(sample, Mapping):
        if len(tensors) != 1:
            names = ", ".join(f"'{tensor.name}'" for tensor in tensors)
            raise ValueError(f"a sample is needed as a dict of arrays: {names}")
        sample = {tensors[0].name: sample}
    for tensor, place in zip(tensors, data):
        if tensor.name not in sample:
            raise ValueError(f"a sample has no array '{tensor.name}', which is an input")
        array = np.asarray(sample[tensor.name])
        if array.dtype != tensor.dtype:
            raise TypeError(f"sample of '{tensor.name}' is {array.dtype}, needed is {tensor.dtype}")
        if array.shape != tensor.shape and (1, *array.shape) != tensor.shape:
            raise ValueError(f"sample of '{tensor.name}' is {array.shape}, needed is {tensor.shape}")
        array = np.ascontiguousarray(array)
        ctypes.memmove(place, array.ctypes.data, array.nbytes)
    return 0
