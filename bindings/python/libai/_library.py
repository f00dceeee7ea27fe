# SPDX-License-Identifier: Apache-2.0
"""The shared libraries and their structs as ctypes sees them: include/*.h, word for word."""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Callable, Iterator
from ctypes import POINTER, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t
from ctypes import c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, SupportsIndex, TypeVar

Struct = TypeVar("Struct", bound=ctypes.Structure)

MAX_RANK = 8
UINT32_MAX = 0xFFFFFFFF
INT64_MAX = 0x7FFFFFFFFFFFFFFF
CONVERT_NO_WINOGRAD = 1
CONVERT_F16_WEIGHTS = 2
CONVERT_NO_STRIPS = 4
CONVERT_S8_WEIGHTS = 8
NO_STEP = 0xFFFFFFFF
NO_OFFSET = 0xFFFFFFFFFFFFFFFF
FORMAT, UNSUPPORTED, STOPPED = -4, -6, -11
ABI = 0


class RawError(ctypes.Structure):
    _fields_ = [("code", c_int32), ("step", c_uint32), ("offset", c_uint64),
                ("message", c_char * 240)]


class ModelInfo(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("format_version", c_uint32), ("input_count", c_uint32),
                ("output_count", c_uint32), ("step_count", c_uint32), ("resource_count", c_uint32),
                ("file_bytes", c_uint64), ("weight_bytes", c_uint64), ("digest", c_uint8 * 32),
                ("name", c_char_p)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("type", c_int32), ("rank", c_uint32), ("varies", c_uint32),
                ("dim", c_int64 * MAX_RANK), ("bytes", c_uint64), ("scale", c_float),
                ("zero_point", c_int32), ("name", c_char_p)]


class Resource(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("name", c_char_p), ("data", c_void_p),
                ("bytes", c_size_t)]


class Shape(ctypes.Structure):
    _fields_ = [("input", c_uint32), ("rank", c_uint32), ("dim", c_int64 * MAX_RANK)]


class Options(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("cpu", c_uint32), ("threads", c_uint32), ("flags", c_uint32),
                ("shapes", POINTER(Shape)), ("shape_count", c_size_t), ("memory", c_void_p),
                ("memory_bytes", c_size_t)]


class SessionInfo(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("cpu", c_uint32), ("threads", c_uint32),
                ("step_count", c_uint32), ("memory_bytes", c_uint64), ("arena_bytes", c_uint64),
                ("state_bytes", c_uint64), ("live_bytes", c_uint64)]


class StepInfo(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("calls", c_uint32), ("ns", c_uint64), ("flops", c_uint64),
                ("bytes", c_uint64), ("file_end", c_uint64), ("name", c_char_p), ("op", c_char_p),
                ("kernel", c_char_p)]


class Call(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("timeout_ns", c_uint64),
                ("before_step", c_void_p), ("user", c_void_p)]


class View(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("bytes", c_size_t)]


class NamedShape(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("rank", c_uint32), ("reserved", c_uint32),
                ("dim", c_int64 * MAX_RANK)]


class NamedData(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("data", c_void_p), ("bytes", c_size_t)]


PROGRESS = ctypes.CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint64, c_uint64)


SAMPLE = ctypes.CFUNCTYPE(c_int32, c_void_p, c_size_t, POINTER(TensorInfo), POINTER(c_void_p),
                          c_uint32, POINTER(RawError))


class QuantiseOptions(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("ranges", c_uint32), ("sample", SAMPLE), ("user", c_void_p),
                ("sample_count", c_size_t), ("keep", POINTER(c_char_p)), ("keep_count", c_size_t),
                ("recipe", c_char_p), ("recipe_bytes", c_size_t)]


