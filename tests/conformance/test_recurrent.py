# SPDX-License-Identifier: Apache-2.0
"""RNN, GRU and LSTM: random forms against an evaluation in f64 with its bound and against ONNX
Runtime, small integers exactly, and the same bits at every level, thread count and cut.

AI_SEED starts elsewhere, AI_CASES asks for more."""

from __future__ import annotations

import os
import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from recurrent import DEFAULTS, FUNCTIONS, GATES, evaluate

import libai

SEED = int(os.environ.get("AI_SEED", "1"))
CASES = int(os.environ.get("AI_CASES", "40"))
NAMES = ["X", "W", "R", "B", "lengths", "initial_h", "initial_c", "P"]


def any_attributes(dice: random.Random, op: str) -> dict:
    attributes = {"direction": dice.choice(["forward", "reverse", "bidirectional"])}
    sides = 2 if attributes["direction"] == "bidirectional" else 1
    if dice.random() < 0.5:
        names = [dice.choice(sorted(FUNCTIONS)) for _ in range(sides * len(DEFAULTS[op]))]
        attributes["activations"] = names
        taken = [FUNCTIONS[name][2] for name in names]
        for least, name in ((1, "activation_alpha"), (2, "activation_beta")):
            count = sum(n >= least for n in taken)
            if count and (dice.random() < 0.5 or "ScaledTanh" in names):
                attributes[name] = [round(dice.uniform(0.1, 1.2), 2) for _ in range(count)]
    if dice.random() < 0.3:
        attributes["clip"] = round(dice.uniform(0.2, 2), 2)
    if dice.random() < 0.4:
        attributes["layout"] = 1
    if op == "GRU":
        attributes["linear_before_reset"] = dice.randint(0, 1)
    if op == "LSTM" and dice.random() < 0.3:
        attributes["input_forget"] = 1
    return attributes


def any_inputs(dice: random.Random, op: str, attributes: dict, time, batch, size, width) -> list:
    draw = np.random.default_rng(dice.getrandbits(32))
    sides = 2 if attributes["direction"] == "bidirectional" else 1
    gates = GATES[op] * size

    def numbers(*dim):
        return draw.uniform(-0.5, 0.5, dim).astype(np.float32)

    def maybe(value):
        return value if dice.random() < 0.5 else None

    state = (batch, sides, size) if attributes.get("layout") else (sides, batch, size)
    x = numbers(batch, time, width) if attributes.get("layout") else numbers(time, batch, width)
    inputs = [x, numbers(sides, gates, width), numbers(sides, gates, size),
              maybe(numbers(sides, 2 * gates)),
              maybe(draw.integers(0, time + 1, batch).astype(np.int32)), maybe(numbers(*state))]
    if op == "LSTM":
        inputs += [maybe(numbers(*state)), maybe(numbers(sides, 3 * size))]
    return inputs


def make_model(op, attributes, inputs, constant: bool) -> onnx.ModelProto:
    size = inputs[2].shape[2]
    outputs = ["Y", "Y_h", "Y_c"][:3 if op == "LSTM" else 2]
    node = helper.make_node(op, [name if value is not None else "" for name, value in
                                 zip(NAMES, inputs)], outputs, "rnn", hidden_size=size, **attributes)
    held = {"W", "R", "B", "P"} if constant else set()
    given = [(n, v) for n, v in zip(NAMES, inputs) if v is not None]
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
         for n, v in given if n not in held],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(v, n) for n, v in given if n in held])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def feed_of(model, inputs) -> dict:
    wanted = {item.name for item in model.graph.input}
    return {n: v for n, v in zip(NAMES, inputs) if n in wanted}


def at_every_level(path, feed) -> list[np.ndarray]:
    """The outputs, after they were seen to be the same everywhere."""
    found = None
    for level in libai.cpu_levels():
        for threads in (1, 3):
            with libai.Model(path, threads=threads, cpu=level) as network:
                got = list(network(feed).values())
            found = found or got
            assert all(a.tobytes() == b.tobytes() for a, b in zip(found, got)), (level, threads)
    return found


