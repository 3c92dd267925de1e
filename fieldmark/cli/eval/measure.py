"""`fieldmark eval` itself: measures methods on a data set."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.eval.show import show, write_report
from fieldmark.cli.optimize import refuse_off_aviary, spend, split_words, with_aviary
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
    asking,
    comparing,
    encoding,
    option,
    takes_spending,
)
from fieldmark.cli.spending import say_spent
from fieldmark.cli.terminal import print_json, words
from fieldmark.cli.world_options import PER_CLASS, takes_world
from fieldmark.errors import InputError

_METHODS = "The methods"


@asking
@encoding
@comparing
@takes_spending
@takes_world(other_names=PER_CLASS)
def measure(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        option(
            "aviary, a folder with one folder a class, a CSV or JSONL list, a CoOp split file, "
            "CLIP_benchmark's shards, hf:NAME:SPLIT, or with --root the name of a published set.",
            panel=DATA,
            show_default=False,
        ),
    ] = None,
    root: Annotated[
        Path | None, option("Folder of published sets, by their usual names.", panel=DATA)
    ] = None,
    domain: Annotated[
        str | None,
        option(
            "Published set that --data is to be, or FILE.json that describes it: classes, order and counts "
            "are checked.",
            panel=DATA,
        ),
    ] = None,
    part: Annotated[bool, option("A part of the published set is meant.", "--part", panel=DATA)] = False,
    images: ListedFrom = None,
    pool: Annotated[
        Path | None, option("Folder of unlabelled images, for methods that use some.", panel=DATA)
    ] = None,
    captions: Annotated[
        Path | None, option('Captions of the pool, JSONL: {"image": "a.jpg", "caption": "…"}.', panel=DATA)
    ] = None,
    tree: Annotated[
        Path | None,
        option(
            "Tree of the classes: CSV or TSV with the columns child and parent, or JSON of the same.",
            panel=DATA,
        ),
    ] = None,
    noun: Annotated[
        str | None,
        option(
            'Generic word for all classes, such as "bird". Else it is asked, where a method asks.', panel=DATA
        ),
    ] = None,
    settings: Annotated[
        str | None,
        option(
            "Settings of the aviary, a,b,c: new, known, habitat, taxonomy, vocabulary, together, marks, or "
            "all. \\[default: new]",
            panel=DATA,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        option(
            "Labelled images a class, for methods that learn. \\[default: 4]", panel=DATA, min=0, max=1000
        ),
    ] = None,
    methods: Annotated[
        str | None,
        option(
            "Methods, a,b,c, as `fieldmark eval methods` lists them; fudd* for all that begin so; your "
            "own as file.py:METHOD; prompt books by their file, book.json. "
            "\\[default: all]",
            panel=_METHODS,
        ),
    ] = None,
    baseline: Annotated[
        str | None, option("The method the others are paired with. \\[default: clip]", panel=_METHODS)
    ] = None,
    seeds: Annotated[
        int | None,
        option("Runs of a method that draws something. \\[default: 2]", panel=_METHODS, min=1, max=100),
    ] = None,
    seed: Annotated[
        int | None, option("The first seed; the aviary's too. \\[default: 0]", panel=_METHODS)
    ] = None,
    clip: Annotated[
        str | None, option("CLIP model. Else FIELDMARK_CLIP; aviary for the aviary.", panel=MODELS)
    ] = None,
    llm: Annotated[
        str | None,
        option(
            "Language model. Else FIELDMARK_LLM; without one, methods that ask are left out.", panel=MODELS
        ),
    ] = None,
    base_url: BaseUrl = None,
    vlm: Annotated[
        str | None,
        option(
            "Vision-language model. Without one, methods that show it the images are left out.", panel=MODELS
        ),
    ] = None,
    vlm_base_url: Annotated[
        str | None, option("Its endpoint. Else that of the language model.", panel=MODELS)
    ] = None,
    skip_done: Annotated[
        bool, option("Take what earlier runs in --out measured of the very same.", "--skip-done", panel=RUN)
    ] = False,
    report: Report = None,
    out: Out = Path("runs"),
    json: RunJson = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    *,
    world: dict[str, Any],
    spending: dict[str, Any],
) -> None:
    """Measure methods on one data set, in one table.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. A stopped run goes on with --resume.
    """
    chosen: dict[str, Any] = {
        "data": data, "settings": split(settings), "shots": shots, **world,
        "root": root, "domain": domain, "part": part or None, "images": images, "pool": pool,
        "captions": captions, "tree": tree, "noun": noun, "llm": llm, "base_url": base_url,
        "vlm": vlm, "vlm_base_url": vlm_base_url,
        "methods": split(methods), "baseline": baseline, "seeds": seeds, "seed": seed, "clip": clip,
        "skip_done": skip_done or None,
    }  # fmt: skip
    given = {name: value for name, value in chosen.items() if value is not None}
    if ctx.invoked_subcommand is not None:
        if given:
            raise InputError(
                f"`fieldmark eval {ctx.invoked_subcommand}` takes its options behind its name.",
                hint=f"See fieldmark eval {ctx.invoked_subcommand} --help.",
            )
        return
    from fieldmark.app.beforehand import check_evaluation
    from fieldmark.tools.runs.folder import RunFolder

    if resume is not None:
        refuse_with_resume(given)
    if resume is None and data is None:
        raise InputError("No data were given.", hint="Try: fieldmark eval --data aviary")
    if settings is not None and not given["settings"]:
        raise InputError("--settings is empty.", hint="Name some, or leave it out.")
    if resume is not None:
        RunFolder.open(out, resume, kind="eval")
    else:
        refuse_off_aviary(given, ("settings", *world))
        check_evaluation({**given, **spending["limits"], "device": spending["device"]})
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.evaluate.evaluator import Evaluator

        evaluator = (
            Evaluator.from_run(resume, out=out)
            if resume is not None
            else Evaluator.from_options(with_aviary(given, ("settings", *world)), out=out)
        )
        spend(evaluator, spending)
        evaluator.report = evaluator.report if report is None else report
        evaluator.progress = progress
        if dry_run:
            tell_estimate(evaluator.estimate(), progress, json=json)
            return
        with resumable(progress, "fieldmark eval"):
            result = evaluator.run()
        if evaluator.report:
            write_report(result, progress)
    show(result, words(json=json))
    say_spent(Path(result.run), words(json=json))
    if json:
        print_json(result)


def split(given: str | None) -> tuple[str, ...] | None:
    """The words of "a,b,c", each once."""
    return None if given is None else split_words(given)
