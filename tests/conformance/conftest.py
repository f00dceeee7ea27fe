# SPDX-License-Identifier: Apache-2.0
"""What the conformance tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def light_folder(tmp_path_factory) -> Path:
    """Where light networks lie once they are converted."""
    return tmp_path_factory.mktemp("light")


@pytest.fixture(scope="session")
def zoo_models() -> list[Path]:
    """The zoo's flat files that this build made."""
    found = sorted(Path(os.environ.get("AI_ZOO", ".")).glob("*.lai"))
    if not found:
        pytest.skip("the zoo is empty: models/zoo/fetch NAME, then build")
    return found
