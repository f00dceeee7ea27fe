# SPDX-License-Identifier: Apache-2.0
"""ai-function(1) comes from the tables of which --help is made: nothing is left out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess


def said(*words: str) -> str:
    return subprocess.run([os.environ["AI_FUNCTION"], *words], check=True, capture_output=True,
                          text=True).stdout


def test_manual_page():
    page = said("--man")
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tascii", "-ww"], input=page, text=True,
                              capture_output=True, check=True)
        assert done.stderr == ""
    plain = page.replace("\\-", "-")
    rows = re.findall(r"^  --(\S+) .*\((AI_\w+)\)$", said("--help"), re.M)
    assert len(rows) >= 14
    for flag, variable in rows:
        assert re.search(rf"^\\fB--{flag}\\fR.*\n.*\({variable}\)$", plain, re.M), flag
    platforms = re.findall(r"^  (\w[\w-]*) +\S", said("--help").split("Platforms")[1], re.M)
    assert len(platforms) >= 7
    for name in platforms:
        assert f"\\fB{name}\\fR\n" in plain
