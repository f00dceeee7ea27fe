# SPDX-License-Identifier: Apache-2.0
"""Open files and the sessions on them, as the library has them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from ctypes import addressof, c_char, c_void_p
from typing import TYPE_CHECKING, Any

from . import _interrupt
from . import _library as lib

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Kinds = Sequence["np.dtype[Any]"]

PROFILE = 1

# A call that does more, in operations or bytes, takes milliseconds: signals end it within a step. One
# that does less is over before anybody waits, and is not made to look for them: that costs 10 us.
LONG = 100_000_000


class File:
    """A mapped model. It is closed with the last session that stands on it."""

    def __init__(self, path: str | os.PathLike[str]):
        self.handle = c_void_p()
        self.path = os.path.abspath(os.fsdecode(lib.path_bytes(path, "path")))
        name = lib.path_bytes(path, "path")
        lib.check(lib.core().ai_model_open, ctypes.byref(self.handle), name, path=name)

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            lib.core().ai_model_close(self.handle)


class Session:
    """A session for one set of input shapes. One thread calls it; any may close it."""

    def __init__(self, file: File, options: lib.Options, shapes: Sequence[tuple[int, ...]],
                 changed: Mapping[int, tuple[int, ...]], dtypes: tuple[Kinds, Kinds]):
        """shapes: of all inputs; changed: those that are not the model's defaults."""
        from numpy import empty
        self._empty = empty
        self.file, self.shapes = file, shapes
        self.lock = threading.Lock()
        rows = (lib.Shape * len(changed))()
        for row, (index, dims) in zip(rows, changed.items()):
            row.input, row.rank = index, len(dims)
            row.dim[: len(dims)] = dims
        options.shapes, options.shape_count = rows, len(changed)
        self.handle = c_void_p()
        lib.check(lib.core().ai_session_open, ctypes.byref(self.handle), file.handle,
                  ctypes.byref(options))
        # What every call needs is made once: asked and built anew it costs 7 us a call.
        self._infer = lib.core().ai_infer
        given, taken = dtypes
        rows_in, rows_out = (lib.View * len(given))(), (lib.View * len(taken))()
        self._views = rows_in, len(given), rows_out, len(taken)
        self._given, self._taken = list(rows_in), list(rows_out)
        self._err = lib.RawError(step=lib.NO_STEP, offset=lib.NO_OFFSET)
        self._info = lib.sized(lib.TensorInfo)
        self._is_long = sum(max(step.flops, step.bytes) for step in self.steps()) > LONG
        self._ask = lib.core().ai_session_output
        self.outputs = [(self._shape(self._ask, i), kind) for i, kind in enumerate(taken)]

    def close(self) -> None:
        with self.lock:
            lib.core().ai_session_close(self.handle)
            self.handle = c_void_p()

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.close()

    def after_fork(self) -> None:
        """In the child its lock may be held by a thread that is not there."""
        self.lock = threading.Lock()

    def _shape(self, ask: Callable[..., int], index: int) -> tuple[int, ...]:
        ask(self.handle, index, self._info)  # by reference, as the prototype says
        return tuple(self._info.dim[:self._info.rank])

    def _opened(self) -> c_void_p:
        if not self.handle:
            raise ValueError("model is closed")
        return self.handle

    def describe(self) -> lib.SessionInfo:
        info = lib.sized(lib.SessionInfo)
        with self.lock:
            lib.core().ai_session_describe(self._opened(), ctypes.byref(info))
        return info

    def steps(self) -> list[lib.StepInfo]:
        rows = [lib.sized(lib.StepInfo) for _ in range(self.describe().step_count)]
        with self.lock:
            for i, row in enumerate(rows):
                lib.core().ai_session_step(self._opened(), i, ctypes.byref(row))
        return rows

    def save(self) -> bytes:
        block = ctypes.create_string_buffer(self.describe().state_bytes)
        with self.lock:
            lib.check(lib.core().ai_state_save, self._opened(), block, len(block))
        return block.raw

    def load(self, block: bytes) -> None:
        with self.lock:
            lib.check(lib.core().ai_state_load, self._opened(), block, len(block))

    def reset(self) -> None:
        with self.lock:
            lib.core().ai_state_reset(self._opened())

    def infer(self, inputs: Sequence[Array], arrays: list[Array] | None) -> list[Array]:
        """arrays: where the outputs go; None: into new ones."""
        if arrays is None:
            arrays = [self._empty(shape, dtype) for shape, dtype in self.outputs]
        with self.lock:
            handle = self._opened()
            _point(self._given, inputs)
            _point(self._taken, arrays)
            if self._is_long:
                status = _interrupt.run(self._infer, handle, *self._views, self._err)
            else:
                status = self._infer(handle, *self._views, None, self._err)
            if status:
                raise lib.Error.of(self._err)
            for i, array in enumerate(arrays):  # a shape that depends on values is known only now
                shape = self._shape(self._ask, i)
                if shape != array.shape:
                    count = 1
                    for dim in shape:
                        count *= dim
                    arrays[i] = array.reshape(-1)[:count].reshape(shape)
        return arrays


def _point(views: Any, arrays: Sequence[Array]) -> None:
    for view, array in zip(views, arrays):
        try:  # after a network that filled the caches, 4 us less than by what NumPy offers
            view.data = addressof(c_char.from_buffer(array))  # type: ignore[arg-type]
        except (TypeError, ValueError):  # read-only, or empty
            view.data = array.__array_interface__["data"][0]
        view.bytes = array.nbytes
