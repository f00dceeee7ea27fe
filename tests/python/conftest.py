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
def slow_eyes(tmp_path_factory):
    """Thirty steps of some 40 ms each by plain C, for a picture."""
    rng = np.random.default_rng(1)
    side, width, count = 64, 16, 30
    shapes = [(width, 3, 3, 3), (width, width, 3, 3)]
    weights = [(f"w{i}", (rng.standard_normal(shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32))
               for i, shape in enumerate(shapes)]
    nodes = [helper.make_node("Conv", ["x" if i == 0 else f"x{i}", f"w{min(i, 1)}"], [f"x{i + 1}"],
                              pads=[1, 1, 1, 1]) for i in range(count)]
    nodes += [helper.make_node("GlobalAveragePool", [f"x{count}"], ["pooled"]),
              helper.make_node("Flatten", ["pooled"], ["y"])]
    proto = network(nodes, {"x": [1, 3, side, side]}, {"y": [1, width]}, weights)
    return convert(tmp_path_factory.mktemp("eyes"), "eyes", proto, winograd=False,
                   image={"resize": "short", "size": side, "crop": side, "scale": 1 / 255})


@pytest.fixture(scope="session")
def slow(tmp_path_factory):
    """A hundred steps of some 40 ms each with 4096 rows, of some microseconds with one."""
    rng = np.random.default_rng(1)
    count, size = 100, 512
    nodes = [helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(count)]
    weights = (rng.standard_normal((size, size)) / size ** 0.5).astype(np.float32)
    proto = network(nodes, {"x0": ["N", size]}, {f"x{count}": ["N", size]}, [("w", weights)])
    return convert(tmp_path_factory.mktemp("slow"), "slow", proto)
