# SPDX-License-Identifier: Apache-2.0
"""Writes a convolutional network as ONNX, layer by layer, with the weights of a checkpoint."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 15


class Graph:
    """Each method adds nodes called `name` and gives back the name of the tensor they make."""

    def __init__(self, weights, epsilon):
        self.weights, self.epsilon = dict(weights), epsilon
        self.nodes, self.constants = [], []
        self.limits = [self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))]

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def take(self, name):
        """A tensor of the checkpoint as a constant; each is taken once."""
        return self.constant(name, self.weights.pop(name))

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, name, conv, norm, stride=1, group=1, pads=None, is_clamped=True):
        """Convolution without bias, BatchNormalization, and ReLU6 where `is_clamped`. pads: top,
        left, bottom, right."""
        weight = self.take(conv + ".weight")
        kernel = list(self.constants[-1].dims[2:])
        x = self.node("Conv", [x, weight], name, kernel_shape=kernel, strides=[stride, stride],
                      group=group, pads=pads or [0, 0, 0, 0])
        statistics = [self.take(f"{norm}.{part}")
                      for part in ("weight", "bias", "running_mean", "running_var")]
        self.weights.pop(norm + ".num_batches_tracked", None)
        x = self.node("BatchNormalization", [x, *statistics], name + "/norm", epsilon=self.epsilon)
        return self.node("Clip", [x, *self.limits], name + "/relu6") if is_clamped else x

    def add(self, a, b, name):
        return self.node("Add", [a, b], name)

    def classify(self, x, linear, output):
        """Mean over the picture, then one linear layer."""
        x = self.node("GlobalAveragePool", [x], "pool")
        x = self.node("Flatten", [x], "flatten")
        return self.node("Gemm", [x, self.take(linear + ".weight"), self.take(linear + ".bias")],
                         output, transB=1)

    def save(self, path, name, input_name, input_shape, output_name, classes):
        if self.weights:
            raise ValueError(f"the checkpoint has tensors left: {', '.join(self.weights)}")
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, name, [info(input_name, TensorProto.FLOAT, input_shape)],
            [info(output_name, TensorProto.FLOAT, [input_shape[0], classes])], self.constants)
        model = helper.make_model(graph, producer_name="libai zoo", ir_version=8,
                                  opset_imports=[helper.make_opsetid("", OPSET)])
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
