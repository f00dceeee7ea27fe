# SPDX-License-Identifier: Apache-2.0
"""Who may use a handle of the library, and when it is freed."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_void_p
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Turns:
    """What one caller at a time uses, any thread may close, and is closed at the end of a `with` block
    or with its last reference. A signal's handler that runs amid a call of its own thread cannot call
    again, and what it closes is closed when the call has ended. No lock: what is set here is set before
    the other is looked at, in that order by the lock of the interpreter. Who lets several threads call has
    them wait for each other."""

    handle = c_void_p()  # what has none, or has freed it, shows this one

    def __init__(self) -> None:
        self.handle = c_void_p()
        self._is_busy = self._is_closed = False

    def take_turn(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(*arguments), and nobody frees the handle meanwhile."""
        if self._is_busy:
            raise self._is_interrupted()
        self._is_busy = True  # first: if close() does not see it, the next line sees close()
        try:
            if self._is_closed:
                raise self._has_closed()
            return function(*arguments)
        finally:
            self._is_busy = False
            if self._is_closed:
                self._release()

    def _is_interrupted(self) -> RuntimeError:
        return RuntimeError(f"{self._title()} is in a call, which the handler of a signal cannot make again")

    def _has_closed(self) -> ValueError:
        return ValueError(f"{self._title()} is closed")

    def close(self) -> None:
        """Frees it, or has the call under way do so at its end. Any thread may, and more than once."""
        self._is_closed = True
        if not self._is_busy:
            self._release()

    def after_fork(self) -> None:
        """In the child. What a thread that is not there was amid of, nobody can go on with or free."""
        if self._is_busy:
            self.handle = c_void_p()
        self._is_busy = False

    def _release(self) -> None:
        handle = self.__dict__.pop("handle", None)  # in one step: of two that close only one gets it
        if handle:
            self._free(handle)

    def _free(self, handle: c_void_p) -> None:
        raise NotImplementedError

    def _title(self) -> str:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self.handle:
            self.close()
