"""Reckons time, disk, memory, questions and money of a classification that nobody has begun.

Questions, rows, limits and prices come from what does the work. Only `unit_costs` is measured.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from fieldmark.agents.resolve.context import MOST_PAIRS, SHORTLIST
from fieldmark.agents.resolve.estimate import estimated, most_follow_ups
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.shared.estimate import total
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.inputs import MOST_CLASSES
from fieldmark.app.planning import unit_costs as cost
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.cache.rowfile import row_bytes
from fieldmark.records import Options, Price, Record, UsageLimits
from fieldmark.tools.clip.model_source import HUB
from fieldmark.tools.clip.weights import find_model
from fieldmark.tools.concepts.pool import EXACT_UP_TO
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.llm.batches.files import MOST_LINES
from fieldmark.tools.llm.budget import Budget, TokenCount
from fieldmark.tools.llm.chat import ChatModel

BATCH_FROM = 10_000
"""From so many questions on, batches are advised: they cost half where they are offered, and take hours."""
DAY = 86_400
LARGE = 10e9
"""Bytes from which on it is worth a word where they lie."""
SOME = 200
"""Classes whose questions are counted one by one."""
Unit = Literal["s", "bytes", "questions", "tokens", "money", "images"]


class PlanOptions(Options):
    """What is to be planned."""

    images: int = Field(ge=1, le=10**12)
    classes: int = Field(ge=2, le=MOST_CLASSES)
    clip: str = "the encoder"
    """The encoder's name."""
    width: int = Field(default=512, ge=1, le=100_000)
    """Values of a vector."""
    device: str = "cpu"
    """Where images are encoded: "cpu", "cuda", "mps"."""
    images_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """As measured, of one worker; else that of `unit_costs`, where it was measured."""
    questions_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """What the endpoint answers."""
    workers: int = Field(default=1, ge=1, le=100_000)
    """GPUs, or machines without one, that encode."""
    cores: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Of a machine without a GPU."""
    memory: int | None = Field(default=None, ge=1)
    """Bytes of the machine that classifies; None takes any amount."""
    price: Price | None = None
    answer_tokens: int | None = None
    loop: ResolveOptions = ResolveOptions()


class PlannedPart(Record):
    """One part of the work."""

    part: str
    amount: float | None
    """About; None where nobody knows."""
    most: float | None = None
    """What it never passes, where there is such a bound."""
    unit: Unit
    note: str = ""
    """Why it is not known, or what it rests on."""
    use: str = ""
    """What does it at this size."""
    way: str = ""
    """Its key, where it is not the usual way."""
    command: str = ""
    """What is typed for it; put in by who knows the commands."""


class Plan(Record):
    """What a classification would take."""

    format: Literal["fieldmark.plan/1"] = Field(default="fieldmark.plan/1", serialization_alias="schema")
    images: int
    classes: int
    clip: str
    width: int
    classified: int
    """Images that the loop itself works on; the others are labelled by what it learned."""
    parts: tuple[PlannedPart, ...]
    notes: tuple[str, ...] = ()
    unit_costs: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)

    def part(self, name: str) -> PlannedPart:
        """The part of that name."""
        return next(each for each in self.parts if each.part == name)


def width_of(clip: str) -> int:
    """Values of an encoder's vectors; its weights need not be here where open_clip knows the architecture.

    Raises:
        ModelError: Nobody knows it here.
    """
    architecture, tag, _ = clip.partition(":")
    built_in = tag and not clip.startswith(HUB) and not is_there(Path(clip))
    return find_model(f"{architecture}:random" if built_in else clip).width


def make_plan(options: PlanOptions) -> Plan:
    """Reckon what it would take. Nothing is asked, opened or encoded."""
    classified = _classified(options)
    asked = run_to_end(asked_of(options, classified))
    parts = (*_encoding(options, asked), *_memory(options, classified), *_asking(options, asked))
    return Plan(
        images=options.images,
        classes=options.classes,
        clip=options.clip,
        width=options.width,
        classified=classified,
        parts=(*parts, *_scoring(options, classified, asked)),
        notes=tuple(_notes(options, classified)),
        unit_costs={name: dict(vars(each)) for name, each in _units().items()},
    )


def memory_of(images: int, classes: int, width: int) -> float:
    """Bytes at the peak of a classification, about: predictions, vectors, scores, pairs of classes."""
    each = cost.IMAGE_BYTES.value + width * cost.VECTOR_BYTES.value
    pairs = _pairs(images, classes) * cost.PAIR_BYTES.value
    return cost.BASE_BYTES.value + images * each + pairs + 4 * classes**2


def _pairs(images: int, classes: int) -> int:
    """Image × class pairs that are scored."""
    return images * (min(classes, SHORTLIST) if images * classes > MOST_PAIRS else classes)


def _classified(options: PlanOptions) -> int:
    """All images, or the largest round number of them whose classification fits the memory; at least 100."""

    def fits(images: int) -> bool:
        return options.memory is None or memory_of(images, options.classes, options.width) <= options.memory

    if fits(options.images):
        return options.images
    rounds = [lead * 10**zeros for zeros in range(2, 13) for lead in (1, 2, 5)]
    return max((each for each in rounds if each < options.images and fits(each)), default=0) or min(
        100, options.images
    )


@dataclass(frozen=True)
class Asked:
    """What would be asked: the first look, and the most follow-up questions, each with its most tokens."""

    first: int
    first_tokens: TokenCount
    most: int
    most_tokens: TokenCount


async def asked_of(options: PlanOptions, images: int) -> Asked:
    """As the dry run of a classification says it, of names of usual length.

    Questions about some classes stand for those about all: at ten thousand, counting takes many seconds.
    """
    some = min(options.classes, SOME)
    names = tuple(f"common name {number:05}" for number in range(some))
    async with ChatModel(
        "planned",
        base_url="http://localhost/v1",
        api_key=None,
        store=MemoryByteStore(),
        identity="planned",
        price=Price(prompt=1e6, completion=0),  # so that costs are the tokens that are sent
        answer_tokens=options.answer_tokens,
    ) as llm:
        told = await estimated(names, images, noun="object", options=options.loop, llm=llm, vlm=None)
    first, most = told.first_look, most_follow_ups(options.classes, options.loop, images=images)
    more, each = options.classes / some, most / max(1, told.follow_up_most)
    return Asked(
        first=round(first.to_ask * more),
        first_tokens=_tokens(first.tokens, first.cost, more),
        most=most,
        most_tokens=_tokens(told.follow_up_tokens, told.follow_up_cost, each),
    )


def _tokens(total: int, sent: float | None, times: float) -> TokenCount:
    return TokenCount(round((sent or 0) * times), round((total - (sent or 0)) * times))


def asked_about(asked: Asked) -> float:
    """The questions that are asked in fact, about."""
    return asked.first + cost.ASKED.value * asked.most


def used_of(asked: Asked) -> TokenCount:
    """The tokens that are used in fact, about."""
    about = asked_about(asked)
    return TokenCount(round(about * cost.TOKENS_SENT.value), round(about * cost.TOKENS_ANSWERED.value))


def speed_of(options: PlanOptions) -> tuple[float | None, str]:
    """Images a second of one worker, and what that rests on."""
    if options.images_per_second is not None:
        return options.images_per_second, "at the images a second that were given"
    known = cost.ENCODING.get((options.clip, options.device))
    if known is None:
        return (
            None,
            f"nobody measured {options.clip} on {options.device}: measure it, or give images a second",
        )
    return known.value * options.cores, f"{known.value:,.0f} images/s a core, where nothing else runs"


def _encoding(options: PlanOptions, asked: Asked) -> Iterator[PlannedPart]:
    speed, note = speed_of(options)
    seconds = options.images / speed / options.workers if speed else None
    if seconds is not None and seconds > DAY:
        note += f"; {-(-options.images // int(max(1, speed or 1) * DAY)):,} workers take a day"
    several = options.workers > 1
    yield PlannedPart(
        part="encoding", amount=seconds, unit="s", note=note,
        use="Ray, or a process a GPU on one machine" if several else "this machine",
        way="many" if several else "",
    )  # fmt: skip
    rows = options.images + asked_about(asked) * cost.TEXTS_A_QUESTION.value
    yield _on_disk("vectors on disk", rows * (row_bytes(options.width) + cost.INDEX_BYTES.value))
    yield PlannedPart(
        part="small copies on disk", amount=0.0, unit="bytes",
        note="the studio makes one when a page first shows an image", use="a folder",
    )  # fmt: skip


def _on_disk(part: str, size: float) -> PlannedPart:
    return PlannedPart(part=part, amount=size, unit="bytes", use="a folder", way="large" * (size > LARGE))


def _memory(options: PlanOptions, classified: int) -> Iterator[PlannedPart]:
    whole = classified == options.images
    yield PlannedPart(
        part="memory at the peak",
        amount=memory_of(classified, options.classes, options.width),
        unit="bytes",
        use="all images at once" if whole else f"a sample of {classified:,}, then what it learned",
        way="" if whole else "sample",
    )


def _asking(options: PlanOptions, asked: Asked) -> Iterator[PlannedPart]:
    about, most = asked_about(asked), asked.first + asked.most
    files = -(-most // MOST_LINES)
    batches = about >= BATCH_FROM
    seconds = about / options.questions_per_second if options.questions_per_second else None
    yield PlannedPart(
        part="questions", amount=about, most=most, unit="questions",
        note="how many are needed depends on how alike the classes are",
        use=f"batches, {files:,} file{'s' * (files > 1)} at most" if batches else "online",
        way="batches" if batches else "",
    )  # fmt: skip
    yield PlannedPart(
        part="answering", amount=seconds, unit="s",
        note="" if seconds else "the endpoint decides: give what it answers in a second",
        use="" if not batches else "batches take up to a day each",
    )  # fmt: skip
    yield PlannedPart(
        part="answers on disk", amount=about * cost.ANSWER_BYTES.value, unit="bytes",
        use="a folder; Redis where several machines ask", way="many" * (options.workers > 1),
    )  # fmt: skip
    used, all_used = used_of(asked), total((asked.first_tokens, asked.most_tokens))
    yield PlannedPart(
        part="tokens", amount=used.total, most=all_used.total, unit="tokens",
        note="as the scripted guide answers; a model that thinks takes more",
    )  # fmt: skip
    purse = Budget(UsageLimits(), options.price)
    yield PlannedPart(
        part="money",
        amount=purse.cost_of(used),
        most=purse.cost_of(all_used),
        unit="money",
        note="" if options.price else "no price is set",
    )


def _scoring(options: PlanOptions, classified: int, asked: Asked) -> Iterator[PlannedPart]:
    questions = asked_about(asked)
    texts = cost.TEXTS.get((options.clip, options.device))
    yield PlannedPart(
        part="encoding texts",
        amount=questions * cost.TEXTS_A_QUESTION.value / texts.value / options.cores if texts else None,
        unit="s",
        note="" if texts else f"nobody measured {options.clip} on {options.device}",
    )
    large = classified * options.classes > MOST_PAIRS
    each = cost.SCORING_LARGE if large else cost.SCORING
    yield PlannedPart(
        part="scoring", amount=cost.SCORING_BASE.value + _pairs(classified, options.classes) * each.value,
        unit="s", note="of processor time",
        use=f"table rule, the {SHORTLIST} likeliest classes of an image" if large else "evidence rule",
    )  # fmt: skip
    pairs = _pairs(classified, options.classes)
    yield _on_disk("run on disk", classified * cost.RUN_BYTES.value + pairs * cost.RUN_BYTES_A_PAIR.value)
    if classified < options.images:
        yield PlannedPart(
            part="labelling the rest",
            amount=options.images * _predicting(options),
            unit="s",
            note="beside encoding",
            use="block by block, in constant memory",
        )
    yield PlannedPart(
        part="a search in all of it",
        amount=options.images * options.width / 512 * cost.SEARCH.value,
        unit="s",
        note="16 queries, exact, with reading; for concepts",
        use="exact" if options.images <= EXACT_UP_TO else "FAISS",
        way="" if options.images <= EXACT_UP_TO else "index",
    )


def _predicting(options: PlanOptions) -> float:
    return (cost.PREDICTING.value + options.classes * cost.PREDICTING_A_CLASS.value) * options.width / 512


def _notes(options: PlanOptions, classified: int) -> Iterator[str]:
    if classified < options.images:
        needed = memory_of(options.images, options.classes, options.width)
        yield (
            f"A classification of all {options.images:,} images needs about {needed / 2**30:,.0f} GiB of "
            "memory: a sample is classified, and what that learned labels the rest, without a language model."
        )
        if classified < 10 * options.classes:
            yield f"Fewer than ten images a class fit the memory ({classified:,}): take a larger machine."


def _units() -> dict[str, cost.UnitCost]:
    """All that was measured, by name."""
    single = {name.lower(): each for name, each in vars(cost).items() if isinstance(each, cost.UnitCost)}
    for name, table in (("encoding", cost.ENCODING), ("texts", cost.TEXTS)):
        single |= {f"{name} {clip} {device}": each for (clip, device), each in table.items()}
    return single
