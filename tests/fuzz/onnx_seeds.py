# SPDX-License-Identifier: Apache-2.0
"""Writes seeds for fuzz-onnx: small node tests of the onnx package, or one model without it."""

import sys
from pathlib import Path

# Relu from x to y, f32 [1], opset 21.
RELU = (b"\x08\x0a:3\x0a\x0c\x0a\x01x\x12\x01y\"\x04Relu\x12\x01g"
        b"Z\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
        b"b\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
        b"B\x04\x0a\x00\x10\x15")


def node_tests() -> list[Path]:
    try:
        import onnx
    except ImportError:
        return []
    folder = Path(onnx.__file__).parent / "backend/test/data/node"
    return [path for path in sorted(folder.glob("*/model.onnx")) if path.stat().st_size < 1024]


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "relu").write_bytes(RELU)
    for path in node_tests():
        (target / path.parent.name).write_bytes(path.read_bytes())
    Path(sys.argv[2]).touch()


main()
