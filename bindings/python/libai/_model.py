# SPDX-License-Identifier: Apache-2.0
"""Models: arrays in, arrays out."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, overload

from . import _library as lib
from . import _notebook
from ._session import PROFILE, File, Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ._session import Array

# bf16 has no type in NumPy: its bits travel as uint16.
_DTYPES = {1: "float32", 2: "float16", 3: "uint16", 4: "float64", 5: "bool", 6: "int8", 7: "uint8",
           8: "int16", 9: "uint16", 10: "int32", 11: "uint32", 12: "int64", 13: "uint64"}


@dataclass(frozen=True)
class Tensor:
    """An input or output: `varies` lists the dimensions that the caller may choose."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    varies: tuple[int, ...]

    @staticmethod
    def of(info: lib.TensorInfo) -> Tensor:
        """What the library says of one."""
        import numpy as np
        axes = range(info.rank)
        return Tensor(info.name.decode(errors="replace"), np.dtype(_DTYPES[info.type]),
                      tuple(info.dim[i] for i in axes),
                      tuple(i for i in axes if info.varies >> i & 1))

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of that shape may be given."""
        return len(shape) == len(self.shape) and all(
            i in self.varies or shape[i] == n for i, n in enumerate(self.shape))


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


class _Mine(threading.local):
    """What the calling thread has."""

    session: Session | None = None


class Model:
    """A network from a flat file.

    `model(x)` takes the array of its only input, `model({"name": x, ...})` all by name. An array
    gives back an array if the model has one output; a dict, and a model with more outputs, a dict
    by name. Input shapes are taken from the arrays where the model lets them vary; an array whose
    elements do not lie one behind another in order is copied, any other is read where it lies.

    Any number of threads may call a model at once: each has a session, and with it a recurrent
    state, of its own. So has a child of fork: it goes on with the state of the thread that forked.
    A model pickles as the path and digest of its file, without state.

    threads: of each session; 0 takes what the process may use. cpu: the name of the highest level allowed, or
    a mask; None is what the environment's AI_CPU says. profile: count the calls and time of steps.

    >>> model = libai.Model("net.lai", threads=1)
    >>> x = np.ones((2, 4), np.float32)
    >>> model(x).shape, list(model({"x": x}))
    ((2, 3), ['y'])
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 0,
                 cpu: int | str | None = None, profile: bool = False):
        self._cpu = lib.cpu_mask(cpu)
        self._threads = lib.thread_count(threads)
        self._profile = bool(profile)
        self._asked = {"threads": threads, "cpu": cpu, "profile": profile}
        self._mine = _Mine()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._file: File | None = File(path)
        self._inputs: list[Tensor] | None = None
        self._outputs: list[Tensor] | None = None
        about = lib.sized(lib.ModelInfo)
        lib.core().ai_model_describe(self._file.handle, ctypes.byref(about))
        self._about = about
        self.path: str = self._file.path
        self.name: str = about.name.decode(errors="replace")
        self.digest: bytes = bytes(about.digest)
        self.weight_bytes: int = about.weight_bytes
        self.file_bytes: int = about.file_bytes
        forked.add(self)

    # No functools.cached_property: before Python 3.12 it has a lock that a fork may find taken.
    @property
    def inputs(self) -> list[Tensor]:
        """Names, types and default shapes, in the order of the file."""
        if self._inputs is None:
            self._inputs = self._tensors(lib.core().ai_model_input, self._about.input_count)
        return self._inputs

    @property
    def outputs(self) -> list[Tensor]:
        """The same of what comes back."""
        if self._outputs is None:
            self._outputs = self._tensors(lib.core().ai_model_output, self._about.output_count)
        return self._outputs

    def _tensors(self, function: Any, count: int) -> list[Tensor]:
        tensors = []
        file = self._opened()
        for i in range(count):
            info = lib.sized(lib.TensorInfo)
            function(file.handle, i, ctypes.byref(info))
            tensors.append(Tensor.of(info))
        return tensors

    def _opened(self) -> File:
        file = self._file  # another thread may close the model meanwhile
        if file is None:
            raise ValueError(f"{self._title()} is closed")
        return file

    def _title(self) -> str:
        return f"model '{self.name}'"

    def close(self) -> None:
        """Closes all sessions, those amid a call when it has ended. Any thread may, and more than once; a
        model that is not closed is with its last reference."""
        self._file = None
        while True:
            try:
                sessions = list(self._sessions)
                break
            except RuntimeError:  # another thread put one there meanwhile
                continue
        for session in sessions:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<libai.Model '{self.name}'>"

    def _repr_html_(self) -> str:
        return _notebook.model_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return reopen, (type(self), self.path, self.digest, self._asked)

    def after_fork(self) -> None:
        """In the child: keeps the session of the thread that forked."""
        mine = self._mine.session
        for session in list(self._sessions):
            session.after_fork()
            if session is not mine:  # of a thread that is not here
                session.close()

    @property
    def resources(self) -> dict[str, bytes]:
        """What travels with the network: metadata, labels, image recipe, self-test."""
        found = {}
        file = self._opened()
        for i in range(self._about.resource_count):
            row = lib.sized(lib.Resource)
            lib.core().ai_model_resource(file.handle, i, ctypes.byref(row))
            found[row.name.decode()] = ctypes.string_at(row.data, row.bytes)
        return found

    @overload
    def __call__(self, x: Mapping[str, npt.ArrayLike], *, out: Mapping[str, Array] | None = None
                 ) -> dict[str, Array]: ...

    @overload
    def __call__(self, x: npt.ArrayLike, *, out: Array | None = None) -> Any: ...

    def __call__(self, x: npt.ArrayLike | Mapping[str, npt.ArrayLike], *,
                 out: Array | Mapping[str, Array] | None = None) -> Any:
        """The outputs for these inputs. out: arrays that take them, in the form in which they are
        given back; they must fit to the byte, and nothing is copied.

        A type other than the input's is a TypeError, another shape or name a ValueError, and so is a closed
        model; what a step finds in the values is an Error with its number.

        >>> out = np.empty((2, 3), np.float32)
        >>> model(x, out=out) is out
        True
        >>> model(x.astype(float))
        Traceback (most recent call last):
        TypeError: input 'x': array is float64, needed is float32
        """
        session = self._mine.session
        if out is None and session is not None:
            results = session.infer_again(x)
            if results is not None:
                return results
        by_name = isinstance(x, Mapping)
        given: Mapping[str, Any] = x if by_name else {self._only_input(): x}  # type: ignore
        arrays = [self._input(tensor, given) for tensor in self.inputs]
        self._refuse_others("input", given, self.inputs)
        session = self._session([array.shape for array in arrays])
        targets = None if out is None else self._targets(session, out, arrays)
        results = session.take_turn(session.infer, arrays, targets)
        return results[0] if not by_name and len(results) == 1 else dict(zip(session.names, results))

    def _refuse_others(self, kind: str, given: Mapping[str, Any], tensors: list[Tensor]) -> None:
        if len(given) != len(tensors):
            known = {tensor.name for tensor in tensors}
            for name in given:
                if name not in known:
                    raise ValueError(f"{self._title()} has no {kind} '{name}'")

    def _only_input(self) -> str:
        if len(self.inputs) != 1:
            names = ", ".join(f"'{tensor.name}'" for tensor in self.inputs)
            raise ValueError(f"model '{self.name}' takes its inputs as a dict: {names}")
        return self.inputs[0].name

    def _input(self, tensor: Tensor, given: Mapping[str, npt.ArrayLike]) -> Array:
        import numpy as np
        try:
            value = given[tensor.name]
        except KeyError:
            others = ", ".join(repr(name) for name in given if all(name != row.name for row in self.inputs))
            but = others and f", {others} is no input"
            raise ValueError(f"input '{tensor.name}' is missing{but}") from None
        if hasattr(value, "filled"):  # asarray leaves out a mask without a word
            raise TypeError(f"input '{tensor.name}' is {type(value).__name__}, an array without mask is "
                            "needed")
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"input '{tensor.name}': {error}") from None
        if array.dtype == object and array is not value:
            raise TypeError(f"input '{tensor.name}' is {type(value).__name__}, an array of {tensor.dtype} is "
                            "needed")
        if array.dtype != tensor.dtype:
            raise TypeError(f"input '{tensor.name}': array is {array.dtype}, "
                            f"needed is {tensor.dtype}")
        if not tensor.takes(array.shape):
            raise ValueError(f"input '{tensor.name}': array is {array.shape}, "
                             f"needed is {tensor.shape}, of which vary {tensor.varies}")
        return array if array.flags.c_contiguous else array.copy()

    def _targets(self, session: Session, out: Array | Mapping[str, Array],
                 arrays: list[Array]) -> list[Array]:
        import numpy as np
        if not isinstance(out, Mapping):
            if len(self.outputs) != 1:
                names = ", ".join(f"'{tensor.name}'" for tensor in self.outputs)
                raise ValueError(f"model '{self.name}' takes out as a dict: {names}")
            out = {self.outputs[0].name: out}
        self._refuse_others("output", out, self.outputs)
        targets: list[Array] = []
        for name, dtype, shape, *_ in session.outputs:
            target = out.get(name)
            if not isinstance(target, np.ndarray):
                raise TypeError(f"out '{name}' is {type(target).__name__}, "
                                "an array is needed")
            if target.dtype != dtype or target.shape != shape:
                raise ValueError(f"out '{name}': array is {target.dtype} {target.shape}, "
                                 f"needed is {dtype} {shape}")
            if not target.flags.c_contiguous or not target.flags.writeable:
                raise ValueError(f"out '{name}': array is read-only or not contiguous, "
                                 "needed is one to write to in order")
            if any(np.may_share_memory(target, other) for other in arrays + targets):
                raise ValueError(f"out '{name}': array overlaps with another, "
                                 "needed is one of its own")
            targets.append(target)
        return targets

    def _session(self, shapes: list[tuple[int, ...]] | None) -> Session:
        """The calling thread's session for these shapes; None: whichever it has."""
        session = self._mine.session
        if session and self._file and (shapes is None or session.shapes == shapes):
            return session
        if shapes is None:
            shapes = [tensor.shape for tensor in self.inputs]
        options = lib.sized(lib.Options, cpu=self._cpu, threads=self._threads,
                            flags=PROFILE if self._profile else 0)
        session = Session(self._title(), self._opened(), options, self.inputs, self.outputs, shapes)
        self._mine.session = session  # the one before stays if opening fails
        self._sessions.add(session)
        if self._file is None:  # closed meanwhile, maybe without knowing of this session
            session.close()
        return session

    @property
    def memory_bytes(self) -> int:
        """Bytes that a thread's session takes: arena, state, plan and threads together."""
        return int(self._session(None).describe().memory_bytes)

    @property
    def steps(self) -> list[Step]:
        """The plan of the calling thread's session, step by step."""
        return [Step((row.name or b"").decode(errors="replace"), row.op.decode(),
                     (row.kernel or b"").decode(), row.calls, row.ns, row.flops, row.bytes)
                for row in self._session(None).steps()]

    @property
    def state(self) -> bytes:
        """The calling thread's recurrent state between two calls, for another instance to go on from; an
        Error without one, or for that of another model."""
        return self._session(None).save()

    @state.setter
    def state(self, block: bytes) -> None:
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise TypeError(f"state is {type(block).__name__}, bytes are needed")
        self._session(None).load(bytes(block))

    def reset(self) -> None:
        """Puts the recurrent state back to the model's start values."""
        self._session(None).reset()


def reopen(kind: type[Any], path: str, digest: bytes, asked: dict[str, Any]) -> Any:
    """What was pickled as the path and digest of its file."""
    opened = kind(path, **asked)
    if opened.digest != digest:
        raise ValueError(f"{path}: model has digest {opened.digest.hex()}, needed is "
                         f"{digest.hex()}, which was pickled")
    return opened


forked: weakref.WeakSet[Any] = weakref.WeakSet()  # what has locks or sessions to look after


def _after_fork() -> None:
    for one in list(forked):
        one.after_fork()


os.register_at_fork(after_in_child=_after_fork)
