"""`fieldmark demo`: the whole system on the embedded world, with nothing to download and nobody to pay."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fieldmark.cli.classify.output import graded_in_words
from fieldmark.cli.progress import RUNGS, TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.spending import spent
from fieldmark.cli.terminal import PlainConsole, amount, print_json, row, share, table, words
from fieldmark.cli.world_options import WORLD, takes_world
from fieldmark.evals.worlds.conditions import CLEAR, DEFAULT

if TYPE_CHECKING:
    from pydantic import JsonValue

    from fieldmark.evals.demo.results import DemoResult


@takes_world(shown=DEFAULT)
def demo(
    out: Annotated[Path, option("Folder for the run's folder.")] = Path("runs"),
    json: Json = False,
    seed: Annotated[int, option("Seed of the first species book.")] = 7,
    books: Annotated[int, option("Species books to pool.", min=1, max=1000)] = 1,
    clear: Annotated[
        bool,
        option(
            "Start from the clear world: new names, no noise, few mistakes, nothing unlisted. "
            "Options beside it count.",
            "--clear",
            panel=WORLD,
        ),
    ] = False,
    labels: Annotated[
        int, option("Labelled images of each class, set apart and not scored.", panel=WORLD, min=0, max=1000)
    ] = 0,
    rule: Annotated[
        Literal["table", "nb", "fudd", "evidence"],
        option("How the loop scores images: table, nb, fudd or evidence.", metavar="RULE"),
    ] = "evidence",
    tree: Annotated[
        Literal["ask"] | None,
        option("Have the classes grouped; open images then get a group.", show_default=False),
    ] = None,
    robustness: Annotated[bool, option("Also measure a smaller pool, and images one at a time.")] = False,
    device: Annotated[str | None, option("auto, cpu, cuda, cuda:1 or mps. Else FIELDMARK_DEVICE.")] = None,
    report: Annotated[bool, option("Write report.html into the run's folder.")] = True,
    *,
    world: dict[str, Any],
) -> None:
    """Show what the resolve loop gains on look-alike birds drawn on the spot, with intervals and tests.

    Works offline and without a key: the pictures are drawn, the CLIP model is bundled, and the questions
    are answered by a script (not a language model) that makes a set share of mistakes.
    """
    from fieldmark.app.beforehand import check_device

    check_device(device or "auto")
    with TerminalProgress("Loading") as progress:
        from fieldmark.agents.resolve.options import ResolveOptions
        from fieldmark.app.event_loop import run_to_end
        from fieldmark.app.stores import open_stores
        from fieldmark.evals.demo.demo import DemoSettings, run_demo
        from fieldmark.settings import read_settings
        from fieldmark.tools.runs.run import open_run

        conditions = replace(CLEAR if clear else DEFAULT, **world)
        settings = DemoSettings(
            seed=seed,
            books=books,
            conditions=conditions,
            labels=labels,
            robustness=robustness,
            options=ResolveOptions(rule=rule),
            tree=tree,
        )
        progress.classes = conditions.species - conditions.unlisted_species
        with open_stores() as stores:
            encoder = stores.encoder("aviary", device=device or read_settings().device)
            options: dict[str, JsonValue] = {
                "seed": seed,
                "books": books,
                **vars(conditions),
                "labels": labels,
                "tree": tree,
                "robustness": robustness,
                "options": settings.options.model_dump(mode="json"),
            }
            with open_run(None, parent=out, kind="demo", options=options) as opened:
                run = opened.folder
                result, climbs = run_to_end(
                    run_demo(
                        settings,
                        encoder=encoder,
                        answers=stores.answers,
                        pictures=stores.aviary,
                        run=run,
                        progress=progress,
                    )
                )
                run.write("result.json", result)
                if report:
                    from fieldmark.evals.report.demo import write_demo_report

                    progress.stage("Writing the report")
                    write_demo_report(run, result, climbs)
    if json:
        print_json(result)
    show(result, words(json=json), report=run.path / "report.html" if report else None)


def show(result: "DemoResult", console: PlainConsole, *, report: Path | None) -> None:
    """Say the result: the ladder, the tests, what being resolved means, and where everything is."""
    from fieldmark.records import Usage

    console.say()
    ladder = table(
        "rung", "what it is", "top-1", "95% interval", "questions",
        title=f"{amount(result.images, 'image')} of {amount(result.classes, 'species', 'species')}",
        words=("rung", "what it is"),
    )  # fmt: skip
    for rung in result.ladder:
        row(
            ladder,
            rung.name,
            RUNGS.get(rung.name, ""),
            share(rung.top1),
            f"{100 * rung.ci95[0]:.1f} to {100 * rung.ci95[1]:.1f}",
            f"{result.questions.get(rung.name, 0):,}",
            style="bold" if rung.name == "resolve" else "",
        )
    console.print(ladder)
    tests = table("on the same images", "points", "95% interval", "p", words=("on the same images",))
    for pair in result.paired:
        row(
            tests,
            f"{pair.a} minus {pair.b}",
            f"{100 * pair.difference:+.1f}",
            f"{100 * pair.ci95[0]:+.1f} to {100 * pair.ci95[1]:+.1f}",
            f"{pair.p:.2g}",
        )
    console.print(tests)
    say_meaning(result, console)
    say_open_set(result, console)
    console.say()
    console.say(result.note, "bold")
    asked = Usage(**result.llm.model_dump(), cost=0.0)  # a script costs nothing
    console.say(
        f"{spent(asked)} Encoded {amount(result.encoder.images_encoded, 'image')} and "
        f"{amount(result.encoder.texts_encoded, 'text')}; {result.seconds.total:.1f} s."
    )
    console.say(f"Report: {report}" if report else f"Run: {result.run}")


def say_meaning(result: "DemoResult", console: PlainConsole) -> None:
    """Say what being resolved was worth."""
    resolved = result.resolved
    console.say(
        f"Resolved: {resolved.count:,} of {result.images:,} images, {share(resolved.top1)} of them right; "
        f"of those left open {share(resolved.open_top1)}."
    )
    console.say(
        "As many images chosen by the confidence of the first look: "
        f"{share(resolved.top1_at_equal_coverage_first_step)} right."
    )
    if (gap := resolved.at_equal_coverage) is not None:
        console.say(
            f"Resolved minus those: {100 * gap.difference:+.1f} points "
            f"({100 * gap.ci95[0]:+.1f} to {100 * gap.ci95[1]:+.1f}, p {gap.p:.2g})."
        )
    console.say(
        f"Open images{', those of no class included' if result.open_set.others else ''}: "
        f"{result.ambiguous.before:,} after the first look, {result.ambiguous.after:,} after "
        f"{amount(result.ambiguous.rounds, 'round')} of follow-up questions."
    )
    if result.robustness is not None:
        hard = result.robustness
        console.say(
            f"With a quarter of the species in the pool: loop {share(hard.quarter_pool_resolve)}, "
            f"equal knowledge {share(hard.quarter_pool_everything)}; one image at a time: "
            f"{share(hard.one_by_one_resolve)} and {share(hard.one_by_one_everything)}."
        )


def say_open_set(result: "DemoResult", console: PlainConsole) -> None:
    """Say how sure the loop is, and what it made of images that are of no class."""
    sure = result.calibration
    console.say(
        f"Confidence: {share(sure.mean_confidence)} on average, calibration error (ECE) {share(sure.ece)}."
    )
    if result.graded is not None:
        for line in graded_in_words(result.graded):
            console.say(line)
    found = result.open_set
    kinds = (
        ("Of unlisted species", found.unlisted, found.auroc_unlisted),
        ("Strangers", found.strangers, found.auroc_strangers),
    )
    for what, counts, auroc in kinds:
        if auroc is not None:
            console.say(
                f"{what}: {amount(counts.images, 'image')}, {counts.resolved:,} resolved, {counts.open:,} "
                f"open, {counts.rejected:,} rejected; told from listed ones with AUROC {auroc:.2f}."
            )
