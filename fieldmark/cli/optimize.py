"""`fieldmark optimize`: finds the prompts that classify best, from a few labelled images a class."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.exit_codes import option_of
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import refuse_with_resume, resumable
from fieldmark.cli.run_options import (
    DATA,
    MODELS,
    RUN,
    BaseUrl,
    DryRun,
    ListedFrom,
    Out,
    Report,
    Resume,
    RunJson,
    Wait,
    asking,
    check_wait,
    either,
    encoding,
    option,
    takes_spending,
)
from fieldmark.cli.spending import say_spent
from fieldmark.cli.terminal import PlainConsole, amount, print_json, row, share, table, words
from fieldmark.cli.world_options import PER_CLASS, takes_world
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.agents.optimize.folds import SearchLength
    from fieldmark.agents.optimize.search_run import BookScore, OptimizeResult, Reflected
    from fieldmark.app.evaluate.evaluator import Evaluator
    from fieldmark.app.optimizer import Optimizer

AVIARY = "aviary"
MOST_EDITS = 10
"""The most edits by reflection that are listed; `optimize.json` has all."""
_SEARCH = "The search"


@asking
@encoding
@takes_spending
@takes_world(without=("unlisted", "present", "strangers"), other_names=PER_CLASS)
def optimize(
    folder: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="The same as --data.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        option(
            "aviary, a folder with one folder a class, a CSV or JSONL list, a CoOp split file, or a "
            "ProAPO dataset folder.",
            panel=DATA,
            show_default=False,
        ),
    ] = None,
    images: ListedFrom = None,
    classes: Annotated[
        str | None,
        option("Class names: a,b,c, or a file with one name a line. Else those with images.", panel=DATA),
    ] = None,
    shots: Annotated[
        int | None, option("Training images a class. \\[default: 1]", panel=DATA, min=1, max=1000)
    ] = None,
    book: Annotated[Path | None, option("Prompt book to start from.", panel=DATA)] = None,
    descriptions: Annotated[
        list[Path] | None,
        option("File of descriptions to search among, as `book import` reads; may be repeated.", panel=DATA),
    ] = None,
    seed: Annotated[int | None, option("Decides everything random. \\[default: 0]", panel=_SEARCH)] = None,
    strategy: Annotated[
        Literal["proapo", "random"] | None,
        option("The search, or random books as a control. \\[default: proapo]", panel=_SEARCH),
    ] = None,
    fitness: Annotated[
        Literal["entropy", "accuracy", "lexicographic"] | None,
        option(
            "What is maximised: entropy, accuracy or lexicographic. \\[default: entropy]",
            metavar="NAME",
            panel=_SEARCH,
        ),
    ] = None,
    penalty: Annotated[
        float | None, option("What each unit of a book costs. \\[default: 0]", panel=_SEARCH, min=0)
    ] = None,
    generations: Annotated[
        int | None, option("Generations a group of classes. \\[default: 4]", panel=_SEARCH, min=0)
    ] = None,
    passes: Annotated[
        int | None, option("How often all classes are searched. \\[default: 4]", panel=_SEARCH, min=0)
    ] = None,
    folds: Annotated[
        int | None,
        option(
            "Folds of the training images that choose passes and penalty; 0 for none. \\[default: 0]",
            panel=_SEARCH,
            min=0,
        ),
    ] = None,
    templates: Annotated[
        int | None, option("Templates a unit is written in, at most. \\[default: 4]", panel=_SEARCH, min=1)
    ] = None,
    synonyms: Annotated[
        int | None,
        option(
            "Other words tried for each class, asked for in one question. \\[default: 2]",
            panel=_SEARCH,
            min=0,
            max=6,
        ),
    ] = None,
    domain_words: Annotated[
        str | None,
        option(
            "Words for what the images are, a,b,c, to vary templates with. Else they are asked.",
            panel=_SEARCH,
        ),
    ] = None,
    operator: Annotated[
        list[str] | None,
        option(
            "Also run this operator: reflect, or your own as file.py:Class; may be repeated.", panel=_SEARCH
        ),
    ] = None,
    reflections: Annotated[
        int | None,
        option("Questions before a pass, with --operator reflect. \\[default: 8]", panel=_SEARCH, min=0),
    ] = None,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.', panel=MODELS)
    ] = None,
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.", panel=MODELS)] = None,
    also_clip: Annotated[
        list[str] | None, option("Other CLIP models to measure the book on; may be repeated.", panel=MODELS)
    ] = None,
    llm: Annotated[
        str | None, option("Language model. Else FIELDMARK_LLM; without one nothing is asked.", panel=MODELS)
    ] = None,
    base_url: BaseUrl = None,
    ceiling: Annotated[
        bool, option("Also search with the test images shown, for a bound.", panel=RUN)
    ] = False,
    report: Report = None,
    out: Out = Path("runs"),
    json: RunJson = False,
    resume: Resume = None,
    wait: Wait = None,
    dry_run: DryRun = False,
    *,
    world: dict[str, Any],
    spending: dict[str, Any],
) -> None:
    """Search the text prompts that classify best, by a few labelled images a class.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. A stopped run goes on with --resume.
    """
    data = either(folder, data, "--data")
    chosen: dict[str, Any] = {
        "data": data, "images": images, "classes": classes, "shots": shots, "book": book, "seed": seed,
        "strategy": strategy, "fitness": fitness, "penalty": penalty, "generations": generations,
        "passes": passes, "folds": folds, "most_templates": templates, "noun": noun, "clip": clip, "llm": llm,
        "base_url": base_url, "also_clip": tuple(also_clip) if also_clip else None,
        "ceiling": ceiling or None,
        "operators": tuple(operator) if operator else None,
        "reflections": reflections, "synonyms": synonyms,
        "descriptions": tuple(descriptions) if descriptions else None,
        "domain_words": None if domain_words is None else split_words(domain_words),
        **world,
    }  # fmt: skip
    from fieldmark.app.beforehand import check_search
    from fieldmark.tools.runs.folder import RunFolder

    given = {name: value for name, value in chosen.items() if value is not None}
    if resume is not None:
        refuse_with_resume({name: given[name] for name in given if name not in ("llm", "base_url")})
    if reflections is not None and "reflect" not in (operator or ()):
        raise InputError(
            "--reflections bounds what --operator reflect asks.",
            hint="Add --operator reflect, or leave it out.",
        )
    if resume is None and data is None:
        raise InputError(
            "No labelled images were given.", hint="Try --data aviary, or give a folder with --data."
        )
    if resume is not None:
        RunFolder.open(out, resume, kind="optimize")
    else:
        refuse_off_aviary(given, tuple(world))
        check_search({**given, **spending["limits"], "device": spending["device"]})
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.optimizer import Optimizer

        if resume is not None:
            optimizer = Optimizer.from_run(resume, out=out, **given)
        else:
            optimizer = Optimizer.from_options(with_aviary(given, tuple(world)), out=out)
        spend(optimizer, spending)
        optimizer.report = optimizer.report if report is None else report
        optimizer.progress = progress
        check_wait(wait, optimizer.cache)
        if dry_run:
            tell_estimate(optimizer.estimate(), progress, json=json)
            return
        with resumable(progress, "fieldmark optimize" + (f" --wait {wait}" if wait else "")):
            if wait:
                from fieldmark.app.batches.waiting import by_batches

                result = by_batches(optimizer)
            else:
                result = optimizer.run()
        if optimizer.report:
            from fieldmark.evals.report.optimize import write_optimize_report
            from fieldmark.tools.runs.folder import RunFolder

            progress.stage("Writing the report")
            write_optimize_report(RunFolder(Path(result.run)))
    show(result, words(json=json))
    say_spent(Path(result.run), words(json=json))
    if json:
        print_json(result)


def spend(task: "Optimizer | Evaluator", given: dict[str, Any]) -> None:
    """Set what may be spent, which cache is used and where is computed, as far as it was given."""
    task.limits = task.limits.model_copy(update=given["limits"])
    task.cache = given["cache"] or task.cache
    task.device = given["device"] or task.device


def with_aviary(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The options that were given, with the aviary as an object in the place of its name and own options.

    Args:
        given: The options, `data` among them.
        names: Those that are for the aviary alone.

    Raises:
        InputError: One of them stands beside other data, or cannot be used.
    """
    refuse_off_aviary(given, names)
    own = {name: given[name] for name in names if name in given}
    if given["data"] != AVIARY:
        return given
    from fieldmark.evals.table.sources.aviary_source import Aviary

    if "images_per_class" in own:
        own["images"] = own.pop("images_per_class")
    return {name: value for name, value in given.items() if name not in names} | {"data": Aviary(**own)}


