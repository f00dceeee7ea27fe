# SPDX-License-Identifier: Apache-2.0
"""libai-task through ctypes, as include/ai_task.h declares it. AI_BUILD names the build folder."""
import ctypes
import io
import os

import numpy as np

NEAREST, BILINEAR, BICUBIC = 0, 2, 3
MAX_SIDE, MAX_PIXELS = 32768, 1 << 27
F32, U8, S8 = 1, 7, 6
E_ARGUMENT, E_MEMORY, E_FORMAT, E_UNSUPPORTED, E_SHAPE, E_VALUE = -1, -2, -4, -6, -7, -8


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("step", ctypes.c_uint32), ("offset", ctypes.c_uint64),
                ("message", ctypes.c_char * 240)]


class Image(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("channels", ctypes.c_uint32), ("pixels", ctypes.c_void_p)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("type", ctypes.c_int32), ("rank", ctypes.c_uint32),
                ("varies", ctypes.c_uint32), ("dim", ctypes.c_int64 * 8),
                ("bytes", ctypes.c_uint64), ("scale", ctypes.c_float),
                ("zero_point", ctypes.c_int32), ("name", ctypes.c_char_p)]


class Class(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint32), ("score", ctypes.c_float), ("label", ctypes.c_char_p)]


class Failure(Exception):
    def __init__(self, error):
        super().__init__(error.message.decode())
        self.code = error.code
        assert error.step == 0xFFFFFFFF and error.offset == 0xFFFFFFFFFFFFFFFF


lib = ctypes.CDLL(os.path.join(os.environ["AI_BUILD"], "bindings", "task", "libai-task.so"))
lib.ai_task_cpu_name.restype = ctypes.c_char_p
lib.ai_task_free.argtypes = [ctypes.c_void_p]
lib.ai_task_free.restype = None


def call(function, *arguments):
    """Calls a function whose last argument is an ai_error; raises Failure unless it answers 0."""
    error = Error()
    status = function(*arguments, ctypes.byref(error))
    if status:
        assert status == error.code
        message = error.message.decode()
        assert message and "\n" not in message and not message.endswith((".", " "))
        raise Failure(error)


def new_image():
    return Image(size=ctypes.sizeof(Image))


def take(image):
    """The pixels as an array, freed in the library."""
    shape = (image.height, image.width, image.channels)
    array = np.ctypeslib.as_array(ctypes.cast(image.pixels, ctypes.POINTER(ctypes.c_uint8)), shape)
    array = array.copy()
    lib.ai_task_free(image.pixels)
    return array


def decode(data):
    image = new_image()
    try:
        call(lib.ai_image_decode, ctypes.byref(image), data, ctypes.c_size_t(len(data)))
    except Failure:
        assert (image.width, image.height, image.channels, image.pixels) == (0, 0, 0, None)
        raise
    return take(image)


def resize(array, width, height, filter, box=None):
    array = np.ascontiguousarray(array)
    channels = 1 if array.ndim == 2 else array.shape[2]
    source = Image(ctypes.sizeof(Image), array.shape[1], array.shape[0], channels,
                   array.ctypes.data)
    out = new_image()
    call(lib.ai_image_resize, ctypes.byref(out), ctypes.byref(source), width, height, filter,
         (ctypes.c_float * 4)(*box) if box else None)
    return take(out)


def tensor_info(shape, type=F32, name=b"data"):
    info = TensorInfo(size=ctypes.sizeof(TensorInfo), type=type, rank=len(shape), name=name)
    info.dim[:len(shape)] = shape
    info.bytes = int(np.prod(shape)) * (4 if type == F32 else 1)
    return info


def prepare(recipe, data, shape, type=F32):
    info = tensor_info(shape, type)
    out = np.full(shape, 99, np.float32 if type == F32 else np.uint8)
    call(lib.ai_image_prepare, recipe.encode(), data, ctypes.c_size_t(len(data)),
         ctypes.byref(info), out.ctypes.data_as(ctypes.c_void_p))
    return out


def take_text(pointer):
    text = ctypes.string_at(pointer).decode()
    lib.ai_task_free(pointer)
    return text


def recipe(spec):
    text = ctypes.c_void_p()
    call(lib.ai_task_recipe, spec.encode() if isinstance(spec, str) else spec, ctypes.byref(text))
    return take_text(text)


def answer(classes):
    array = (Class * max(1, len(classes)))(*classes)
    text = ctypes.c_void_p()
    call(lib.ai_classes_json, array, len(classes), ctypes.byref(text))
    return take_text(text)


def encode(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(seed, height, width, channels):
    """Pixels that show every mistake: noise, with flat parts where extremes meet."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, channels), np.uint8)
    extreme = random.integers(0, 2, (height, width, 1), np.uint8) * np.uint8(255)
    half = random.random((height, width, 1)) < 0.3
    return np.where(half, extreme, pixels).astype(np.uint8)


def smooth(seed, height, width, channels):
    """A picture such as JPEG is made for."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 120 * np.sin(x * random.uniform(.01, .3) + y * random.uniform(.01, .3) + c)
             for c in range(channels)]
    pixels = np.stack(waves, axis=2) + random.normal(0, 6, (height, width, channels))
    return np.clip(pixels, 0, 255).astype(np.uint8)
