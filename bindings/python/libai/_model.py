# SPDX-License-Identifier: Apache-2.0
"""Models: arrays in, arrays out."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Mapping, Sequence
from ctypes import c_void_p
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _library as lib

PROFILE = 1

# bf16 has no type in NumPy: its bits travel as uint16.
_DTYPES = {1: np.float32, 2: np.float16, 3: np.uint16, 4: np.float64, 5: np.bool_, 6: np.int8,
           7: np.uint8, 8: np.int16, 9: np.uint16, 10: np.int32, 11: np.uint32, 12: np.int64,
           13: np.uint64}


@dataclass(frozen=True)
class Tensor:
    """An input or output: `varies` lists the dimensions that the caller may choose."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    varies: tuple[int, ...]

    @staticmethod
    def of(info: lib.TensorInfo) -> Tensor:
        axes = range(info.rank)
        return Tensor(info.name.decode(errors="replace"), np.dtype(_DTYPES[info.type]),
                      tuple(info.dim[i] for i in axes),
                      tuple(i for i in axes if info.varies >> i & 1))

    def takes(self, array: npt.NDArray) -> bool:
        return array.ndim == len(self.shape) and all(
            i in self.varies or array.shape[i] == n for i, n in enumerate(self.shape))


@dataclass(frozen=True)
class Step:
    """A step of the plan; calls and ns are counted when the model was opened with profile=True."""

    name: str
    op: str
    kernel: str
    calls: int
    ns: int
    flops: int
    bytes: int


class _Session:
    """A session for one set of input shapes, with its tensors' descriptions."""

    def __init__(self, model: Model, shapes: Mapping[int, tuple[int, ...]]):
        options = lib.sized(lib.Options)
        rows = (lib.Shape * len(shapes))()
        for row, (index, dims) in zip(rows, shapes.items()):
            row.input, row.rank = index, len(dims)
            row.dim[: len(dims)] = dims
        options.cpu, options.threads = model._cpu, model._threads
        options.flags = PROFILE if model._profile else 0
        options.shapes, options.shape_count = rows, len(shapes)
        self.handle = c_void_p()
        lib.check(lib.core().ai_session_open, ctypes.byref(self.handle), model._handle,
                  ctypes.byref(options))
        # What every call needs is made once: asked and built anew it costs 7 us a call.
        self._infer = lib.core().ai_infer
        self._given = (lib.View * len(model.inputs))()
        self._taken = (lib.View * len(model.outputs))()
        self._ask = lib.core().ai_session_output
        self._infos = [lib.sized(lib.TensorInfo) for _ in model.outputs]
        self._results = [(self._shape(i), tensor.dtype) for i, tensor in enumerate(model.outputs)]

    def close(self) -> None:
        lib.core().ai_session_close(self.handle)
        self.handle = c_void_p()

    def describe(self) -> lib.SessionInfo:
        info = lib.sized(lib.SessionInfo)
        lib.core().ai_session_describe(self.handle, ctypes.byref(info))
        return info

    def _shape(self, index: int) -> tuple[int, ...]:
        info = self._infos[index]
        self._ask(self.handle, index, info)  # by reference, as the prototype says
        return tuple(info.dim[:info.rank])

    def infer(self, inputs: Sequence[npt.NDArray]) -> list[npt.NDArray]:
        arrays = [np.empty(shape, dtype) for shape, dtype in self._results]
        _point(self._given, inputs)
        _point(self._taken, arrays)
        lib.check(self._infer, self.handle, self._given, len(self._given), self._taken,
                  len(self._taken), None)
        for i, array in enumerate(arrays):  # a shape that depends on values is known only now
            shape = self._shape(i)
            if shape != array.shape:
                count = int(np.prod(shape, dtype=np.int64))
                arrays[i] = array.reshape(-1)[:count].reshape(shape)
        return arrays


def _point(views, arrays: Sequence[npt.NDArray]) -> None:
    for view, array in zip(views, arrays):
        view.data, view.bytes = array.__array_interface__["data"][0], array.nbytes


