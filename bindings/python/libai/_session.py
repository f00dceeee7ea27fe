# SPDX-License-Identifier: Apache-2.0
"""Open files and the sessions on them, as the library has them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_void_p
from typing import TYPE_CHECKING, Any

from . import _interrupt
from . import _library as lib
from ._turns import Turns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._model import Tensor

    Array = npt.NDArray[Any]
    # Of an input or output: the last but one are the strides of an array without gaps.
    Slot = tuple[str, np.dtype[Any], tuple[int, ...], tuple[int, ...], lib.View]

PROFILE = 1
_at = c_void_p.from_address

# Where an array has the pointer to its data: first after what each object begins with, as in NumPy's C
# interface, which is compiled into other modules and so does not change. Asking NumPy costs 2 us. Only
# CPython says by id() where an object lies.
_DATA = object.__basicsize__ if sys.implementation.name == "cpython" else 0


def _lies_there(array: Array) -> bool:
    """Whether that holds for this Python and this NumPy."""
    return _DATA > 0 and bool(_at(id(array) + _DATA).value == array.__array_interface__["data"][0])


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


class Session(Turns):
    """A session for one set of input shapes. One thread calls it; any may close it."""

    def __init__(self, title: str, file: File, options: lib.Options, inputs: Sequence[Tensor],
                 outputs: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]):
        """shapes: of all inputs."""
        super().__init__()
        from numpy import empty, ndarray
        self._name, self.file, self.shapes = title, file, shapes
        changed = [i for i, shape in enumerate(shapes) if shape != inputs[i].shape]
        rows = (lib.Shape * len(changed))()
        for row, index in zip(rows, changed):
            row.input, row.rank = index, len(shapes[index])
            row.dim[:row.rank] = shapes[index]
        options.shapes, options.shape_count = rows, len(changed)
        lib.check(lib.core().ai_session_open, ctypes.byref(self.handle), file.handle,
                  ctypes.byref(options))
        self._given, self._taken = (lib.View * len(inputs))(), (lib.View * len(outputs))()
        self._err = lib.RawError(step=lib.NO_STEP, offset=lib.NO_OFFSET)
        # The arguments never change: converted by the prototype they would cost 4 us of each call.
        self._call = _interrupt.Repeated(
            lib.unchecked("ai_infer"), c_void_p.from_param(self.handle.value),
            ctypes.byref(self._given), len(inputs), ctypes.byref(self._taken), len(outputs),
            ctypes.byref(self._err))
        # No operator makes a shape that depends on values, so these hold for every call.
        self._slots = self._bound(lib.core().ai_session_input, inputs, self._given)
        self.outputs = self._bound(lib.core().ai_session_output, outputs, self._taken)
        self.names = [name for name, *_ in self.outputs]
        self._parts = self._slots, self.outputs, self._call, empty, ndarray, _lies_there(empty(1))

    def _bound(self, ask: Callable[..., int], tensors: Sequence[Tensor], views: Any) -> list[Slot]:
        from numpy import empty
        slots = []
        for i, (tensor, view) in enumerate(zip(tensors, views)):
            info = lib.sized(lib.TensorInfo)
            ask(self.handle, i, ctypes.byref(info))
            view.bytes = info.bytes
            array = empty(info.dim[:info.rank], tensor.dtype)
            slots.append((tensor.name, tensor.dtype, array.shape, array.strides, view))
        return slots

    def _free(self, handle: c_void_p) -> None:
        lib.core().ai_session_close(handle)

    def _title(self) -> str:
        return self._name

    def describe(self) -> lib.SessionInfo:
        info = lib.sized(lib.SessionInfo)
        self.take_turn(lib.core().ai_session_describe, self.handle, ctypes.byref(info))
        return info

    def steps(self) -> list[lib.StepInfo]:
        rows = [lib.sized(lib.StepInfo) for _ in range(self.describe().step_count)]
        for i, row in enumerate(rows):
            self.take_turn(lib.core().ai_session_step, self.handle, i, ctypes.byref(row))
        return rows

    def save(self) -> bytes:
        block = ctypes.create_string_buffer(self.describe().state_bytes)
        self.take_turn(lib.check, lib.core().ai_state_save, self.handle, block, len(block))
        return block.raw

    def load(self, block: bytes) -> None:
        self.take_turn(lib.check, lib.core().ai_state_load, self.handle, block, len(block))

    def reset(self) -> None:
        self.take_turn(lib.core().ai_state_reset, self.handle)

    def infer_again(self, x: Any) -> Any:
        """What Model gives for x, a dict or the only array, if it is as infer would take it; None: it is
        something else, or wrong. Written for speed, take_turn's lines included: after a network that filled
        the caches each function costs a microsecond, and so does each line that looks somewhere new."""
        slots, outputs, call, empty, ndarray, is_known = self._parts
        by_name = type(x) is dict
        given = x if by_name else {slots[0][0]: x} if slots else {}
        if self._is_busy:
            raise self._is_interrupted()
        self._is_busy = True
        try:
            if self._is_closed:
                raise self._has_closed()
            if len(given) != len(slots) or not is_known:
                return None
            held = []  # another thread may take them out of the dict
            for name, dtype, shape, strides, view in slots:
                array = given.get(name)
                if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape or (
                        array.strides != strides):
                    return None
                held.append(array)
                view.data = _at(id(array) + _DATA)
            arrays = {}
            for name, dtype, shape, _, view in outputs:
                arrays[name] = array = empty(shape, dtype)
                view.data = _at(id(array) + _DATA)
            if (call.short or call)():
                raise lib.Error.of(self._err)
        finally:
            self._is_busy = False
            if self._is_closed:
                self._release()
        return arrays if by_name or len(arrays) != 1 else array

    def infer(self, inputs: Sequence[Array], arrays: list[Array] | None) -> list[Array]:
        """inputs: contiguous, of the session's types and shapes. arrays: where the outputs go; None: into
        new ones."""
        if arrays is None:
            from numpy import empty
            arrays = [empty(shape, dtype) for _, dtype, shape, *_ in self.outputs]
        for slot, array in zip(self._slots + self.outputs, [*inputs, *arrays]):
            slot[-1].data = array.__array_interface__["data"][0]
        if (self._call.short or self._call)():
            raise lib.Error.of(self._err)
        return arrays
