"""What methods ask a language model about the classes, through the graphs' own questions and their cache."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.agents.shared.ask import ask_all
from fieldmark.agents.shared.notes import Note
from fieldmark.errors import EndpointBusy, EndpointError, LimitReached
from fieldmark.evals.table.bench import EvalBench
from fieldmark.records import AttributeVote, QuestionSpec
from fieldmark.tools.books.templates import PLAIN, fill_phrase
from fieldmark.tools.books.wording import class_text

Pair = tuple[int, int]


async def answers(specs: Sequence[QuestionSpec], bench: EvalBench) -> list[Note]:
    """Ask, and give back a note for each question, in order.

    A question that brings nothing is noted, and the method goes on without its answer.

    Raises:
        EndpointError: The language model cannot be asked at all, or answered none of several questions.
        LimitReached: A limit kept a question back.
    """
    notes = await ask_all(specs, bench)
    for note in notes:
        if note.failure == "limit":
            raise LimitReached(note.reason, hint="Resume the run with a higher limit.")
        if note.failure == "busy":
            raise EndpointBusy(note.reason, hint="Resume the run after that.")
        if note.failure == "endpoint":
            raise EndpointError(note.reason)
    if len(notes) > 1 and all(note.failure == "unanswered" for note in notes):
        raise EndpointError(f"None of {len(notes)} questions was answered: {notes[0].reason}")
    failed = sum(note.failure is not None for note in notes)
    if failed:
        bench.notes.append(f"{failed} of {len(notes)} questions brought no usable answer")
    return notes


async def descriptors(
    bench: EvalBench, *, samples: int = 1, classes: Sequence[str] | None = None
) -> list[list[str]]:
    """The descriptors of each class, as bare phrases: "a hooked bill"; empty where an answer failed.

    Args:
        bench: The bench.
        samples: How often each class is asked about.
        classes: Names of classes; those of the bench where not given.
    """
    names = bench.classes if classes is None else classes
    specs = [
        QuestionSpec(kind="describe", classes=(name,), sample=sample)
        for sample in range(samples)
        for name in names
    ]
    notes = await answers(specs, bench)
    own: dict[str, list[str]] = {name: [] for name in names}
    for note in notes:
        own[note.spec.classes[0]] += note.descriptors
    return list(own.values())


async def portraits(questions: Sequence[str], bench: EvalBench) -> list[list[str]]:
    """What a language model says that photos of each class show, one question after the other.

    Args:
        questions: Each with one place for the class name (`class_questions.PLACE`).
        bench: The bench.

    Returns:
        The sentences of each class; none where all its answers failed.
    """
    specs = [
        QuestionSpec(kind="portray", classes=(name,), text=question)
        for question in questions
        for name in bench.classes
    ]
    own: dict[str, list[str]] = {name: [] for name in bench.classes}
    for note in await answers(specs, bench):
        own[note.spec.classes[0]] += note.words
    return list(own.values())


def or_plain(texts: Sequence[Sequence[str]], bench: EvalBench) -> list[Sequence[str]]:
    """The texts of each class, its plain template where it has none; a note counts these."""
    lacking = sum(not own for own in texts)
    if lacking:
        bench.notes.append(f"{lacking} of {len(texts)} classes had no answer and kept the plain template")
    return [own or [fill_phrase(PLAIN, name)] for own, name in zip(texts, bench.classes, strict=True)]


async def pair_notes(pairs: Sequence[Pair], bench: EvalBench) -> list[Note]:
    """What sets each pair of classes apart, in their order."""
    names = bench.classes
    return await answers([QuestionSpec(kind="pair", classes=(names[a], names[b])) for a, b in pairs], bench)


async def pair_captions(pairs: Sequence[Pair], bench: EvalBench) -> dict[Pair, tuple[list[str], list[str]]]:
    """For each pair of classes the captions that set each side apart; pairs that failed are left out."""
    names = bench.classes
    found: dict[Pair, tuple[list[str], list[str]]] = {}
    for pair, note in zip(pairs, await pair_notes(pairs, bench), strict=True):
        if note.failure is None:
            sides = [captions(note.votes, names[side]) for side in pair]
            found[pair] = (sides[0], sides[1])
    return found


def captions(votes: Sequence[AttributeVote], name: str) -> list[str]:
    """What an answer would caption a photo of the class, one caption an attribute."""
    return [vote.caption or class_text(name) for vote in votes if vote.class_name == name]


def pairs_within(candidates: Tensor) -> list[Pair]:
    """The unordered pairs of classes that some image may both be, those of most images first.

    Args:
        candidates: Classes that each image may be `[N, C]` bool.
    """
    member = candidates.to(torch.float32)
    shared = (member.T @ member).triu(1)
    pairs = shared.nonzero()
    order = shared[pairs[:, 0], pairs[:, 1]].argsort(descending=True, stable=True)
    return [(first, second) for first, second in pairs[order].tolist()]
