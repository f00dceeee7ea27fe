# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks: a sequence through one LSTM, and characters one by one through a CharRNN whose
state every engine carries from call to call. The networks, and engines where engines.py has none."""
from __future__ import annotations

import os

import engines
import numpy as np
import onnx
from engines import Engine, Run
from onnx import TensorProto, helper, numpy_helper

STEPS, SIZE, EMBEDDING, WORDS, LAYERS = 512, 512, 256, 6000, 2
CHARACTER = 17
F32, S64 = TensorProto.FLOAT, TensorProto.INT64


class Maker:
    """Nodes and seeded constants of a network."""

    def __init__(self):
        self.random = np.random.default_rng(2)
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, name: str, *shape: int, scale: float = SIZE**-0.5) -> str:
        values = self.random.uniform(-scale, scale, shape).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], **attributes) -> str:
        name = outputs[0] or outputs[1]
        self.nodes.append(helper.make_node(op, inputs, outputs, name, **attributes))
        return outputs[0]

    def cell(self, op: str, x: str, inputs: int, prefix: str, states: list[str],
             outputs: list[str]) -> None:
        gates = {"LSTM": 4, "GRU": 3}[op]
        weights = [self.constant(prefix + "w", 1, gates * SIZE, inputs),
                   self.constant(prefix + "r", 1, gates * SIZE, SIZE),
                   self.constant(prefix + "b", 1, 2 * gates * SIZE)]
        more = {"linear_before_reset": 1} if op == "GRU" else {}
        self.node(op, [x, *weights, "", *states], outputs, hidden_size=SIZE, **more)

    def save(self, path: str) -> None:
        graph = helper.make_graph(self.nodes, "network", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def info(name: str, kind: int, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def make_sequence(path: str) -> None:
    m = Maker()
    m.inputs.append(info("input", F32, STEPS, 1, SIZE))
    m.outputs.append(info("output", F32, STEPS, 1, 1, SIZE))
    m.cell("LSTM", "input", SIZE, "", [], ["output"])
    m.save(path)


def states_of(op: str) -> list[tuple[str, str]]:
    """Names of states, before and after."""
    return [(f"{kind}{i}", f"{kind}{i}_next") for i in range(LAYERS)
            for kind in ("hc" if op == "LSTM" else "h")]


def make_characters(op: str, path: str, batch: int = 1) -> None:
    m = Maker()
    m.inputs.append(info("input", S64, 1, batch))
    m.outputs.append(info("output", F32, batch, WORDS))
    x = m.node("Gather", [m.constant("embedding", WORDS, EMBEDDING, scale=1), "input"], ["embedded"])
    states = states_of(op)
    per_layer = len(states) // LAYERS
    for i in range(LAYERS):
        own = states[i * per_layer:(i + 1) * per_layer]
        m.inputs += [info(before, F32, 1, batch, SIZE) for before, _ in own]
        m.outputs += [info(after, F32, 1, batch, SIZE) for _, after in own]
        m.cell(op, x, SIZE if i else EMBEDDING, f"l{i}_", [b for b, _ in own],
               [f"y{i}", *(a for _, a in own)])
        x = f"x{i}"
        m.constants.append(numpy_helper.from_array(np.array([1]), f"axis{i}"))
        m.node("Squeeze", [f"y{i}", f"axis{i}"], [x])
    m.constants.append(numpy_helper.from_array(np.array([batch, SIZE]), "flat"))
    m.node("Reshape", [x, "flat"], ["last"])
    m.node("Gemm", ["last", m.constant("out", WORDS, SIZE), m.constant("bias", WORDS)], ["output"],
           transB=1)
    m.save(path)


def make_start(path: str) -> None:
    """The first character alone, its number a float as the cold start's programs give: without
    states, which are zeros then."""
    m = Maker()
    m.inputs.append(info("input", F32, 1, 1))
    m.outputs.append(info("output", F32, 1, WORDS))
    m.node("Cast", ["input"], ["number"], to=S64)
    x = m.node("Gather", [m.constant("embedding", WORDS, EMBEDDING, scale=1), "number"], ["embedded"])
    m.constants.append(numpy_helper.from_array(np.array([1]), "axis"))
    for i in range(LAYERS):
        m.cell("LSTM", x, SIZE if i else EMBEDDING, f"l{i}_", [], [f"y{i}"])
        x = m.node("Squeeze", [f"y{i}", "axis"], [f"x{i}"])
    m.constants.append(numpy_helper.from_array(np.array([1, SIZE]), "flat"))
    m.node("Reshape", [x, "flat"], ["last"])
    m.node("Gemm", ["last", m.constant("out", WORDS, SIZE), m.constant("bias", WORDS)], ["output"],
           transB=1)
    m.save(path)


# ---- Engines ----


def torch_sequence(path: str, x: np.ndarray, threads: int) -> Run:
    """The layer from the file's weights; PyTorch has its gates in the order i, f, g, o."""
    import torch
    torch.set_num_threads(threads)
    held = {t.name: numpy_helper.to_array(t)[0] for t in onnx.load(path).graph.initializer}

    def reorder(values: np.ndarray) -> torch.Tensor:
        i, o, f, g = np.split(values, 4)
        return torch.from_numpy(np.concatenate([i, f, g, o]))
    layer = torch.nn.LSTM(SIZE, SIZE)
    biases = np.split(held["b"], 2)
    layer.load_state_dict({"weight_ih_l0": reorder(held["w"]), "weight_hh_l0": reorder(held["r"]),
                           "bias_ih_l0": reorder(biases[0]), "bias_hh_l0": reorder(biases[1])})
    layer.eval()
    given = torch.from_numpy(x)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return layer(given)[0].numpy()
    return run


