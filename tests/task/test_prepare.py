# SPDX-License-Identifier: Apache-2.0
"""ai_image_prepare gives the tensors that the usual Python with Pillow and NumPy gives."""
import functools
import io
import json

import numpy as np
import pytest
from PIL import Image, ImageOps

import task_lib as task

SIZES = [(451, 300), (300, 451), (224, 224), (256, 256), (100, 80), (33, 500), (1, 1), (640, 7),
         (1200, 901)]


@functools.lru_cache(maxsize=None)
def photo(size, seed=1):
    return task.encode(Image.fromarray(task.smooth(seed, size[1], size[0], 3)), "PNG",
                       compress_level=1)


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def values(picture, scale=1.0, mean=0.0, std=1.0):
    """Computed in f64 and rounded once."""
    pixels = np.asarray(picture).astype(np.float64)
    return ((pixels * scale - mean) / std).astype(np.float32)


def nchw(array):
    return array.transpose(2, 0, 1)[None]


def short_side(picture, size):
    width, height = picture.size
    out = (size, int(size * height / width)) if width <= height else (
        int(size * width / height), size)
    return picture.resize(out, Image.Resampling.BILINEAR)


def center(picture, height, width):
    top = int(round((picture.height - height) / 2.0))
    left = int(round((picture.width - width) / 2.0))
    return picture.crop((left, top, left + width, top + height))


@pytest.mark.parametrize("size", SIZES)
def test_imagenet(size):
    """torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize."""
    data = photo(size)
    expected = values(center(short_side(opened(data), 256), 224, 224), 1 / 255,
                      np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
    assert np.array_equal(task.prepare("imagenet", data, (1, 3, 224, 224)), nchw(expected))
    assert np.array_equal(task.prepare("imagenet", data, (1, 224, 224, 3)), expected[None])


@pytest.mark.parametrize("size", SIZES)
def test_lite(size):
    """EfficientNet-Lite: a centre square of 224/256 of the short side, then bicubic."""
    data = photo(size)
    picture = opened(data)
    side = max(1, int(224 / (224 + 32) * min(size)))
    left, top = (picture.width - side + 1) // 2, (picture.height - side + 1) // 2
    square = picture.crop((left, top, left + side, top + side))
    expected = values(square.resize((224, 224), Image.Resampling.BICUBIC), 1, 127, 128)
    assert np.array_equal(task.prepare("lite", data, (1, 3, 224, 224)), nchw(expected))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(1, 224, 224, 3), (1, 3, 224, 224)])
def test_keras(size, shape):
    """load_img(target_size=(224, 224)) and resnet50.preprocess_input."""
    data = photo(size)
    picture = opened(data).resize((224, 224), Image.Resampling.NEAREST)
    expected = values(np.asarray(picture)[:, :, ::-1], 1, np.array([103.939, 116.779, 123.68]))
    expected = nchw(expected) if shape[1] == 3 else expected[None]
    assert np.array_equal(task.prepare("keras", data, shape), expected)


@pytest.mark.parametrize("size", [(451, 300), (300, 451), (100, 80), (33, 500), (1, 1), (64, 48),
                                  (63, 48), (31, 47)])
@pytest.mark.parametrize("out", [(48, 64), (64, 64), (47, 31)])
def test_letterbox(size, out):
    data = photo(size)
    padded = ImageOps.pad(opened(data), (out[1], out[0]), Image.Resampling.BILINEAR,
                          (114, 10, 200))
    spec = json.dumps({"resize": "letterbox", "size": out, "pad": [114, 10, 200]})
    assert np.array_equal(task.prepare(spec, data, (1, 3, *out)), nchw(values(padded)))
    spec = json.dumps({"resize": "letterbox", "color": "BGR", "pad": [200, 10, 114]})
    assert np.array_equal(task.prepare(spec, data, (1, 3, *out)),
                          nchw(values(padded))[:, ::-1])


def test_letterbox_then_crop():
    data = photo((100, 30))
    padded = ImageOps.pad(opened(data), (64, 64), Image.Resampling.BILINEAR, (9, 9, 9))
    for crop in ((32, 64), (64, 31), (10, 10), (63, 17)):
        spec = json.dumps({"resize": "letterbox", "size": 64, "pad": 9, "crop": crop})
        assert np.array_equal(task.prepare(spec, data, (1, 3, *crop)),
                              nchw(values(center(padded, *crop))))


