"""`fieldmark export-rft`: writes labels and rationales as data to tune a vision-language model on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fieldmark.cli.classify.output import name_some
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, errors, print_json, words


def export_rft(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CONCEPT",
            help="Run of `classify` (its id, its folder, or latest), or a concept's name.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, option("Folder that is not there yet.", show_default=False)],
    layout: Annotated[
        Literal["visual-rft", "trl-grpo", "trl-sft"],
        option("visual-rft, trl-grpo or trl-sft: whose training is to read it.", metavar="LAYOUT"),
    ] = "visual-rft",
    resolved: Annotated[
        bool, option("Write what the run resolved by itself, too, with its confidence.", "--resolved")
    ] = False,
    held_out: Annotated[
        float, option("Share of people's labels for the split test; of each answer.", metavar="SHARE")
    ] = 0.2,
    longest_side: Annotated[
        int | None, option("Make larger images smaller: pixels.", metavar="N", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Export labels and rationales in the layout of a program that tunes vision-language models.

    Of a run: what people labelled. Of a concept: its owner's labels, with the model's reason where it agrees;
    never the blind test. The reward is in Python: fieldmark.classification_reward. Nothing is trained here.

    Exit codes: 0 done; 1 some images could not be written; 2 no such run or concept, or nothing labelled.
    """
    from fieldmark.app.tuning.export import export_rft as export

    done = export(
        source,
        out,
        layout=layout,
        resolved=resolved,
        held_out_share=held_out,
        longest_side=longest_side,
    )
    if json:
        print_json(done)
    console = words(json=json)
    for split, counts in done.splits.items():
        apart = ", held out" if split == done.held_out else ""
        console.say(
            f"{split}{apart}: {amount(sum(counts.values()), 'image')} of {amount(len(counts), 'answer')}."
        )
    console.say(
        f"Labelled by people: {done.by_people:,}; by the run: {done.by_run:,}. "
        f"With a reason: {done.with_rationale:,}."
    )
    for why, count in done.left_out.items():
        console.say(f"Left out: {amount(count, 'image')}, as {why}.")
    name_some(console, "Not there", [f"{each.path}: {each.reason}" for each in done.skipped])
    if done.note:
        errors().say(f"warning: {done.note} The reward takes them for one.", "yellow")
    console.say(f"In {out}. To read it: datasets.load_dataset('imagefolder', data_dir={str(out)!r})")
    if done.skipped:
        raise typer.Exit(1)