def op_of(path: str) -> str:
    return "GRU" if "gru" in os.path.basename(path) else "LSTM"


def onnx_runtime(path: str, x: np.ndarray, threads: int) -> Run:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    states = states_of(op_of(path))
    names = ["output", *(after for _, after in states)]
    feed = {"input": x, **{before: np.zeros((1, 1, SIZE), np.float32) for before, _ in states}}

    def run() -> np.ndarray:
        answer, *after = session.run(names, feed)
        feed.update(zip((before for before, _ in states), after))
        return answer
    return run


def openvino_as(precision: str):
    def opened(path: str, x: np.ndarray, threads: int) -> Run:
        import openvino as library
        compiled = library.Core().compile_model(path, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision})
        request = compiled.create_infer_request()
        states = states_of(op_of(path))
        request.set_tensor("input", library.Tensor(x))
        for before, _ in states:
            request.set_tensor(before, library.Tensor(np.zeros((1, 1, SIZE), np.float32)))

        def run() -> np.ndarray:
            request.infer()
            for before, after in states:
                request.get_tensor(before).data[:] = request.get_tensor(after).data
            return request.get_tensor("output").data
        run.keep = compiled, x
        return run
    return opened


def mnn(path: str, x: np.ndarray, threads: int) -> Run:
    import MNN as library
    net = library.Interpreter(path)
    session = net.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
    order, state_shape = library.Tensor_DimensionType_Caffe, (1, 1, SIZE)
    states = states_of(op_of(path))

    def tensor(values: np.ndarray, kind) -> object:
        return library.Tensor(values.shape, kind, values, order)
    given = tensor(x.astype(np.int32), library.Halide_Type_Int)
    held = {before: tensor(np.zeros(state_shape, np.float32), library.Halide_Type_Float)
            for before, _ in states}
    target = tensor(np.zeros((1, WORDS), np.float32), library.Halide_Type_Float)

    def run() -> np.ndarray:
        net.getSessionInput(session, "input").copyFrom(given)
        for before, value in held.items():
            net.getSessionInput(session, before).copyFrom(value)
        net.runSession(session)
        for before, after in states:
            net.getSessionOutput(session, after).copyToHostTensor(held[before])
        net.getSessionOutput(session, "output").copyToHostTensor(target)
        return np.array(target.getNumpyData()).reshape(1, WORDS)
    return run