@pytest.mark.parametrize("filter", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("seed", range(25))
def test_short_and_crop(filter, seed):
    """Only the cropped part is computed: it must not differ from cutting it out of the whole."""
    random = np.random.default_rng(seed)
    width, height, size = (int(v) for v in random.integers(2, 150, 3))
    crop = [int(v) for v in random.integers(1, size + 1, 2)]
    picture = Image.fromarray(task.noise(seed, height, width, 3))
    scaled = (size, size * height // width) if width <= height else (size * width // height, size)
    whole = picture.resize(scaled, Image.Resampling[filter.upper()])
    spec = json.dumps({"resize": "short", "size": size, "filter": filter, "crop": crop,
                       "layout": "NCHW"})
    assert np.array_equal(task.prepare(spec, task.encode(picture, "PNG"), (1, 3, *crop)),
                          nchw(values(center(whole, *crop))))


def test_thin_picture_takes_little_memory():
    """32768 x 1 with a short side of 256 is 8388608 x 256 pixels, of which 224 x 224 are made."""
    data = task.encode(Image.fromarray(task.noise(1, 1, 32768, 3)), "PNG")
    assert task.prepare("imagenet", data, (1, 3, 224, 224)).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("shape", [(1, 1, 60, 80), (1, 60, 80, 1)])
def test_gray(shape):
    data = photo((100, 70))
    picture = opened(data).convert("L").resize((80, 60), Image.Resampling.BICUBIC)
    spec = '{"color": "GRAY", "resize": "squash", "filter": "bicubic", "mean": 33, "std": 3}'
    assert np.array_equal(task.prepare(spec, data, shape).ravel(),
                          values(picture, 1, 33, 3).ravel())


def test_bytes():
    data = photo((100, 70))
    spec = '{"resize": "squash", "type": "u8"}'
    expected = np.asarray(opened(data).resize((50, 40), Image.Resampling.BILINEAR))
    assert np.array_equal(task.prepare(spec, data, (1, 40, 50, 3), task.U8), expected[None])


def test_bytes_round_and_saturate():
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    data = task.encode(Image.fromarray(ramp), "PNG")
    out = task.prepare('{"scale": 2, "mean": 99, "std": 4, "type": "u8"}', data, (1, 1, 256, 3),
                       task.U8)
    exact = (np.arange(256) * 2.0 - 99) / 4
    assert np.array_equal(out[0, 0, :, 0], np.clip(np.rint(exact), 0, 255))


def test_no_resize_and_crop():
    data = photo((101, 70))
    assert np.array_equal(task.prepare('{"crop": [33, 44]}', data, (1, 3, 33, 44)),
                          nchw(values(center(opened(data), 33, 44))))


@pytest.mark.parametrize("spec, shape, type, message", [
    ("imagenet", (1, 3, 299, 299), task.F32,
     "recipe makes 224 x 224 pixels of this picture, the input takes 299 x 299"),
    ("imagenet", (1, 3, 224, 224), task.U8, "input 'data' is u8, the recipe makes f32"),
    ('{"type": "u8"}', (1, 3, 9, 9), task.F32, "input 'data' is f32, the recipe makes u8"),
    ("imagenet", (3, 224, 224), task.F32, "input 'data' has rank 3 and begins with 3, the recipe "
                                          "makes 4 dimensions of which the first is 1"),
    ("imagenet", (2, 3, 224, 224), task.F32, "input 'data' has rank 4 and begins with 2"),
    ("imagenet", (1, 4, 224, 224), task.F32, "input 'data' is 1x4x224x224, the recipe needs NCHW "
                                             "or NHWC with 3 channels"),
    ("imagenet", (1, 3, 224, 3), task.F32, "input 'data' is 1x3x224x3, the recipe needs NCHW or "
                                           "NHWC with 3 channels: say which by 'layout'"),
    ('{"layout": "NHWC"}', (1, 3, 9, 9), task.F32,
     "input 'data' is 1x3x9x9, the recipe needs NHWC with 3 channels"),
    ('{"crop": 224}', (1, 3, 224, 224), task.F32,
     "picture is 70 pixels high after the resize, needs 224"),
    ('{"crop": [60, 224]}', (1, 3, 60, 224), task.F32,
     "picture is 100 pixels wide after the resize, needs 224"),
    ("{}", (1, 3, 70, 99), task.F32,
     "recipe makes 100 x 70 pixels of this picture, the input takes 99 x 70"),
    ("{}", (1, 3, 70, 40000), task.F32,
     "input 'data' takes 40000 x 70 pixels, the limit is 32768")])
def test_refused(spec, shape, type, message):
    with pytest.raises(task.Failure) as failure:
        task.prepare(spec, photo((100, 70)), shape, type)
    assert str(failure.value).startswith(message)
    assert failure.value.code == task.E_SHAPE
