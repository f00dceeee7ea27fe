# SPDX-License-Identifier: Apache-2.0
"""The engines, each as a function of (the model's file, input, threads) that opens a model
and gives back a function of no arguments: one inference, its answer in the shape it has."""
from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Run = Callable[[], np.ndarray]


def libai(path: str, x: np.ndarray, threads: int) -> Run:
    import libai as library
    model = library.Model(path, threads=threads)
    return lambda: model(x)


def onnx_runtime(path: str, x: np.ndarray, threads: int) -> Run:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options,
                                           providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": x})[0]


def openvino(path: str, x: np.ndarray, threads: int) -> Run:
    import openvino as library
    compiled = library.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    given = library.Tensor(x, shared_memory=True)
    request.set_input_tensor(given)

    def run() -> np.ndarray:
        request.infer()
        return request.get_output_tensor().data
    run.keep = compiled, given, x  # it crashes where its input has gone
    return run


def ncnn_net(path: str, threads: int):
    import ncnn as library
    net = library.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, "use_" + option, False)
    if net.load_param(path) or net.load_model(path.removesuffix(".param") + ".bin"):
        raise OSError(f"{path} does not load")
    return library, net


def ncnn(path: str, x: np.ndarray, threads: int) -> Run:
    library, net = ncnn_net(path, threads)

    def run() -> np.ndarray:  # it has no batch: one picture after the other
        answers = []
        for picture in x:
            extractor = net.create_extractor()
            extractor.input("in0", library.Mat(picture))
            answers.append(np.array(extractor.extract("out0")[1]))
        return np.stack(answers)
    return run


def mnn(path: str, x: np.ndarray, threads: int) -> Run:
    import MNN as library
    net = library.Interpreter(path)
    session = net.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
    order = library.Tensor_DimensionType_Caffe
    source = library.Tensor(x.shape, library.Halide_Type_Float, x, order)
    shape = (len(x), 1000)
    target = library.Tensor(shape, library.Halide_Type_Float, np.zeros(shape, np.float32), order)

    def run() -> np.ndarray:
        net.getSessionInput(session, "input").copyFrom(source)
        net.runSession(session)
        net.getSessionOutput(session, "output").copyToHostTensor(target)
        return np.array(target.getNumpyData()).reshape(shape)
    return run


def litert(path: str, x: np.ndarray, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(model_path=path, num_threads=threads)
    net.allocate_tensors()
    source = net.get_input_details()[0]["index"]
    target = net.get_output_details()[0]["index"]
    pixels = np.ascontiguousarray(x.transpose(0, 2, 3, 1))

    def run() -> np.ndarray:
        net.set_tensor(source, pixels)
        net.invoke()
        return net.get_tensor(target)
    return run


def libai_step(path: str, x: np.ndarray, threads: int) -> Run:
    """The one step that computes, by the session's own clock: without the layout at both ends."""
    import libai as library
    model = library.Model(path, threads=threads, profile=True)

    def run() -> np.ndarray:
        return model(x)
    run.clock = lambda: sum(step.ns for step in model.steps if step.op in ("Conv", "Gemm"))
    return run


@dataclass(frozen=True)
class Engine:
    open: Callable[[str, np.ndarray, int], Run]
    form: str                   # of convert.ENDINGS
    package: str | None = None  # on PyPI; None: ours
    is_step: bool = False       # for single layers
    is_threaded: bool = True    # else it has no setting for it, and runs on one thread alone
    most_difference: float = 0.01  # from the reference; no f32 engine comes near
    level: str | None = None    # of the CPU, that it is held to; peers by having no tiles


# By the name in the report. The answers are held to those of REFERENCE.
ALL = {
    "ONNX Runtime": Engine(onnx_runtime, "onnx", "onnxruntime"),
    "OpenVINO": Engine(openvino, "onnx", "openvino"),
    "LiteRT": Engine(litert, "tflite", "ai-edge-litert"),
    "ncnn": Engine(ncnn, "ncnn", "ncnn"),
    "MNN": Engine(mnn, "mnn", "MNN"),
    "libai": Engine(libai, "lai"),
    "libai, --winograd off": Engine(libai, "direct"),
    "libai, one step": Engine(libai_step, "lai", is_step=True),
}
REFERENCE = "ONNX Runtime"


def table(name: str) -> dict[str, Engine]:
    """Of one of our modules, such as engines.ALL."""
    module, _, table_name = name.partition(".")
    return getattr(importlib.import_module(module), table_name)
