# SPDX-License-Identifier: Apache-2.0
"""What the task layer makes of a model: classifiers, writers, handlers."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from ctypes import c_void_p
from typing import Any, TypeVar

from . import _library as lib
from ._model import Model, forked, reopen
from ._turns import Turns

Result = TypeVar("Result")


class OnModel(Turns):
    """Opened by ai_KIND_open, closed by ai_KIND_close. Any thread may call it, one at a time: the
    others wait. It pickles as the path and digest of its file, and works in a child of fork."""

    _kind = ""

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None):
        super().__init__()
        self._lock, self._was_busy = threading.RLock(), False
        self._asked = {"threads": threads, "cpu": cpu}
        self._model = Model(path, threads=threads, cpu=cpu)
        self.path, self.digest = self._model.path, self._model.digest
        options = lib.sized(lib.Options, cpu=self._model._cpu, threads=self._model._threads)
        self._file = self._model._opened()
        lib.check(getattr(lib.task(), f"ai_{self._kind}_open"), ctypes.byref(self.handle),
                  self._file.handle, ctypes.byref(options))
        forked.add(self)

    def _free(self, handle: c_void_p) -> None:
        getattr(lib.task(), f"ai_{self._kind}_close")(handle)

    def _title(self) -> str:
        return f"{self._kind} '{self._model.name}'"

    def __repr__(self) -> str:
        return f"<libai.{type(self).__name__} '{self._model.name}'>"

    def __reduce__(self) -> tuple[Any, ...]:
        return reopen, (type(self), self.path, self.digest, self._asked)

    def take_turn(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(*arguments) when no other thread is in a call, and nobody frees the handle meanwhile."""
        if self._was_busy:
            raise RuntimeError(f"{self._title()} was in a call of another thread at the fork, here "
                               "it has to be opened anew")
        with self._lock:
            return super().take_turn(function, *arguments)

    def after_fork(self) -> None:
        """In the child: what was in a call of another thread refuses more."""
        self._lock = threading.RLock()  # a thread that is not there may hold the other
        self._was_busy |= self._is_busy
        super().after_fork()