def run_onnxruntime(model, feed) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def runtime_takes(attributes, inputs) -> bool:
    """It refuses layout 1, has other defaults for functions with numbers, and does not define Y_h
    of a sequence of length 0."""
    return not (attributes.get("layout") or
                any(FUNCTIONS[name][2] for name in attributes.get("activations", []))
                or (inputs[4] is not None and (inputs[4] == 0).any()))


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
@pytest.mark.parametrize("op", GATES)
def test_random(op, seed, tmp_path):
    dice = random.Random(f"{op} {seed}")
    attributes = any_attributes(dice, op)
    shape = [dice.randint(1, 5), dice.choice([1, 1, 2, 3, 35]), dice.randint(1, 37),
             dice.randint(1, 20)]
    inputs = any_inputs(dice, op, attributes, *shape)
    model = make_model(op, attributes, inputs, dice.random() < 0.7)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    feed = feed_of(model, inputs)
    found = at_every_level(tmp_path / "m.lai", feed)
    for got, (value, error) in zip(found, evaluate(op, attributes, inputs)):
        assert got.shape == value.shape
        off = np.abs(got - value) - error
        assert off.max() <= 0, f"AI_SEED={seed}: {attributes} {shape}: {off.max()} over the bound"
    if runtime_takes(attributes, inputs):
        for got, other, (value, error) in zip(found, run_onnxruntime(model, feed),
                                              evaluate(op, attributes, inputs)):
            assert (np.abs(got - other) <= 2 * error + 1e-6).all(), f"AI_SEED={seed}: {attributes}"


def rounded(weight, kind):
    """As the file has it: f16, or s8 with a scale for each row of gates."""
    if kind == "f16":
        return weight.astype(np.float16).astype(np.float32)
    scale = np.abs(weight).max(axis=2, keepdims=True) / np.float32(127)
    integers = np.clip(np.rint(weight.astype(np.float64) / scale), -127, 127)
    return integers * scale


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES // 4))
@pytest.mark.parametrize("kind, levels", [("f16", 0), ("s8", 8191)])
@pytest.mark.parametrize("op", GATES)
def test_narrow_weights(op, kind, levels, seed, tmp_path):
    """Every form with weights that were rounded: as near to these as f32 to its own. With s8, what
    is multiplied by them is rounded to 14 bits as well."""
    dice = random.Random(f"{op} {kind} {seed}")
    attributes = any_attributes(dice, op)
    shape = [dice.randint(1, 5), dice.choice([1, 2, 35]), dice.randint(1, 37), dice.randint(1, 20)]
    inputs = any_inputs(dice, op, attributes, *shape)
    model = make_model(op, attributes, inputs, True)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai", weights=kind)
    found = at_every_level(tmp_path / "m.lai", feed_of(model, inputs))
    inputs[1:3] = [rounded(weight, kind) for weight in inputs[1:3]]
    for got, (value, error) in zip(found, evaluate(op, attributes, inputs, levels)):
        off = np.abs(got - value) - error
        assert off.max() <= 0, f"AI_SEED={seed}: {attributes} {shape}: {off.max()} over the bound"


@pytest.mark.parametrize("op", GATES)
def test_small_integers_exactly(op, tmp_path):
    """Sums of small integers through Relu and Affine have no rounding at all."""
    draw = np.random.default_rng(1)
    names = {"RNN": ["Relu"], "GRU": ["Affine", "Relu"], "LSTM": ["Affine", "Relu", "Affine"]}[op]
    attributes = {"direction": "forward", "activations": names}
    gates = GATES[op] * 18
    inputs = [draw.integers(-2, 3, dim).astype(np.float32)
              for dim in ((1, 3, 7), (1, gates, 7), (1, gates, 18), (1, 2 * gates))]
    inputs += [None, *(draw.integers(-2, 3, (1, 3, 18)).astype(np.float32)
                       for _ in range(2 if op == "LSTM" else 1))]
    model = make_model(op, attributes, inputs, True)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    found = at_every_level(tmp_path / "m.lai", feed_of(model, inputs))
    for got, (value, _) in zip(found, evaluate(op, attributes, inputs)):
        assert np.abs(value).max() < 2**24
        assert np.abs(value).max() > 0
        assert (got == value).all()


