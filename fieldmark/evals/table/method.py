"""What a method is: its name, where it comes from, what it needs, and the function that scores."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from torch import Tensor

from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.test_set import MethodNeed


@dataclass(frozen=True, kw_only=True)
class MethodScores:
    """What a method says of the N test images.

    Attributes:
        scores: float32 `[N, C]`, higher is likelier; a class out of the running is -inf. None where
            the method is not about the given classes.
        probabilities: float32 `[N, C]` where the method's own scores are probabilities; else they are made
            from `scores` by a temperature.
        candidates: bool `[N, C]` where the method leaves sets of classes.
        names: The words that a vocabulary-free method has for each image, N of them.
        diagnostics: Figures of the method's own, by name.
        notes: What a reader must know.
    """

    scores: Tensor | None = None
    probabilities: Tensor | None = None
    candidates: Tensor | None = None
    names: tuple[str, ...] = ()
    diagnostics: dict[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()


Run = Callable[[EvalBench], Awaitable[MethodScores]]


@dataclass(frozen=True, kw_only=True)
class EvalMethod:
    """One entry of the table.

    Attributes:
        key: What the user calls it: lower case, words joined by hyphens.
        title: What the table calls it.
        source: Paper, or "Fieldmark".
        needs: What it needs beyond the test images.
        run: Scores the test images of a bench. Deterministic for a bench and its seed.
        seeded: Whether the bench's seed matters: such a method is run once a seed.
        bound: Whether it stands as an upper bound where class names are kept from all others.
        transductive: Whether an image's score depends on the other test images.
        scale: What grows where the data are large, and the most that fits 8 GiB; empty where it streams.
        version: Changed whenever its result may change for the same data, so that it is measured anew.
    """

    key: str
    title: str
    source: str
    needs: frozenset[MethodNeed]
    run: Run
    seeded: bool = False
    bound: bool = False
    transductive: bool = False
    scale: str = ""
    version: str = "1"
