"""Writes a head as an ONNX model: the same operations in the same order, nothing traced."""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fieldmark.records import ClauseRole
from fieldmark.tools.concepts.heads.network import SURE, Head

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
        else _tree_logit(graph, head, clauses)
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


def _tree_logit(graph: "_Graph", head: Head, clauses: str) -> str:
    """`∏ necessary · (1 − ∏ (1 − positive)) · ∏ (1 − negative)`, as log-odds; see `tree_probability`."""
    active = head.definition.active
    one = graph.number(1.0)

    def columns(role: ClauseRole, *, turned: bool) -> list[str]:
        places = [place for place, clause in enumerate(active) if clause.role == role]
        own = [graph.columns(clauses, place, place + 1) for place in places]
        return [graph.add("Sub", one, column) for column in own] if turned else own

    def product(factors: list[str]) -> str:
        result = factors[0]
        for factor in factors[1:]:
            result = graph.add("Mul", result, factor)
        return result

    factors = columns("necessary", turned=False)
    missed = columns("positive", turned=True)
    factors += [graph.add("Sub", one, product(missed))] if missed else []
    factors += columns("negative", turned=True)
    p = graph.add("Clip", product(factors), graph.number(SURE), graph.number(1 - SURE))
    return graph.add("Sub", graph.add("Log", p), graph.add("Log", graph.add("Sub", one, p)))


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
