"""`fieldmark concept chat` and `board`: the conversation at a terminal, or with answers from a file."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.classify.output import name_some
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.exit_codes import InterruptedRun
from fieldmark.cli.run_options import Json, asking, option, takes_spending
from fieldmark.cli.terminal import errors, leave, print_json, words
from fieldmark.errors import LimitReached

if TYPE_CHECKING:
    from fieldmark.agents.define.run import Sitting
    from fieldmark.app.concepts.conversation import ConceptConversation


def _existing(context: typer.Context, name: str) -> str:
    """The name of a concept that there is: that there is none is told before anything heavy is loaded."""
    if not context.resilient_parsing:
        from fieldmark.app.concepts.named import open_folder

        open_folder(name)
    return name


Name = Annotated[str, typer.Argument(help="The concept.", show_default=False, callback=_existing)]
Answers = Annotated[
    Path | None, option("JSONL file with answers, instead of a terminal.", show_default=False)
]
Llm = Annotated[str | None, option("Language model. Else the concept's own.")]
Vlm = Annotated[str | None, option('Vision-language model; "none" for CLIP. Else the concept\'s own.')]
BaseUrl = Annotated[str | None, option("The endpoint. Else the concept's own.")]

STOPS = {
    "agreement": "two boards in a row changed nothing, and the model agrees with you as well as you do "
    "with yourself",
    "boards": "all boards are done",
    "labels": "all labels are given",
    "calls": "a limit on questions to the models was reached",
    "owner": "you ended it",
    "no_images": "no images are left to show",
    "no_conversation": "only a draft was wanted",
}
"""Why a conversation ended, in words."""


@asking
@takes_spending
def chat(
    name: Name,
    questions: Annotated[int, option("The most questions about the concept.", min=0)] = 6,
    boards: Annotated[int, option("The most boards of images.", min=0)] = 12,
    labels: Annotated[int, option("The most labels outside of the blind test.", min=1)] = 80,
    more: Annotated[bool, option("Begin again where it is over.", "--more")] = False,
    answers: Answers = None,
    llm: Llm = None,
    vlm: Vlm = None,
    base_url: BaseUrl = None,
    json: Json = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Talk about a concept: answer questions, label borderline images, accept edits. Goes on where you left.

    Exit codes: 0 it is over, or you left; 2 wrong input, or no model answers; 3 a limit; 130 Ctrl-C.
    """
    _talk(
        name,
        {"questions": questions, "boards": boards, "labels": labels},
        {"llm": llm, "vlm": vlm, "base_url": base_url},
        more=more,
        one_board=False,
        answers=answers,
        given=spending,
        json=json,
    )


@asking
@takes_spending
def board(
    name: Name,
    answers: Answers = None,
    llm: Llm = None,
    vlm: Vlm = None,
    base_url: BaseUrl = None,
    json: Json = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Go on with the conversation for one board of images, and leave."""
    _talk(
        name,
        {},
        {"llm": llm, "vlm": vlm, "base_url": base_url},
        more=True,
        one_board=True,
        answers=answers,
        given=spending,
        json=json,
    )


def _talk(
    name: str,
    options: dict[str, int],
    models: dict[str, str | None],
    *,
    more: bool,
    one_board: bool,
    answers: Path | None,
    given: dict[str, Any],
    json: bool,
) -> None:
    from fieldmark.cli.concept.owner import owner_for

    with Telling("Loading") as progress:
        from fieldmark.agents.define.options import DefineOptions
        from fieldmark.app.concepts.answers_file import AnswersFile
        from fieldmark.app.concepts.conversation import ConceptConversation
        from fieldmark.records import UsageLimits

        conversation = ConceptConversation.open(
            name,
            options=DefineOptions.model_validate(options),
            limits=UsageLimits(**given["limits"]),
            cache=given["cache"] or "use",
            progress=progress,
            llm=models["llm"],
            vlm=models["vlm"],
            base_url=models["base_url"],
        )
        owner = owner_for(conversation, answers, progress=progress, json=json)
        try:
            sitting = conversation.chat(owner, one_board=one_board, more=more)
        except KeyboardInterrupt:
            hint = f"Go on with: fieldmark concept chat {shlex.quote(name)}"
            raise InterruptedRun("interrupted; everything so far is kept.", hint=hint) from None
    say_outcome(conversation, sitting, json=json)
    if isinstance(owner, AnswersFile):
        name_some(errors(), "Questions without a line in the file", owner.skipped)
    if sitting.state.stop_reason == "calls":
        leave(LimitReached.exit_code)


def say_outcome(conversation: "ConceptConversation", sitting: "Sitting", *, json: bool) -> None:
    """Say how a sitting ended."""
    from fieldmark.agents.define.ending import in_one_line, what_hinders
    from fieldmark.tools.concepts.changes import blind_labels, dev_labels
    from fieldmark.tools.llm.scripted import scripted_notes

    concept, setup = conversation.concept, conversation.setup.settled()
    notes = scripted_notes(setup.llm, setup.vlm)
    missing = len(concept.blind) - len(blind_labels(concept))
    over = sitting.pending is None
    progress = conversation.status
    hinders = what_hinders(progress) if progress and not over else ()
    if json:
        said: dict[str, Any] = {
            "schema": "fieldmark.concept-chat/1",
            "concept": concept.name,
            "over": over,
            "stop_reason": sitting.state.stop_reason,
            "version": concept.current,
            "labels": len(dev_labels(concept)),
            "blind_missing": missing,
            "failures": sitting.state.failures,
            "hinders": hinders,
            "notes": notes,
        }
        print_json(said)
    console = words(json=json)
    console.say()
    shown = shlex.quote(concept.name)
    if over:
        why = STOPS.get(sitting.state.stop_reason or "", "nothing is open")
        console.say(f"The conversation is over: {why}. Version {concept.current} is in force.")
        console.say(f"More boards: fieldmark concept chat {shown} --more", "dim")
    else:
        console.say("Everything so far is kept.")
        if hinders:
            console.say(in_one_line(hinders))
        console.say(f"Go on with: fieldmark concept chat {shown}")
    if missing:
        console.say(f"Of the blind test {missing} have no label: fieldmark concept label {shown} --blind")
    if sitting.state.failures:
        console.say(f"{sitting.state.failures} questions to the language model got no usable answer.", "bold")
    for note in notes:
        console.say(note)
