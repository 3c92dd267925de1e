"""`fieldmark concept simulate`: owners with hidden rules, talked to and measured against controls.

It knows nothing of how owners answer, only what may be chosen and how the outcome is said.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fieldmark.cli.progress import Progress
from fieldmark.cli.terminal import PlainConsole, amount, print_json, row, table, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.evals.owners.results import SimulateResult

_WHO, _HOW, _RUN = "Who", "How", "The run"
CONTROL_WORDS = {
    "name_only": "the concept's name alone",
    "static_prompt": "one long clause, no conversation",
    "same_labels_head": "a head on all of the owner's labels",
    "random_boards": "the same conversation over random images",
    "no_conversation": "clauses drafted from name and purpose",
}


def simulate(
    owners: Annotated[
        str, typer.Option(help="Keys of simulated owners: a,b,c, or all.", rich_help_panel=_WHO)
    ] = "all",
    variant: Annotated[
        Literal["exact", "flips5", "flips10", "boundary", "unsure", "terse", "midway"],
        typer.Option(help="The owners' faults.", rich_help_panel=_WHO),
    ] = "exact",
    seed: Annotated[int, typer.Option(help="Decides pictures, draws and faults.", rich_help_panel=_WHO)] = 0,
    pool: Annotated[
        int, typer.Option(min=200, max=50_000, help="Pictures to talk about.", rich_help_panel=_HOW)
    ] = 3000,
    held_out: Annotated[
        int, typer.Option(min=50, max=20_000, help="Pictures to measure on.", rich_help_panel=_HOW)
    ] = 600,
    annotate: Annotated[
        int, typer.Option(min=50, help="Pictures annotated for a classifier.", rich_help_panel=_HOW)
    ] = 1200,
    boards: Annotated[int, typer.Option(min=0, help="The most boards.", rich_help_panel=_HOW)] = 12,
    labels: Annotated[
        int,
        typer.Option(
            min=0, help="Labels beside the blind test after which no board follows.", rich_help_panel=_HOW
        ),
    ] = 74,
    blind: Annotated[int, typer.Option(min=0, help="Labels of the blind test.", rich_help_panel=_HOW)] = 100,
    questions: Annotated[int, typer.Option(min=0, help="The most questions.", rich_help_panel=_HOW)] = 6,
    mistakes: Annotated[
        float,
        typer.Option(
            min=0, max=0.3, help="Share of what it sees that the guide gets wrong.", rich_help_panel=_HOW
        ),
    ] = 0.06,
    controls: Annotated[
        str,
        typer.Option(help=f"Controls: a,b,c, all or none. {', '.join(CONTROL_WORDS)}.", rich_help_panel=_HOW),
    ] = "all",
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="Processes that owners are shared out to.", rich_help_panel=_RUN),
    ] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the run's folder.", rich_help_panel=_RUN)] = Path(
        "runs"
    ),
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.", rich_help_panel=_RUN)
    ] = False,
) -> None:
    """Simulate owners with hidden rules over drawn birds, and measure what a conversation is worth.

    Each owner answers questions and labels pictures by a rule that nobody else knows. The classifier that
    comes of it is measured on pictures drawn apart, beside controls with the same budgets. Works offline and
    without a key: a scripted guide (no language model) plays analyst and annotator, with mistakes.
    """
    names = tuple(name.strip() for name in owners.split(",") if name.strip())
    chosen = chosen_controls(controls)
    with Progress("Loading") as progress:
        from fieldmark.app.simulation import run_simulation
        from fieldmark.evals.owners.settings import SimulateOptions
        from fieldmark.evals.owners.simulating import rules_named
        from fieldmark.tools.run_folder import RunFolder

        rules_named(names)
        options = SimulateOptions.model_validate(
            {
                "owners": names, "variant": variant, "seed": seed, "pool": pool, "held_out": held_out,
                "annotate": annotate, "boards": boards, "labels": labels, "blind": blind,
                "questions": questions, "mistakes": mistakes, "controls": chosen,
            }
        )  # fmt: skip
        run = RunFolder.create(out, kind="simulate", options=options.model_dump(mode="json"))
        progress("run", {"path": str(run.path)})
        progress.stage("Simulating owners", of=None)
        result = run_simulation(options, home=run.path / "concepts", workers=workers, report=progress)
        run.write("result.json", result)
    if json:
        print_json(result)
    show(result, words(json=json), run.path)


def chosen_controls(text: str) -> tuple[str, ...]:
    """The controls that a text names.

    Raises:
        InputError: One is unknown.
    """
    if text == "all":
        return tuple(CONTROL_WORDS)
    names = tuple(name.strip() for name in text.split(",") if name.strip() not in ("", "none"))
    strangers = [name for name in names if name not in CONTROL_WORDS]
    if strangers:
        raise InputError(
            f"There is no control {strangers[0]!r}.",
            hint=f"There are: all, none, {', '.join(CONTROL_WORDS)}.",
        )
    return names


def show(result: "SimulateResult", console: PlainConsole, run: Path) -> None:
    """Say what was found."""
    console.say()
    owners = table(
        "owner", "in", "annotator F1", "classifier F1", "95% interval", *result.pooled.controls,
        "labels", "boards", "stopped by",
        title=f"{amount(len(result.owners), 'owner')} ({result.variant}), F1 on "
        f"{amount(result.held_out, 'picture')} drawn apart",
        words=("owner", "stopped by"),
    )  # fmt: skip
    for owner in result.owners:
        row(
            owners,
            owner.rule,
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
    if pooled.kappa_owner_annotator is not None and pooled.kappa_from_instructions is not None:
        console.say(
            f"Kappa with the owner: the annotator {pooled.kappa_owner_annotator:.3f}, one that was given the "
            f"instructions alone {pooled.kappa_from_instructions:.3f}."
        )
    for note in result.notes:
        console.say(note, "bold")
    console.say(f"{result.seconds:.0f} s. Result: {run / 'result.json'}")