def ncnn(path: str, x: np.ndarray, threads: int) -> Run:
    """Inputs and outputs by their order. A Mat of an array only points to it."""
    library, net = engines.ncnn_net(path, threads)
    character, zeros = x[0].astype(np.int32), np.zeros((1, SIZE), np.float32)
    given = library.Mat(character)
    held = [library.Mat(zeros) for _ in states_of(op_of(path))]

    def run() -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", given)
        for i, value in enumerate(held, 1):
            extractor.input(f"in{i}", value)
        answer = np.array(extractor.extract("out0")[1])
        held[:] = [extractor.extract(f"out{i}")[1] for i, _ in enumerate(held, 1)]
        return answer
    run.keep = character, zeros
    return run


def litert(path: str, x: np.ndarray, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(model_path=path, num_threads=threads)
    net.allocate_tensors()
    signature = net.get_signature_runner()
    inputs, outputs = signature.get_input_details(), signature.get_output_details()
    states = states_of(op_of(path))
    feed = {before: np.zeros((1, SIZE), np.float32) for before, _ in states}
    feed["input"] = x[0].astype(np.int32)

    def run() -> np.ndarray:
        for name, value in feed.items():
            net.set_tensor(inputs[name]["index"], value)
        net.invoke()
        for before, after in states:
            feed[before] = net.get_tensor(outputs[after]["index"])
        return net.get_tensor(outputs["output"]["index"])
    return run


def tract(path: str, x: np.ndarray, threads: int) -> Run:
    """States by their order: tract names them by the node."""
    import tract as library
    assert threads == 1
    state = library.onnx().load(path).into_model().into_runnable().spawn_state()
    zeros = np.zeros((1, 1, SIZE), np.float32)
    values = [x, *(zeros for _ in states_of(op_of(path)))]
    feed = [library.Tensor.from_numpy(value) for value in values]

    def run() -> np.ndarray:
        answer, *feed[1:] = state.run(feed)
        return answer.to_numpy()
    return run


# By table; the answers are held to those of the first. Weights of fewer bits are held less tightly.
SEQUENCE = {
    "ONNX Runtime": engines.ALL["ONNX Runtime"],
    "OpenVINO": engines.ALL["OpenVINO"],
    "PyTorch": Engine(torch_sequence, "onnx", "torch"),
    "libai": engines.ALL["libai"],
}
CHARACTERS = {
    "ONNX Runtime": Engine(onnx_runtime, "onnx", "onnxruntime"),
    "OpenVINO": Engine(openvino_as("f32"), "onnx", "openvino"),
    "OpenVINO, bf16": Engine(openvino_as("bf16"), "onnx", "openvino", most_difference=0.05),
    "LiteRT": Engine(litert, "tflite", "ai-edge-litert"),
    "ncnn": Engine(ncnn, "ncnn", "ncnn"),
    "MNN": Engine(mnn, "mnn", "MNN"),
    "tract": Engine(tract, "onnx", "tract", is_threaded=False),
    "libai": Engine(engines.libai, "lai"),
    "libai, --weights f16": Engine(engines.libai, "f16"),
    "libai, --weights s8": Engine(engines.libai, "s8", most_difference=0.05),
}
NETWORKS = {
    "sequence": ("512 steps through one LSTM layer of 512", SEQUENCE),
    "charlstm": ("CharRNN, LSTM, a character a call", CHARACTERS),
    "chargru": ("CharRNN, GRU, a character a call", CHARACTERS),
}


def prepare(name: str, folder: str) -> str:
    """The network's file, made where it is missing or older than this one, and its input."""
    path = os.path.join(folder, name + ".onnx")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(__file__):
        make_sequence(path) if name == "sequence" else make_characters(op_of(path), path)
    x = np.random.default_rng(3).standard_normal((STEPS, 1, SIZE)).astype(np.float32)
    np.save(path.replace(".onnx", ".npy"), x if name == "sequence" else np.array([[CHARACTER]]))
    return path


def options(name: str, form: str) -> list[str]:
    """Of `ai convert`."""
    if name == "sequence":
        return []
    kept = [part for before, after in states_of(op_of(name))
            for part in ("--state", f"{before}={after}")]
    return kept + {"lai": [], "f16": ["--weights", "f16"], "s8": ["--weights", "s8"]}.get(form, [])
