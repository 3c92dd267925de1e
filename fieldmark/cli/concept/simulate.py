"""`fieldmark concept simulate`: owners with hidden rules, talked to and measured against controls."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import refuse_with_resume, resumable
from fieldmark.cli.run_options import RUN, Out, RunJson, option
from fieldmark.cli.terminal import PlainConsole, amount, print_json, row, table, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.evals.owners.results import PooledResult, SimulateResult

_WHO, _HOW = "Who", "How"
CONTROL_WORDS = {
    "name_only": "the concept's name alone",
    "static_prompt": "one long clause, no conversation",
    "same_labels_head": "a head on all of the owner's labels",
    "random_boards": "the same conversation over random images",
    "no_conversation": "clauses drafted from name and purpose",
}


def simulate(
    owners: Annotated[
        str | None, option("Keys of simulated owners: a,b,c, or all (the default).", panel=_WHO)
    ] = None,
    variant: Annotated[
        Literal["exact", "flips5", "flips10", "boundary", "unsure", "terse", "midway", "rare"] | None,
        option(
            "The owners' faults (exact): flips5, flips10, boundary, unsure, terse, midway; rare: 3% of the "
            "pictures are in.",
            panel=_WHO,
            metavar="FAULT",
        ),
    ] = None,
    seed: Annotated[int | None, option("Decides pictures, draws and faults (0).", panel=_WHO)] = None,
    worlds: Annotated[
        int | None,
        option(
            "Flocks that each owner talks about, each time anew (1); their seeds go on from --seed.",
            panel=_WHO,
            min=1,
            max=100,
        ),
    ] = None,
    pool: Annotated[
        int | None, option("Pictures to talk about (3000).", panel=_HOW, min=200, max=50_000)
    ] = None,
    held_out: Annotated[
        int | None, option("Pictures to measure on (600).", panel=_HOW, min=50, max=20_000)
    ] = None,
    annotate: Annotated[
        int | None, option("Pictures annotated for a classifier (1200).", panel=_HOW, min=50)
    ] = None,
    boards: Annotated[int | None, option("The most boards (12).", panel=_HOW, min=0)] = None,
    labels: Annotated[
        int | None,
        option("Labels beside the blind test after which no board follows (74).", panel=_HOW, min=0),
    ] = None,
    blind: Annotated[int | None, option("Labels of the blind test (100).", panel=_HOW, min=0)] = None,
    questions: Annotated[int | None, option("The most questions (6).", panel=_HOW, min=0)] = None,
    mistakes: Annotated[
        float | None,
        option("Share of what it sees that the guide gets wrong (0.06).", panel=_HOW, min=0, max=0.3),
    ] = None,
    looks: Annotated[
        Literal["once", "examples", "steps", "samples", "choose"] | None,
        option(
            "How a classifier's annotator looks at pictures (once): examples, steps, samples, choose.",
            panel=_HOW,
            metavar="WAY",
        ),
    ] = None,
    controls: Annotated[
        str | None,
        option(f"Controls: a,b,c, all (the default) or none. {', '.join(CONTROL_WORDS)}.", panel=_HOW),
    ] = None,
    guide: Annotated[
        Literal["in-process", "http"] | None,
        option(
            "Ask the guide in the same process (the default), or over HTTP like any language model: the "
            "same answers, much slower.",
            panel=_HOW,
        ),
    ] = None,
    workers: Annotated[int, option("Processes that owners are shared out to.", panel=RUN, min=1, max=64)] = 2,
    out: Out = Path("runs"),
    json: RunJson = False,
    resume: Annotated[
        str | None,
        option(
            "Go on with an earlier run, without a name the latest; owners that are done stay so.",
            panel=RUN,
            metavar="[RUN]",
        ),
    ] = None,
) -> None:
    """Simulate owners with hidden rules over drawn birds, and measure what a conversation is worth.

    Each owner answers questions and labels pictures by a rule that nobody else knows. The classifier that
    comes of it is measured on pictures drawn apart, beside controls with the same budgets. Works offline and
    without a key: a scripted guide (no language model) plays analyst and annotator, with mistakes. Each
    owner's run is kept the moment it is finished; a stopped simulation goes on with --resume.
    """
    chosen: dict[str, Any] = {
        "owners": None if owners is None else tuple(filter(None, map(str.strip, owners.split(",")))),
        "variant": variant, "seed": seed, "worlds": worlds, "pool": pool, "held_out": held_out,
        "annotate": annotate, "boards": boards, "labels": labels, "blind": blind, "questions": questions,
        "mistakes": mistakes, "looks": looks,
        "controls": None if controls is None else chosen_controls(controls), "guide": guide,
    }  # fmt: skip
    given = {name: value for name, value in chosen.items() if value is not None}
    from fieldmark.evals.owners.rules import rules_named
    from fieldmark.tools.runs.folder import RunFolder

    if resume is not None:
        RunFolder.open(out, resume, kind="simulate")
        refuse_with_resume(given)
    else:
        rules_named(given.get("owners", ("all",)))
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.concepts.simulation import earlier_simulation, run_simulation, simulation_options

        options, earlier = (
            (simulation_options({"owners": ("all",), **given}), None)
            if resume is None
            else earlier_simulation(resume, out)
        )
        progress.stage("Simulating owners")
        with resumable(progress, "fieldmark concept simulate"):
            result = run_simulation(options, earlier=earlier, out=out, workers=workers, progress=progress)
    if json:
        print_json(result)
    show(result, words(json=json), progress.run or out)


def chosen_controls(text: str) -> tuple[str, ...]:
    """The controls that a text names.

    Raises:
        InputError: One is unknown.
    """
    if text == "all":
        return tuple(CONTROL_WORDS)
    names = tuple(name.strip() for name in text.split(",") if name.strip() not in ("", "none"))
    wrong = [name for name in names if name not in CONTROL_WORDS]
    if wrong:
        raise InputError(
            f"There is no control {wrong[0]!r}.",
            hint=f"There are: all, none, {', '.join(CONTROL_WORDS)}.",
        )
    return names


def show_stages(pooled: "PooledResult", console: PlainConsole) -> None:
    """Say what each further board was worth."""
    beside = any(stage.difference is not None for stage in pooled.stages)
    if not beside:
        return
    found = table("after boards", "labels", "annotator F1", "random boards", "difference", "95% interval")
    for stage in pooled.stages:
        if stage.random_boards is None or stage.difference is None:
            continue
        row(
            found,
            stage.boards,
            f"{stage.labels:.0f}",
            f"{stage.f1.value:.3f}",
            f"{stage.random_boards.value:.3f}",
            f"{stage.difference.value:+.3f}",
            f"{stage.difference.ci95[0]:+.3f} to {stage.difference.ci95[1]:+.3f}",
        )
    console.print(found)


def show(result: "SimulateResult", console: PlainConsole, run: Path) -> None:
    """Say what was found."""
    console.say()
    owners = table(
        "owner", "in", "annotator F1", "classifier F1", "95% interval", *result.pooled.controls,
        "labels", "boards", "stopped by",
        title=f"{amount(len({owner.rule for owner in result.owners}), 'owner')} ({result.variant}), F1 on "
        f"{amount(result.held_out, 'picture')} drawn apart"
        + (f", in each of {result.worlds} worlds" if result.worlds > 1 else ""),
        words=("owner", "stopped by"),
    )  # fmt: skip
    for owner in result.owners:
        row(
            owners,
            owner.rule if result.worlds == 1 else f"{owner.rule} {owner.seed}",
            f"{100 * owner.prevalence:.0f}%",
            f"{owner.f1:.3f}",
            f"{owner.student_f1:.3f}",
            f"{owner.student_ci95[0]:.3f} to {owner.student_ci95[1]:.3f}",
            *(
                f"{owner.controls[name].f1:.3f}" if name in owner.controls else "–"
                for name in result.pooled.controls
            ),
            owner.labels_used,
            owner.boards,
            owner.stop_reason,
        )
    console.print(owners)
    pooled = result.pooled
    console.say(
        f"All owners: annotator F1 {pooled.f1.value:.3f}, classifier F1 {pooled.student_f1.value:.3f} "
        f"({pooled.student_f1.ci95[0]:.3f} to {pooled.student_f1.ci95[1]:.3f})."
    )
    if pooled.differences:
        tests = table(
            "classifier minus",
            "what it is",
            "F1",
            "95% interval",
            "p",
            words=("classifier minus", "what it is"),
        )
        for name, gap in pooled.differences.items():
            row(
                tests,
                name,
                CONTROL_WORDS.get(name, ""),
                f"{gap.value:+.3f}",
                f"{gap.ci95[0]:+.3f} to {gap.ci95[1]:+.3f}",
                f"{gap.p:.2g}",
            )
        console.print(tests)
    show_stages(pooled, console)
    if pooled.kappa_owner_annotator is not None and pooled.kappa_from_instructions is not None:
        console.say(
            f"Kappa with the owner: the annotator {pooled.kappa_owner_annotator:.3f}, one that was given the "
            f"instructions alone {pooled.kappa_from_instructions:.3f}."
        )
    for note in result.notes:
        console.say(note, "bold")
    console.say(f"{result.seconds:.0f} s. Result: {run / 'result.json'}")
