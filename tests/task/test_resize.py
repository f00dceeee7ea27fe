# SPDX-License-Identifier: Apache-2.0
"""ai_image_resize equals Pillow's Image.resize in every pixel."""
import numpy as np
import pytest
from PIL import Image

import task_lib as task

FILTERS = {task.NEAREST: Image.Resampling.NEAREST, task.BILINEAR: Image.Resampling.BILINEAR,
           task.BICUBIC: Image.Resampling.BICUBIC}


def same(pixels, width, height, filter, box=None):
    ours = task.resize(pixels, width, height, filter, box)
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    theirs = np.asarray(picture.resize((width, height), FILTERS[filter], box))
    theirs = theirs.reshape(ours.shape)
    assert np.array_equal(ours, theirs), (pixels.shape, width, height, filter, box,
                                          np.argwhere(ours != theirs)[:3])


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("seed", range(60))
def test_random_sizes(filter, seed):
    random = np.random.default_rng(seed)
    height, width, out_height, out_width = random.integers(1, 200, 4)
    pixels = task.noise(seed, height, width, 1 if seed % 5 == 0 else 3)
    same(pixels, int(out_width), int(out_height), filter)


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("seed", range(60))
def test_random_boxes(filter, seed):
    random = np.random.default_rng(1000 + seed)
    height, width, out_height, out_width = random.integers(1, 120, 4)
    pixels = task.noise(seed, height, width, 3)
    left, right = np.sort(random.random(2)) * width
    top, bottom = np.sort(random.random(2)) * height
    box = tuple(float(np.float32(v)) for v in (left, top, right, bottom))
    if seed % 2:
        box = (int(left), int(top), int(right) + 1, int(bottom) + 1)
    same(pixels, int(out_width), int(out_height), filter, box)


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize("size, out", [
    ((1, 1), (224, 224)), ((1, 300), (224, 1)), ((300, 1), (1, 224)), ((2, 2), (7, 5)),
    ((224, 224), (224, 224)), ((224, 224), (224, 100)), ((224, 224), (100, 224)),
    ((1000, 3), (2, 999)), ((640, 480), (341, 256)), ((32768, 2), (3, 2))])
def test_edges(filter, size, out):
    same(task.noise(7, size[1], size[0], 3), out[0], out[1], filter)


@pytest.mark.parametrize("width, height, filter, box, message", [
    (0, 5, 2, None, "resized picture has 0 x 5 pixels, needs at least 1 x 1"),
    (40000, 5, 2, None, "resized picture is 40000 pixels wide, the limit is 32768"),
    (32768, 32768, 2, None,
     "resized picture has 32768 x 32768 = 1073741824 pixels, the limit is 134217728"),
    (5, 5, 1, None, "filter is 1, needs 0, 2 or 3"),
    (5, 5, 2, (0, 0, 11, 10), "box is (0, 0, 11, 10), needs left < right and top < bottom inside "
                              "10 x 10 pixels"),
    (5, 5, 2, (3, 3, 3, 5), "box is (3, 3, 3, 5), needs left < right"),
    (5, 5, 2, (-1, 0, 3, 5), "box is (-1, 0, 3, 5)"),
    (5, 5, 2, (float("nan"), 0, 3, 5), "box is (")])
def test_refuses(width, height, filter, box, message):
    with pytest.raises(task.Failure) as failure:
        task.resize(np.zeros((10, 10, 3), np.uint8), width, height, filter, box)
    assert message in str(failure.value)


def test_refuses_channels():
    with pytest.raises(task.Failure) as failure:
        task.resize(np.zeros((10, 10, 2), np.uint8), 5, 5, 2)
    assert str(failure.value) == "picture has 2 channels, needs 1 or 3"
