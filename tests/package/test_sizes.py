# SPDX-License-Identifier: Apache-2.0
"""What a function with an int8 network weighs, as its platform takes it, the real handler in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import PLATFORMS, ZIPS

HANDLER = os.environ.get("AI_FUNCTION", "")
LITE0 = Path(os.environ["AI_ZOO"]) / "efficientnet-lite0.lai"
MB = 1_000_000


def taken(ai, folder: Path, platform: str, model: Path) -> int:
    """Bytes that are uploaded: the zip, the blobs of the image, Azure's folder as a zip."""
    out = folder / f"{platform}.zip" if platform in ZIPS else folder / platform
    done = ai("package", "--platform", platform, "--out", out, "--handler", HANDLER, "--model", model)
    assert (done.status, done.err) == (0, ""), done
    if platform == "azure":
        out = Path(shutil.make_archive(str(folder / "packed"), "zip", out))
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_efficientnet_lite0(ai, tmp_path, platform):
    if not LITE0.exists():
        pytest.skip("models/zoo/fetch efficientnet-lite0 gets it")
    assert LITE0.stat().st_size <= 5.3 * MB
    assert 5 * MB < taken(ai, tmp_path, platform, LITE0) < 8 * MB
