# SPDX-License-Identifier: Apache-2.0
"""Progress of a long call: to a function of the caller's, or as bars by tqdm."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from . import _library as lib

Progress = Callable[[str, int, int], object]


class Bars:
    """A bar for each part."""

    def __init__(self, tqdm: Any):
        self._tqdm, self._part = tqdm, ""
        self._bar: Any = None

    def __call__(self, part: str, done: int, total: int) -> None:
        if part != self._part:
            if self._bar is not None:  # its last unit was done when the next part began
                self._bar.update(self._bar.total - self._bar.n)
            self.close()
            self._part, self._bar = part, self._tqdm(desc=part, total=total)
        self._bar.total = total  # known better as it goes on
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _is_watched() -> bool:
    """A terminal or a notebook."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


def listener(progress: Progress | bool | None) -> Progress | None:
    """None: bars where tqdm is installed and somebody watches. True: bars. False: nothing."""
    if callable(progress):
        return progress
    if progress is False or (progress is None and not _is_watched()):
        return None
    try:
        tqdm = import_module("tqdm.auto").tqdm
    except ImportError:
        if progress:
            raise
        return None
    return Bars(tqdm)


class Reporter:
    """What the library calls: it tells the listener, and stops the library where that raises, as it
    does at Ctrl-C."""

    def __init__(self, progress: Progress | bool | None):
        self._progress = listener(progress)
        self._raised: BaseException | None = None
        self.callback = lib.PROGRESS(self._report)

    def _report(self, _: object, part: bytes, done: int, total: int) -> int:
        def tell() -> int:
            if self._progress is not None:
                self._progress(part.decode(), done, total)
            return 0
        return self.guarded(tell)

    def guarded(self, function: Callable[[], int]) -> int:
        """For all that the library calls: what raises cannot cross it, and is raised again in run."""
        if self._raised is None:
            try:
                return function()
            except BaseException as error:
                self._raised = error
        return lib.STOPPED

    def run(self, function: Callable[..., int], *arguments: Any, path: bytes | None = None) -> None:
        try:
            lib.check(function, *arguments, path=path)
        except lib.Error:
            if self._raised is None:
                raise
            raise self._raised from None
        finally:
            if isinstance(self._progress, Bars):
                self._progress.close()


