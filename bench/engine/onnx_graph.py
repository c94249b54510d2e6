"""A fitted dense autoencoder as an ONNX graph, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: Activation → operator of ONNX; a linear layer has none.
OPERATORS = {"gelu": "Gelu", "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}

#: The first version of ONNX's operators that has Gelu.
OPSET = 20


def error_graph(module: Any) -> Any:
    """Return a graph x (n, values) → mean squared error per value (n,), in fp32.

    Parameters
    ----------
    module : AutoencoderModule
        With an MLP whose layers have no way past them, and a plain code.

    Returns
    -------
    onnx.ModelProto
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    stack, decoder = module.encoder, module.decoder
    if stack.skip or decoder.stack.skip:
        raise ValueError("MLP(skip=True) has no place in this graph")
    layers = [*stack.layers, module.bottleneck.layer, *decoder.stack.layers, decoder.output]
    nodes, weights, name = [], [], "x"

    def add(operator: str, inputs: list[str], output: str, **options: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **options))
        return output

    def constant(array: np.ndarray, name: str) -> str:
        weights.append(numpy_helper.from_array(array, name))
        return name

    for i, layer in enumerate(layers):
        matrix = constant(_array(layer.weight), f"weight{i}")
        bias = constant(_array(layer.bias), f"bias{i}")
        name = add("Gemm", [name, matrix, bias], f"linear{i}", transB=1)
        if layer.activation == "silu":  # x · sigmoid(x), for which this version has no name
            name = add("Mul", [name, add("Sigmoid", [name], f"gate{i}")], f"active{i}")
        elif layer.activation != "linear":
            name = add(OPERATORS[layer.activation], [name], f"active{i}")
    if module.likelihood.support == (0.0, 1.0):
        name = add("Sigmoid", [name], "mean")
    difference = add("Sub", ["x", name], "difference")
    squared = add("Mul", [difference, difference], "squared")
    axes = constant(np.array([1], dtype=np.int64), "axes")
    add("ReduceMean", [squared, axes], "error", keepdims=0)
    graph = helper.make_graph(
        nodes,
        "reconstruction_error",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", layers[0].in_features])],
        [helper.make_tensor_value_info("error", TensorProto.FLOAT, ["n"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def session(model: Any, threads: int) -> Any:
    """Return an ONNX Runtime session of a graph on the CPU, with this many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
