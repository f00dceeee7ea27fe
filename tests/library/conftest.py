# SPDX-License-Identifier: Apache-2.0
"""What the tests of the built libraries share: what `meson install` puts into an empty root."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefix(tmp_path_factory) -> Path:
    """An installed tree that says of itself where it lies."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["meson", "install", "-C", os.environ["AI_BUILD"], "--no-rebuild", "--destdir", root],
                   check=True, capture_output=True)
    (command,) = root.rglob("bin/ai")
    for path in root.rglob("*.pc"):
        path.write_text(re.sub("^prefix=.*", f"prefix={command.parent.parent}", path.read_text()))
    return command.parent.parent
