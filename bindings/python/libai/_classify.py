# SPDX-License-Identifier: Apache-2.0
"""Classifiers: photographs in, labels out."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_uint32
from dataclasses import dataclass
from pathlib import Path

from . import _interrupt
from . import _library as lib
from . import _notebook
from ._task import OnModel

MAX_TOP = 65536  # as --top of the command: the rows are allocated before the call

Image = str | os.PathLike[str] | bytes | bytearray | memoryview


@dataclass(frozen=True)
class Class:
    rank: int
    label: str
    score: float
    index: int


class Classes(list[Class]):
    """The best classes in descending order; in a notebook a chart of them."""

    def _repr_html_(self) -> str:
        return _notebook.classes_html(self)


def _file_bytes(image: Image) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if not isinstance(image, (str, os.PathLike)):
        raise TypeError(f"image is {type(image).__name__}, a path or the bytes of a JPEG or PNG are needed")
    return Path(image).read_bytes()


class Classifier(OnModel):
    """A model with its image recipe and labels. image: a path, or the bytes of a JPEG or PNG."""

    _kind = "classifier"

    def __call__(self, image: Image, top: int = 5) -> Classes:
        top = lib.integer(top, "top", 1, MAX_TOP)
        data = _file_bytes(image)
        rows = (lib.RawClass * top)()
        count = c_uint32(top)

        def run() -> Classes:  # labels live as long as the handle
            lib.check(_interrupt.run, lib.task().ai_classify, self.handle, data, len(data), rows,
                      ctypes.byref(count))
            return Classes(Class(i + 1, row.label.decode(errors="replace"), row.score, row.index)
                           for i, row in enumerate(rows[: count.value]))
        return self.take_turn(run)


def classify(image: Image, model: str | os.PathLike[str], top: int = 5) -> Classes:
    """The best classes of one image; for many images keep a Classifier."""
    with Classifier(model) as classifier:
        return classifier(image, top)
