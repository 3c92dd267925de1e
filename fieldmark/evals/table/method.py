"""What a method is: its name, where it comes from, what it needs, and the function that scores."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.records import Question
from fieldmark.records.prompts import Pooling


@dataclass(frozen=True)
class TextSum:
    """Scores that are sums over the texts of a class, times the encoder's scale.

    Attributes:
        texts: The texts of each class.
        pooling: "prototype" is the cosine with the unit mean of the texts, "mean_cosine" the mean of cosines.
    """

    texts: Sequence[Sequence[str]]
    pooling: Pooling = "prototype"


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
        texts: The texts whose parts the scores are sums of, where they are.
        parts: Other parts that the scores are the sum of, each `[N, C]`, by what they are: "name" (the class
            texts), "labels" (labelled images), "pool" (unlabelled ones).
        diagnostics: Figures of the method's own, by name.
        notes: What a reader must know.
    """

    scores: Tensor | None = None
    probabilities: Tensor | None = None
    candidates: Tensor | None = None
    names: tuple[str, ...] = ()
    texts: TextSum | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    diagnostics: dict[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FollowUps:
    """Questions that a method asks once it has seen images or answers.

    Attributes:
        name: What they are about; methods whose follow-up questions have one name ask the same ones.
        most: No more of them are asked, whatever the images show.
        longest: The longest of each kind, about.
        each_seed: Whether another seed may ask other ones.
        shown: Whether each shows an image to the vision-language model.
    """

    name: str
    most: int
    longest: tuple[Question[Any], ...]
    each_seed: bool = False
    shown: bool = False


Run = Callable[[EvalBench], Awaitable[MethodScores]]
OnTexts = Callable[[EvalBench, Tensor], MethodScores]
"""Scores the test images from unit class vectors `[C, D]`."""
Follows = Callable[[TestSet], tuple[FollowUps, ...]]


@dataclass(frozen=True, kw_only=True)
class EvalMethod:
    """One entry of the table.

    Attributes:
        key: What the user calls it: lower case, words joined by hyphens.
        title: What the table calls it.
        source: Paper, or "Fieldmark".
        needs: What it needs beyond the test images.
        run: Scores the test images of a bench. Deterministic for a bench and its seed.
        on_texts: Scores from other class vectors than those of class names, such as a prompt book's, where
            the method begins with such.
        seeded: Whether the bench's seed matters: such a method is run once a seed.
        bound: Whether it stands as an upper bound where class names are kept from all others.
        transductive: Whether an image's score depends on the other test images.
        scale: What grows where the data are large, and the most that fits 8 GiB; empty where it streams.
        follows: A bound on the questions that cannot be known before images or answers were seen.
        version: Changed whenever its result may change for the same data, so that it is measured anew.
    """

    key: str
    title: str
    source: str
    needs: frozenset[MethodNeed]
    run: Run
    on_texts: OnTexts | None = None
    seeded: bool = False
    bound: bool = False
    transductive: bool = False
    scale: str = ""
    follows: Follows = lambda test: ()
    version: str = "1"