def refuse_off_aviary(given: dict[str, Any], names: tuple[str, ...]) -> None:
    """Refuse options of the aviary beside other data.

    Raises:
        InputError: There are some.
    """
    own = [name for name in names if name in given]
    if own and given["data"] != AVIARY:
        options = ", ".join(map(option_of, own))
        verb = "is" if len(own) == 1 else "are"
        raise InputError(f"{options} {verb} for the aviary alone.", hint=f"Leave {options} out.")


def split_words(given: str) -> tuple[str, ...]:
    """The words of "a,b,c", each once; none of an empty text."""
    return tuple(dict.fromkeys(word.strip() for word in given.split(",") if word.strip()))


def next_command(folder: Path) -> str:
    """The command that classifies other images with a run's book."""
    from fieldmark.tools.runs.folder import RunFolder

    clip = RunFolder(folder).config.options.get("clip")
    model = f" --clip {shlex.quote(str(clip))}" if clip else ""
    return f"fieldmark classify FOLDER --book {shlex.quote(str(folder / 'book.json'))}{model}"


def show(result: "OptimizeResult", console: PlainConsole) -> None:
    """Say what was found."""
    console.say()
    books = table(
        "book", "prompts", "fitness", "training top-1", "test top-1", "95% interval",
        title=f"{amount(result.classes, 'class', 'classes')}, {amount(result.shots, 'shot')} each; "
        f"{amount(result.train_images, 'training image')}, {amount(result.test_images, 'test image')}",
        words=("book",),
    )  # fmt: skip
    book_row(books, "start", result.start)
    book_row(books, "best", result.best)
    console.print(books)
    if result.gain is not None:
        low, high = result.gain.ci95
        console.say(
            f"Gain on test images: {100 * result.gain.difference:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f}, p {result.gain.p:.2g})."
        )
    if result.reflect is not None:
        show_reflected(result.reflect, console)
    if result.ceiling is not None:
        console.say(f"Ceiling of the pool, for a search shown the test images: {share(result.ceiling)}.")
    for other in result.also:
        console.say(
            f"On {other.clip}: start {share(other.start_top1)}, best {share(other.best_top1)} "
            f"({100 * other.gain.ci95[0]:+.1f} to {100 * other.gain.ci95[1]:+.1f} points)."
        )
    if result.chosen is not None:
        console.say(chosen_length(result.chosen, result))
    if result.kept_start:
        console.say("Nothing fitter than the start was found; the book is the start.")
    console.say(
        f"{amount(result.candidates, 'candidate')} in {amount(result.generations, 'generation')}; "
        f"{amount(result.texts_encoded, 'text')} encoded of {result.distinct_texts:,} distinct ones; "
        f"{result.seconds.total:.1f} s, of them {result.seconds.encode:.1f} s encoding."
    )
    for note in result.notes:
        console.say(note, "bold")
    console.say(f"Book: {Path(result.run) / 'book.json'}")
    if (report := Path(result.run) / "report.html").is_file():
        console.say(f"Report: {report}")
    console.say(f"Next: {next_command(Path(result.run))}")


