# SPDX-License-Identifier: Apache-2.0
"""Models of other frameworks on their way to ONNX, by the frameworks' own exporters. A framework is
imported only where a model of it is given, so its caller has it already."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._model import Model
    from ._session import Array

SEED = 1


@dataclass
class Exported:
    """What was written as ONNX: an example, if there is one, and the framework's answers to it."""

    inputs: dict[str, Array]
    answers: list[Array]


def export(source: object, example: Any, path: Path, states: Collection[str]) -> Exported:
    """Writes source as ONNX to path. states: names of inputs that are to be zeros."""
    for module, kind, write in (("onnx", "ModelProto", _onnx), ("torch.nn", "Module", _torch),
                                ("keras", "Model", _keras)):
        if isinstance(source, getattr(sys.modules.get(module), kind, ())):
            return write(source, example, path, states)
    raise TypeError(f"source is {type(source).__name__}, a path is needed, an onnx.ModelProto, a "
                    "torch.nn.Module or a keras.Model")


def _listed(example: Any) -> list[Any]:
    return list(example) if isinstance(example, (tuple, list)) else [example]


def _onnx(model: Any, example: Any, path: Path, _: Collection[str]) -> Exported:
    onnx = import_module("onnx")
    onnx.save_model(model, str(path), save_as_external_data=model.ByteSize() >= 1 << 30)
    if example is None:
        return Exported({}, [])
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in constants]
    inputs = _by_name(names, example)
    answers = import_module("onnx.reference").ReferenceEvaluator(model).run(None, inputs)
    return Exported(inputs, answers)


def _by_name(names: Sequence[str], example: Any) -> dict[str, Array]:
    numpy = import_module("numpy")
    rows = example if isinstance(example, dict) else dict(zip(names, _listed(example)))
    if set(rows) != set(names):
        raise ValueError(f"example has {len(rows)} inputs, needed are those of the model: "
                         + ", ".join(f"'{name}'" for name in names))
    return {name: numpy.asarray(rows[name]) for name in names}


def _torch(module: Any, example: Any, path: Path, _: Collection[str]) -> Exported:
    torch = import_module("torch")
    if example is None:
        raise TypeError("example is None, a torch.nn.Module needs a tensor or a tuple of tensors")
    # Each its own: of a tensor that is given twice the exporter makes one input of two names.
    tensors = tuple(torch.as_tensor(one).clone() for one in _listed(example))
    names = list(inspect.signature(module.forward).parameters)[:len(tensors)]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            answers = _listed(module(*tensors))
            torch.onnx.export(module, tensors, str(path), input_names=names,
                              output_names=_names("output", len(answers)),
                              # its newer exporter needs a package more
                              dynamo=find_spec("onnxscript") is not None)
    finally:
        module.train(was_training)
    return Exported({name: tensor.numpy(force=True) for name, tensor in zip(names, tensors)},
                    [answer.numpy(force=True) for answer in answers])


def _names(stem: str, count: int) -> list[str]:
    return [stem] if count == 1 else [f"{stem}{i}" for i in range(count)]


@contextmanager
def _unrolled(model: Any) -> Iterator[None]:
    """Recurrent layers step by step: else the exporter writes a Loop, which no model here has."""
    layers = [layer for layer in model._flatten_layers() if getattr(layer, "unroll", None) is False]
    for layer in layers:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in layers:
            layer.unroll = False


def _keras(model: Any, example: Any, path: Path, states: Collection[str]) -> Exported:
    numpy, keras = import_module("numpy"), import_module("keras")
    names = [tensor.name for tensor in model.inputs]
    if example is None:
        dice = numpy.random.default_rng(SEED)
        example = [((tensor.name not in states) * (2 * dice.random([n or 1 for n in tensor.shape]) - 1)
                    ).astype(tensor.dtype) for tensor in model.inputs]
    inputs = _by_name(names, example)
    arrays = list(inputs.values())
    answers = [keras.ops.convert_to_numpy(answer)
               for answer in _listed(model(arrays if len(arrays) > 1 else arrays[0]))]
    signature = [keras.InputSpec(shape=array.shape, dtype=str(array.dtype), name=name)
                 for name, array in inputs.items()]
    with _unrolled(model):
        model.export(str(path), format="onnx", verbose=False, input_signature=[signature])
    return Exported(inputs, answers)


def difference(exported: Exported, onnx_path: Path, model: Model, states: Collection[str]
               ) -> float | None:
    """The largest between a model's answer and the framework's; None: there is nothing to compare,
    or the example has a state that is not the zeros from which a model starts."""
    numpy = import_module("numpy")
    if not exported.inputs or any(exported.inputs[name].any() for name in states):
        return None
    graph = import_module("onnx").load(str(onnx_path), load_external_data=False).graph
    expected = dict(zip((value.name for value in graph.output), exported.answers))
    found = model({tensor.name: exported.inputs[tensor.name] for tensor in model.inputs})
    gaps = [numpy.abs(array.astype(float) - expected[name].astype(float)).max(initial=0)
            for name, array in found.items() if name in expected]
    return float(max(gaps)) if gaps else None
