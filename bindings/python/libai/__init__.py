# SPDX-License-Identifier: Apache-2.0
"""libai for Python: runs trained neural networks from one flat file, NumPy in and out.

>>> made = libai.convert("net.onnx", "net.lai", progress=False)
>>> model = libai.Model("net.lai")
>>> y = model(np.ones((2, 4), np.float32))

What the library cannot do is an Error; a wrong argument is a TypeError or a ValueError that says what was
found and what is needed.
"""

from ._classify import Class, Classes, Classifier, classify
from ._convert import Conversion, convert, self_test, verify
from ._handler import Fault, Handler, handler
from ._library import Error, cpu_levels, version
from ._model import Model, Step, Tensor
from ._quantise import Layer, Quantisation, Whole, quantize
from ._text import TextModel

__all__ = [
    "Class",
    "Classes",
    "Classifier",
    "Conversion",
    "Error",
    "Fault",
    "Handler",
    "Layer",
    "Model",
    "Quantisation",
    "Step",
    "Tensor",
    "TextModel",
    "Whole",
    "classify",
    "convert",
    "cpu_levels",
    "handler",
    "quantize",
    "self_test",
    "verify",
    "version",
]
