# SPDX-License-Identifier: Apache-2.0
"""How models and answers look in a notebook: tables and charts as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._classify import Class
    from ._model import Model, Tensor
    from ._quantise import Quantisation


def _row(cells: Iterable[str], kind: str = "td") -> str:
    return "<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>"


def _tensor(role: str, tensor: Tensor) -> str:
    dims = " × ".join(f"{n}*" if i in tensor.varies else str(n)
                      for i, n in enumerate(tensor.shape))
    return _row([role, escape(tensor.name), str(tensor.dtype), dims])


def model_html(model: Model) -> str:
    """Name, sizes and tensors; a dimension with an asterisk is the caller's to choose."""
    rows = [_row(["", "name", "type", "shape"], "th")]
    rows += [_tensor("input", tensor) for tensor in model.inputs]
    rows += [_tensor("output", tensor) for tensor in model.outputs]
    return (f"<table><caption>{escape(model.name)}: {model.file_bytes:,} bytes, weights "
            f"{model.weight_bytes:,}, digest {model.digest.hex()[:12]}</caption>"
            f"{''.join(rows)}</table>")


def classes_html(classes: Sequence[Class]) -> str:
    """A bar for each class, as long as its score is beside the best one's."""
    most = max((row.score for row in classes), default=0)
    rows = []
    for row in classes:
        width = 100 * max(row.score, 0) / most if most > 0 else 0
        bar = f'<div style="background:#4c78a8;height:1em;width:{width:.1f}%"></div>'
        rows.append(f"<tr><td>{escape(row.label)}</td><td>{row.score:.4g}</td>"
                    f'<td style="width:20em">{bar}</td></tr>')
    return f"<table>{''.join(rows)}</table>"


def quantisation_html(made: Quantisation) -> str:
    """What became of each layer, and what the whole lost."""
    rows = [_row(["layer", "operator", "computes in", "signal to noise", "why"], "th")]
    rows += [_row([escape(layer.name), escape(layer.op), escape(layer.form),
                   "" if layer.snr is None else f"{layer.snr:.1f} dB", escape(layer.why)])
             for layer in made.layers]
    return f"<table><caption>{escape(made.summary)}</caption>{''.join(rows)}</table>"
