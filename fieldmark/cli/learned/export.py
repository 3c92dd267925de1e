"""`fieldmark export`: writes what a run learned into a folder that stands alone."""

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fieldmark.cli.concept.build import going_on
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import MODELS, BaseUrl, DryRun, Json, asking, option, takes_spending
from fieldmark.cli.spending import money
from fieldmark.cli.terminal import amount, print_json, share, words

if TYPE_CHECKING:
    from fieldmark.agents.shared.estimate import CallEstimate

REASONS = "Reasons"
"""Panel of `--help`."""
MOST_IMAGES = 200
"""Images to look at where nothing is said."""
MAXIMA = {"aspects": 200, "aspect_images": 100_000}
"""The largest value of each option, as `AspectOptions` has it; that one is slow to import."""


@asking
@takes_spending
def export(
    run: Annotated[str, typer.Argument(help="Run of `classify`: its id, or its folder.", show_default=False)],
    out: Annotated[Path, option("Folder: new, empty, or an earlier export of a run.", show_default=False)],
    clip: Annotated[
        str | None, option("CLIP model, where its files lie elsewhere by now. Must be the same.")
    ] = None,
    onnx: Annotated[
        bool, option("Write the student as an ONNX model, too: vectors to probabilities.", "--onnx")
    ] = False,
    aspects: Annotated[
        int | None,
        option(
            "Give the student reasons: at most N (up to 200) yes/no aspects, which --vlm looks for.",
            panel=REASONS,
            min=1,
            max=MAXIMA["aspects"],
        ),
    ] = None,
    aspect_images: Annotated[
        int | None,
        option(
            "With --aspects: the most images to look at (up to 100,000), one question each; else 200.",
            panel=REASONS,
            min=1,
            max=MAXIMA["aspect_images"],
        ),
    ] = None,
    aspects_by: Annotated[
        Literal["model", "guide"] | None,
        option(
            "With --aspects: a language model writes them, or they are the run's field guide; else model.",
            panel=REASONS,
            show_default=False,
        ),
    ] = None,
    vlm: Annotated[str | None, option("Vision-language model that looks at images.", panel=MODELS)] = None,
    vlm_base_url: Annotated[
        str | None, option("Its endpoint. Else that of the language model.", panel=MODELS)
    ] = None,
    llm: Annotated[
        str | None, option("Language model that writes. Else FIELDMARK_LLM.", panel=MODELS)
    ] = None,
    base_url: BaseUrl = None,
    json: Json = False,
    dry_run: DryRun = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Export what a run of `classify` learned: a classifier that needs no language model.

    A linear student, taught by the run's probabilities, and the run's field guide compete on the run's own
    images; both are stored, the better one is the default. Beside them lie the field guide (JSON, CSV), a
    model card, and instructions for people. `fieldmark predict` uses the folder.

    With --aspects the student has reasons: yes/no aspects that --vlm saw in some of the run's images. They
    count for its labels only where they bring it nearer to the run on images held out.

    Exit codes: 0 done; 2 no such run, an unfinished one, images that are gone, or another CLIP model; 3
    stopped by a limit: the same command goes on.
    """
    from fieldmark.app.beforehand import Mistakes, check_models
    from fieldmark.tools.runs.folder import RunFolder

    RunFolder.open(Path("runs"), run, kind="classify")
    others = {
        "--vlm": vlm,
        "--vlm-base-url": vlm_base_url,
        "--aspect-images": aspect_images,
        "--aspects-by": aspects_by,
        "--llm": llm,
        "--base-url": base_url,
        "--dry-run": dry_run or None,
        **{f"--{name.replace('_', '-')}": value for name, value in spending["limits"].items()},
        "--refresh": True if spending["cache"] == "refresh" else None,
        "--no-cache": True if spending["cache"] == "off" else None,
    }
    if aspects is None and (alone := [name for name, given in others.items() if given is not None]):
        raise typer.BadParameter("it goes with --aspects.", param_hint=alone[0])
    if aspects is not None and vlm is None:
        raise typer.BadParameter("aspects need a model that looks at images.", param_hint="--vlm")
    if aspects is not None:
        mistakes = Mistakes()
        check_models(
            mistakes, llm=llm, vlm=vlm, base_url=base_url, vlm_base_url=vlm_base_url,
            device=spending["device"], max_cost=spending["limits"].get("max_cost"),
            asks=aspects_by != "guide",
        )  # fmt: skip
        mistakes.tell()
    with TerminalProgress("Learning") as progress:
        from fieldmark.app.learned.aspects import AspectOptions, StudentAspects
        from fieldmark.app.learned.export import estimate_aspects_of, export_run
        from fieldmark.records import UsageLimits

        reasons: StudentAspects | None = None
        if aspects is not None and vlm is not None:
            reasons = StudentAspects(
                vlm=vlm,
                options=AspectOptions(
                    most=aspects, images=aspect_images or MOST_IMAGES, by=aspects_by or "model"
                ),
                llm=llm,
                base_url=base_url,
                vlm_base_url=vlm_base_url,
                limits=UsageLimits(**spending["limits"]),
                cache=spending["cache"] or "use",
            )
            if dry_run:
                estimate = estimate_aspects_of(run, reasons, clip=clip, device=spending["device"])
                progress.stop()
                _show_estimate(estimate, json=json)
                return
        # Without aspects nothing is asked: there is nothing to go on with.
        with going_on("The same command goes on where it was.") if reasons else nullcontext():
            exported = export_run(
                run, out, clip=clip, device=spending["device"], onnx=onnx, aspects=reasons, progress=progress
            )
    config = exported.config
    if json:
        print_json(
            {
                "schema": "fieldmark.export/1",
                "run": config.run,
                "folder": str(exported.folder),
                "classes": len(config.classes),
                "best": config.best,
                "agreement": {name: each.agreement for name, each in config.contenders.items()},
                "files": exported.files,
                "aspects": config.aspects and config.aspects.model_dump(mode="json"),
                "notes": exported.notes,
            }
        )
    console = words(json=json)
    console.say(
        f"{amount(len(config.classes), 'class', 'classes')}, learned from {amount(config.images, 'image')}; "
        f"{amount(len(exported.files), 'file')}, read back and checked. In {exported.folder}"
    )
    agreement = ", ".join(f"{name} {share(each.agreement)}" for name, each in config.contenders.items())
    console.say(f"Agreement with the run on images held out: {agreement}. Default: the {config.best}.")
    if config.aspects is not None:
        said = config.aspects
        told = [each for each in said.aspects if each.answers]
        right = sum(each.agreement or 0.0 for each in told) / max(len(told), 1)
        usual = sum(each.usual or 0.0 for each in told) / max(len(told), 1)
        counts = [each.answers for each in told] or [0]
        console.say(
            f"{amount(len(said.aspects), 'aspect')} by {said.written_by}, seen in "
            f"{amount(said.images, 'image')} by {said.seen_by}. On images held out the student answers as "
            f"that model: {share(right)} (always the usual answer: {share(usual)}; "
            f"{min(counts):,} to {max(counts):,} answers an aspect)."
        )
        console.say(
            f"They count for its labels (weight {said.alpha:g})."
            if said.alpha
            else "They are shown, and decide nothing: they bring its labels no nearer to the run's."
        )
    for note in exported.notes:
        console.say(note)
    console.say(f"Use it: fieldmark predict {shlex.quote(str(out))} photos/")


def _show_estimate(estimate: "CallEstimate", *, json: bool) -> None:
    console, first = words(json=json), estimate.first_look
    if first.questions:
        console.say(
            f"Aspects: {amount(first.questions, 'question')} to {estimate.model}, {first.cached:,} in the "
            f"cache, at most {first.tokens:,} tokens, {money(first.cost)}."
        )
    console.say(
        f"Images: {amount(estimate.most_vlm_images, 'question')} to {estimate.vlm}, one an image, about "
        f"{estimate.vlm_tokens:,} tokens."
    )
    if json:
        print_json(estimate)
