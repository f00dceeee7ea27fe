# SPDX-License-Identifier: Apache-2.0
"""Random steps of the operators beside windows and products against NumPy, at every level.

What moves elements, computes in integers or rounds once is exact. Other bounds follow from the sums
computed: n terms in any order, fused or not, are off by at most 2 (n + 2) u sum |x|, u = 2^-24,
against f64. AI_SEED starts elsewhere, AI_CASES asks for more.
"""

from __future__ import annotations

import os
import random
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import libai

SEED = int(os.environ.get("AI_SEED", "1"))
CASES = int(os.environ.get("AI_CASES", "12"))
OPSET = 22
U = 2.0**-24


class Case(NamedTuple):
    op: str
    attributes: dict
    inputs: list[np.ndarray]
    constants: set[int]  # positions of inputs that are constants
    expected: list[np.ndarray]  # in the output's type; in f64 where there is a bound
    bound: np.ndarray | None = None


def shape(dice: random.Random, rank: int | None = None, most: int = 6) -> list[int]:
    return [dice.randint(1, most) for _ in range(dice.randint(1, 5) if rank is None else rank)]


def numbers(dice: random.Random, dims, kind=np.float32) -> np.ndarray:
    draw = np.random.default_rng(dice.getrandbits(32))
    if np.issubdtype(kind, np.floating):
        return np.asarray(draw.uniform(-3, 3, dims), kind)
    if kind == np.bool_:
        return np.asarray(draw.integers(0, 2, dims), kind)
    return np.asarray(draw.integers(max(-9, np.iinfo(kind).min), 9, dims), kind)


def any_type(dice: random.Random):
    return dice.choice([np.float32, np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64,
                        np.bool_])


def axis_of(dice: random.Random, dims) -> int:
    return dice.randint(-len(dims), len(dims) - 1)


def broadcasting(dice: random.Random, dims) -> list[int]:
    """A shape that broadcasts to `dims`."""
    ones = [1 if dice.random() < 0.4 else size for size in dims]
    return ones[dice.randint(0, len(dims)):]


def s64(*values) -> np.ndarray:
    return np.array(values, np.int64)


# ---- Exact ----


def truncated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (np.sign(a) * np.sign(b) * (np.abs(a.astype(np.int64)) // np.abs(b.astype(np.int64))))


def arithmetic(dice: random.Random) -> Case:
    op = dice.choice(["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"])
    kind = dice.choice([np.float32, np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64])
    dims = shape(dice)
    a, b = numbers(dice, dims, kind), numbers(dice, broadcasting(dice, dims), kind)
    if op != "PRelu" and dice.random() < 0.5:
        a, b = b, a
    if op == "PRelu" and kind in (np.int8, np.uint8):
        a, b = a.astype(np.int32), b.astype(np.int32)
    if op == "Div":
        b = np.where(b == 0, np.ones_like(b), b)
    is_float = np.issubdtype(a.dtype, np.floating)
    functions = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum,
                 "Min": np.minimum, "Div": np.divide if is_float else truncated,
                 "PRelu": lambda x, slope: np.where(x < 0, x * slope, x)}
    return Case(op, {}, [a, b], set(), [functions[op](a, b).astype(a.dtype)])


def transpose(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice), any_type(dice))
    perm = dice.sample(range(x.ndim), x.ndim)
    return Case("Transpose", {"perm": perm}, [x], set(), [x.transpose(perm)])


def concat(dice: random.Random) -> Case:
    dims, kind, parts = shape(dice), any_type(dice), []
    axis = axis_of(dice, dims)
    for _ in range(dice.randint(1, 5)):
        dims[axis] = dice.randint(0, 5)
        parts.append(numbers(dice, dims, kind))
    return Case("Concat", {"axis": axis}, parts, set(), [np.concatenate(parts, axis)])


