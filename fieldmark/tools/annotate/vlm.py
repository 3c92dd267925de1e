"""Labels images with a vision-language model clause by clause, and has it argue about them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from fieldmark.errors import InputError
from fieldmark.prompts.gap import ask_gap
from fieldmark.prompts.judge import BY_EXAMPLES, FINDING, Judgement, ask_judge, ask_judge_by_examples
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.prompts.rules import with_rules
from fieldmark.prompts.steps import QUESTIONS as IN_STEPS
from fieldmark.records import (
    Clause,
    ClauseVerdict,
    Definition,
    Finding,
    ImagePart,
    Question,
    Verdict,
    Words,
)
from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.annotate.clause_tree import call_of
from fieldmark.tools.annotate.concurrency import map_concurrently, map_distinct_images
from fieldmark.tools.annotate.debate import ROUNDS, Debate, Shown, debate_foretold, debated
from fieldmark.tools.annotate.image_asker import PICTURE, ImageAsker, Unanswered
from fieldmark.tools.annotate.looks import EXEMPLAR_SIDE, WayOfLooking, voted
from fieldmark.tools.annotate.reworded import RewordedModel
from fieldmark.tools.annotate.steps import judged_in_steps, steps_foretold
from fieldmark.tools.annotate.storing import StoringAnnotator, annotator_identity, probability
from fieldmark.tools.annotate.verdict_store import StoredVerdict
from fieldmark.tools.images.files import ImageFile, UnusableImageError
from fieldmark.tools.llm.image_messages import ImageMessages
from fieldmark.tools.llm.word_shares import Shares, share_of

TRIES = 2
"""How often an image is asked about where an answer leaves clauses out."""


ONCE = WayOfLooking()


class VlmAnnotator(StoringAnnotator):
    """An `Annotator` that shows images to a vision-language model, each clause of each image once ever.

    One question an image holds all clauses whose verdict is not stored. What the model says is stored the
    moment it arrives; a refusal, a fault or a file that cannot be read never is.
    """

    QUESTION = (JUDGE, Judgement)

    _looks = ONCE
    _words = Words()
    _examples: ImageMessages
    """Makes examples ready; there once there are any."""
    _ready: dict[str, ImagePart]
    """Those that are, by content hash: each goes before every image."""

    def looking(self, looks: WayOfLooking) -> "VlmAnnotator":
        """The same annotator looking otherwise; its verdicts are others', and are stored as such."""
        other = copy(self)
        other._looks = looks
        other._examples = ImageMessages(longest=EXEMPLAR_SIDE)
        other._ready = {}
        questions = IN_STEPS if looks.steps else [(BY_EXAMPLES if looks.examples else JUDGE, Judgement)]
        other._identity = annotator_identity(self._model, questions, self._asker.images) + looks.name
        return other

    def worded(self, words: Words) -> "VlmAnnotator":
        """The same annotator with other words, of its question or of clauses; its verdicts are others'."""
        if not words.key:
            return self
        other = copy(self)
        other._words = words
        other._asker = ImageAsker(RewordedModel(self._llm, words), self._asker.images)
        other._model = f"{self._model}/words={words.key}"
        other._identity = annotator_identity(other._model, [self.QUESTION], self._asker.images)
        return other if self._looks == ONCE else other.looking(self._looks)

    async def judge(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Verdict, ...]:
        """Judge images by the active clauses of a definition; see `Annotator`.

        Images of equal content are judged once.

        Args:
            images: N files that were found.
            definition: The clauses. Without an active one nothing is asked, and every call is "abstain".
            progress: Called with how many of the distinct images are judged.

        Returns:
            N verdicts, in order.

        Raises:
            EndpointError: No question can be answered, or the model seems to see no images.
            LimitReached: Before a call that would pass a limit.
            CacheError: A verdict cannot be stored or read.
        """
        as_read = definition.in_words(self._words.clauses)

        async def judge_one(image: ImageFile) -> Verdict:
            return await self._judge(image, as_read)

        return await map_distinct_images(images, judge_one, concurrency=self._concurrency, progress=progress)

    async def gaps(
        self,
        images: Sequence[ImageFile],
        verdicts: Sequence[Verdict],
        *,
        concept: str,
        purpose: str,
        definition: Definition,
        progress: AnnotationProgress | None = None,
    ) -> tuple[tuple[str, ...], ...]:
        """Ask of each image what the definition leaves unclear, if its owner disagreed with the call.

        Returns:
            For each image one to three short noun phrases, the likeliest first; none where it has no call
            ("abstain" or "refused"), or where there was no usable answer.

        Raises:
            InputError: Images and verdicts are not of one number.
            EndpointError: See `judge`.
            LimitReached: See `judge`.
        """
        if len(images) != len(verdicts):
            raise InputError(f"There are {len(images)} images and {len(verdicts)} verdicts.")

        async def gaps_of(judged: tuple[ImageFile, Verdict]) -> tuple[str, ...]:
            image, verdict = judged
            call = verdict.call
            if call != "in" and call != "out":
                return ()
            said = await self._asker.ask(
                image,
                lambda part: ask_gap(
                    part, definition, concept=concept, purpose=purpose, call=call, seen=verdict.seen
                ),
            )
            return () if isinstance(said, str) else tuple(gap.gap for gap in said.gaps)

        judged = list(zip(images, verdicts, strict=True))
        return tuple(
            await map_concurrently(judged, gaps_of, concurrency=self._concurrency, progress=progress)
        )

    async def debate(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        concept: str,
        purpose: str,
        rounds: int = ROUNDS,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Debate, ...]:
        """Have both sides of each image argued, and then decided: three questions a round.

        Where it looks with examples, both sides and the judge see them, too.

        Args:
            images: N files that were found.
            definition: The clauses.
            concept: The concept's name.
            purpose: What it is for, in the owner's words; may be empty.
            rounds: The most rounds, see `debated`.
            progress: Called with how many of the images are decided.

        Returns:
            N debates, in order.

        Raises:
            EndpointError: See `judge`.
            LimitReached: See `judge`.
        """
        as_read = definition.in_words(self._words.clauses)

        async def debate_one(image: ImageFile) -> Debate:
            return await debated(
                self._asker,
                image,
                as_read,
                concept=concept,
                purpose=purpose,
                examples=await self._shown_before(image),
                rounds=rounds,
            )

        return tuple(
            await map_concurrently(images, debate_one, concurrency=self._concurrency, progress=progress)
        )

    def open_clauses(self, image: ImageFile, definition: Definition) -> list[Clause]:
        """The clauses that the model would be asked about; none where every verdict is stored."""
        return self._stored(image, definition.in_words(self._words.clauses))[1]

    def foretold(self, clauses: Sequence[Clause]) -> tuple[Question[Any], ...]:
        """The questions that one image takes, with empty pictures."""
        if self._looks.steps:
            return steps_foretold(clauses) * self._looks.samples
        shown = self._stand_ins()
        ask = partial(ask_judge_by_examples, examples=shown) if shown else ask_judge
        asked = (ask(PICTURE, clauses, sample=sample) for sample in range(self._looks.samples))
        return tuple(with_rules(each, self._words.instructions) for each in asked)

    def debate_foretold(
        self, definition: Definition, *, concept: str, purpose: str
    ) -> tuple[Question[Any], ...]:
        """The most questions that debating one image takes, with empty pictures."""
        as_read = definition.in_words(self._words.clauses)
        return debate_foretold(as_read, concept=concept, purpose=purpose, examples=self._stand_ins())

    def _stand_ins(self) -> list[tuple[Literal["in", "out"], ImagePart]]:
        return [(label, PICTURE) for _, label in self._looks.examples]

    def _stored(
        self, image: ImageFile, definition: Definition
    ) -> tuple[dict[str, StoredVerdict], list[Clause]]:
        """The verdicts that are stored, by the clause's text, and the clauses without one."""
        known: dict[str, StoredVerdict] = {}
        open_still: list[Clause] = []
        for clause in {clause.text: clause for clause in reversed(definition.active)}.values():
            place = {"image": image.content_hash, "text": clause.text, "annotator": self._identity}
            stored = self._store.get(**place)
            if stored is None:
                open_still.insert(0, clause)  # the first of those with one text, in the definition's order
            else:
                known[clause.text] = stored
        return known, open_still

    async def _judge(self, image: ImageFile, definition: Definition) -> Verdict:
        known, open_still = self._stored(image, definition)
        failed: Finding = "abstain"
        for sample in range(TRIES):
            if not open_still:
                break
            asked = tuple(open_still)
            # Another sample each time: the same question would have the same answer, out of the cache.
            opinions: list[dict[str, StoredVerdict]] = []
            for more in range(self._looks.samples):
                said = await self._look(image, asked, sample=sample * self._looks.samples + more)
                if isinstance(said, str):  # a vote of fewer than all is none, and those given are remembered
                    failed, opinions = said, []
                    break
                opinions.append(said)
            if not opinions:
                break
            answered = opinions[0] if len(opinions) == 1 else voted(opinions)
            for text, verdict in answered.items():
                self._store.put(verdict, image=image.content_hash, text=text, annotator=self._identity)
            known |= answered
            open_still = [clause for clause in open_still if clause.text not in known]
            if open_still and sample == TRIES - 1:
                self._asker.failures["incomplete"] += 1
        return self._verdict(image, definition, known, failed)

    async def _look(
        self, image: ImageFile, clauses: Sequence[Clause], *, sample: int
    ) -> dict[str, StoredVerdict] | Unanswered:
        """What one look at an image gives, with every example before it but the image itself."""
        if self._looks.steps:
            judged = await judged_in_steps(self._asker, image, clauses, sample=sample)
            return judged if isinstance(judged, str) else _stored_verdicts(judged, clauses)
        parts = await self._shown_before(image)
        ask = partial(ask_judge_by_examples, examples=parts) if parts else ask_judge
        weigh = FINDING if self._looks.log_probs else ""
        said = await self._asker.answer(
            image, lambda part: replace(ask(part, clauses, sample=sample), weigh=weigh)
        )
        return said if isinstance(said, str) else _stored_verdicts(said.value, clauses, said.shares)

    async def _shown_before(self, image: ImageFile) -> Shown:
        """The examples before an image: all but the image itself."""
        parts: list[tuple[Literal["in", "out"], ImagePart]] = []
        for example, label in self._looks.examples:
            if example.content_hash == image.content_hash:
                continue
            with suppress(UnusableImageError):  # the file went since: the others still tell
                if (part := self._ready.get(example.content_hash)) is None:
                    part = self._ready[example.content_hash] = await self._examples.part(example)
                parts.append((label, part))
        return parts

    def _verdict(
        self, image: ImageFile, definition: Definition, known: dict[str, StoredVerdict], failed: Finding
    ) -> Verdict:
        clauses = tuple(
            ClauseVerdict(clause=clause.id, finding=said.finding, p=said.p)
            if (said := known.get(clause.text)) is not None
            else ClauseVerdict(clause=clause.id, finding=failed)
            for clause in definition.active
        )
        call, p = call_of(definition, clauses)
        said = [known[clause.text] for clause in definition.active if clause.text in known]
        seen = Counter(verdict.seen for verdict in said if verdict.seen).most_common(1)
        rationale = dict.fromkeys(verdict.rationale for verdict in said if verdict.rationale)
        return Verdict(
            image=image.content_hash,
            call=call,
            p=p,
            clauses=clauses,
            seen=seen[0][0] if seen else "",
            rationale=" ".join(rationale),
            annotator=self._identity,
        )


def _stored_verdicts(
    said: Judgement, asked: Sequence[Clause], shares: Shares = ()
) -> dict[str, StoredVerdict]:
    """What an answer says of the clauses that it was asked about, by their text.

    A clause with two findings that differ is left out, as one that was not answered.

    Args:
        said: The answer.
        asked: The clauses.
        shares: How likely which words were in the place of each finding; none where that is not known.
    """
    answered: dict[str, StoredVerdict] = {}
    weighed = dict(
        zip(map(id, said.findings), shares if len(shares) == len(said.findings) else (), strict=False)
    )
    for clause in asked:
        found = [finding for finding in said.findings if finding.clause.strip() == clause.id]
        if len({finding.finding for finding in found}) != 1:
            continue
        finding = min(found, key=lambda each: each.confidence)
        stated = probability(finding.finding == "yes", finding.confidence)
        told = share_of(weighed.get(id(finding), {}), "yes", against="no")
        unknown = finding.finding == "cannot_tell"
        answered[clause.text] = StoredVerdict(
            finding="abstain" if finding.finding == "cannot_tell" else finding.finding,
            p=None if unknown else stated if told is None else told,
            seen=said.seen,
            rationale=said.rationale,
        )
    return answered
