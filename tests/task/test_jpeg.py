# SPDX-License-Identifier: Apache-2.0
"""JPEG of every kind decodes to the pixels that Pillow's convert("RGB") gives."""
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

import task_lib as task

SIZES = [(1, 1), (7, 5), (8, 8), (16, 16), (17, 33), (64, 3), (123, 77)]


def reference(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def same(data):
    assert np.array_equal(task.decode(data), reference(data))


def picture(seed, size, mode):
    channels = {"L": 1, "RGB": 3, "YCbCr": 3, "CMYK": 4}[mode]
    pixels = task.smooth(seed, size[1], size[0], channels)
    return Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 75, 98])
def test_color(size, progressive, subsampling, quality):
    same(task.encode(picture(quality, size, "RGB"), "JPEG", quality=quality,
                     progressive=progressive, subsampling=subsampling))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_inks(size, progressive, mode):
    same(task.encode(picture(3, size, mode), "JPEG", quality=80, progressive=progressive))


def test_kept_rgb():
    same(task.encode(picture(4, (40, 30), "RGB"), "JPEG", keep_rgb=True))


def test_restart_markers():
    same(task.encode(picture(5, (90, 70), "RGB"), "JPEG", restart_marker_blocks=3))


def adobe(data, transform):
    """The same file with another transform in its Adobe marker: 2 makes CMYK into YCCK."""
    at = data.index(b"Adobe")
    return data[:at + 11] + bytes([transform]) + data[at + 12:]


@pytest.mark.parametrize("size", SIZES)
def test_ycck(size):
    data = adobe(task.encode(picture(6, size, "CMYK"), "JPEG", quality=90), 2)
    assert not np.array_equal(reference(data), reference(adobe(data, 0)))
    same(data)


def test_ink_extremes():
    same(task.encode(Image.fromarray(task.noise(8, 64, 64, 4), "CMYK"), "JPEG", quality=100))


def test_inks_without_adobe_marker():
    data = task.encode(picture(9, (30, 20), "CMYK"), "JPEG")
    at = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[at + 2:at + 4])[0]
    same(data[:at] + data[at + 2 + length:])


def test_wide_sampling():
    """4:1:1 and odd factors, which Pillow does not write: the factors of a 4:4:4 file patched."""
    data = task.encode(picture(10, (64, 64), "RGB"), "JPEG", subsampling="4:2:0")
    at = data.index(b"\xff\xc0") + 11
    for factors in (0x22, 0x12, 0x21):
        patched = data[:at] + bytes([factors]) + data[at + 1:]
        try:
            ours = task.decode(patched)
        except task.Failure:
            continue
        assert np.array_equal(ours, reference(patched))


def exif(orientation, order="II", kind=3, before=0, after=0):
    mark = "<" if order == "II" else ">"
    value = {1: struct.pack("B3x", orientation), 3: struct.pack(mark + "H2x", orientation),
             4: struct.pack(mark + "I", orientation)}[kind]
    other = struct.pack(mark + "HHI4s", 0x010F, 2, 4, b"abc\0")
    entry = struct.pack(mark + "HHI", 0x0112, kind, 1) + value
    late = struct.pack(mark + "HHI4s", 0x0131, 2, 4, b"abc\0")
    return (b"Exif\0\0" + order.encode() + struct.pack(mark + "HI", 42, 8)
            + struct.pack(mark + "H", 1 + before + after) + other * before + entry + late * after
            + bytes(4))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("size", [(37, 53), (64, 32), (1, 9)])
def test_orientations(orientation, order, size):
    data = task.encode(picture(11, size, "RGB"), "JPEG", exif=exif(orientation, order, before=2))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(task.decode(data), np.asarray(upright))


@pytest.mark.parametrize("kind", [1, 3, 4])
@pytest.mark.parametrize("order", ["II", "MM"])
def test_orientation_types(kind, order):
    data = task.encode(picture(12, (20, 10), "RGB"), "JPEG", exif=exif(6, order, kind, 1, 1))
    assert task.decode(data).shape == (20, 10, 3)


def damaged_exif():
    good = exif(6)
    yield "orientation 0", exif(0)
    yield "orientation 9", exif(9)
    yield "no entries", good[:14] + b"\0\0"
    yield "directory outside", good[:10] + b"\xff\xff\xff\xff" + good[14:]
    yield "directory at the end", good[:10] + struct.pack("<I", len(good) - 6) + good[14:]
    yield "many entries, none there", good[:14] + b"\xff\xff"
    yield "wrong order mark", b"Exif\0\0IM" + good[8:]
    yield "wrong magic", good[:8] + b"\x2b" + good[9:]
    yield "a type that holds no number", good[:18] + b"\x02" + good[19:]
    for end in range(6, len(good) - 8):
        yield f"cut to {end} bytes", good[:end]


@pytest.mark.parametrize("name, block", list(damaged_exif()))
def test_damaged_exif_is_no_orientation(name, block):
    data = task.encode(picture(13, (20, 10), "RGB"), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    assert np.array_equal(task.decode(data[:2] + segment + data[2:]), reference(data))
