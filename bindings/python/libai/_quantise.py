# SPDX-License-Identifier: Apache-2.0
"""The quantiser: a trained network becomes one that computes with 8 bits."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from ctypes import c_char_p
from dataclasses import dataclass
from typing import Any

from . import _library as lib
from . import _notebook
from ._convert import Conversion, make, recipe
from ._model import Model
from ._progress import Progress, Reporter
from ._samples import Samples, samples

_RANGES = ("percentile", "min-max", "mse")


@dataclass(frozen=True)
class Layer:
    """snr: of its output beside the f32 one's, in dB, by itself; None: it was not tried. form:
    "int8", "s8 weights" or "f32"; kept: it stays f32, and `why`."""

    name: str
    op: str
    form: str
    snr: float | None
    why: str

    @property
    def kept(self) -> bool:
        """Whether it stays f32."""
        return self.form == "f32"


@dataclass(frozen=True)
class Whole:
    """Against f32 on the samples: answers that are rows of scores, how many have the same greatest
    one, the largest error of an element, the signal-to-noise ratio in dB."""

    rows: int
    same: int
    error: float
    snr: float

    @property
    def agreement(self) -> float | None:
        """The share of rows with the same greatest element; None: the answers are no rows."""
        return self.same / self.rows if self.rows else None


@dataclass(frozen=True, kw_only=True)
class Quantisation(Conversion):
    """What was made, and what it lost. samples were used, skipped ones could not be read."""

    layers: tuple[Layer, ...]
    whole: Whole
    samples: int
    skipped: int

    @property
    def summary(self) -> str:
        """One line: layers, samples, what was lost."""
        count = sum(not layer.kept for layer in self.layers)
        same = f", the same top-1 in {self.whole.same} of {self.whole.rows}" if self.whole.rows else ""
        return (f"{count} of {len(self.layers)} layers are int8; on {self.samples} calibration samples, "
                f"against f32: signal to noise {self.whole.snr:.1f} dB, "
                f"largest error {self.whole.error:.3g}{same}")

    def __str__(self) -> str:
        rows = [f"{layer.form:11} {'' if layer.snr is None else f'{layer.snr:.1f} dB':>8} "
                f"{layer.op} '{layer.name}'" + (f": {layer.why}" if layer.why else "")
                for layer in self.layers]
        return "\n".join([*rows, self.summary])

    def _repr_html_(self) -> str:
        return _notebook.quantisation_html(self)


def _options(given: Samples, ranges: str, keep: Sequence[str], reporter: Reporter
             ) -> lib.QuantiseOptions:
    options = lib.sized(lib.QuantiseOptions)
    if given.recipe is not None:
        options.recipe, options.recipe_bytes = given.recipe, len(given.recipe)
        return options
    fill = given.fill
    assert fill is not None

    def sample(_: object, i: int, inputs: Any, data: Any, count: int, _err: object) -> int:
        return reporter.guarded(lambda: fill(i, inputs[:count], data[:count]))

    options.ranges, options.sample = _RANGES.index(ranges), lib.SAMPLE(sample)
    options.sample_count = given.count
    options.keep = (c_char_p * len(keep))(*(lib.text_bytes(name, "keep: a name") for name in keep))
    options.keep_count = len(keep)
    return options


def _report(made: Conversion) -> Quantisation:
    with Model(made.path) as model:
        found = json.loads(model.resources["int8"])
    layers = tuple(Layer(row["name"], row["op"], row["form"], row.get("snr"), row.get("why", ""))
                   for row in found["layers"])
    whole = found["whole"]
    return Quantisation(made.path, made.difference, layers=layers, samples=found["samples"],
                        skipped=found["skipped"],
                        whole=Whole(whole["rows"], whole["same"], whole["error"], whole["snr"]))


def quantize(source: Any, target: str | os.PathLike[str], calibration: Any, *,
             ranges: str | None = None, keep: Sequence[str] = (), example: Any = None,
             shapes: Mapping[str, Sequence[int]] | None = None, outputs: Sequence[str] = (),
             states: Sequence[str] = (),
             labels: str | os.PathLike[str] | Iterable[str] | None = None,
             image: str | Mapping[str, Any] | None = None,
             resources: Mapping[str, bytes] | None = None, name: str | None = None,
             licence: str | None = None, progress: Progress | bool | None = None) -> Quantisation:
    """Turns a trained f32 network into a flat file that computes with 8 bits.

    calibration: some dozens of samples of what the network will see: a folder of images, which go
    through the recipe `image`; an iterable of arrays, or of dicts of arrays by the names of inputs; an
    .npz or a dict of arrays with the samples along the first dimension; or a .lai or its resource
    "int8" as a .json, to do the same as was done when that was made.

    ranges: how the range of a tensor is found: "percentile" (the default), "min-max" or "mse".
    keep: names of nodes that stay f32. All else is as in convert, errors too; a sample of another type or
    shape than the input's is a TypeError or a ValueError.

    >>> rows = np.random.default_rng(1).standard_normal((32, 4)).astype(np.float32)
    >>> made = libai.quantize("net.onnx", "small.lai", {"x": rows}, progress=False)
    >>> made.samples, made.layers[0].name, made.layers[0].kept
    (32, 'gemm', False)
    """
    if ranges is not None and ranges not in _RANGES:
        raise ValueError(f"ranges is {ranges!r}, needed is 'percentile', 'min-max' or 'mse'")
    if isinstance(keep, str):
        raise TypeError("keep is one string, a list of names is needed")
    given = samples(calibration, None if image is None else recipe(image))
    if given.recipe is not None and (ranges or keep):
        raise TypeError("ranges and keep belong to a calibration, this one says what an earlier found")
    reporter = Reporter(progress)
    options = _options(given, ranges or _RANGES[0], keep, reporter)
    return _report(make(source, target, 0, example, shapes, outputs, states, labels, image, resources,
                        name, licence, reporter, options))
