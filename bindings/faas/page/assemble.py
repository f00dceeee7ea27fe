#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one HTML of the page, its style and its script, and a C source that holds it, with the
policy that lets a browser run these two and nothing else.

usage: assemble.py page.html style.css page.js OUT.html OUT.c"""
import base64
import hashlib
import re
import sys
from pathlib import Path

MOST_BYTES = 40_000

POLICY = ("default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
          "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

SOURCE = """/* Made by assemble.py. */
#include "page.h"

const char ai_page_policy[] = "{policy}";
const char ai_page_tag[] = "\\"{tag}\\"";
const size_t ai_page_bytes = {count};
const char ai_page[] = {{
{rows}
}};
"""


def smaller(text):
    """Without comments of whole lines, and without indentation."""
    text = re.sub(r"^\s*/\*.*?\*/\s*\n", "", text, flags=re.M | re.S)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def main(page, style, script, out_html, out_c):
    style, script = (smaller(Path(path).read_text(encoding="utf-8")) for path in (style, script))
    text = re.sub(r"\n\s*(?:<!--.*?-->\n\s*)*", "\n", Path(page).read_text(encoding="utf-8"))
    text = text.replace("<style></style>", f"<style>{style}</style>")
    text = text.replace("<script></script>", f"<script>{script}</script>")
    data = text.encode()
    if len(data) > MOST_BYTES:
        sys.exit(f"page has {len(data)} bytes, at most {MOST_BYTES} are wanted")
    # char may be signed: bytes above 127 stand as negative numbers
    numbers = [str(byte - 256 if byte > 127 else byte) for byte in data]
    rows = "\n".join("    " + ", ".join(numbers[at:at + 20]) + ","
                     for at in range(0, len(numbers), 20))
    policy = POLICY.format(script=digest(script), style=digest(style))
    Path(out_html).write_bytes(data)
    Path(out_c).write_text(SOURCE.format(
        policy=policy, tag=hashlib.sha256(data + policy.encode()).hexdigest()[:16],
        count=len(data), rows=rows), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
