"""`fieldmark classify`: tells look-alike classes apart in the user's own images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fieldmark.cli.classify.output import as_json, show, show_estimate
from fieldmark.cli.classify.run import command_for, refuse_idle, run
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import again, refuse_with_resume
from fieldmark.cli.run_options import RUN, Out, Report, RunJson, asking
from fieldmark.cli.terminal import leave, print_json, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.agents.resolve.options import ResolveOptions
    from fieldmark.app import Classifier
    from fieldmark.records import PromptBook

DONE, NOTHING_USABLE, STOPPED = 0, 1, 3
NO_CLASSES = "No classes were given."
NAME_THEM = "Give them as --classes 'a,b,c' or as a file with one name a line."
_LOOP = "The loop"
_SPENDING = "Spending"


@asking
def classify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Image files and folders.", show_default=False)
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Class names: a,b,c, or a file with one name a line.", show_default=False),
    ] = None,
    clip: Annotated[
        str | None,
        typer.Option(
            help="CLIP model: MODEL:PRETRAINED, hf-hub:NAME, or a folder. Else FIELDMARK_CLIP.",
            show_default=False,
        ),
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option(help="Language model's name at the endpoint. Else FIELDMARK_LLM.", show_default=False),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The endpoint. Else OPENAI_BASE_URL.", show_default=False)
    ] = None,
    vlm: Annotated[
        str | None,
        typer.Option(
            help="Vision-language model that images left open are shown to. Else they are shown to none.",
            show_default=False,
        ),
    ] = None,
    vlm_base_url: Annotated[
        str | None, typer.Option(help="Its endpoint. Else that of the language model.", show_default=False)
    ] = None,
    noun: Annotated[
        str | None, typer.Option(help='Generic word for all classes, such as "bird". Else it is asked.')
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option(help="Prompt book to start from; also gives the classes.", show_default=False),
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option(
            help="Coarser answers for open images: CSV or TSV with the columns child and parent over the "
            'classes; or "ask" to have them grouped.',
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        Literal["descriptors", "names", "book"] | None,
        typer.Option(
            help="Where the first scores come from.", show_default="descriptors", rich_help_panel=_LOOP
        ),
    ] = None,
    rule: Annotated[
        Literal["table", "nb", "fudd", "evidence"] | None,
        typer.Option(help="How images are scored.", show_default="evidence", rich_help_panel=_LOOP),
    ] = None,
    ask: Annotated[
        Literal["table", "groups", "pairs"] | None,
        typer.Option(help="What follow-up questions are about.", show_default="table", rich_help_panel=_LOOP),
    ] = None,
    candidates: Annotated[
        Literal["margin", "topk", "conformal"] | None,
        typer.Option(
            help="Which classes an image may still be.", show_default="margin", rich_help_panel=_LOOP
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Candidates that topk keeps; the most that are listed of any image.",
            show_default="10",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            help="margin: least share of the best probability.", show_default="0.02", rich_help_panel=_LOOP
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="conformal: share of true classes that may be lost.",
            show_default="0.1",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    risk: Annotated[
        float | None,
        typer.Option(
            help="evidence: most probability of a wrong label at which an image is resolved. With --tree: of "
            "a wrong branch.",
            show_default="0.05",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(
            help="evidence: share of listed images that may be rejected as of no class; 0 rejects none.",
            show_default="0.02",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    second_opinions: Annotated[
        bool | None,
        typer.Option(
            "--second-opinions",
            help="evidence: ask again about what the images contradict.",
            show_default="no",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="conformal: labelled images, one folder a class.", show_default=False, rich_help_panel=_LOOP
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="evidence: labels of some of the images; a CSV file with image and label (such as a run's "
            "labels.csv), or a folder with one folder per class.",
            show_default=False,
            rich_help_panel=_LOOP,
        ),
    ] = None,
    ask_labels: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="evidence: images to name in the end whose labels would help most (ask.csv).",
            show_default="20",
            rich_help_panel=_LOOP,
        ),
    ] = None,
    max_rounds: Annotated[
        int | None,
        typer.Option(min=0, help="Rounds of follow-up questions.", show_default="6", rich_help_panel=_LOOP),
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option(min=0, help="Most calls of the language model.", rich_help_panel=_SPENDING)
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=0, help="Most tokens, sent and received.", rich_help_panel=_SPENDING)
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Most money; needs FIELDMARK_PRICE_PROMPT and …_COMPLETION.",
            rich_help_panel=_SPENDING,
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither read nor keep answers.", rich_help_panel=_SPENDING)
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask everything anew, and keep that.", rich_help_panel=_SPENDING)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be asked, and ask nothing.", rich_help_panel=_SPENDING
        ),
    ] = False,
    top_k: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="Classes named in each row of predictions.csv, with probabilities.",
            rich_help_panel=RUN,
        ),
    ] = 1,
    all_classes: Annotated[
        bool,
        typer.Option(
            "--all-classes",
            help="A column in predictions.csv for the probability of each class.",
            rich_help_panel=RUN,
        ),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto", rich_help_panel=RUN),
    ] = None,
    out: Out = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with an earlier run, without a name the latest; only limits, the endpoint and the "
            "columns of predictions.csv may change.",
            show_default=False,
            metavar="[RUN]",
            rich_help_panel=RUN,
        ),
    ] = None,
    report: Report = None,
    json: RunJson = False,
) -> None:
    """Label images with look-alike classes: resolve each, or leave it open and say between what.

    Exit codes: 0 done; 1 nothing usable; 2 wrong input; 3 stopped by a limit or the endpoint; 130 Ctrl-C.
    """
    fixed: dict[str, Any] = {
        "clip": clip, "noun": noun, "device": device, "calibration": calibration, "tree": tree,
        "labels": labels,
    }  # fmt: skip
    loop: dict[str, Any] = {
        "start": start, "rule": rule, "ask": ask, "candidates": candidates,
        "k": k, "tau": tau, "alpha": alpha, "risk": risk, "reject": reject,
        "second_opinions": second_opinions, "ask_labels": ask_labels, "max_rounds": max_rounds,
    }  # fmt: skip
    limits = given(max_calls=max_calls, max_tokens=max_tokens, max_cost=max_cost)
    if resume is None and classes is None and book is None:
        raise InputError(NO_CLASSES, hint=NAME_THEM)  # now: loading what a run needs takes seconds
    if no_cache and refresh:
        raise InputError("--no-cache and --refresh exclude each other.", hint="Give one of them.")
    asking: dict[str, Any] = given(
        llm=llm,
        base_url=base_url,
        vlm=vlm,
        vlm_base_url=vlm_base_url,
        cache="off" if no_cache else "refresh" if refresh else None,
    )
    with TerminalProgress("Loading") as progress:
        if resume is not None:
            refuse_with_resume({**fixed, **loop, "paths": paths, "classes": classes, "book": book})
            classifier = earlier(resume, out, limits=limits, changed=asking)
        else:
            classifier = new(
                classes, book, loop=given(**loop), limits=limits, out=out, **given(**fixed), **asking
            )
            classifier.images = [str(path) for path in paths or ()]
        classifier.report = classifier.report if report is None else report
        progress.classes = len(classifier.classes)
        classifier.progress = progress
        if dry_run:
            estimate = classifier.estimate()
            progress.stop()
            show_estimate(estimate, words(json=json))
            if json:
                print_json(estimate)
            return
        table = {"top_k": top_k, "all_classes": all_classes}
        resolution = run(classifier, progress, table)
    show(
        resolution,
        words(json=json),
        failures=progress.failures,
        again=again(command_for(table), resolution.run),
    )
    if json:
        print_json(as_json(resolution))
    manifest = resolution.manifest
    stopped = manifest.stop_reason in ("budget", "endpoint") or manifest.counts.get("vlm_kept_back", 0) > 0
    leave(STOPPED if stopped else DONE if resolution.usable else NOTHING_USABLE)


def new(
    classes: str | None,
    book: Path | None,
    *,
    loop: dict[str, Any],
    limits: dict[str, Any],
    **others: Any,
) -> "Classifier":
    """A classifier for a new run."""
    from fieldmark.app import Classifier
    from fieldmark.records import UsageLimits

    refuse_idle(loop, book=book, limits=limits, shown="vlm" in others, tree=others.get("tree"))
    names, prompts = read_classes(classes, book)
    return Classifier(
        classes=names, book=prompts, options=loop_options(loop), limits=UsageLimits(**limits), **others
    )


def earlier(resume: str, out: Path, *, limits: dict[str, Any], changed: dict[str, Any]) -> "Classifier":
    """The classifier of an earlier run, with other limits where some were given."""
    from fieldmark.app import Classifier

    classifier = Classifier.from_run(resume, out=out, **changed)
    classifier.limits = classifier.limits.model_copy(update=limits)
    return classifier


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def read_classes(classes: str | None, book: Path | None) -> "tuple[Sequence[str], PromptBook | None]":
    """Class names and prompt book; without names of their own, the classes are the book's.

    Raises:
        InputError: Neither was given, or a file cannot be read.
    """
    from fieldmark.app import read_book, read_class_names

    prompts = read_book(book) if book else None
    if classes is not None:
        return read_class_names(classes), prompts
    if prompts is None:
        raise InputError(NO_CLASSES, hint=NAME_THEM)
    return prompts.classes, prompts


def loop_options(chosen: dict[str, Any]) -> "ResolveOptions":
    """The loop's options, with the chosen ones.

    Raises:
        InputError: One of them cannot be used.
    """
    from fieldmark.agents.resolve.options import ResolveOptions

    return ResolveOptions.model_validate(chosen)
