"""`fieldmark adapt`: tunes a CLIP model to labelled images and descriptions, and keeps it as a model."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import MODELS, BaseUrl, Json, asking, encoding, option, takes_spending
from fieldmark.cli.terminal import amount, print_json, share, words


@asking
@encoding
@takes_spending
def adapt(
    labels: Annotated[
        str,
        typer.Argument(
            metavar="LABELLED",
            help="Labelled images: a folder with one folder a class, or a CSV file with image and label.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, option("Folder: new, empty, or an earlier adapter.", show_default=False)],
    method: Annotated[
        str,
        option(
            "adapt-labels or gist-labels for images of the same classes; adaptclipzs, adapt-low-rank, "
            "adapt-linear or gist for images of other, similar classes."
        ),
    ] = "adapt-labels",
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.')
    ] = None,
    seed: Annotated[int, option("Decides which images a step sees.")] = 0,
    clip: Annotated[str | None, option("The CLIP model. Else FIELDMARK_CLIP.", panel=MODELS)] = None,
    llm: Annotated[str | None, option("Language model. Else FIELDMARK_LLM.", panel=MODELS)] = None,
    base_url: BaseUrl = None,
    json: Json = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Tune a CLIP model to labelled images and what a language model says of their classes, and keep it.

    The folder is the name of a CLIP model from then on: --clip FOLDER. It holds the changes alone: the model
    itself must stay on this machine. One question a class is asked, for adaptclipzs two.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit: what was answered is kept for the next try.
    """
    from fieldmark.app.beforehand import Mistakes, check_models, check_there

    mistakes = Mistakes()
    with mistakes.noted():
        check_there(labels, "The labelled images", field="labels")
    check_models(mistakes, clip=clip, llm=llm, base_url=base_url, device=spending["device"], asks=True)
    mistakes.tell()
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.learned.adapt import adapt as tune
        from fieldmark.records import UsageLimits

        found = tune(
            labels,
            out,
            method=method,
            noun=noun,
            clip=clip,
            llm=llm,
            base_url=base_url,
            limits=UsageLimits(**spending["limits"]),
            cache=spending["cache"] or "use",
            seed=seed,
            device=spending["device"],
            progress=progress,
        )
    card, console = found.card, words(json=json)
    for note in found.notes:
        console.say(note)
    console.say(
        f"Tuned on {amount(card.images, 'image')} of {amount(card.classes, 'class', 'classes')} and "
        f"{amount(card.texts, 'text')}. Loss {card.first_loss:.2f} to {card.last_loss:.2f}; scale "
        f"{card.base_logit_scale:.1f} to {card.logit_scale:.1f}."
    )
    if card.held_out:
        before, after = (share(each / card.held_out) for each in (card.right_before, card.right_after))
        console.say(f"Right of {amount(card.held_out, 'image')} held out: {before} before, {after} after.")
        if card.right_after <= card.right_before:
            console.say("It brings nothing here: keep the model as it is.", "bold")
    console.say(f"Use it: fieldmark classify photos/ --classes classes.txt --clip {shlex.quote(str(out))}")
    if json:
        print_json(card)
