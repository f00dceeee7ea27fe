# SPDX-License-Identifier: Apache-2.0
"""Models that the tests of the Python package share."""

import numpy as np
import pytest
from networks import convert, network
from onnx import helper


@pytest.fixture(scope="session")
def double(tmp_path_factory):
    """y = 2 x, of any batch."""
    proto = network([helper.make_node("Mul", ["x", "two"], ["y"])], {"x": ["N", 4]},
                    {"y": ["N", 4]}, [("two", np.full(1, 2, np.float32))])
    return convert(tmp_path_factory.mktemp("double"), "double", proto)


@pytest.fixture(scope="session")
def adder(tmp_path_factory):
    """y is the sum of all x so far: a state."""
    proto = network([helper.make_node("Add", ["x", "before"], ["after"]),
                     helper.make_node("Identity", ["after"], ["y"])],
                    {"x": [1, 2], "before": [1, 2]}, {"y": [1, 2], "after": [1, 2]})
    return convert(tmp_path_factory.mktemp("adder"), "adder", proto, states=["before=after"])


@pytest.fixture(scope="session")
def slow(tmp_path_factory):
    """A hundred steps of some 40 ms each with 4096 rows, of some microseconds with one."""
    rng = np.random.default_rng(1)
    count, size = 100, 512
    nodes = [helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(count)]
    weights = (rng.standard_normal((size, size)) / size ** 0.5).astype(np.float32)
    proto = network(nodes, {"x0": ["N", size]}, {f"x{count}": ["N", size]}, [("w", weights)])
    return convert(tmp_path_factory.mktemp("slow"), "slow", proto)
