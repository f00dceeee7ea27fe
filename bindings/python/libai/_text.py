# SPDX-License-Identifier: Apache-2.0
"""Text, character by character."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import c_char_p
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
    one ends that before it.
    """

    _kind = "writer"
    _text: object = None  # stands for the text that grows

    def write(self, *, seed: int = 1, start: str | None = None, acrostic: str | None = None,
              theme: str | None = None, temperature: float | None = None,
              top_p: float | None = None, simplified: bool = False,
              rules: bool = True) -> Iterator[str]:
        """The characters of a text, the last of a line with its mark. start: how the text begins.
        acrostic: the first character of each line. theme: characters wanted somewhere.
        temperature, top_p: None is what the model's recipe says. simplified: the script in which
        it writes; it reads either. rules: whether rhymes and tones of the recipe hold."""
        options = lib.sized(lib.TextOptions)
        options.flags = (SIMPLIFIED if simplified else 0) | (0 if rules else NO_RULES)
        options.seed = lib.integer(seed, "seed", 0, UINT64_MAX)
        for name, text in (("start", start), ("acrostic", acrostic), ("theme", theme)):
            if text is not None:
                setattr(options, name, lib.text_bytes(text, name))
        for name, number in (("temperature", temperature), ("top_p", top_p)):
            if number is not None:
                if not number > 0:
                    raise ValueError(f"{name} is {number}, more than 0 is needed")
                setattr(options, name, number)
        mine = object()
        with self._turn() as handle:
            self._text = None
            lib.check(lib.task().ai_writer_begin, handle, ctypes.byref(options))
            self._text = mine
        return self._characters(mine)

    def _characters(self, mine: object) -> Iterator[str]:
        while True:
            piece = c_char_p()
            with self._turn() as handle:
                if self._text is not mine:
                    raise RuntimeError("another text was begun, this one cannot go on")
                lib.check(_interrupt.run, lib.task().ai_writer_next, handle, ctypes.byref(piece))
                data = piece.value
            if data is None:
                return
            yield data.decode()

    def __call__(self, **wishes: Unpack[Wishes]) -> str:
        """A whole text; arguments as of write."""
        return "".join(self.write(**wishes))
