"""The choices of the resolve loop, as one record."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from fieldmark.records import Options, Words

Start = Literal["descriptors", "names", "book"]
Rule = Literal["table", "nb", "fudd", "evidence"]
Ask = Literal["table", "groups", "pairs"]
CandidateRuleName = Literal["margin", "topk", "conformal"]


class ResolveOptions(Options):
    """How the resolve loop starts, asks, scores and stops."""

    @model_validator(mode="before")
    @classmethod
    def _rule_unless_said(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        by_table = given.get("candidates", "margin") != "margin" or given.get("max_rounds") == 0
        return {"rule": "table", **given} if by_table else given

    noun: str = "object"
    """The generic word for all classes, used where the encoder may not know their names."""
    start: Start = "descriptors"
    """Where the first scores come from: asked descriptors, bare names, or a given prompt book."""
    descriptor_samples: int = Field(default=1, ge=1, le=64)
    """Answers to the general question per class; each after the first is a fresh sample."""
    rule: Rule = "evidence"
    """Scoring: names and table weighed by how reliable each is on the pool (evidence), the table rule alone,
    its inductive form (naive Bayes), or FuDD's own. Where nothing is said it is the table rule in two cases:
    with other candidates than by margin, as the evidence decides by itself which images are resolved; and
    without follow-up rounds, as the first prompts are then scored as they are."""
    ask: Ask = "table"
    """What follow-up questions look like: a planned field guide, rival groups, or FuDD's pairs."""
    candidates: CandidateRuleName = "margin"
    k: int = Field(default=10, ge=1)
    """The most candidates that top-k keeps; by any rule, the most that a prediction lists."""
    rivals: float = Field(default=20.0, gt=1)
    """The first look's temperature spreads an image's probability over this many classes on average."""
    table_temperature: float = Field(default=1.0, gt=0)
    """What the table rule's log-odds are divided by: attributes are not quite independent."""
    tau: float = Field(default=0.02, gt=0, le=1)
    """Margin rule: a class stays a candidate while its probability is at least tau times the best."""
    alpha: float = Field(default=0.1, gt=0, lt=1)
    """Conformal rule: the share of calibration-like images whose true class may be lost."""
    risk: float = Field(default=0.05, gt=0, lt=1)
    """Evidence rule: an image is resolved where its label is wrong with at most this probability. With a
    tree, by any rule: an open image gets the smallest branch that is wrong with at most this probability."""
    reject: float = Field(default=0.02, ge=0, lt=0.5)
    """Evidence rule: the share of images of listed classes that may be rejected; 0 rejects none."""
    second_opinions: bool = False
    """Evidence rule: once every class has its row of the field guide, ask again about what the images
    contradict, and for more attributes of classes that their rows tell apart. It takes about
    twice the questions."""
    max_rounds: int = Field(default=6, ge=0)
    group_size: int = Field(default=6, ge=2, le=12)
    name_weight: float | None = Field(default=None, ge=0)
    """Weight of the class name's own score beside the field guide; None goes by how sure the names are."""
    words: Words | None = None
    """Other rules for the questions that are asked; None for the shipped ones."""
    ask_labels: int = Field(default=20, ge=0)
    """Evidence rule: how many images a run names in the end whose labels would help most."""
    patience: int = Field(default=2, ge=1)
    """Rounds in a row without a resolved image or a lost candidate after which the loop stops."""