class ConvertOptions(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("shapes", POINTER(NamedShape)),
                ("shape_count", c_size_t), ("outputs", POINTER(c_char_p)),
                ("output_count", c_size_t), ("resources", POINTER(NamedData)),
                ("resource_count", c_size_t), ("name", c_char_p), ("licence", c_char_p),
                ("progress", PROGRESS), ("user", c_void_p), ("check", c_void_p),
                ("states", POINTER(c_char_p)), ("state_count", c_size_t),
                ("quantise", POINTER(QuantiseOptions))]


class RawClass(ctypes.Structure):
    _fields_ = [("index", c_uint32), ("score", c_float), ("label", c_char_p)]


class TextOptions(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("seed", c_uint64), ("start", c_char_p),
                ("acrostic", c_char_p), ("theme", c_char_p), ("temperature", c_double),
                ("top_p", c_double)]


class Request(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("id", c_char_p), ("method", c_char_p),
                ("type", c_char_p), ("accept", c_char_p), ("query", c_void_p),
                ("query_count", c_size_t), ("headers", c_void_p), ("header_count", c_size_t),
                ("body", c_char_p), ("bytes", c_size_t), ("most_bytes", c_size_t),
                ("timeout_ns", c_uint64), ("fetch", c_void_p), ("fetch_user", c_void_p),
                ("write", c_void_p), ("write_user", c_void_p), ("store", c_void_p),
                ("before_step", c_void_p), ("step_user", c_void_p)]


class Answer(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("status", c_uint32),
                ("reserved", c_uint32), ("type", c_char_p), ("body", c_void_p),
                ("bytes", c_size_t), ("fault", c_char_p), ("error", RawError), ("ns", c_uint64),
                ("cpu_ns", c_uint64), ("peak_bytes", c_uint64)]


def sized(kind: type[Struct], **fields: Any) -> Struct:
    """A struct that begins with its own size, as the INIT macros make it."""
    return kind(size=ctypes.sizeof(kind), **fields)


Prototypes = dict[str, tuple[Any, list[Any]]]


def _prototypes(*rows: Any) -> Prototypes:
    return {name: (result, arguments) for name, result, *arguments in rows}


_ERR = POINTER(RawError)
_CALL = POINTER(Call)
_HANDLE = c_void_p
_OUT = POINTER(c_void_p)

_CORE = _prototypes(
    ("ai_version", c_uint32),
    ("ai_status_name", c_char_p, c_int32),
    ("ai_cpu", c_uint32),
    ("ai_model_open", c_int32, _OUT, c_char_p, _ERR),
    ("ai_model_close", None, _HANDLE),
    ("ai_model_verify", c_int32, _HANDLE, _ERR),
    ("ai_model_describe", c_int32, _HANDLE, POINTER(ModelInfo)),
    ("ai_model_input", c_int32, _HANDLE, c_uint32, POINTER(TensorInfo)),
    ("ai_model_output", c_int32, _HANDLE, c_uint32, POINTER(TensorInfo)),
    ("ai_model_resource", c_int32, _HANDLE, c_uint32, POINTER(Resource)),
    ("ai_session_bytes", c_int32, _HANDLE, POINTER(Options), POINTER(c_size_t), _ERR),
    ("ai_session_open", c_int32, _OUT, _HANDLE, POINTER(Options), _ERR),
    ("ai_session_close", None, _HANDLE),
    ("ai_session_describe", c_int32, _HANDLE, POINTER(SessionInfo)),
    ("ai_session_input", c_int32, _HANDLE, c_uint32, POINTER(TensorInfo)),
    ("ai_session_output", c_int32, _HANDLE, c_uint32, POINTER(TensorInfo)),
    ("ai_session_step", c_int32, _HANDLE, c_uint32, POINTER(StepInfo)),
    ("ai_infer", c_int32, _HANDLE, POINTER(View), c_uint32, POINTER(View), c_uint32, _CALL,
     _ERR),
    ("ai_state_save", c_int32, _HANDLE, c_void_p, c_size_t, _ERR),
    ("ai_state_load", c_int32, _HANDLE, c_void_p, c_size_t, _ERR),
    ("ai_state_reset", c_int32, _HANDLE),
)

