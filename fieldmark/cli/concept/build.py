"""`fieldmark concept build`: has a concept's classifier built."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.concept.chat import BaseUrl, Llm, Name, Vlm
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.exit_codes import InterruptedRun
from fieldmark.cli.run_options import DryRun, Json, asking, encoding, option, takes_spending
from fieldmark.cli.terminal import amount, print_json, words
from fieldmark.errors import EndpointError, InputError, LimitReached

if TYPE_CHECKING:
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.records.building import BuildResult

Version = Annotated[int | None, option("Version of the definition. Else the one in force.", min=1)]
GO_ON = "The same command goes on where it was."


@asking
@encoding
@takes_spending
def build(
    name: Name,
    version: Version = None,
    annotate: Annotated[
        int, option("Images chosen for the annotator; those you labelled come on top.", min=8)
    ] = 1500,
    rounds: Annotated[int, option("Rounds that add images which the classifier is unsure about.", min=0)] = 2,
    debates: Annotated[
        str,
        option(
            "The most images argued about, where annotator and classifier disagree: a number, or a share of "
            "--annotate (5%).",
            metavar="N|N%",
        ),
    ] = "0",
    looks: Annotated[
        Literal["once", "examples", "steps", "samples", "choose"],
        option(
            "How the annotator looks: once; with up to 8 of your labelled images before it (examples); by a "
            "caption, answers to the clauses, and both weighed (steps); three times, voting (samples); or as "
            "your labels speak for (choose).",
            metavar="WAY",
        ),
    ] = "once",
    worded: Annotated[
        Path | None,
        option("Other words for the annotator, as fieldmark reword finds them.", "--words"),
    ] = None,
    llm: Llm = None,
    vlm: Vlm = None,
    base_url: BaseUrl = None,
    dry_run: DryRun = False,
    json: Json = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Build a concept's classifier: a small head on CLIP vectors, taught by an annotator and your labels.

    The annotator is the vision-language model; where there is none, CLIP alone. Nothing is asked twice, and
    the blind test has no part in it. Exit codes: 0 built; 2 wrong input, or no model answers; 3 a limit; 130
    Ctrl-C. After 3 and 130, and once a model answers again, the same command goes on.
    """
    with Telling("Loading") as progress:
        from fieldmark.agents.build.options import BuildOptions
        from fieldmark.app.concepts.builder import ConceptBuilder
        from fieldmark.app.words.file import read_words
        from fieldmark.records import UsageLimits

        builder = ConceptBuilder.open(
            name,
            version=version,
            llm=llm,
            vlm=vlm,
            base_url=base_url,
            options=BuildOptions(
                annotate=annotate,
                rounds=rounds,
                debates=most_debates(debates, annotate),
                looks=looks,
                words=read_words(worded) if worded else None,
            ),
            limits=UsageLimits(**spending["limits"]),
            cache=spending["cache"] or "use",
            progress=progress,
        )
        if dry_run:
            tell_estimate(builder.estimate(), progress, json=json)
            return
        with going_on(GO_ON):
            result = builder.build()
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-build/1",
                "folder": str(builder.out),
                **result.model_dump(mode="json", exclude={"format"}),
                "failures": dict(progress.failures),
            }
        )
    show(result, builder, json=json)


def most_debates(given: str, annotate: int) -> int:
    """The most images that are argued about, from a number or a share of those that are annotated.

    Raises:
        InputError: It is neither.
    """
    number, percent, rest = given.strip().partition("%")
    if not number.isascii() or not number.isdigit() or rest or (percent and int(number) > 100):
        raise InputError(
            f"{given!r} is no number of debates.", hint="Give one, 40, or a share, 5%.", field="debates"
        )
    return -(-int(number) * annotate // 100) if percent else int(number)


@contextmanager
def going_on(hint: str) -> Iterator[None]:
    """Have whatever stops the work for now say that nothing is lost, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRun("interrupted; everything so far is kept.", hint=hint) from None
    except (EndpointError, LimitReached) as error:
        error.hint = f"{error.hint} {hint}".strip()
        raise


def show(result: "BuildResult", builder: "ConceptBuilder", *, json: bool) -> None:
    """Say what was built, and what to do with it."""
    console = words(json=json)
    shown = shlex.quote(result.concept)
    console.say(
        f"{result.concept}, version {result.version}: a {result.kind} head out of "
        f"{amount(len(result.contenders), 'contender')}, from {amount(result.annotated, 'judged image')} and "
        f"{amount(result.owner_labels, 'label')} of yours."
    )
    if result.unjudged:
        were = "was" if result.unjudged == 1 else "were"
        console.say(f"{amount(result.unjudged, 'image')} could not be judged and {were} left out.")
    if result.debated:
        console.say(
            f"{amount(result.debated, 'image')} argued about, {amount(result.overturned, 'verdict')} changed."
        )
    for note in result.notes:
        console.say(note)
    console.say(f"In {builder.out}")
    given = "" if result.version == builder.concept.current else f" --version {result.version}"
    if builder.measured is None:
        console.say(f"Measure it: fieldmark concept evaluate {shown}{given}")
    console.say(f"Export it: fieldmark concept export {shown} --out DIR{given}")
