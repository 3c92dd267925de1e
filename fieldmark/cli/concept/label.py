"""`fieldmark concept label`: labels the blind test, or images that are named."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.concept.chat import Answers, Name
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, print_json, words
from fieldmark.errors import InputError


def label(
    name: Name,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Images of the pool to label.", show_default=False)
    ] = None,
    blind: Annotated[bool, option("Label the blind test, as much of it as you like.", "--blind")] = False,
    answers: Answers = None,
    json: Json = False,
) -> None:
    """Label images as in, out or unsure. No verdict is shown; scores are measured on the blind test."""
    if blind and images:
        raise InputError("Images and --blind do not go together.", hint="Give one of them.")
    if not blind and not images:
        raise InputError("Say what to label.", hint="Give --blind, or images of the pool.")
    from fieldmark.agents.define.drafts import Drafts
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.cli.concept.owner import owner_for
    from fieldmark.tools.concepts.changes import blind_labels

    conversation = ConceptConversation.open(name)
    before = len(conversation.concept.labels)
    with Telling("Loading") as progress:
        owner = owner_for(conversation, answers, progress=progress, json=json)
        if blind:
            conversation.label_blind(owner)
        else:
            conversation.label(list(images or []), owner)
    concept = conversation.concept
    given = len(concept.labels) - before
    missing = len(concept.blind) - len(blind_labels(concept))
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-label/1",
                "concept": concept.name,
                "labelled": given,
                "blind_missing": missing,
            }
        )
    left = f" The blind test lacks {missing}." if missing else " The blind test is complete."
    if not concept.blind:
        left = " This concept has no blind test."
    console = words(json=json)
    console.say(f"{amount(given, 'label')} noted.{left if blind else ''}")
    if drafted := Drafts(conversation.folder.path).count:
        console.say(f"{amount(drafted, 'label')} more kept for when you go on with the same images.")
