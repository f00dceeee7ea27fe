# SPDX-License-Identifier: Apache-2.0
"""Text, character by character."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from ctypes import c_char_p, c_void_p
from typing import TypedDict, Unpack

from . import _interrupt
from . import _library as lib
from ._task import OnModel

UINT64_MAX = 0xFFFFFFFFFFFFFFFF
SIMPLIFIED, NO_RULES = 1, 2  # AI_TEXT_*


class Wishes(TypedDict, total=False):
    seed: int
    start: str | None
    acrostic: str | None
    theme: str | None
    temperature: float | None
    top_p: float | None
    simplified: bool
    rules: bool


class TextModel(OnModel):
    """A model that writes text: `for character in model.write(seed=7)`, or `model(seed=7)` whole.

    The same seed and wishes give the same text on every machine. One text grows at a time: a new
    one ends that before it: going on with the earlier is a RuntimeError. Threads may share a model, and wait
    for each other.

    >>> poet = libai.TextModel("poems.lai", threads=1)
    >>> [line[:1] for line in poet(acrostic="春夏秋冬").split()]
    ['春', '夏', '秋', '冬']
    """

    _kind = "writer"
    _text: object = None  # stands for the text that grows

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None):
        super().__init__(path, threads=threads, cpu=cpu)
        self._piece, self._err = c_char_p(), lib.RawError(step=lib.NO_STEP, offset=lib.NO_OFFSET)
        self._step = _interrupt.Repeated(
            lib.unchecked("ai_writer_next", lib.task()), c_void_p.from_param(self.handle.value),
            ctypes.byref(self._piece), ctypes.byref(self._err))

    def write(self, *, seed: int = 1, start: str | None = None, acrostic: str | None = None,
              theme: str | None = None, temperature: float | None = None,
              top_p: float | None = None, simplified: bool = False,
              rules: bool = True) -> Iterator[str]:
        """The characters of a text, the last of a line with its mark. start: how the text begins.
        acrostic: the first character of each line. theme: characters wanted somewhere.
        temperature, top_p: None is what the model's recipe says. simplified: the script in which
        it writes; it reads either. rules: whether rhymes and tones of the recipe hold. What the vocabulary
        has not, or the form no place for, is an Error.

        >>> next(poet.write(start="山高"))
        '山'
        """
        options = lib.sized(lib.TextOptions)
        options.flags = (SIMPLIFIED if simplified else 0) | (0 if rules else NO_RULES)
        options.seed = lib.integer(seed, "seed", 0, UINT64_MAX)
        for name, text in (("start", start), ("acrostic", acrostic), ("theme", theme)):
            if text is not None:
                setattr(options, name, lib.text_bytes(text, name))
        for name, number in (("temperature", temperature), ("top_p", top_p)):
            if number is not None:
                value = lib.real(number, name)
                if not value > 0:
                    raise ValueError(f"{name} is {number}, more than 0 is needed")
                setattr(options, name, value)
        mine = object()
        self.take_turn(self._begin, options, mine)
        return self._characters(mine)

    def _begin(self, options: lib.TextOptions, mine: object) -> None:
        self._text = None
        lib.check(lib.task().ai_writer_begin, self.handle, ctypes.byref(options))
        self._text = mine

    def _next(self, mine: object) -> bytes | None:
        if self._text is not mine:
            raise RuntimeError("another text was begun, this one cannot go on")
        if (self._step.short or self._step)():
            raise lib.Error.of(self._err)
        return self._piece.value

    def _characters(self, mine: object) -> Iterator[str]:
        while (data := self.take_turn(self._next, mine)) is not None:
            yield data.decode()

    def __call__(self, **wishes: Unpack[Wishes]) -> str:
        """A whole text; arguments as of write."""
        return "".join(self.write(**wishes))