_CONVERT = _prototypes(
    ("ai_convert_file", c_int32, c_char_p, c_char_p, POINTER(ConvertOptions), _ERR),
    ("ai_self_test", c_int32, _HANDLE, c_uint32, c_uint32, _ERR),
)

_TASK = _prototypes(
    ("ai_task_cpu", c_int32, POINTER(c_uint32), _ERR),
    ("ai_task_cpu_name", c_char_p, c_uint32),
    ("ai_task_recipe", c_int32, c_char_p, _OUT, _ERR),
    ("ai_task_free", None, c_void_p),
    ("ai_image_prepare", c_int32, c_char_p, c_char_p, c_size_t, POINTER(TensorInfo), c_void_p,
     _ERR),
    ("ai_classifier_open", c_int32, _OUT, _HANDLE, POINTER(Options), _ERR),
    ("ai_classifier_close", None, _HANDLE),
    ("ai_classify", c_int32, _HANDLE, c_char_p, c_size_t, POINTER(RawClass), POINTER(c_uint32),
     _CALL, _ERR),
    ("ai_handler_open", c_int32, _OUT, _HANDLE, POINTER(Options), _ERR),
    ("ai_handler_close", None, _HANDLE),
    ("ai_handle", None, _HANDLE, POINTER(Request), POINTER(Answer)),
    ("ai_answer_clear", None, POINTER(Answer)),
    ("ai_writer_open", c_int32, _OUT, _HANDLE, POINTER(Options), _ERR),
    ("ai_writer_close", None, _HANDLE),
    ("ai_writer_begin", c_int32, _HANDLE, POINTER(TextOptions), _ERR),
    ("ai_writer_next", c_int32, _HANDLE, POINTER(c_char_p), _CALL, _ERR),
)


def _candidates(file: str) -> Iterator[str]:
    """LIBAI_PATH (folders as in PATH), this package, the prefix it is installed in, the loader."""
    folders = [Path(part) for part in os.environ.get("LIBAI_PATH", "").split(os.pathsep) if part]
    for parent in Path(__file__).resolve().parents[:6]:  # Debian may put local/ in between
        for folder in (parent, parent / "lib", parent / "lib64"):
            folders.append(folder)
            folders.extend(sorted(folder.glob("*-linux-*")))
    for folder in folders:
        if (folder / file).is_file():
            yield str(folder / file)
    yield file


def _load(stem: str, prototypes: Prototypes) -> ctypes.CDLL:
    # The first library of a name serves those that need it, whatever folder they came from.
    path = next(_candidates(f"lib{stem}.so.{ABI}"))
    library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


@cache
def core() -> ctypes.CDLL:
    return _load("ai", _CORE)


@cache
def converter() -> ctypes.CDLL:
    core()
    return _load("ai-convert", _CONVERT)


@cache
def task() -> ctypes.CDLL:
    core()
    return _load("ai-task", _TASK)


def unchecked(name: str, library: ctypes.CDLL | None = None) -> Any:
    """A function of the core, or of another library, without its prototype: its caller converts the
    arguments, once for many calls."""
    function = (library or core())[name]  # another one than the attribute, which has the prototype
    function.restype = c_int32
    return function


class Error(Exception):
    """What the library could not do, in its own words; str() has the file's path before them. It pickles.

    >>> try:
    ...     libai.Model("none.lai")
    ... except libai.Error as error:
    ...     error.code, error.status, error.step, error.offset, error.path, error.message
    ('AI_E_IO', -3, None, None, 'none.lai', 'file cannot be opened: no such file')
    """

    def __init__(self, message: str, status: int, step: int | None = None,
                 offset: int | None = None, path: str | None = None):
        super().__init__(message if path is None else f"{path}: {message}")
        self.message, self.status, self.step = message, status, step
        self.offset, self.path = offset, path
        self.code: str = core().ai_status_name(status).decode()

    @classmethod
    def of(cls, raw: RawError, path: bytes | None = None) -> Error:
        """What the library reported about the file of that path."""
        return cls(raw.message.decode(errors="replace"), raw.code,
                   None if raw.step == NO_STEP else raw.step,
                   None if raw.offset == NO_OFFSET else raw.offset,
                   None if path is None else os.fsdecode(path))

    def __reduce__(self) -> tuple[Any, ...]:  # as it comes back from another process
        return type(self), (self.message, self.status, self.step, self.offset, self.path)


