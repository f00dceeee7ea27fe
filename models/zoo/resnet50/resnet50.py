# SPDX-License-Identifier: Apache-2.0
"""Makes a ResNet-50 of full size with seeded random weights as ONNX.

usage: resnet50.py OUT.onnx [SEED]

The graph is `light_resnet50.onnx` of the onnx package, whose constants ConstantOfShape fills with
one number. Here each becomes a tensor: convolutions and the last layer He-normal, the statistics of
BatchNormalization near those of normalised values, the last scale of each residual branch small, so
that the sums do not grow from block to block."""
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper

BN_INPUTS = ("scale", "bias", "mean", "variance")


def roles(graph):
    """What each constant is for: the operator that reads it and the input at which it does."""
    found = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            found.setdefault(name, (node.op_type, place))
    return found


def ends_of_branches(graph):
    """Names of the scales of BatchNormalizations that a residual addition reads."""
    made_by = {output: node for node in graph.node for output in node.output}
    added = [made_by.get(name) for node in graph.node if node.op_type in ("Add", "Sum")
             for name in node.input]
    return {node.input[1] for node in added if node and node.op_type == "BatchNormalization"}


def fill(random, shape, role, is_branch_end):
    op, place = role
    if op == "BatchNormalization":
        part = BN_INPUTS[place - 1]
        if part in ("scale", "variance"):
            values = random.uniform(0.9, 1.1, shape)
            return values * (0.3 if is_branch_end and part == "scale" else 1)
        return random.normal(0, 0.05, shape)
    if len(shape) < 2:
        return random.normal(0, 0.01, shape)
    inputs = shape[1] if op == "Gemm" else np.prod(shape[1:])
    return random.standard_normal(shape) * np.sqrt((1 if op == "Gemm" else 2) / inputs)


def main(out, seed=0):
    random = np.random.default_rng(int(seed))
    light = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light")
    model = onnx.load(os.path.join(light, "light_resnet50.onnx"))
    graph = model.graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    role, ends = roles(graph), ends_of_branches(graph)
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        name, shape = node.output[0], tuple(constants.pop(node.input[0]).tolist())
        constants[name] = fill(random, shape, role[name], name in ends).astype(np.float32)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name)
                             for name, array in constants.items() if name in role)
    read = {name for node in kept for name in node.input}
    inputs = [i for i in graph.input if i.name in read and i.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    model.ir_version = 8  # from 4 on constants need not be inputs too
    onnx.checker.check_model(model)
    onnx.save(model, out)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1])
    main(*sys.argv[1:])
