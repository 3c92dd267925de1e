"""Searches for better words by reflection: a pool of candidates, and parents drawn from its Pareto front.

Source: Agrawal et al. 2025 (GEPA, arXiv 2507.19457), algorithms 1 and 2, and its released code. The optional
merge of two candidates is left out.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldmark.errors import InputError
from fieldmark.tools.search.generation import search_seed
from fieldmark.tools.statistics.one_standard_error import choose_simplest

MINIBATCH = 16
"""Images that a rewording is shown, and first tried on."""
PATIENCE = 3
"""A search ends once each part brought so many answers in a row that are unusable or say the same again."""


class Proposal(NamedTuple):
    """What came of asking for a better text.

    Attributes:
        text: The new text; None where the answer cannot be used.
        why: What was said for it, or why it cannot be used.
    """

    text: str | None
    why: str


class Scored(NamedTuple):
    """How right some words are.

    Attributes:
        scores: For each image from 0 to 1.
        calls: Questions that it took, those from a cache among them.
    """

    scores: Sequence[float]
    calls: int


class Reworded(Protocol):
    """What is reworded, and how it is judged. Words are a mapping: part → text.

    Failure contract: an image that cannot be judged is scored 0; an answer that cannot be used is a
    `Proposal` without text. What ends the search is raised, and the same search goes on from the cache.
    """

    @property
    def together(self) -> bool:
        """Whether images are judged all at once, so that a few cost as much as all."""
        ...

    async def score(self, words: Mapping[str, str], images: Sequence[int]) -> Scored:
        """How right these words are of each of some images."""
        ...

    def most_calls(self, images: Sequence[int]) -> int:
        """Questions that scoring some images takes, at most; 0 for no image."""
        ...

    async def propose(self, words: Mapping[str, str], part: str, images: Sequence[int]) -> Proposal:
        """Ask once for a better text of one part, with what came of these images, wrong ones first."""
        ...


class TriedRewording(NamedTuple):
    """One rewording.

    Attributes:
        parent: Place of its parent in the pool.
        part: What was reworded.
        text: The new text; empty where there is none.
        outcome: "kept", "worse", "no better", "unchanged", or why there is none.
        right: Mean score on its minibatch; None where it was not tried.
        before: The same of its parent.
        why: What was said for it.
    """

    parent: int
    part: str
    text: str
    outcome: str
    right: float | None
    before: float | None
    why: str


@dataclass(frozen=True)
class FoundWords:
    """What a search found.

    Attributes:
        words: The words to use: the fixed ones unless others win on the held-out images.
        chosen: Place of these words in the pool; 0 for the fixed ones.
        held_out: Mean held-out score of the fixed words and of the best others; None where no others were
            better before.
        trials: Every rewording, in order.
        calls: Questions it took, those from a cache among them.
        failed: Unusable answers by reason.
    """

    words: Mapping[str, str]
    chosen: int
    held_out: tuple[float, float] | None
    trials: tuple[TriedRewording, ...]
    calls: int
    failed: Counter[str] = field(default_factory=Counter[str])


def pareto_shares(scores: ArrayLike) -> NDArray[np.int64]:
    """On how many images each candidate is best, without those that others make superfluous.

    Candidates are taken out, the worst on average first, while each image on which one is best has another
    best candidate that is still there: so the released code reads algorithm 2.

    Args:
        scores: Score of each candidate on each image `[K, N]`.

    Returns:
        The number of images for each candidate `[K]`; 0 for one that was taken out.
    """
    table = np.asarray(scores, dtype=np.float64)
    best = table == table.max(0)
    # Of equals the later one goes first: the fixed words stay.
    for place in sorted(range(len(table)), key=lambda k: (table[k].mean(), -k)):
        without = best.copy()
        without[place] = False
        if without.any(0)[best[place]].all():
            best = without
    return best.sum(1)


def least_calls(subject: Reworded, seen: Sequence[int], held_out: Sequence[int]) -> int:
    """Questions below which nothing can be tried: the fixed words, one rewording, the choice."""
    return subject.most_calls(seen) * 2 + 1 + 2 * subject.most_calls(held_out)


def check_calls(calls: int, least: int) -> None:
    """Refuse a search that could try nothing.

    Raises:
        InputError: So few questions allow no rewording.
    """
    if calls < least:
        raise InputError(
            f"The most questions are {calls}: with these labels it takes {least} to try a single rewording.",
            hint="Allow more, or give fewer labels a class.",
            field="calls",
        )


async def search_words(
    start: Mapping[str, str],
    subject: Reworded,
    *,
    seen: Sequence[int],
    held_out: Sequence[int],
    calls: int,
    minibatch: int = MINIBATCH,
    seed: int = 0,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> FoundWords:
    """Search for better words within a number of questions.

    A rewording is kept in the pool if it beats its parent on the minibatch it was written from. In the end
    the best of the pool on the images that were seen meets the fixed words on held-out images that no
    reflection saw, once: they are left only for words that are better by more than one standard error.

    The same search takes the same path, whatever is in a cache: one that was stopped goes on where it was.

    Args:
        start: The fixed words.
        subject: Judges and rewords.
        seen: Images for reflection, and for the Pareto front.
        held_out: Images that decide in the end; none of `seen`.
        calls: The most questions, those from a cache among them.
        minibatch: Images that a rewording is shown.
        seed: Decides every draw.
        progress: Called with how many questions were answered, of the most.

    Raises:
        InputError: So few questions allow no rewording.
    """
    check_calls(calls, least_calls(subject, seen, held_out))
    rng = search_seed("words", seed)
    pool: list[dict[str, str]] = [dict(start)]
    first = await subject.score(start, seen)
    scores, spent = [list(first.scores)], first.calls
    dearest = 1 + subject.most_calls(seen) + 2 * subject.most_calls(held_out)
    turns, trials, failed = [0], list[TriedRewording](), Counter[str]()
    known, idle = {tuple(start.values())}, 0
    while spent + dearest <= calls and idle < PATIENCE * len(start):
        if max(map(min, scores)) >= 1:
            break  # nothing is wrong any more
        progress(spent, calls)
        parent = _drawn(pareto_shares(scores), rng)
        shown = _minibatch(scores[parent], minibatch, rng)
        part = list(start)[turns[parent] % len(start)]
        turns[parent] += 1
        images = [seen[place] for place in shown]
        proposal = await subject.propose(pool[parent], part, images)
        spent += 1
        idle += 1
        if proposal.text is None:
            failed[proposal.why] += 1
            trials.append(TriedRewording(parent, part, "", proposal.why, None, None, ""))
            continue
        child = {**pool[parent], part: proposal.text}
        if tuple(child.values()) in known:
            trials.append(TriedRewording(parent, part, "", "unchanged", None, None, proposal.why))
            continue
        known.add(tuple(child.values()))
        idle = 0
        places = list(range(len(seen))) if subject.together else shown
        scored = await subject.score(child, [seen[place] for place in places])
        spent += scored.calls
        tried = dict(zip(places, scored.scores, strict=True))
        right = float(np.mean(list(tried.values())))
        before = float(np.mean([scores[parent][place] for place in tried]))
        outcome = "kept" if right > before else "worse" if right < before else "no better"
        trials.append(TriedRewording(parent, part, proposal.text, outcome, right, before, proposal.why))
        if outcome != "kept":
            continue
        if rest := [place for place in range(len(seen)) if place not in tried]:
            scored = await subject.score(child, [seen[place] for place in rest])
            spent += scored.calls
            tried |= dict(zip(rest, scored.scores, strict=True))
        pool.append(child)
        scores.append([tried[place] for place in range(len(seen))])
        turns.append(0)
    progress(spent, calls)
    best = int(np.mean(scores, axis=1).argmax())
    if best == 0:
        return FoundWords(pool[0], 0, None, tuple(trials), spent, failed)
    both = [await subject.score(pool[place], held_out) for place in (0, best)]
    spent += sum(each.calls for each in both)
    place = best if choose_simplest([each.scores for each in both]).chosen else 0
    fixed, other = (float(np.mean(each.scores)) for each in both)
    return FoundWords(pool[place], place, (fixed, other), tuple(trials), spent, failed)


def _drawn(shares: NDArray[np.int64], rng: Random) -> int:
    """A candidate, as often as it is best."""
    return rng.choices(range(len(shares)), weights=shares.tolist())[0]


def _minibatch(scores: Sequence[float], size: int, rng: Random) -> list[int]:
    """Places of images to learn from, wrong ones first: up to half of them right, where there are enough."""
    places = list(range(len(scores)))
    rng.shuffle(places)
    wrong = [place for place in places if scores[place] < 1]
    right = [place for place in places if scores[place] >= 1]
    most = max(size - size // 2, size - len(right))
    chosen = wrong[:most]
    return [*chosen, *right[: size - len(chosen)]]
