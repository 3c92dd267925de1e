"""`fieldmark plan`: what a classification of any size would take, before anything is begun."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import MODELS, RUN, SPENDING, Json, option
from fieldmark.cli.spending import PRICES
from fieldmark.cli.terminal import amount, print_json, row, table, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.app.planning.plan import Plan, PlannedPart
    from fieldmark.records import Price

GIB = 1 << 30
_COMMANDS = {
    ("encoding", "many"): "RAY_ADDRESS=HEAD:6379 fieldmark classify … --engine ray; GPUs of one machine: "
    "--engine processes",
    ("vectors on disk", "large"): "FIELDMARK_HOME=/a/large/disk",
    ("memory at the peak", ""): "fieldmark classify PHOTOS --classes classes.txt",
    ("memory at the peak", "sample"): "fieldmark classify SAMPLE --classes classes.txt; fieldmark export RUN "
    "--out LEARNED",
    ("questions", "batches"): "fieldmark classify … --wait batch",
    ("answering", ""): "fieldmark doctor",
    ("answers on disk", "many"): "FIELDMARK_CACHE=redis://HOST:6379",
    ("run on disk", "large"): "fieldmark classify … --out /a/large/disk",
    ("labelling the rest", ""): "fieldmark predict LEARNED PHOTOS --table labels.parquet",
    ("a search in all of it", "index"): 'pip install "fieldmark[faiss]"',
}
"""What is typed, by part and way."""


def _whole(text: str) -> int:
    """A number as people write large ones: 100000, 100,000, 1e8."""
    try:
        number = float(text.replace(",", ""))
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no whole number; write 100000, 100,000 or 1e5.") from None
    return int(number)


def plan(
    images: Annotated[
        int, option("How many images, such as 1e8.", parser=_whole, metavar="N", show_default=False)
    ],
    classes: Annotated[int, option("How many classes.", parser=_whole, metavar="N", show_default=False)],
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.", panel=MODELS)] = None,
    width: Annotated[
        int | None,
        option("Values of a vector, of a CLIP model that is not here.", panel=MODELS, min=1),
    ] = None,
    device: Annotated[
        str | None, option("auto, cpu, cuda or mps. Else FIELDMARK_DEVICE.", panel=MODELS)
    ] = None,
    measure: Annotated[
        list[Path] | None,
        option("Encode these images or folders for a few seconds, and go by that.", panel=MODELS),
    ] = None,
    images_per_second: Annotated[
        float | None, option("Images that one worker encodes in a second, if known.", panel=MODELS)
    ] = None,
    workers: Annotated[int, option("GPUs, or machines without one, that encode.", panel=RUN, min=1)] = 1,
    memory: Annotated[
        float | None, option("GiB of the machine that classifies. Else those of this one.", panel=RUN)
    ] = None,
    questions_per_second: Annotated[
        float | None, option("Questions that the endpoint answers in a second.", panel=SPENDING)
    ] = None,
    price_in: Annotated[
        float | None, option("Per million tokens sent. Else FIELDMARK_PRICE_PROMPT.", panel=SPENDING, min=0)
    ] = None,
    price_out: Annotated[
        float | None,
        option("Per million tokens of answers. Else FIELDMARK_PRICE_COMPLETION.", panel=SPENDING, min=0),
    ] = None,
    json: Json = False,
) -> None:
    """Reckon time, disk, memory, questions and money of a classification, and say what to use at that size.

    fieldmark plan --images 1e8 --classes 1e4

    It asks nothing and keeps nothing. Numbers come from measured unit costs; where there is none, it says so.

    Exit codes: 0 done; 2 wrong input.
    """
    from fieldmark.app.beforehand import Mistakes, check_models

    mistakes = Mistakes()
    check_models(mistakes, clip=None if width else clip, device=device)
    if measure and (images_per_second is not None or width is not None):
        mistakes.note([InputError("--measure finds out what --images-per-second and --width say.",
                                  hint="Leave them out, or --measure.")])  # fmt: skip
    mistakes.tell()
    from fieldmark.app.models import choose_models
    from fieldmark.app.planning.plan import PlanOptions, make_plan, width_of
    from fieldmark.settings import read_settings

    chosen = choose_models(clip=clip, device=device)
    options = PlanOptions(
        images=images,
        classes=classes,
        clip=chosen.clip,
        device=chosen.device,
        images_per_second=images_per_second,
        questions_per_second=questions_per_second,
        workers=workers,
        memory=_bytes(memory),
        price=_price(price_in, price_out),
        answer_tokens=read_settings().answer_tokens,
    )
    with TerminalProgress("Reckoning"):
        if measure:
            from fieldmark.app.planning.measuring import measure_encoding

            told = measure_encoding(measure, chosen)
            found = {"images_per_second": told.images_per_second, "width": told.width, "device": told.device}
        else:
            from fieldmark.tools.clip.devices import choose_device

            known = chosen.device if chosen.device != "auto" else choose_device("auto").type
            found = {"width": width or width_of(chosen.clip), "device": known.partition(":")[0]}
        made = _with_commands(make_plan(options.model_copy(update=found)))
    if json:
        print_json(made)
    _show(made, json=json)


def _with_commands(made: "Plan") -> "Plan":
    parts = (
        each.model_copy(update={"command": _COMMANDS.get((each.part, each.way), "")}) for each in made.parts
    )
    return made.model_copy(update={"parts": tuple(parts)})


def _price(price_in: float | None, price_out: float | None) -> "Price | None":
    """What was given, else what the settings say."""
    from fieldmark.app.stores import price_of
    from fieldmark.records import Price
    from fieldmark.settings import read_settings

    if (price_in is None) != (price_out is None):
        raise InputError("One price is missing.", hint="Give both --price-in and --price-out.")
    if price_in is None or price_out is None:
        return price_of(read_settings())
    return Price(prompt=price_in, completion=price_out)


def _bytes(gib: float | None) -> int | None:
    """Of the memory that was given, else of this machine; None where that is not told."""
    if gib is not None:
        if not 0 < gib < 1e9:
            raise InputError(f"--memory cannot be {gib:g}.", hint="Give GiB, such as 64.")
        return int(gib * GIB)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _show(made: "Plan", *, json: bool) -> None:
    console = words(json=json)
    console.say(
        f"{amount(made.images, 'image')}, {amount(made.classes, 'class', 'classes')}, {made.clip} "
        f"({made.width:,} values a vector)"
    )
    shown = table("part", "about", "at most", "what to use", words=("part", "what to use"))
    for each in made.parts:
        row(shown, each.part, _said(each.amount, each), "" if each.most is None else _said(each.most, each),
            "; ".join(filter(None, (each.use, each.note))))  # fmt: skip
    console.print(shown)
    for each in made.parts:
        if each.command:
            console.say(f"{each.part}: {each.command}")
    for note in made.notes:
        console.say(note)
    if made.part("money").amount is None:
        console.say(f"For money, give --price-in and --price-out, or set {PRICES}.")
    if made.part("encoding").amount is None:
        console.say("For the time of encoding, give --measure FOLDER or --images-per-second.")


def _said(value: float | None, part: "PlannedPart") -> str:
    """A number in the unit that people read it in."""
    if value is None:
        return "not known"
    if part.unit == "bytes":
        return _scaled(value, (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)))
    if part.unit == "s":
        return _scaled(value, (("days", 2 * 86_400), ("h", 7200), ("min", 120), ("s", 1)), at={"days": 86_400,
                       "h": 3600, "min": 60})  # fmt: skip
    return f"{value:,.4g}" if part.unit == "money" else f"{round(value):,}"


def _scaled(value: float, units: tuple[tuple[str, float], ...], *, at: dict[str, float] | None = None) -> str:
    """In the first unit that it reaches."""
    name, size = next((each for each in units if value >= each[1]), units[-1])
    return f"{value / (at or {}).get(name, size):,.3g} {name}"
