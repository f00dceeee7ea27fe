# SPDX-License-Identifier: Apache-2.0
"""ONNX's own test cases as the onnx package ships them, and its backend runner's comparison."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

import libai

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
BASIC = {TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL,
         TensorProto.UINT8, TensorProto.INT8}


class Case(NamedTuple):
    name: str
    op: str
    folder: Path


@cache
def node_cases() -> tuple[Case, ...]:
    """The node tests of one operator with every tensor in a basic type."""
    found = []
    for folder in sorted((DATA / "node").iterdir()):
        if "_expanded" in folder.name:
            continue
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        ops = {node.op_type for node in model.graph.node}
        values = [*model.graph.input, *model.graph.output]
        types = {value.type.tensor_type.elem_type for value in values}
        if len(ops) == 1 and types <= BASIC:
            found.append(Case(folder.name, ops.pop(), folder))
    return tuple(found)


def tensor(path: Path) -> np.ndarray:
    proto = TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


def data_sets(folder: Path, model: onnx.ModelProto):
    """(inputs by name, expected outputs by name) of each data set."""
    constants = {item.name for item in model.graph.initializer}
    inputs = [item.name for item in model.graph.input if item.name not in constants]
    for data in sorted(folder.glob("test_data_set_*")):
        yield ({name: tensor(data / f"input_{i}.pb") for i, name in enumerate(inputs)},
               {item.name: tensor(data / f"output_{i}.pb")
                for i, item in enumerate(model.graph.output)})


def freeze(model: onnx.ModelProto, values: dict[str, np.ndarray], positions: list[int]) -> None:
    """Makes inputs of the only node constants, as they are in exported networks."""
    for position in positions:
        names = model.graph.node[0].input
        if position >= len(names) or names[position] not in values:
            continue
        name = names[position]
        model.graph.initializer.append(numpy_helper.from_array(values.pop(name), name))
        kept = [item for item in model.graph.input if item.name != name]
        del model.graph.input[:]
        model.graph.input.extend(kept)


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray], folder: Path,
        **options) -> dict[str, np.ndarray]:
    """Converts a model in memory and runs it once."""
    source, target = folder / "case.onnx", folder / "case.lai"
    onnx.save(model, source)
    libai.convert(source, target, **options)
    with libai.Model(target, threads=1) as network:
        return network(inputs)


def compare(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float = 1e-3,
            atol: float = 1e-7) -> None:
    """As onnx.backend.test.runner compares: its tolerances, and types and shapes exactly."""
    assert list(found) == list(expected)
    for name, reference in expected.items():
        assert found[name].shape == reference.shape, name
        assert found[name].dtype == reference.dtype, name
        np.testing.assert_allclose(found[name], reference, rtol=rtol, atol=atol, err_msg=name)
