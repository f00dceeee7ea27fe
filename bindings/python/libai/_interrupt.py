# SPDX-License-Identifier: Apache-2.0
"""Calls that a signal ends within a step: Ctrl-C, a timer, whatever has a handler in Python.

Python runs such handlers between its own instructions, so not while the library computes. But the
moment a signal comes, it writes a byte to the file that signal.set_wakeup_fd names. Here that file is
memory, and the library looks at it before each step, by strlen: nothing of Python runs in between.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from . import _library as lib

_BYTES = 1 << 20  # more signals than come within a step
_STRLEN = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value


class _Watch:
    """The memory that signals write to, and the ai_call whose hook reads it. A child of fork makes
    its own: the memory is shared with its parent."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.file = os.memfd_create("libai-signals", os.MFD_CLOEXEC)
        os.ftruncate(self.file, _BYTES)
        os.set_blocking(self.file, False)  # as set_wakeup_fd wants it
        self.memory = mmap.mmap(self.file, _BYTES)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.call = lib.sized(lib.Call, before_step=_STRLEN, user=address)

    def clear(self, before: int) -> None:
        """Forgets the signals that came; `before`, which they were meant for, gets them."""
        came = os.lseek(self.file, 0, os.SEEK_CUR)
        signals = self.memory[:came]
        self.memory[:came] = bytes(came)
        os.lseek(self.file, 0, os.SEEK_SET)
        if before != -1:
            with contextlib.suppress(BlockingIOError):  # full: who reads it wakes up anyway
                os.write(before, signals)


_watch: _Watch | None = None


def run(function: Callable[..., int], *arguments: Any) -> int:
    """function(*arguments, call, err): its status, with err the last of the arguments. A signal ends
    it within a step; if its handler then raises nothing, the call starts over, to its end. Python
    knows signals on its main thread only, so other threads need none of this."""
    global _watch
    *given, err = arguments
    if threading.get_ident() != threading.main_thread().ident:
        return function(*given, None, err)
    if _watch is None or _watch.pid != os.getpid():
        _watch = _Watch()
    watch, before, is_told = _watch, -1, True
    try:
        try:
            before = signal.set_wakeup_fd(watch.file)
        except ValueError:  # nor does it tell an interpreter beside its first one
            is_told = False
        status = function(*given, ctypes.byref(watch.call), err)
    finally:  # here the handlers run, and may raise
        if is_told:
            signal.set_wakeup_fd(-1 if before == watch.file else before)
        if was_stopped := watch.memory[0] != 0:
            watch.clear(before)
    if was_stopped and status == lib.STOPPED:
        status = function(*given, None, err)
    return status


SHORT = 0.005  # seconds: such a call is over before anybody waits


class Repeated:
    """A call with the same arguments and the same work each time. Looking for signals costs 10 us, so
    that one which showed that it is short need not look: `short` is that call then."""

    def __init__(self, function: Callable[..., int], *arguments: Any):
        *given, err = arguments
        self._watched = partial(run, function, *arguments)
        self._plain = partial(function, *given, None, err)
        self.short: Callable[[], int] | None = None

    def __call__(self) -> int:
        begin = monotonic()
        status = self._watched()
        if not status and monotonic() - begin < SHORT:
            self.short = self._plain
        return status