class Model(lib.Closing):
    """A network from a flat file.

    `model(x)` takes the array of its only input, `model({"name": x, ...})` all by name. An array
    gives back an array if the model has one output; a dict, and a model with more outputs, a dict
    by name. Input shapes are taken from the arrays where the model lets them vary. Calls from
    several threads wait for each other: open a Model in each.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None, profile: bool = False):
        self._handle = c_void_p()
        self._session: _Session | None = None
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._lock = threading.Lock()
        self._cpu = lib.cpu_mask(cpu)
        self._threads = lib.thread_count(threads)
        self._profile = profile
        file = lib.path_bytes(path, "path")
        lib.check(lib.core().ai_model_open, ctypes.byref(self._handle), file, path=file)
        about = lib.sized(lib.ModelInfo)
        lib.core().ai_model_describe(self._handle, ctypes.byref(about))
        self._resource_count = about.resource_count
        self.name: str = about.name.decode(errors="replace")
        self.digest: bytes = bytes(about.digest)
        self.weight_bytes: int = about.weight_bytes
        self.file_bytes: int = about.file_bytes
        self.inputs = self._tensors(lib.core().ai_model_input, about.input_count)
        self.outputs = self._tensors(lib.core().ai_model_output, about.output_count)

    def _tensors(self, function, count: int) -> list[Tensor]:
        tensors = []
        for i in range(count):
            info = lib.sized(lib.TensorInfo)
            function(self._handle, i, ctypes.byref(info))
            tensors.append(Tensor.of(info))
        return tensors

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None
        if self._handle:
            lib.core().ai_model_close(self._handle)
            self._handle = c_void_p()

    def __repr__(self) -> str:
        return f"<libai.Model '{self.name}'>"

    @property
    def resources(self) -> dict[str, bytes]:
        """What travels with the network: metadata, labels, image recipe, self-test."""
        found = {}
        for i in range(self._resource_count):
            row = lib.sized(lib.Resource)
            lib.core().ai_model_resource(self._handle, i, ctypes.byref(row))
            found[row.name.decode()] = ctypes.string_at(row.data, row.bytes)
        return found

    def __call__(self, x: npt.ArrayLike | Mapping[str, npt.ArrayLike]
                 ) -> npt.NDArray | dict[str, npt.NDArray]:
        by_name = isinstance(x, Mapping)
        given: dict[str, npt.ArrayLike] = (
            dict(x) if isinstance(x, Mapping) else {self._only_input(): x})
        arrays = [self._input(tensor, given) for tensor in self.inputs]
        if given:
            raise ValueError(f"model '{self.name}' has no input '{next(iter(given))}'")
        shapes = {i: array.shape for i, array in enumerate(arrays)
                  if array.shape != self.inputs[i].shape}
        with self._lock:
            results = self._open(shapes).infer(arrays)
        if not by_name and len(results) == 1:
            return results[0]
        return {tensor.name: array for tensor, array in zip(self.outputs, results)}

    def _only_input(self) -> str:
        if len(self.inputs) != 1:
            names = ", ".join(f"'{tensor.name}'" for tensor in self.inputs)
            raise ValueError(f"model '{self.name}' takes its inputs as a dict: {names}")
        return self.inputs[0].name

    def _input(self, tensor: Tensor, given: dict[str, npt.ArrayLike]) -> npt.NDArray:
        if tensor.name not in given:
            raise ValueError(f"input '{tensor.name}' is missing")
        array = np.asarray(given.pop(tensor.name))
        if array.dtype != tensor.dtype:
            raise TypeError(f"input '{tensor.name}': array is {array.dtype}, "
                            f"needed is {tensor.dtype}")
        if not tensor.takes(array):
            raise ValueError(f"input '{tensor.name}': array is {array.shape}, "
                             f"needed is {tensor.shape}, of which vary {tensor.varies}")
        return array if array.flags.c_contiguous else array.copy()

    def _open(self, shapes: dict[int, tuple[int, ...]]) -> _Session:
        if self._session and self._shapes == shapes:
            return self._session
        session = _Session(self, shapes)  # the old one stays if this fails
        if self._session:
            self._session.close()
        self._session, self._shapes = session, shapes
        return session

    def _current(self) -> _Session:
        return self._session or self._open({})

    @property
    def memory_bytes(self) -> int:
        """Bytes that the session takes: arena, state, plan and threads together."""
        with self._lock:
            return self._current().describe().memory_bytes

    @property
    def steps(self) -> list[Step]:
        with self._lock:
            session = self._current()
            steps = []
            for i in range(session.describe().step_count):
                row = lib.sized(lib.StepInfo)
                lib.core().ai_session_step(session.handle, i, ctypes.byref(row))
                steps.append(Step((row.name or b"").decode(errors="replace"), row.op.decode(),
                                  (row.kernel or b"").decode(), row.calls, row.ns, row.flops,
                                  row.bytes))
            return steps

    @property
    def state(self) -> bytes:
        """The recurrent state between two calls, for another instance to go on from."""
        with self._lock:
            session = self._current()
            block = ctypes.create_string_buffer(session.describe().state_bytes)
            lib.check(lib.core().ai_state_save, session.handle, block, len(block))
            return block.raw

    @state.setter
    def state(self, block: bytes) -> None:
        with self._lock:
            lib.check(lib.core().ai_state_load, self._current().handle, bytes(block), len(block))

    def reset(self) -> None:
        """Puts the recurrent state back to the model's start values."""
        with self._lock:
            if self._session:
                lib.core().ai_state_reset(self._session.handle)


class OnModel(lib.Closing):
    """What the task layer makes of a model: opened by ai_KIND_open, closed by ai_KIND_close. Calls
    of one are the caller's to put in turn, with its lock."""

    _kind = ""

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None):
        self._handle = c_void_p()
        self._lock = threading.Lock()
        self._model = Model(path, threads=threads, cpu=cpu)
        options = lib.sized(lib.Options)
        options.cpu, options.threads = self._model._cpu, self._model._threads
        lib.check(getattr(lib.task(), f"ai_{self._kind}_open"), ctypes.byref(self._handle),
                  self._model._handle, ctypes.byref(options))

    def close(self) -> None:
        with self._lock:
            if self._handle:
                getattr(lib.task(), f"ai_{self._kind}_close")(self._handle)
                self._handle = c_void_p()
        self._model.close()
