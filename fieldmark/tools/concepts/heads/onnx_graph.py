"""Writes a head as an ONNX model: the same operations in the same order, nothing traced."""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fieldmark.tools.annotate.clause_tree import roles_of
from fieldmark.tools.concepts.heads.network import Head

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET = 17
INPUT = "vectors"
PROBABILITY = "probability"
CLAUSES = "clauses"


def onnx_model(head: Head) -> "ModelProto":
    """The head as an ONNX model.

    Its input is `vectors` float32 `[N, D]`; its outputs are `probability` `[N]`, calibrated, and, where there
    are clauses, `clauses` `[N, K]`. The threshold is not part of it.
    """
    from onnx import TensorProto, checker, helper

    graph = _Graph()
    outputs = head.network.output.weight.shape[0]
    x = INPUT
    if head.network.hidden is not None:
        hidden = head.network.hidden
        x = graph.add("Relu", graph.affine(x, hidden.weight, hidden.bias))
    logits = graph.affine(x, head.network.output.weight, head.network.output.bias)
    clauses = graph.add("Sigmoid", graph.columns(logits, 0, outputs - 1), name=CLAUSES) if outputs > 1 else ""
    score = (
        graph.columns(logits, outputs - 1, outputs)
        if head.route == "direct"
        else _concept_log_odds(graph, head, logits)
    )
    line = graph.add("Add", graph.add("Mul", score, graph.number(head.slope)), graph.number(head.intercept))
    graph.add("Squeeze", graph.add("Sigmoid", line), graph.integers([1]), name=PROBABILITY)
    described = [helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, ["N"])]
    if clauses:
        described.append(helper.make_tensor_value_info(CLAUSES, TensorProto.FLOAT, ["N", outputs - 1]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "head",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", head.network.width])],
            described,
            graph.constants,
        ),
        producer_name="fieldmark",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    checker.check_model(model)
    return model


def _concept_log_odds(graph: "_Graph", head: Head, logits: str) -> str:
    """`min(necessary, max(positive), −negative)`; see `concept_log_odds`."""
    roles = roles_of(head.definition)
    own = {role: [graph.columns(logits, n, n + 1) for n in places] for role, places in roles.items()}
    parts = own["necessary"] + [graph.add("Neg", column) for column in own["negative"]]
    parts += [graph.add("Max", *own["positive"])] if own["positive"] else []
    return graph.add("Min", *parts)


class _Graph:
    """Nodes and constants under way; names are numbers, but for those that a caller gives."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[Any] = []

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(np.array(value, dtype=np.float32))

    def integers(self, values: list[int]) -> str:
        """A list of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def affine(self, x: str, weight: Tensor, bias: Tensor) -> str:
        """`x @ weight.T + bias`."""
        return self.add("Gemm", x, self.constant(weight.numpy()), self.constant(bias.numpy()), transB=1)

    def columns(self, x: str, start: int, end: int) -> str:
        """Some columns of a matrix."""
        return self.add("Slice", x, self.integers([start]), self.integers([end]), self.integers([1]))
