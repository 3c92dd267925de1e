"""What methods ask a language model about the classes, through the graphs' own questions and their cache.

It knows nothing of scoring.
"""

import asyncio
from collections.abc import Sequence
from itertools import combinations

from fieldmark.agents.asking import ask
from fieldmark.agents.notes import Note, QuestionSpec
from fieldmark.errors import EndpointError, LimitReached
from fieldmark.evals.methods.bench import Bench
from fieldmark.tools.prompt_texts import class_text

Pair = tuple[int, int]


async def answers(specs: Sequence[QuestionSpec], bench: Bench) -> list[Note]:
    """Ask, and give back a note for each question, in order.

    A question that brings nothing is noted, and the method goes on without its answer.

    Raises:
        EndpointError: The language model cannot be asked at all.
        LimitReached: A limit kept a question back.
    """
    notes = await asyncio.gather(*(ask(spec, bench) for spec in specs))
    for note in notes:
        if note.failure == "limit":
            raise LimitReached(note.reason, hint="Go on with --resume and a higher limit.")
        if note.failure == "endpoint":
            raise EndpointError(note.reason)
    failed = sum(note.failure is not None for note in notes)
    if failed:
        bench.notes.append(f"{failed} of {len(notes)} questions brought no usable answer")
    return list(notes)


async def descriptors(bench: Bench, *, samples: int = 1) -> list[list[str]]:
    """The visible marks of each class, as bare phrases: "a hooked bill"; empty where an answer failed."""
    specs = [
        QuestionSpec(kind="describe", classes=(name,), sample=sample)
        for sample in range(samples)
        for name in bench.classes
    ]
    notes = await answers(specs, bench)
    own: dict[str, list[str]] = {name: [] for name in bench.classes}
    for note in notes:
        own[note.spec.classes[0]] += [mark_of(prompt.text) for prompt in note.prompts]
    return list(own.values())


def mark_of(text: str) -> str:
    """The bare mark of a descriptor's text: what follows ", which has "."""
    return text.split(", which has ", 1)[-1].rstrip(".")


async def pair_captions(pairs: Sequence[Pair], bench: Bench) -> dict[Pair, tuple[list[str], list[str]]]:
    """For each pair of classes the captions that set each side apart; pairs that failed are left out."""
    names = bench.classes
    specs = [QuestionSpec(kind="pair", classes=(names[a], names[b])) for a, b in pairs]
    notes = await answers(specs, bench)
    found: dict[Pair, tuple[list[str], list[str]]] = {}
    for pair, note in zip(pairs, notes, strict=True):
        if note.failure is None:
            sides = [
                [v.caption or class_text(v.class_name) for v in note.votes if v.class_name == names[side]]
                for side in pair
            ]
            found[pair] = (sides[0], sides[1])
    return found


def pairs_within(candidates: Sequence[Sequence[int]]) -> list[Pair]:
    """The distinct unordered pairs that share an image's candidates, in order of first appearance."""
    found: dict[Pair, None] = {}
    for own in candidates:
        for pair in combinations(sorted(own), 2):
            found.setdefault(pair)
    return list(found)
