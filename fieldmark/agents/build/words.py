"""Searches for an annotator's words, of its question and of clauses, that agree more with the owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import torch

from fieldmark.agents.build.looks import LEAST_LABELS, owner_labels, rights_of
from fieldmark.agents.shared.rewording import proposal, record_of
from fieldmark.errors import InputError
from fieldmark.prompts.concept_fields import definition_data
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.prompts.reword import ask_reword
from fieldmark.prompts.rules import rules_of
from fieldmark.records import Concept, Definition, Verdict, Words
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.events import Progress, WordsTried, no_progress
from fieldmark.tools.search.folds import draw_folds
from fieldmark.tools.search.pareto import MINIBATCH, Proposal, Scored, least_calls, search_words


@dataclass(kw_only=True)
class ClauseWords:
    """A `Reworded`: the annotator's rules and its clauses, judged by labels of their owner.

    Attributes:
        annotator: With the shipped words.
        llm: Rewords.
        concept: For its name and purpose.
        definition: The clauses.
        images: The labelled images.
        labels: Content hash → the owner's label.
        reasons: Content hash → the owner's words, where there are any.
    """

    annotator: VlmAnnotator
    llm: LanguageModel
    concept: Concept
    definition: Definition
    images: Sequence[ImageFile]
    labels: Mapping[str, Literal["in", "out"]]
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def start(self) -> dict[str, str]:
        """The shipped rules, and the clauses as their owner wrote them."""
        return {JUDGE: rules_of(JUDGE), **{each.text: each.text for each in self.definition.active}}

    def words(self, chosen: Mapping[str, str]) -> Words:
        """What differs from the fixed words."""
        other = {part: text for part, text in chosen.items() if text != self.start[part]}
        rules = other.pop(JUDGE, None)
        return Words(instructions={} if rules is None else {JUDGE: rules}, clauses=other)

    together = False

    async def score(self, words: Mapping[str, str], images: Sequence[int]) -> Scored:
        """1 for each image that is called as its owner does, 0 for any other, silence included."""
        return Scored(rights_of(await self._judged(words, images), self.labels), len(images))

    def most_calls(self, images: Sequence[int]) -> int:
        """One question an image."""
        return len(images)

    async def propose(self, words: Mapping[str, str], part: str, images: Sequence[int]) -> Proposal:
        """Ask for a better text, with what the annotator said of these images, and why."""
        verdicts = await self._judged(words, images)
        clause = next((each for each in self.definition.active if each.text == part), None)
        definition = self.definition.in_words(self.words(words).clauses)
        context = {
            "concept": self.concept.name,
            "purpose": self.concept.purpose,
            "clauses": definition_data(definition),
        }
        asked = ask_reword(
            words[part],
            use="instruction" if clause is None else "clause",
            part=part if clause is None else clause.id,
            context=context,
            outcomes=[self._outcome(each) for each in verdicts],
        )
        return await proposal(asked, self.llm, rules=clause is None)

    async def _judged(self, words: Mapping[str, str], images: Sequence[int]) -> tuple[Verdict, ...]:
        annotator = self.annotator.worded(self.words(words))
        return await annotator.judge([self.images[place] for place in images], self.definition)

    def _outcome(self, verdict: Verdict) -> dict[str, Any]:
        owner = self.labels[verdict.image]
        return {
            "right": "yes" if verdict.call == owner else "no",
            "seen": verdict.seen,
            "owner": owner,
            "reason": self.reasons.get(verdict.image, ""),
            "call": verdict.call,
            "findings": {each.clause: each.finding for each in verdict.clauses},
            "rationale": verdict.rationale,
        }


async def clause_words(
    annotator: VlmAnnotator,
    llm: LanguageModel,
    concept: Concept,
    definition: Definition,
    pool: ImagePool,
    *,
    calls: int | None = None,
    minibatch: int = MINIBATCH,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Words:
    """Search for an annotator's words by the owner's labels; the blind test has no part in it.

    Half of the labels is reflected on, the other half decides; see `search_words`.

    Args:
        annotator: With the shipped words.
        llm: Rewords.
        concept: For its labels, name and purpose.
        definition: The clauses.
        pool: The concept's images.
        calls: The most questions, those from the cache among them; None for twice the least.
        minibatch: Images that a rewording is shown.
        seed: Decides every draw.
        progress: Shows progress.

    Raises:
        InputError: Too few labels or questions.
        EndpointError: No question can be answered; what was judged is kept.
        LimitReached: A limit was reached; what was judged is kept.
    """
    labels = owner_labels(concept, pool.row_of)
    check_enough_labels(labels)
    hashes = sorted(labels)
    seen, held_out = halves([labels[each] for each in hashes], seed)
    subject = ClauseWords(
        annotator=annotator,
        llm=llm,
        concept=concept,
        definition=definition,
        images=[pool.images[row] for row in pool.rows(hashes)],
        labels=labels,
        reasons={image: label.reason for image, label in dev_labels(concept).items() if label.reason},
    )
    calls = calls or 2 * least_calls(subject, seen, held_out)
    found = await search_words(
        subject.start,
        subject,
        seen=seen,
        held_out=held_out,
        calls=calls,
        minibatch=minibatch,
        seed=seed,
        progress=lambda done, of: progress(WordsTried(done=done, of=of)),
    )
    record = record_of(
        found,
        subject=concept.name,
        llm=llm,
        budget=calls,
        seed=seed,
        labels=len(seen),
        held_out=len(held_out),
    )
    return subject.words(found.words).model_copy(update={"found": record})


def halves(labels: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Places of the labels to reflect on, and of those that decide: half of each kind."""
    kinds = sorted(set(labels))
    numbers = torch.tensor([kinds.index(each) for each in labels], dtype=torch.int64)
    fold = draw_folds(numbers, 2, Random(seed))
    seen, held_out = ((fold == part).nonzero()[:, 0].tolist() for part in (0, 1))
    return seen, held_out


def check_enough_labels(labels: Mapping[str, str]) -> None:
    """Refuse labels that say too little.

    Raises:
        InputError: There are too few, or all are of one kind.
    """
    if len(labels) < LEAST_LABELS or len(set(labels.values())) < 2:
        raise InputError(
            f"{len(labels)} labels of yours can be used; it takes {LEAST_LABELS}, in and out among them.",
            hint="Label more in a conversation: those of the blind test do not count here.",
            field="labels",
        )
