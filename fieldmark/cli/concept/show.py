"""`fieldmark concept show`, `diff` and `rollback`: the definition, its history, and going back."""

from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.concept.chat import STOPS, Name
from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import amount, print_json, row, table, words

if TYPE_CHECKING:
    from fieldmark.cli.terminal import PlainConsole
    from fieldmark.records import Concept, Definition
    from fieldmark.records.conversation import ConversationProgress

ROLES = {
    "necessary": "All of these must hold",
    "positive": "At least one of these must hold",
    "negative": "None of these may hold",
}


def show(name: Name, json: Json = False) -> None:
    """Show a concept: its clauses, its history, and how far the conversation is."""
    from fieldmark.agents.define.ending import what_hinders
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.tools.concepts.changes import blind_labels, dev_labels

    conversation = ConceptConversation.open(name)
    concept, progress = conversation.concept, conversation.status
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-show/1",
                "folder": str(conversation.folder.path),
                "concept": concept.model_dump(mode="json"),
                "progress": progress.model_dump(mode="json") if progress else None,
                "hinders": what_hinders(progress) if progress else (),
            }
        )
        return
    console = words(json=False)
    console.say(concept.name, "bold")
    if concept.purpose:
        console.say(concept.purpose)
    say_definition(console, concept.definition)
    say_history(console, concept)
    labels, blind = dev_labels(concept), blind_labels(concept)
    console.say()
    console.say(
        f"{amount(len(labels), 'labelled image')}, of the blind test {len(blind)} of {len(concept.blind)}; "
        f"{amount(len(concept.decisions), 'decision')}."
    )
    if progress is not None:
        say_progress(console, progress)


def diff(
    name: Name,
    before: Annotated[int, typer.Argument(min=1, help="A version.", show_default=False)],
    after: Annotated[int, typer.Argument(min=1, help="Another one.", show_default=False)],
    json: Json = False,
) -> None:
    """Say what changed from one version to another."""
    from fieldmark.app.concepts.conversation import ConceptConversation

    change = ConceptConversation.open(name).diff(before, after)
    if json:
        print_json({"schema": "fieldmark.concept-diff/1", **change.model_dump(mode="json")})
        return
    console = words(json=False)
    for sign, clauses in (("-", change.dropped), ("+", change.added)):
        for clause in clauses:
            console.say(f"{sign} {clause.role}: {clause.text}")
    for old, new in change.changed:
        console.say(f"~ {new.role}: {new.text} ({old.state} → {new.state})")
    if not (change.added or change.dropped or change.changed):
        console.say("The same clauses.")


def rollback(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.", show_default=False)],
    json: Json = False,
) -> None:
    """Put an earlier version in force. Nothing is removed: later versions can be gone back to as well."""
    from fieldmark.app.concepts.conversation import ConceptConversation

    definition = ConceptConversation.open(name).rollback(version)
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-rollback/1",
                "version": version,
                "definition": definition.model_dump(mode="json"),
            }
        )
        return
    console = words(json=False)
    console.say(f"Version {version} is in force.")
    say_definition(console, definition)


def say_definition(console: "PlainConsole", definition: "Definition") -> None:
    """Name the active clauses, role by role."""
    if not definition.active:
        console.say("No clause yet.")
    for role, title in ROLES.items():
        clauses = [clause for clause in definition.active if clause.role == role]
        if clauses:
            console.say(f"{title}:")
        for clause in clauses:
            console.say(f"  {clause.id}  {clause.text}{'' if clause.state == 'agreed' else ' (open)'}")


def say_history(console: "PlainConsole", concept: "Concept") -> None:
    """Name the versions, the one in force marked."""
    from fieldmark.agents.define.binding import made_by

    if not concept.versions:
        return
    made = table("version", "clauses", "F1", "when", "by", "why", words=("when", "by", "why"))
    for version in concept.versions:
        f1 = version.scores.get("dev_f1")
        row(
            made,
            f"{version.number}{' *' if version.number == concept.current else ''}",
            len(version.definition.active),
            "–" if f1 is None else f"{f1:.2f}",
            version.at[:16].replace("T", " "),
            made_by(version, concept),
            version.why,
        )
    console.print(made)


def say_progress(console: "PlainConsole", progress: "ConversationProgress") -> None:
    """Say how far the conversation is towards its end."""
    calls = "" if progress.most_calls is None else f" of {progress.most_calls:,}"
    console.say(
        f"Boards {progress.boards} of {progress.most_boards}, labels {progress.labels} of "
        f"{progress.most_labels}, questions to models {progress.spent:,}{calls}."
    )
    console.say(
        f"Boards in a row without an accepted edit: {progress.quiet} (it takes {progress.quiet_needed})."
    )
    console.say(
        f"You and the model: κ {_kappa(progress.kappa, progress.kappa_error)} on "
        f"{amount(progress.kappa_labels, 'image')}; you and yourself: "
        f"κ {_kappa(progress.self_kappa, progress.self_kappa_error)} on {progress.repeats} that came back."
    )
    if progress.stop_reason:
        console.say(f"Over: {STOPS[progress.stop_reason]}.")
    else:
        from fieldmark.agents.define.ending import in_one_line, what_hinders

        console.say(in_one_line(what_hinders(progress)))


def _kappa(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" + ("" if error is None else f" ± {error:.2f}")
