"""The network of a head: a linear layer or two, an output for each clause and one for the concept."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.records import Definition
from fieldmark.tools.annotate.clause_tree import concept_log_odds
from fieldmark.tools.concepts.heads.config import Route

BLOCK = 1 << 16
"""Vectors that are scored at a time."""


@dataclass(frozen=True)
class Layer:
    """An affine map `x @ weight.T + bias`.

    Attributes:
        weight: float32 `[out, in]`.
        bias: float32 `[out]`.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Map rows `[N, in]` to `[N, out]`."""
        return torch.addmm(self.bias, x, self.weight.T)


@dataclass(frozen=True)
class HeadNetwork:
    """Unit vectors → one logit a clause, and one for the concept.

    Attributes:
        output: The last layer; its rows are the clauses in order, then the concept.
        hidden: The layer before it, followed by max(0, x); None for a linear head.
    """

    output: Layer
    hidden: Layer | None = None

    @property
    def width(self) -> int:
        """D, the length of the vectors it takes."""
        return (self.hidden or self.output).weight.shape[1]

    def __call__(self, vectors: Tensor) -> Tensor:
        """Logits `[N, K + 1]` of the clauses and the concept."""
        return self.output(vectors if self.hidden is None else self.hidden(vectors).relu_())


@dataclass(frozen=True)
class Head:
    """A classifier of a concept.

    Attributes:
        network: The layers.
        route: Where the concept's score comes from.
        definition: The definition whose active clauses the network's first outputs stand for.
        slope: The calibrated probability is `sigmoid(slope · logit + intercept)`.
        intercept: See `slope`.
        threshold: An image is in from this probability on.
    """

    network: HeadNetwork
    route: Route
    definition: Definition
    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5

    @property
    def kind(self) -> str:
        """Its kind in words: "linear", "mlp", "linear logic" or "mlp logic"."""
        layers = "linear" if self.network.hidden is None else "mlp"
        return layers if self.route == "direct" else f"{layers} logic"

    def probabilities(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Score image vectors.

        Args:
            vectors: Unit vectors `[N, D]` float32.

        Returns:
            Probability of "in" `[N]`, and of each active clause `[N, K]`, float32.

        Raises:
            ModelError: The vectors have another width.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.network.width:
            raise ModelError(
                f"Vectors {tuple(vectors.shape)} do not fit a head of width {self.network.width}.",
                hint="Use the encoder that the head was made with.",
            )
        parts = list(self._parts(vectors))
        if not parts:
            return vectors.new_zeros(0), vectors.new_zeros(0, len(self.definition.active))
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

    def _parts(self, vectors: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(vectors), BLOCK):
            logits = self.network(vectors[start : start + BLOCK].to(torch.float32))
            score = concept_logits(logits, self.route, self.definition)
            yield torch.sigmoid(self.slope * score + self.intercept), torch.sigmoid(logits[:, :-1])


def concept_logits(logits: Tensor, route: Route, definition: Definition) -> Tensor:
    """The concept's log-odds before calibration `[N]`.

    Args:
        logits: Outputs of the network `[N, K + 1]`.
        route: The concept's own output, or its clauses combined by the definition, see `concept_log_odds`.
        definition: The definition with K active clauses.
    """
    if route == "direct":
        return logits[:, -1]
    return concept_log_odds(definition, logits[:, :-1])
