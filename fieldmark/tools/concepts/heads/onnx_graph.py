"""Writes a head as an ONNX model: the same operations in the same order, nothing traced."""

from typing import TYPE_CHECKING

from fieldmark.tools.annotate.clause_tree import roles_of
from fieldmark.tools.concepts.heads.network import Head
from fieldmark.tools.exports.onnx_nodes import INPUT, OnnxNodes

if TYPE_CHECKING:
    from onnx import ModelProto

PROBABILITY = "probability"
CLAUSES = "clauses"


def onnx_model(head: Head) -> "ModelProto":
    """The head as an ONNX model.

    Its input is `vectors` float32 `[N, D]`; its outputs are `probability` `[N]`, calibrated, and, where there
    are clauses, `clauses` `[N, K]`. The threshold is not part of it.
    """
    graph = OnnxNodes()
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
    described: dict[str, list[str | int]] = {PROBABILITY: ["N"]}
    if clauses:
        described[CLAUSES] = ["N", outputs - 1]
    return graph.model("head", width=head.network.width, outputs=described)


def _concept_log_odds(graph: OnnxNodes, head: Head, logits: str) -> str:
    """`min(necessary, max(positive), −negative)`; see `concept_log_odds`."""
    roles = roles_of(head.definition)
    own = {role: [graph.columns(logits, n, n + 1) for n in places] for role, places in roles.items()}
    parts = own["necessary"] + [graph.add("Neg", column) for column in own["negative"]]
    parts += [graph.add("Max", *own["positive"])] if own["positive"] else []
    return graph.add("Min", *parts)