@pytest.mark.parametrize("op", GATES)
def test_sequence_cut_anywhere(op, tmp_path):
    """Y of the whole is Y of its parts, where each begins with the states of the one before."""
    dice = random.Random(7)
    time, batch, size, width = 9, 2, 24, 5
    attributes = {"direction": "forward"}
    inputs = any_inputs(dice, op, attributes, time, batch, size, width)
    inputs[4] = None
    zeros = np.zeros((1, batch, size), np.float32)
    inputs[5] = zeros
    if op == "LSTM":
        inputs[6] = zeros
    whole = None
    for cut in range(1, time):
        states = [zeros] * (2 if op == "LSTM" else 1)
        parts = []
        for piece in (inputs[0], ) if whole is None else (inputs[0][:cut], inputs[0][cut:]):
            given = [piece, *inputs[1:]]
            given[5:5 + len(states)] = states
            model = make_model(op, attributes, given, True)
            onnx.save(model, tmp_path / "m.onnx")
            libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
            with libai.Model(tmp_path / "m.lai", threads=1) as network:
                outputs = network(feed_of(model, given))
            parts.append(outputs["Y"])
            states = [outputs[name] for name in ("Y_h", "Y_c") if name in outputs]
        if whole is None:
            whole = parts[0]
        else:
            assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_length_out_of_range(tmp_path):
    """One that only a run shows is an error of the run, and the session goes on."""
    dice = random.Random(3)
    attributes = {"direction": "forward"}
    inputs = any_inputs(dice, "GRU", attributes, 4, 2, 8, 3)
    inputs[4] = np.array([4, 2], np.int32)
    model = make_model("GRU", attributes, inputs, True)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    with libai.Model(tmp_path / "m.lai", threads=1) as network:
        feed = feed_of(model, inputs)
        before = network(feed)["Y"]
        for wrong in (-1, 5):
            with pytest.raises(libai.Error, match=f"sequence 1 has length {wrong}, needs 0 to 4"):
                network({**feed, "lengths": np.array([4, wrong], np.int32)})
        assert network(feed)["Y"].tobytes() == before.tobytes()


def test_no_steps(tmp_path):
    """Neither a file nor a session has a sequence without steps."""
    inputs = any_inputs(random.Random(4), "LSTM", {"direction": "forward"}, 3, 2, 8, 3)
    inputs[0] = inputs[0][:0]
    onnx.save(make_model("LSTM", {"direction": "forward"}, inputs, True), tmp_path / "m.onnx")
    with pytest.raises(libai.Error, match="the sequence has no steps, needs at least 1"):
        libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")


@pytest.mark.parametrize("op", GATES)
def test_silence_fades_to_nothing(op, tmp_path):
    """What a state forgets becomes 0 and never a denormal number, which would be slow. Weights
    forget by half a step, and nothing comes in."""
    size = 20
    zeros = np.zeros((1, GATES[op] * size, size), np.float32)
    bias = np.zeros((1, 2 * GATES[op] * size), np.float32)
    inputs = [np.zeros((1, 1, size), np.float32), zeros, zeros, bias, None]
    if op == "RNN":
        inputs[2] = np.eye(size, dtype=np.float32)[None] / 2
    start = np.linspace(-1, 1, size, dtype=np.float32).reshape(1, 1, size)
    inputs += [start, start] if op == "LSTM" else [start]
    model = make_model(op, {"direction": "forward"}, inputs, True)
    onnx.save(model, tmp_path / "m.onnx")
    libai.convert(tmp_path / "m.onnx", tmp_path / "m.lai")
    feed = feed_of(model, inputs)
    names = [("initial_h", "Y_h"), ("initial_c", "Y_c")][:2 if op == "LSTM" else 1]
    with libai.Model(tmp_path / "m.lai", threads=1) as network:
        for step in range(400):
            found = network(feed)
            feed.update({before: found[after] for before, after in names})
            for value in (found[after] for _, after in names):
                small = np.abs(value[value != 0])
                assert small.size == 0 or small.min() >= np.finfo(np.float32).tiny
            if not any(value.any() for value in (found[after] for _, after in names)):
                break
    assert 50 < step < 399


# ---- States that the session keeps ----


