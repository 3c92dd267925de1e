"""`fieldmark classify`: tells look-alike classes apart in the user's own images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fieldmark.cli.classify.check import BOTH_CACHES, check, check_resumed, loop_options, read_classes
from fieldmark.cli.classify.output import as_json, show, tell_estimate
from fieldmark.cli.classify.run import command_for, run
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import again
from fieldmark.cli.run_options import (
    RUN,
    DryRun,
    Out,
    Report,
    RunJson,
    Wait,
    asking,
    check_wait,
    comparing,
    encoding,
    option,
)
from fieldmark.cli.terminal import leave, print_json, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.app.classifier import Classifier

DONE, NOTHING_USABLE, STOPPED = 0, 1, 3
_LOOP = "The loop"
_METHOD = "Another method"
_BESIDE = "What no pixel shows"
_SPENDING = "Spending"


@asking
@encoding
@comparing
def classify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Image files and folders.", show_default=False)
    ] = None,
    classes: Annotated[
        str | None, option("Class names: a,b,c, or a file with one name a line.", show_default=False)
    ] = None,
    clip: Annotated[
        str | None,
        option(
            "CLIP model: MODEL:PRETRAINED, hf-hub:NAME, or a folder. Else FIELDMARK_CLIP.", show_default=False
        ),
    ] = None,
    llm: Annotated[
        str | None, option("Language model's name at the endpoint. Else FIELDMARK_LLM.", show_default=False)
    ] = None,
    base_url: Annotated[str | None, option("The endpoint. Else OPENAI_BASE_URL.", show_default=False)] = None,
    vlm: Annotated[
        str | None,
        option(
            "Vision-language model that images left open are shown to. Else they are shown to none.",
            show_default=False,
        ),
    ] = None,
    vlm_base_url: Annotated[
        str | None, option("Its endpoint. Else that of the language model.", show_default=False)
    ] = None,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.')
    ] = None,
    book: Annotated[
        Path | None, option("Prompt book to start from; also gives the classes.", show_default=False)
    ] = None,
    tree: Annotated[
        str | None,
        option(
            "Coarser answers for open images: CSV or TSV with the columns child and parent over the "
            'classes; or "ask" to have them grouped.',
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        Path | None,
        option(
            "How likely classes are: CSV or TSV with a column image, folder or one of --about, and one a "
            "class; or the columns class and prior.",
            panel=_BESIDE,
            show_default=False,
        ),
    ] = None,
    about: Annotated[
        Path | None,
        option(
            "What is known of images: CSV or TSV with a column image and others, such as place.",
            panel=_BESIDE,
            show_default=False,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        option(
            "Images that share a label: folder, a column of --about, or exif[:SECONDS] for pictures that one "
            "camera took one after the other.",
            panel=_BESIDE,
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        Literal["descriptors", "names", "book"] | None,
        option("Where the first scores come from.", panel=_LOOP, show_default="descriptors"),
    ] = None,
    rule: Annotated[
        Literal["table", "nb", "fudd", "evidence"] | None,
        option("How images are scored.", panel=_LOOP, show_default="evidence"),
    ] = None,
    ask: Annotated[
        Literal["table", "groups", "pairs"] | None,
        option("What follow-up questions are about.", panel=_LOOP, show_default="table"),
    ] = None,
    candidates: Annotated[
        Literal["margin", "topk", "conformal"] | None,
        option("Which classes an image may still be.", panel=_LOOP, show_default="margin"),
    ] = None,
    k: Annotated[
        int | None,
        option(
            "Candidates that topk keeps; the most that are listed of any image.",
            panel=_LOOP,
            min=1,
            show_default="10",
        ),
    ] = None,
    tau: Annotated[
        float | None, option("margin: least share of the best probability.", panel=_LOOP, show_default="0.02")
    ] = None,
    alpha: Annotated[
        float | None,
        option("conformal: share of true classes that may be lost.", panel=_LOOP, show_default="0.1"),
    ] = None,
    risk: Annotated[
        float | None,
        option(
            "evidence: most probability of a wrong label at which an image is resolved. With --tree: of "
            "a wrong branch.",
            panel=_LOOP,
            show_default="0.05",
        ),
    ] = None,
    reject: Annotated[
        float | None,
        option(
            "evidence: share of listed images that may be rejected as of no class; 0 rejects none.",
            panel=_LOOP,
            show_default="0.02",
        ),
    ] = None,
    second_opinions: Annotated[
        bool | None,
        option(
            "evidence: ask again about what the images contradict.",
            "--second-opinions",
            panel=_LOOP,
            show_default="no",
        ),
    ] = None,
    worded: Annotated[
        Path | None,
        option(
            "Other words for the questions, as fieldmark reword finds them.",
            "--words",
            panel=_LOOP,
            show_default=False,
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        option("conformal: labelled images, one folder a class.", panel=_LOOP, show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        option(
            "evidence: labels of some of the images; a CSV or Parquet table with image and label "
            "(such as a run's labels.csv), a file of Label Studio, COCO, CVAT or FiftyOne, or a folder with "
            "one folder per class. "
            "Another --method: images to learn from.",
            panel=_LOOP,
            show_default=False,
        ),
    ] = None,
    ask_labels: Annotated[
        int | None,
        option(
            "evidence: images to name in the end whose labels would help most (ask.csv).",
            panel=_LOOP,
            min=0,
            show_default="20",
        ),
    ] = None,
    max_rounds: Annotated[
        int | None, option("Rounds of follow-up questions.", panel=_LOOP, min=0, show_default="6")
    ] = None,
    multi: Annotated[
        bool,
        option(
            "Every class that holds in an image: none, one or several. Takes --labels (column labels: a|b) "
            "and methods that score each class by itself: clip, by names; with --llm cupl, by descriptions.",
            "--multi",
            panel=_METHOD,
        ),
    ] = False,
    method: Annotated[
        str | None,
        option(
            "What labels instead of the loop: a name that fieldmark eval methods lists, file.py:METHOD, or a "
            "prompt book.",
            panel=_METHOD,
            show_default="resolve",
        ),
    ] = None,
    pool: Annotated[
        Path | None, option("Folder of unlabelled images, for methods that use some.", panel=_METHOD)
    ] = None,
    captions: Annotated[
        Path | None, option('Captions of these, JSONL: {"image": "a.jpg", "caption": "…"}.', panel=_METHOD)
    ] = None,
    shots: Annotated[
        int | None,
        option("Most images of --labels a class.", panel=_METHOD, min=1, show_default="all"),
    ] = None,
    seed: Annotated[
        int | None, option("Decides what a method draws.", panel=_METHOD, min=0, show_default="0")
    ] = None,
    max_calls: Annotated[
        int | None, option("Most calls of the language model.", panel=_SPENDING, min=0)
    ] = None,
    max_tokens: Annotated[
        int | None, option("Most tokens, sent and received.", panel=_SPENDING, min=0)
    ] = None,
    max_cost: Annotated[
        float | None,
        option("Most money; needs FIELDMARK_PRICE_PROMPT and …_COMPLETION.", panel=_SPENDING, min=0),
    ] = None,
    no_cache: Annotated[
        bool, option("Neither read nor keep answers.", "--no-cache", panel=_SPENDING)
    ] = False,
    refresh: Annotated[
        bool, option("Ask everything anew, and keep that.", "--refresh", panel=_SPENDING)
    ] = False,
    wait: Wait = None,
    dry_run: DryRun = False,
    top_k: Annotated[
        int,
        option(
            "Classes named in each row of predictions.csv, with probabilities.", panel=RUN, min=1, max=1000
        ),
    ] = 1,
    all_classes: Annotated[
        bool,
        option("A column in predictions.csv for the probability of each class.", "--all-classes", panel=RUN),
    ] = False,
    device: Annotated[
        str | None, option("auto, cpu, cuda, cuda:1 or mps.", panel=RUN, show_default="auto")
    ] = None,
    out: Out = Path("runs"),
    resume: Annotated[
        str | None,
        option(
            "Go on with an earlier run, without a name the latest; only limits, the endpoint and the "
            "columns of predictions.csv may change.",
            panel=RUN,
            show_default=False,
            metavar="[RUN]",
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
        "labels": labels, "method": method, "pool": pool, "captions": captions, "shots": shots, "seed": seed,
        "prior": prior, "about": about, "group_by": group_by,
    }  # fmt: skip
    loop: dict[str, Any] = {
        "start": start, "rule": rule, "ask": ask, "candidates": candidates,
        "k": k, "tau": tau, "alpha": alpha, "risk": risk, "reject": reject,
        "second_opinions": second_opinions, "ask_labels": ask_labels, "max_rounds": max_rounds,
        "words": worded,
    }  # fmt: skip
    limits = given(max_calls=max_calls, max_tokens=max_tokens, max_cost=max_cost)
    asking: dict[str, Any] = given(
        llm=llm,
        base_url=base_url,
        vlm=vlm,
        vlm_base_url=vlm_base_url,
        cache="off" if no_cache else "refresh" if refresh else None,
    )
    if multi:
        from fieldmark.cli.classify.several import classify_several

        if no_cache and refresh:
            raise InputError(BOTH_CACHES, hint="Give one of them.")
        beside = {"book": book, "resume": resume, "wait": wait, "dry_run": dry_run, "top_k": top_k > 1}
        classify_several(
            paths or (), classes, chosen={**fixed, **loop, **asking, **beside}, limits=limits, out=out,
            report=report is not False, all_classes=all_classes, json=json,
        )  # fmt: skip
        return
    if resume is not None:
        check_resumed(
            resume, out, {**fixed, **loop, "paths": paths, "classes": classes, "book": book},
            both_caches=no_cache and refresh,
        )  # fmt: skip
    else:
        check(
            paths, classes, book, fixed=fixed, loop=given(**loop), limits=limits, models=asking,
            both_caches=no_cache and refresh,
        )  # fmt: skip
    with TerminalProgress("Loading") as progress:
        if resume is not None:
            classifier = earlier(resume, out, limits=limits, changed=asking)
        else:
            classifier = new(
                classes, book, loop=given(**loop), limits=limits, out=out, **given(**fixed), **asking
            )
            classifier.images = [str(path) for path in paths or ()]
        classifier.report = classifier.report if report is None else report
        progress.classes = len(classifier.classes)
        classifier.progress = progress
        check_wait(wait, classifier.cache)
        if dry_run:
            tell_estimate(classifier.estimate(), progress, json=json)
            return
        table = {"top_k": top_k, "all_classes": all_classes}
        resolution = run(classifier, progress, table, wait=wait)
    show(
        resolution,
        words(json=json),
        failures=progress.failures,
        again=again(command_for(table, wait), resolution.run),
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
    from fieldmark.app.classifier import Classifier
    from fieldmark.records import UsageLimits

    names, prompts = read_classes(classes, book, method=others.get("method"))
    return Classifier(
        classes=names, book=prompts, options=loop_options(loop), limits=UsageLimits(**limits), **others
    )


def earlier(resume: str, out: Path, *, limits: dict[str, Any], changed: dict[str, Any]) -> "Classifier":
    """The classifier of an earlier run, with other limits where some were given."""
    from fieldmark.app.classifier import Classifier

    classifier = Classifier.from_run(resume, out=out, **changed)
    classifier.limits = classifier.limits.model_copy(update=limits)
    return classifier


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
