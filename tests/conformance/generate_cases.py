# SPDX-License-Identifier: Apache-2.0
"""Writes the node tests that the onnx package found first generates for an operator, as the
package's own data lie: FOLDER/NAME/model.onnx and FOLDER/NAME/test_data_set_0/*.pb.

usage: generate_cases.py FOLDER OPERATOR"""

import sys
from pathlib import Path

from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


def write(folder: Path, case) -> None:
    data = folder / case.name / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / case.name / "model.onnx").write_bytes(case.model.SerializeToString())
    for kind, arrays in zip(("input", "output"), case.data_sets[0]):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(array)
            (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())


def main(folder: str, operator: str) -> None:
    for case in collect_testcases(operator):  # it generates once in a process
        write(Path(folder), case)


main(*sys.argv[1:])
