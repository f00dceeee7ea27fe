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
    """One class of a picture: its rank from 1, its label, its score from 0 to 1, its index among all."""

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
    """A model with its image recipe and labels, for many pictures. Threads may share it: they wait for each
    other. Arguments as of Model, whose file has to have a recipe: else opening it is an Error.

    >>> with libai.Classifier("lite.lai", threads=1) as classifier:
    ...     [row.label for row in classifier("chelsea.png", top=2)]
    ['tiger cat', 'Egyptian cat']
    """

    _kind = "classifier"

    def __call__(self, image: Image, top: int = 5) -> Classes:
        """The best classes, at most `top`. image: a path, or the bytes of a JPEG or PNG; what cannot be read
        as one is an Error, what is neither a TypeError."""
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
    """The best classes of one image, arguments and errors as of Classifier; for many images keep one.

    >>> libai.classify("chelsea.png", "lite.lai", top=1)[0].index
    282
    """
    with Classifier(model) as classifier:
        return classifier(image, top)
