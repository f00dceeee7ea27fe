# SPDX-License-Identifier: Apache-2.0
"""The snippets of docs/building.md, which the tests run as they stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(os.environ["AI_SOURCE"]) / "docs" / "building.md"


def snippets(heading: str, language: str) -> list[str]:
    """Those of one language under a heading; none is a mistake in the name."""
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", PAGE.read_text(), re.M))
    found = re.findall(rf"^```{language}\n(.*?)^```$", sections[heading], re.M | re.S)
    assert found, f"no {language} under '{heading}'"
    return found