def split(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice), any_type(dice))
    axis = axis_of(dice, x.shape)
    size = x.shape[axis]
    if dice.random() < 0.5:
        cuts = sorted(dice.choices(range(size + 1), k=dice.randint(0, 3)))
        sizes = s64(*np.diff([0, *cuts, size]))
        return Case("Split", {"axis": axis}, [x, sizes], {1}, np.split(x, cuts, axis))
    count = dice.randint(1, size)
    part = -(-size // count)
    cuts = [min(part * i, size) for i in range(1, count)]
    return Case("Split", {"axis": axis, "num_outputs": count}, [x], set(), np.split(x, cuts, axis))


def slice_(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice, most=8), any_type(dice))
    axes = dice.sample(range(x.ndim), dice.randint(1, x.ndim))
    steps = [dice.choice([1, 1, 2, 3, -1, -2]) for _ in axes]
    ends = [dice.choice([dice.randint(-10, 10), 2**31, -2**31, 2**63 - 1, -2**63]) for _ in axes]
    starts = [dice.randint(-x.shape[axis], 10) for axis in axes]  # lower ones: NumPy differs
    where = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps):
        where[axis] = slice(start, end, step)
    lists = [s64(*starts), s64(*ends), s64(*axes), s64(*steps)]
    return Case("Slice", {}, [x, *lists], {1, 2, 3, 4}, [x[tuple(where)]])


def pad(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice), any_type(dice))
    mode = dice.choice(["constant", "edge", "reflect", "wrap"])
    before, after = ([dice.randint(0, 7) for _ in x.shape] for _ in range(2))
    inputs, value = [x, s64(*before, *after)], {}
    if mode == "constant" and dice.random() < 0.5:
        inputs.append(numbers(dice, [], x.dtype))
        value = {"constant_values": inputs[2]}
    expected = np.pad(x, list(zip(before, after)), mode, **value)
    return Case("Pad", {"mode": mode}, inputs, {1}, [expected])


def gather(dice: random.Random) -> Case:
    dims = shape(dice, dice.randint(1, 4))
    axis = axis_of(dice, dims)
    dims[axis] += 1  # a self-test's indices are 0 and 1
    x = numbers(dice, dims, any_type(dice))
    count = int(np.prod(dims := shape(dice, dice.randint(0, 3), 4)))
    places = [dice.randint(-x.shape[axis], x.shape[axis] - 1) for _ in range(count)]
    indices = np.array(places, dice.choice([np.int32, np.int64])).reshape(dims)
    return Case("Gather", {"axis": axis}, [x, indices], set(), [np.take(x, indices, axis)])


def expand(dice: random.Random) -> Case:
    dims = shape(dice)
    x = numbers(dice, broadcasting(dice, dims), any_type(dice))
    return Case("Expand", {}, [x, s64(*dims)], {1}, [np.broadcast_to(x, dims)])


def tile(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice, dice.randint(1, 4), 4), any_type(dice))
    repeats = [dice.randint(0 if dice.random() < 0.1 else 1, 3) for _ in x.shape]
    return Case("Tile", {}, [x, s64(*repeats)], {1}, [np.tile(x, repeats)])


def cast(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice), any_type(dice))
    kind = np.dtype(any_type(dice))
    x = np.abs(x) if kind == np.uint8 and x.dtype != np.bool_ else x
    return Case("Cast", {"to": helper.np_dtype_to_tensor_dtype(kind)}, [x], set(), [x.astype(kind)])