def chosen_length(chosen: "SearchLength", result: "OptimizeResult") -> str:
    """What cross-validation chose, in words."""
    stages = {
        "start": "to keep the start",
        "sampled": "the best of the sampled books, without a class search,",
        "searched": amount(chosen.passes, "pass", "passes"),
    }
    priced = "" if chosen.stage == "start" else f" at a penalty of {chosen.penalty:g} a unit"
    behind = "the best" if not chosen.shortfall else f"{chosen.shortfall:.2f} behind the best, within noise"
    return (
        f"{result.folds} folds chose {stages[chosen.stage]}{priced}: held-out fitness "
        f"{chosen.held_out_fitness:.2f} ({behind}), top-1 {share(chosen.held_out_top1)}; "
        f"{amount(result.fold_candidates, 'candidate')} scored in the folds."
    )


def show_reflected(done: "Reflected", console: PlainConsole) -> None:
    """Say what reflecting did, and what it was worth."""
    console.say(
        f"Reflecting: {amount(done.questions, 'question')} before {amount(done.passes, 'pass', 'passes')}, "
        f"{done.failed:,} failed; {amount(done.units, 'unit')} proposed, "
        f"{amount(done.edits_scored, 'edit')} scored, {len(done.accepted):,} accepted."
    )
    kept = [edit for edit in done.accepted if edit.in_best]
    if done.test_best is None:
        return
    console.say(
        f"Accepted edits in the best book: {len(kept):,}. Test top-1 is lower without {done.improving:,} of "
        f"them, higher without {done.harming:,}, and {share(done.test_without)} without all."
    )
    helpful = [edit for edit in kept if edit.test_without is not None and edit.test_without < done.test_best]
    for edit in sorted(helpful, key=lambda each: each.test_without or 0.0)[:MOST_EDITS]:
        gain = done.test_best - (edit.test_without or 0.0)
        console.say(f"  {edit.class_name}: {', '.join(edit.added)} ({100 * gain:+.1f} points)")


def book_row(books: Any, name: str, score: "BookScore") -> None:
    """Add a book to the table."""
    ci = "–" if score.ci95 is None else f"{100 * score.ci95[0]:.1f} to {100 * score.ci95[1]:.1f}"
    row(
        books,
        name,
        f"{score.prompts:,}",
        f"{score.fitness:.2f}",
        share(score.train_top1),
        share(score.test_top1),
        ci,
    )