def check(function: Callable[..., int], *arguments: Any, path: bytes | None = None) -> None:
    """Calls a function whose last argument is an ai_error, and raises what it reports. The library
    leaves it to the caller to say which file it is about: that is `path`."""
    raw = RawError(step=NO_STEP, offset=NO_OFFSET)
    raw.code = function(*arguments, ctypes.byref(raw))
    if raw.code:
        raise Error.of(raw, path)


# What goes through ctypes is checked first: it would cut a string at a zero byte, and a number to
# the width of its field, without a word.


def _without_zero(data: bytes, argument: str, needed: str) -> bytes:
    if b"\0" in data:
        raise ValueError(f"{argument} has a zero character, {needed} without one is needed")
    return data


def path_bytes(path: str | os.PathLike[str], argument: str) -> bytes:
    try:
        return _without_zero(os.fsencode(path), argument, "a path")
    except TypeError:
        raise TypeError(f"{argument} is {type(path).__name__}, a path is needed") from None


def text_bytes(text: str, argument: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{argument} is {type(text).__name__}, a string is needed")
    try:
        return _without_zero(text.encode(), argument, "a string")
    except UnicodeEncodeError as error:
        raise ValueError(f"{argument} has half a character at {error.start}, "
                         "text that UTF-8 can hold is needed") from None


def integer(number: SupportsIndex, argument: str, least: int, most: int) -> int:
    try:
        value = operator.index(number)
    except TypeError:
        raise TypeError(f"{argument} is {type(number).__name__}, an integer is needed") from None
    if not least <= value <= most:
        raise ValueError(f"{argument} is {value}, {least} to {most} is needed")
    return value


def real(number: float, argument: str) -> float:
    try:
        return c_double(number).value
    except TypeError:
        raise TypeError(f"{argument} is {type(number).__name__}, a number is needed") from None


def thread_count(threads: SupportsIndex) -> int:
    return integer(threads, "threads", 0, UINT32_MAX)


def cpu_mask(levels: int | str | None) -> int:
    """A mask for ai_options.cpu: None is what AI_CPU says, a name the levels up to that one."""
    if isinstance(levels, int):
        return integer(levels, "cpu", 0, UINT32_MAX)
    if levels is None and not os.environ.get("AI_CPU"):
        return 0  # what ai_task_cpu says too, without loading the task layer for it
    if levels is not None and not isinstance(levels, str):
        raise TypeError(f"cpu is {type(levels).__name__}, a mask or the name of a level is needed")
    if levels is None:
        allowed = c_uint32()
        check(task().ai_task_cpu, ctypes.byref(allowed))
        return allowed.value
    mask = 0
    for name, bit in _levels():
        mask |= bit
        if name == levels:
            return mask
    known = ", ".join(name for name, _ in _levels())
    raise ValueError(f"this machine has no CPU level '{levels}', it has {known}")


def _levels() -> list[tuple[str, int]]:
    present = core().ai_cpu() & 0xFFFF
    bits = [1 << i for i in range(16) if present >> i & 1]
    return [(task().ai_task_cpu_name(bit).decode(), bit) for bit in bits]


def cpu_levels() -> list[str]:
    """CPU levels of this machine and this build, weakest first.

    >>> libai.cpu_levels()[0]
    'ref'
    """
    return [name for name, _ in _levels()]


def version() -> str:
    """Of the library that is loaded.

    >>> libai.version().count(".")
    2
    """
    number = core().ai_version()
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