def resize(dice: random.Random) -> Case:
    """Against ONNX's reference in f64. Scales are quarters, so that no place is rounded to the other
    side of a tie. The reference computes others in f32: a place of at most 12 is off by 12 u, twice
    on the way to a weight, at slopes of at most 2 (cubic) in each of three axes, and weights that do
    not add up to 1 are divided by at least 1 / 4."""
    mode = dice.choice(["nearest", "linear", "cubic"])
    axes = sorted(dice.sample(range(4), dice.randint(1, 3)))
    attributes = {"mode": mode, "axes": axes, "cubic_coeff_a": dice.choice([-0.75, -0.5])}
    attributes["coordinate_transformation_mode"] = dice.choice([
        "half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"])
    if mode == "nearest":
        attributes["nearest_mode"] = dice.choice(["round_prefer_floor", "round_prefer_ceil",
                                                  "floor", "ceil"])
    else:
        attributes["antialias"] = dice.randint(0, 1)
        attributes["exclude_outside"] = dice.randint(0, 1)
    kind = dice.choice([np.float64, np.int8, np.int64]) if mode == "nearest" else np.float32
    x = numbers(dice, shape(dice, 4, 9), kind)
    none, roi = np.zeros(0, np.float32), np.array([0.25] * len(axes) + [1.0] * len(axes), np.float32)
    sizes = s64(*(dice.randint(1, 12) for _ in axes))
    scales = np.array([dice.randint(-(-4 // x.shape[a]), 12) / 4 for a in axes], np.float32)
    is_cropped = attributes["coordinate_transformation_mode"] == "tf_crop_and_resize"
    has_sizes = is_cropped or mode != "nearest" and dice.random() < 0.5
    roi = roi if is_cropped else none
    if has_sizes and dice.random() < 0.5:
        attributes["keep_aspect_ratio_policy"] = dice.choice(["not_larger", "not_smaller"])
    inputs = [x, roi, none, sizes] if has_sizes else [x, roi, scales]
    case = Case("Resize", attributes, inputs, {1, 2, 3}, [x])
    wide = x if mode == "nearest" else x.astype(np.float64)
    expected = ReferenceEvaluator(model_of(case)).run(None, {"x0": wide})
    bound = np.full(expected[0].shape, 2 * 12 * 2 * 3 * 4 * U * np.abs(x).max()) if mode != "nearest" else None
    return case._replace(expected=expected, bound=bound)


def clip(dice: random.Random) -> Case:
    kind = dice.choice([np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64])
    x, low, high = numbers(dice, shape(dice), kind), np.array(1, kind), np.array(5, kind)
    constants = {1, 2} if dice.random() < 0.5 else set()
    return Case("Clip", {}, [x, low, high], constants, [np.clip(x, low, high)])


def sum_of_integers(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice), dice.choice([np.int32, np.int64]))
    axes = dice.sample(range(x.ndim), dice.randint(1, x.ndim))
    keep = dice.randint(0, 1)
    expected = x.sum(tuple(axes), dtype=x.dtype, keepdims=bool(keep))
    return Case("ReduceSum", {"keepdims": keep}, [x, s64(*axes)], {1}, [np.asarray(expected)])


# ---- Within a bound ----


def reduction(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice, most=dice.choice([6, 20]))[:4])
    axes = dice.sample(range(x.ndim), dice.randint(0, x.ndim))
    keep, is_mean = dice.randint(0, 1), dice.random() < 0.5
    over = tuple(axes) if axes else None
    count = int(np.prod([x.shape[axis] for axis in axes or range(x.ndim)]))
    total = x.astype(np.float64).sum(over, keepdims=bool(keep))
    bound = 2 * (count + 2) * U * np.abs(x).astype(np.float64).sum(over, keepdims=bool(keep))
    scale = count if is_mean else 1
    return Case("ReduceMean" if is_mean else "ReduceSum", {"keepdims": keep}, [x, s64(*axes)], {1},
                [np.asarray(total) / scale], np.asarray(bound) / scale)


def softmax(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice, most=dice.choice([6, 20]))[:4]) * np.float32(
        dice.choice([1, 10]))
    axis, is_log = axis_of(dice, x.shape), dice.random() < 0.5
    below = x.astype(np.float64) - x.max(axis, keepdims=True)
    total = np.exp(below).sum(axis, keepdims=True)
    y = below - np.log(total) if is_log else np.exp(below) / total
    relative = U * (2 * np.abs(below).max(axis, keepdims=True) + 2 * x.shape[axis] + 12)
    bound = relative + 4 * U * (np.abs(below) + np.abs(y)) if is_log else y * relative + 2.0**-140
    return Case("LogSoftmax" if is_log else "Softmax", {"axis": axis}, [x], set(), [y], bound)


def normalised(x, axes, scale, bias, epsilon=1e-5):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias in f64, and its bound: the mean is off
    by as much as its sum, the rest by that and by the relative error of the variance."""
    wide = x.astype(np.float64)
    count = int(np.prod([x.shape[axis] for axis in axes]))
    left = wide - wide.mean(axes, keepdims=True)
    factor = 1 / np.sqrt((left**2).mean(axes, keepdims=True) + epsilon)
    off = 2 * (count + 2) * U * np.abs(wide).max(axes, keepdims=True)
    y = left * factor * scale + bias
    bound = np.abs(scale) * factor * (off + np.abs(left) * (off * factor + 2 * (count + 8) * U))
    return y, bound + 4 * U * (np.abs(y) + np.abs(bias))


def layer_norm(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice))
    axis = axis_of(dice, x.shape)
    first = axis % x.ndim
    scale, bias = (numbers(dice, x.shape[first:]) for _ in range(2))
    y, bound = normalised(x, tuple(range(first, x.ndim)), scale, bias)
    return Case("LayerNormalization", {"axis": axis}, [x, scale, bias], set(), [y], bound)


def group_norm(dice: random.Random) -> Case:
    groups, each = dice.randint(1, 4), dice.randint(1, 4)
    x = numbers(dice, [dice.randint(1, 3), groups * each, *shape(dice, dice.randint(1, 3))])
    scale, bias = (numbers(dice, [groups * each]) for _ in range(2))
    spread = [1, groups, each] + [1] * (x.ndim - 2)
    y, bound = normalised(x.reshape(x.shape[0], groups, each, *x.shape[2:]),
                          tuple(range(2, x.ndim + 1)), scale.reshape(spread), bias.reshape(spread))
    return Case("GroupNormalization", {"num_groups": groups}, [x, scale, bias], set(),
                [y.reshape(x.shape)], bound.reshape(x.shape))


def batch_norm(dice: random.Random) -> Case:
    x = numbers(dice, [dice.randint(1, 3), dice.randint(1, 20), *shape(dice, dice.randint(0, 3))])
    scale, bias, mean, variance = (numbers(dice, [x.shape[1]]) for _ in range(4))
    variance = np.abs(variance) + np.float32(0.1)
    spread = [1, -1] + [1] * (x.ndim - 2)
    s, b, m, v = (item.astype(np.float64).reshape(spread) for item in (scale, bias, mean, variance))
    factor = s / np.sqrt(v + 1e-5)
    y = (x - m) * factor + b
    bound = 8 * U * (np.abs(factor) * (np.abs(x) + np.abs(m)) + np.abs(b))
    return Case("BatchNormalization", {}, [x, scale, bias, mean, variance],
                {1, 2, 3, 4} if dice.random() < 0.5 else set(), [y], bound)


def lp_norm(dice: random.Random) -> Case:
    x = numbers(dice, shape(dice))
    axis, p = axis_of(dice, x.shape), dice.choice([1, 2])
    norm = np.linalg.norm(x.astype(np.float64), p, axis, keepdims=True)
    bound = np.abs(x / norm) * 2 * (x.shape[axis] + 4) * U
    return Case("LpNormalization", {"axis": axis, "p": p}, [x], set(), [x / norm], bound)


MAKERS = [arithmetic, transpose, concat, split, slice_, pad, gather, expand, tile, cast, resize, clip,
          sum_of_integers, reduction, softmax, layer_norm, group_norm, batch_norm, lp_norm]


def model_of(case: Case) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(len(case.inputs))]
    outputs = [f"y{i}" for i in range(len(case.expected))]
    types = [helper.np_dtype_to_tensor_dtype(x.dtype) for x in case.inputs]
    inputs = [helper.make_tensor_value_info(name, kind, x.shape)
              for i, (name, kind, x) in enumerate(zip(names, types, case.inputs))
              if i not in case.constants]
    constants = [numpy_helper.from_array(x, name) for i, (name, x)
                 in enumerate(zip(names, case.inputs)) if i in case.constants]
    node = helper.make_node(case.op, names, outputs, **case.attributes)
    graph = helper.make_graph([node], "random", inputs,
                              [helper.make_empty_tensor_value_info(name) for name in outputs],
                              constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", OPSET)])


def compare(found: np.ndarray, expected: np.ndarray, bound: np.ndarray | None) -> None:
    assert found.shape == expected.shape
    if bound is None:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        return
    assert found.dtype == np.float32
    assert np.all(np.abs(found.astype(np.float64) - expected) <= bound)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_random(make, seed, tmp_path):
    case = make(random.Random(f"{make.__name__} {seed}"))
    onnx.save(model_of(case), tmp_path / "case.onnx")
    libai.convert(tmp_path / "case.onnx", tmp_path / "case.lai")
    inputs = {f"x{i}": x for i, x in enumerate(case.inputs) if i not in case.constants}
    results = []
    levels = libai.cpu_levels()
    for level, threads in [*((level, 1) for level in levels), (levels[-1], 2), (levels[-1], 5)]:
        with libai.Model(tmp_path / "case.lai", threads=threads, cpu=level) as network:
            results.append(network(inputs))
    for i, expected in enumerate(case.expected):
        compare(results[0][f"y{i}"], expected, case.bound)
        assert all(result[f"y{i}"].tobytes() == results[0][f"y{i}"].tobytes() for result in results)
