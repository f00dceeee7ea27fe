# SPDX-License-Identifier: Apache-2.0
"""What the task layer makes of a model: classifiers, writers, handlers."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_void_p
from typing import Any

from . import _library as lib
from ._model import Model, forked, reopen


class OnModel(lib.Closing):
    """Opened by ai_KIND_open, closed by ai_KIND_close. Any thread may call it, one at a time: the
    others wait. It pickles as the path and digest of its file, and works in a child of fork."""

    _kind = ""

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None):
        self._handle = c_void_p()
        self._lock = threading.Lock()
        self._was_busy = False
        self._asked = {"threads": threads, "cpu": cpu}
        self._model = Model(path, threads=threads, cpu=cpu)
        self.path, self.digest = self._model.path, self._model.digest
        options = lib.sized(lib.Options, cpu=self._model._cpu, threads=self._model._threads)
        self._file = self._model._opened()
        lib.check(getattr(lib.task(), f"ai_{self._kind}_open"), ctypes.byref(self._handle),
                  self._file.handle, ctypes.byref(options))
        forked.add(self)

    def close(self) -> None:
        with self._lock:
            if self._handle:
                getattr(lib.task(), f"ai_{self._kind}_close")(self._handle)
                self._handle = c_void_p()

    def __repr__(self) -> str:
        return f"<libai.{type(self).__name__} '{self._model.name}'>"

    def __reduce__(self) -> tuple[Any, ...]:
        return reopen, (type(self), self.path, self.digest, self._asked)

    def _after_fork(self) -> None:
        self._was_busy |= self._lock.locked()
        self._lock = threading.Lock()

    @contextmanager
    def _turn(self) -> Iterator[c_void_p]:
        """The caller's turn: nobody else calls or closes it."""
        with self._lock:
            if not self._handle:
                raise ValueError(f"{self._kind} '{self._model.name}' is closed")
            if self._was_busy:
                raise RuntimeError(f"{self._kind} '{self._model.name}' was in a call of another "
                                   "thread at the fork, here it has to be opened anew")
            yield self._handle
