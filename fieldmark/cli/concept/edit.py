"""`fieldmark concept edit`: clauses, answers, labels and a classifier's threshold by hand."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.concept.chat import Name
from fieldmark.cli.concept.show import say_definition
from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import PlainConsole, print_json, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.app.concepts.editing import HandEdits
    from fieldmark.records import Definition


def edit(
    name: Name,
    add: Annotated[
        list[str] | None,
        typer.Option(help='A new clause: "necessary: A railing is there."', metavar="ROLE: TEXT"),
    ] = None,
    reword: Annotated[
        list[str] | None,
        typer.Option(help='Another text, or another role: "c2: …", "c2: negative: …".', metavar="ID: TEXT"),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A clause that goes.", metavar="ID")] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help='Another answer to question 2: "2: never"; "2:" takes it back.', metavar="N: TEXT"),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help='Another label: "site-3/0042.jpg: out"; the end of a path, or of a hash the beginning.',
            metavar="IMAGE: LABEL",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Another threshold of the classifier: an image is in from this probability on. By itself.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="Whose classifier --threshold is for. Else the version in force.", min=1),
    ] = None,
    why: Annotated[str, typer.Option(help="A few words for the history.")] = "",
    json: Json = False,
) -> None:
    """Change clauses, answers, labels or a threshold by hand; without a change, show them.

    All of it is done together or not at all. Nothing is overwritten: the definition before stays a version,
    and an answer or label before stays in the history. What does not know of the change is said.
    """
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.app.concepts.editing import HandEdits, answers_of, edit_concept

    changes = HandEdits(
        add=tuple(add or ()),
        reword=dict(_pairs(reword or (), "--reword", 'Write "c2: the new text".')),
        drop=tuple(each.strip() for each in drop or ()),
        answers={_number(key): said for key, said in _pairs(answer or (), "--answer", _ANSWER)},
        labels=dict(_pairs(label or (), "--label", 'Write "0042.jpg: out".')),
        why=why,
    )
    console = words(json=json)
    if threshold is not None or version is not None:
        _keep(name, changes, threshold, version, json=json)
        return
    if not (changes.add or changes.reword or changes.drop or changes.answers or changes.labels):
        concept = ConceptConversation.open(name).concept
        _show(concept.definition, answers_of(name), version=concept.current, stale=(), json=json)
        shown = shlex.quote(concept.name)
        console.say(f'Change it: fieldmark concept edit {shown} --reword "ID: TEXT" (see --help)', "dim")
        return
    done = edit_concept(name, changes)
    if done.version != done.before:
        console.say(f"Version {done.version} is in force; version {done.before} is kept.")
    _show(done.definition, done.answers, version=done.version, stale=done.stale, json=json)
    for told in done.stale:
        console.say(told)


def _keep(
    name: str, changes: "HandEdits", threshold: float | None, version: int | None, *, json: bool
) -> None:
    """Keep another threshold of a classifier, and say what was measured with the former one."""
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.app.concepts.editing import HandEdits

    if threshold is None:
        raise InputError("--version belongs to --threshold.", hint="Give both.", field="version")
    if changes != HandEdits(why=changes.why):
        raise InputError("--threshold goes by itself.", hint="Make the other changes by a second command.")
    builder = ConceptBuilder.open(name, version=version)
    built = builder.keep_threshold(threshold, why=changes.why)
    measured = builder.measured
    before = built.measured_with(measured) if measured else built.in_force
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-threshold/1",
                "version": built.version,
                "threshold": built.in_force,
                "built": built.threshold,
                "measured": before if measured else None,
            }
        )
        return
    console = words(json=False)
    console.say(
        f"Version {built.version} calls an image in from {built.in_force:.3f} on; its build chose "
        f"{built.threshold:.3f}. Predictions and exports go by that from now on."
    )
    if before != built.in_force:
        console.say(
            f"It was measured with {before:.3f}; that stays, and the blind test is not looked at again."
        )


_ANSWER = 'Write "2: never": 2 is the second question.'


def _show(
    definition: "Definition",
    answers: Sequence[tuple[str, str]],
    *,
    version: int,
    stale: Sequence[str],
    json: bool,
) -> None:
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-edit/1",
                "version": version,
                "definition": definition.model_dump(mode="json"),
                "answers": [{"question": question, "answer": said} for question, said in answers],
                "stale": list(stale),
            }
        )
        return
    console: PlainConsole = words(json=False)
    say_definition(console, definition)
    if answers:
        console.say("Answers:")
    for number, (question, said) in enumerate(answers, 1):
        console.say(f"  {number}  {question} {said or '(no answer)'}")


def _pairs(given: Sequence[str], option: str, hint: str) -> list[tuple[str, str]]:
    """What stands before and behind the first colon of each text.

    Raises:
        InputError: One has no colon, or two say the same before it.
    """
    found: list[tuple[str, str]] = []
    for text in given:
        key, colon, said = text.partition(":")
        if not colon:
            raise InputError(f"{option} cannot be {text!r}.", hint=hint)
        if any(key.strip() == known for known, _ in found):
            raise InputError(f"{option} names {key.strip()} twice.", hint="Give it once.")
        found.append((key.strip(), said.strip()))
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"--answer cannot begin with {text!r}.", hint=_ANSWER)
    return int(text)
