# SPDX-License-Identifier: Apache-2.0
"""PNG of every kind decodes to the pixels that Pillow's convert("RGB") gives."""
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

import task_lib as task

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = [(depth, color) for color, depths in {
    GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16)}.items() for depth in depths]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_rows(samples, depth):
    """Rows of samples as PNG packs them, each with filter type 0."""
    rows = b""
    for row in samples:
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        elif depth == 8:
            packed = row.astype(np.uint8).tobytes()
        else:
            bits = (row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
            packed = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
        rows += b"\0" + packed
    return rows


def make(depth, color, size, seed=0, interlaced=False, chunks=b"", samples=None):
    width, height = size
    random = np.random.default_rng(seed)
    if samples is None:
        samples = random.integers(0, 1 << depth, (height, width, CHANNELS[color]))
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        rows = b"".join(pack_rows(part.reshape(part.shape[0], -1), depth)
                        for part in passes if part.size)
    else:
        rows = pack_rows(samples.reshape(height, -1), depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    palette = b""
    if color == PALETTE:
        palette = chunk(b"PLTE", random.integers(0, 256, 3 << depth, np.uint8).tobytes())
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunks
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def reference(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 7), (33, 17), (64, 64)])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth, color", [k for k in KINDS if k != (16, GREY)])
def test_kinds(depth, color, size, interlaced):
    data = make(depth, color, size, depth + color, interlaced)
    assert np.array_equal(task.decode(data), reference(data))


@pytest.mark.parametrize("interlaced", [False, True])
def test_deep_grey_keeps_the_upper_byte(interlaced):
    """Pillow clips 16-bit grey to 255 instead, which makes nearly every picture white."""
    samples = np.random.default_rng(1).integers(0, 1 << 16, (20, 30, 1))
    data = make(16, GREY, (30, 20), interlaced=interlaced, samples=samples)
    assert np.array_equal(task.decode(data), np.repeat(samples >> 8, 3, axis=2))


@pytest.mark.parametrize("depth, color, transparency", [
    (8, RGB, b"\0\x10\0\x20\0\x30"), (4, GREY, b"\0\x03"), (16, GREY, b"\x12\x34"),
    (2, PALETTE, b"\x00\x80\xff"), (8, PALETTE, bytes(range(200)))])
def test_transparency_is_dropped(depth, color, transparency):
    plain = make(depth, color, (31, 13), 5)
    at = plain.index(b"IDAT") - 4
    data = plain[:at] + chunk(b"tRNS", transparency) + plain[at:]
    assert np.array_equal(task.decode(data), task.decode(plain))


@pytest.mark.parametrize("chunks", [
    chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"sRGB", b"\0"),
    chunk(b"tEXt", b"Comment\0" + b"x" * 100), chunk(b"iCCP", b"name\0\0" + zlib.compress(b"no")),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20))), chunk(b"prVt", b"private"),
    chunk(b"bKGD", b"\0\x01\0\x02\0\x03"), chunk(b"sBIT", b"\x05\x06\x05")])
def test_other_chunks_change_nothing(chunks):
    assert np.array_equal(task.decode(make(8, RGB, (12, 9), 2, chunks=chunks)),
                          task.decode(make(8, RGB, (12, 9), 2)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("is_late", [False, True])
def test_orientation(orientation, is_late):
    exif = chunk(b"eXIf", b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"
                 + struct.pack(">H", orientation) + bytes(6))
    data = make(8, RGB, (12, 9), 3, chunks=b"" if is_late else exif)
    if is_late:
        data = data[:-12] + exif + data[-12:]
    early = make(8, RGB, (12, 9), 3, chunks=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(early)))
    assert np.array_equal(task.decode(data), np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("optimize", [False, True])
def test_as_pillow_writes_them(mode, optimize):
    """Real filters on the rows, and more than one IDAT."""
    pixels = task.smooth(6, 150, 200, 4)
    data = task.encode(Image.fromarray(pixels, "RGBA").convert(mode), "PNG", optimize=optimize)
    assert np.array_equal(task.decode(data), reference(data))


def test_index_past_the_palette():
    samples = np.arange(16).reshape(4, 4, 1)
    data = make(4, PALETTE, (4, 4), samples=samples)
    at = data.index(b"PLTE") - 4
    short = chunk(b"PLTE", bytes(range(9, 18)))
    data = data[:at] + short + data[at + 12 + 48:]
    pixels = task.decode(data).reshape(16, 3)
    assert pixels[:3].tolist() == [[9, 10, 11], [12, 13, 14], [15, 16, 17]]
    assert not pixels[3:].any()
