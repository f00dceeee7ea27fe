# SPDX-License-Identifier: Apache-2.0
"""The public headers say something about every name: Doxygen reads them without a warning."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SOURCE = Path(os.environ["AI_SOURCE"])
HEADERS = sorted((SOURCE / "include").glob("*.h"))

if not shutil.which("doxygen"):
    pytest.skip("doxygen is not installed", allow_module_level=True)


def doxygen(folder: Path, *more: str) -> subprocess.CompletedProcess:
    lines = [(SOURCE / "docs/Doxyfile").read_text(), f'OUTPUT_DIRECTORY = "{folder}"',
             "GENERATE_XML = YES", "XML_PROGRAMLISTING = NO", *more]
    return subprocess.run(["doxygen", "-"], input="\n".join(lines), capture_output=True, text=True,
                          cwd=SOURCE)


def undocumented(folder: Path) -> list[str]:
    """Names without words: Doxygen does not warn of values in enums without a name."""
    found = []
    for path in (folder / "xml").glob("*.xml"):
        for node in ElementTree.parse(path).iter():
            is_struct = node.tag == "compounddef" and node.get("kind") == "struct"
            if is_struct or node.tag in ("memberdef", "enumvalue"):
                words = node.findall("briefdescription") + node.findall("detaileddescription")
                if not any("".join(part.itertext()).strip() for part in words):
                    found.append(node.findtext("compoundname" if is_struct else "name"))
    return found


def test_every_name_has_words(tmp_path):
    done = doxygen(tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert undocumented(tmp_path) == []
    page = (tmp_path / "html/ai_8h.html").read_text()
    for name in ("ai_infer", "AI_E_SHAPE", "AI_CALL_INIT", "AI_MAX_RANK"):
        assert name in page
    assert len(list((tmp_path / "html").glob("structai__*.html"))) > 20


@pytest.mark.parametrize("cut", [
    "/* Runs the network once: all inputs, in the model's order, to all outputs.",
    "/* SHA-256 of the content: the model's identity */",
    "/* it reads it */",
    "/* in ai_error: it is about no step */"])
def test_missing_words_are_found(tmp_path, cut):
    """A function, a member, a value and a macro that lose theirs."""
    text = (SOURCE / "include/ai.h").read_text()
    assert text.count(cut) == 1
    begin = text.index(cut)
    end = text.index("*/", begin) + 2
    (tmp_path / "ai.h").write_text(text[:begin] + text[end:])
    done = doxygen(tmp_path, f'INPUT = "{tmp_path / "ai.h"}"')
    assert done.returncode != 0 or undocumented(tmp_path)
