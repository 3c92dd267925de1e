"""`fieldmark concept evaluate`: measures a concept's classifier on the blind test, once a version."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.concept.build import GO_ON, Version, going_on
from fieldmark.cli.concept.chat import BaseUrl, Name
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.run_options import DryRun, Json, asking, option, takes_spending
from fieldmark.cli.terminal import amount, confirmed, errors, print_json, row, table, words

if TYPE_CHECKING:
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.records.building import Measurement, Score


@asking
@takes_spending
def evaluate(
    name: Name,
    version: Version = None,
    yes: Annotated[bool, option("Do not ask before the look.", "--yes", "-y")] = False,
    base_url: BaseUrl = None,
    dry_run: DryRun = False,
    json: Json = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Measure a classifier on the blind test. There is one look a version; reading its result again is free.

    At a terminal it asks before it looks. Exit codes: 0 measured, or you said no; 2 wrong input, or no model
    answers; 3 a limit; 130 Ctrl-C. After 2, 3 and 130 the test was not looked at.
    """
    with Telling("Loading") as progress:
        from fieldmark.app.concepts.builder import ConceptBuilder
        from fieldmark.records import UsageLimits

        builder = ConceptBuilder.open(
            name,
            version=version,
            limits=UsageLimits(**spending["limits"]),
            cache=spending["cache"] or "use",
            progress=progress,
        )
        if dry_run:
            tell_estimate(builder.estimate_look(base_url=base_url), progress, json=json)
            return
        measured = builder.measured
        looks_now = measured is None
        if measured is None:
            builder.check_before_look()
            progress.pause()
            announce(builder)
            if not yes and sys.stdin.isatty() and not confirmed("Look now?"):
                errors().say("The blind test was not looked at.")
                raise typer.Exit(0)
            progress.go_on()
            with going_on(f"The blind test was not looked at. {GO_ON}"):
                measured = builder.evaluate(base_url=base_url)
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-evaluate/1",
                "looked_now": looks_now,
                **measured.model_dump(mode="json", exclude={"format", "calls"}),
            }
        )
    show(measured, looked_now=looks_now, json=json)


def announce(builder: "ConceptBuilder") -> None:
    """Say that this is the one look, and at what."""
    from fieldmark.tools.concepts.changes import blind_labels

    concept = builder.concept
    labels = blind_labels(concept)
    console = errors()
    console.say(
        f"This is the one look at the blind test for version {builder.version} of {concept.name!r}: its "
        f"{amount(len(labels), 'label')} measure this version now and never again.",
        "bold",
    )
    if missing := len(concept.blind) - len(labels):
        console.say(
            f"{amount(missing, 'image')} of it have no label yet and would stay out: "
            f"fieldmark concept label {shlex.quote(concept.name)} --blind",
            "yellow",
        )


def show(measured: "Measurement", *, looked_now: bool, json: bool) -> None:
    """Show the figures."""
    from fieldmark.app.concepts.results import JUDGES

    console = words(json=json)
    if not looked_now:
        when = measured.at[:16].replace("T", " ")
        console.say(f"Measured on {when}. Reading it again is no further look.")
    figures = table(
        "judge", "F1", "area under P-R", "recall at P 0.9", "kappa",
        title=f"{measured.concept}, version {measured.version}: {amount(measured.images, 'blind label')}, "
        f"{measured.positives:,} in",
        words=("judge",),
    )  # fmt: skip
    for judge in measured.judges:
        scores = (judge.f1, judge.auprc, judge.recall_at_precision_90, judge.kappa)
        row(figures, JUDGES.get(judge.name, judge.name), *map(said, scores))
    console.print(figures)
    console.say("Weighted to the pool, with 95% intervals.")
    if measured.self_kappa.value is None:
        why = "no image came back, or you said the same of all that did"
        console.say(f"You against yourself (the ceiling): unknown, as {why}.")
    else:
        console.say(f"You against yourself (the ceiling): kappa {said(measured.self_kappa)}.")
    if measured.mcnemar_p is not None:
        console.say(f"Against version {measured.mcnemar_version}: McNemar p {measured.mcnemar_p:.2g}.")


def said(score: "Score") -> str:
    """A score with its interval."""
    if score.value is None:
        return "–"
    if score.ci95 is None:
        return f"{score.value:.2f}"
    return f"{score.value:.2f} ({score.ci95[0]:.2f} to {score.ci95[1]:.2f})"
