# SPDX-License-Identifier: Apache-2.0
"""Bytes that are no picture, a damaged one, or one over the limits: one clear line each."""
import io
import resource
import struct

import numpy as np
import pytest
from PIL import Image

import task_lib as task
import test_png as png


def refused(data):
    with pytest.raises(task.Failure) as failure:
        task.decode(data)
    return failure.value.code, str(failure.value)


def photo(kind, size=(120, 90), **options):
    return task.encode(Image.fromarray(task.smooth(1, size[1], size[0], 3)), kind, **options)


def jpeg_sized(width, height, progressive=False):
    """A small JPEG whose header says something larger."""
    data = bytearray(photo("JPEG", (16, 16), progressive=progressive))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5:at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png_sized(width, height, depth=8, color=png.RGB):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return png.make(8, png.RGB, (4, 4))[:8] + png.chunk(b"IHDR", header) + png.make(
        8, png.RGB, (4, 4))[33:]


@pytest.mark.parametrize("data, message", [
    (b"", "image is empty: 0 bytes"),
    (b"\xff", "image is neither JPEG nor PNG: starts with ff"),
    (b"GIF89a\x01\x00\x01\x00", "image is neither JPEG nor PNG: starts with 47 49 46 38 39 61 01 "
                                "00"),
    (b"BM1234567890", "image is neither JPEG nor PNG: starts with 42 4d 31 32 33 34 35 36"),
    (b"\xff\xd8\xff", "jpeg is truncated: its 3 bytes end before the first row"),
    (b"\x89PNG\r\n\x1a\n", "png is truncated: its 8 bytes end in the header of 33"),
    (png.make(8, 2, (4, 4))[:12] + b"IDAT" + bytes(30), "png has no header chunk")])
def test_not_a_picture(data, message):
    assert refused(data) == (task.E_FORMAT, message)


@pytest.mark.parametrize("data, message", [
    (jpeg_sized(60000, 100), "jpeg is 60000 pixels wide, the limit is 32768"),
    (jpeg_sized(100, 60000), "jpeg is 60000 pixels high, the limit is 32768"),
    (jpeg_sized(65535, 65535), "jpeg is 65535 pixels wide, the limit is 32768"),
    (jpeg_sized(32768, 32768), "jpeg has 32768 x 32768 = 1073741824 pixels, the limit is "
                               "134217728"),
    (png_sized(60000, 100), "png is 60000 pixels wide, the limit is 32768"),
    (png_sized(1, 0xFFFFFFFF), "png is 4294967295 pixels high, the limit is 32768"),
    (png_sized(20000, 20000), "png has 20000 x 20000 = 400000000 pixels, the limit is 134217728")])
def test_over_the_limit_before_any_allocation(data, message):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(data) == (task.E_UNSUPPORTED, message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


@pytest.mark.parametrize("progressive", [False, True])
def test_small_jpeg_of_large_header(progressive):
    data = jpeg_sized(11000, 11000, progressive)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(data) == (task.E_FORMAT, f"jpeg is truncated: {len(data)} bytes cannot hold its "
                                            "11000 x 11000 pixels")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_small_png_of_large_header():
    data = png_sized(11000, 11000)
    assert refused(data) == (task.E_FORMAT, f"png is truncated: {len(data)} bytes cannot hold its "
                                            "11000 x 11000 pixels")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_empty_header_size(kind):
    data = jpeg_sized(0, 5) if kind == "JPEG" else png_sized(0, 5)
    code, message = refused(data)
    assert code == task.E_FORMAT and message.startswith(kind.lower())


@pytest.mark.parametrize("kind, options", [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"subsampling": "4:2:0"}), ("PNG", {})])
def test_every_truncation(kind, options):
    data = photo(kind, (40, 30), **options)
    task.decode(data)
    for end in range(len(data)):
        code, message = refused(data[:end])
        assert code == task.E_FORMAT, (end, message)
        if end > 8:
            assert message.startswith(f"{kind.lower()} is truncated: "), (end, message)


@pytest.mark.parametrize("kind, options", [("JPEG", {}), ("JPEG", {"progressive": True}),
                                           ("PNG", {})])
def test_flipped_bytes(kind, options):
    """Decodes to a picture or is refused by one line; nothing else happens."""
    data = photo(kind, (40, 30), **options)
    outcomes = set()
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x55
        try:
            task.decode(bytes(broken))
            outcomes.add("picture")
        except task.Failure:
            outcomes.add("refused")
    assert "refused" in outcomes


def test_damaged_jpeg_data():
    data = photo("JPEG", quality=90)
    middle = len(data) * 2 // 3
    code, message = refused(data[:middle] + b"\xff\xd9" + data[middle:])
    assert code == task.E_FORMAT
    assert message == "jpeg: corrupt JPEG data: premature end of data segment"


def test_damaged_png_data():
    data = bytearray(photo("PNG"))
    data[len(data) // 2] ^= 1
    code, message = refused(bytes(data))
    assert code == task.E_FORMAT and message.startswith("png: IDAT: ")


def test_unsupported_precision():
    data = bytearray(photo("JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    assert refused(bytes(data)) == (task.E_UNSUPPORTED,
                                    "jpeg: unsupported JPEG data precision 12")


def test_too_many_scans():
    data = photo("JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", start)
    code, message = refused(data[:end] + data[start:end] * 200 + data[end:])
    assert (code, message) == (task.E_UNSUPPORTED, "jpeg has over 100 scans, the limit is 100")


def test_one_pixel():
    for kind in ("JPEG", "PNG"):
        data = photo(kind, (1, 1))
        expected = np.asarray(Image.open(io.BytesIO(data)))
        assert np.array_equal(task.decode(data), expected)