def streamed(op, tmp_path, states, initial: bool):
    """A model of one step a call, and what a model of the whole sequence says."""
    dice = random.Random(11)
    attributes = {"direction": "forward"}
    inputs = any_inputs(dice, op, attributes, 6, 2, 20, 5)
    inputs[4:] = [None] * len(inputs[4:])
    model = make_model(op, attributes, inputs, True)
    onnx.save(model, tmp_path / "whole.onnx")
    libai.convert(tmp_path / "whole.onnx", tmp_path / "whole.lai")
    with libai.Model(tmp_path / "whole.lai", threads=1) as network:
        whole = network(feed_of(model, inputs))["Y"]
    step = [inputs[0][:1], *inputs[1:]]
    if initial:
        step[5:] = [np.zeros((1, 2, 20), np.float32)] * (2 if op == "LSTM" else 1)
    onnx.save(make_model(op, attributes, step, True), tmp_path / "step.onnx")
    libai.convert(tmp_path / "step.onnx", tmp_path / "step.lai", states=states)
    return inputs[0], whole


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("by", ["node", "pair"])
def test_state_goes_on(op, by, tmp_path):
    """One step a call gives the bits of the whole sequence, in another session and level too."""
    pairs = ["initial_h=Y_h", "initial_c=Y_c"][:2 if op == "LSTM" else 1]
    x, whole = streamed(op, tmp_path, ["rnn"] if by == "node" else pairs, by == "pair")
    levels = libai.cpu_levels()
    state = None
    for i in range(len(x)):
        with libai.Model(tmp_path / "step.lai", threads=1, cpu=levels[i % len(levels)]) as network:
            if state is not None:
                network.state = state
            assert network({"X": x[i:i + 1]})["Y"].tobytes() == whole[i:i + 1].tobytes()
            state = network.state
            assert by == "node" or [item.name for item in network.outputs] == ["Y"]


def begin_with(model, names, value, is_computed):
    """The initial states are a constant; or computed from the shape of X, as PyTorch writes it."""
    graph = model.graph
    for name in names:
        graph.input.remove(next(item for item in graph.input if item.name == name))
    graph.initializer.append(numpy_helper.from_array(value, "begin"))
    if not is_computed:
        graph.node.insert(0, helper.make_node("Identity", ["begin"], ["start"]))
    else:
        for name, number in (("one", [1]), ("size", [value.shape[2]])):
            graph.initializer.append(numpy_helper.from_array(np.array(number), name))
        for node in (helper.make_node("Expand", ["begin", "shape"], ["start"]),
                     helper.make_node("Concat", ["one", "batch", "size"], ["shape"], axis=0),
                     helper.make_node("Gather", ["X_shape", "one"], ["batch"]),
                     helper.make_node("Shape", ["X"], ["X_shape"])):
            graph.node.insert(0, node)
    for i in range(5, 5 + len(names)):
        graph.node[-1].input[i] = "start"


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("is_computed", [False, True])
def test_state_begins_as_the_constant(op, is_computed, tmp_path):
    """A node's initial state that is no input is where the session's state starts, and starts again."""
    inputs = any_inputs(random.Random(12), op, {"direction": "forward"}, 6, 2, 20, 5)
    names = ["initial_h", "initial_c"][:2 if op == "LSTM" else 1]
    value = np.full((1, 1 if is_computed else 2, 20), 0.25, np.float32)
    inputs[4:] = [None] + [value] * len(names)
    for path, x in (("whole", inputs[0]), ("step", inputs[0][:1])):
        model = make_model(op, {"direction": "forward"}, [x, *inputs[1:]], True)
        begin_with(model, names, value, is_computed)
        onnx.save(model, tmp_path / f"{path}.onnx")
        libai.convert(tmp_path / f"{path}.onnx", tmp_path / f"{path}.lai",
                      states=["rnn"] if path == "step" else [])
    with libai.Model(tmp_path / "whole.lai", threads=1) as network:
        whole = network({"X": inputs[0]})["Y"]
    with libai.Model(tmp_path / "step.lai", threads=1) as network:
        for _ in range(2):
            steps = [network({"X": inputs[0][i:i + 1]})["Y"] for i in range(len(whole))]
            assert np.concatenate(steps).tobytes() == whole.tobytes()
            network.reset()


@pytest.mark.parametrize("states, message", [
    (["nowhere"], "state 'nowhere' is no node of the graph"),
    (["X=nowhere"], "state 'X=nowhere' names output 'nowhere', the graph has none"),
    (["nowhere=Y"], "state 'nowhere=Y' begins with no input's name"),
    (["X=Y"], "state 'X=Y': input and output differ in type or shape"),
    (["rnn", "rnn"], "state 'rnn' has an initial state: name that and its output"),
])
def test_state_that_cannot_be(states, message, tmp_path):
    with pytest.raises(libai.Error, match=message):
        streamed("GRU", tmp_path, states, False)
    assert not (tmp_path / "step.lai").exists()
