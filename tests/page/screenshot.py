#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/page.png: the page by day on the left, by night on the right. Wants what the page's tests
want, Pillow, and Debian's fonts-lxgw-wenkai and fonts-ebgaramond.

usage: AI_BUILD=build .venv/bin/python tests/page/screenshot.py"""
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "docs" / "page.png"


def main():
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("light.png", "dark.png")]
        subprocess.run(["node", HERE / "shots.mjs", *paths], check=True)
        day, night = (Image.open(path).convert("RGB") for path in paths)
    middle = day.width // 2
    day.paste(night.crop((middle, 0, *night.size)), (middle, 0))
    small = day.resize((960, day.height * 960 // day.width), Image.Resampling.LANCZOS)
    small.quantize(256, kmeans=3, dither=Image.Dither.NONE).save(OUT, optimize=True)
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
