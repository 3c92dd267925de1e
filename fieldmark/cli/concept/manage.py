"""`fieldmark concept list`, `rename`, `delete` and `import`: the concepts on this machine."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.concept.chat import Name
from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import amount, ask, errors, print_json, row, table, words


def list_(json: Json = False) -> None:
    """List the concepts on this machine: their labels, versions of the definition, and classifiers."""
    from fieldmark.app.concepts.catalogue import list_concepts

    found = list_concepts()
    if json:
        concepts = [each.model_dump(mode="json") for each in found]
        print_json({"schema": "fieldmark.concept-list/1", "concepts": concepts})
        return
    console = words(json=False)
    if not found:
        console.say("There is no concept yet. Make one: fieldmark concept new NAME --pool photos/")
        return
    # Seven columns are what eighty characters hold; the rest is in `concept show` and in the JSON.
    made = table(
        "concept", "images", "labels", "blind", "version", "classifier", "changed",
        words=("concept", "classifier", "changed"),
    )  # fmt: skip
    for each in found:
        if each.damage:
            row(made, each.name, *["–"] * 4, "unreadable", "–")
            continue
        measured = ", measured" if each.built and each.built[-1] in each.measured else ""
        row(
            made,
            each.name,
            f"{each.images:,}",
            f"{each.labels:,}",
            f"{each.blind_labels:,} of {each.blind:,}",
            each.version or "–",
            f"{each.built[-1]}{measured}" if each.built else "–",
            each.changed[:10] or "–",
        )
    console.print(made)
    for each in found:
        if each.damage:
            errors().say(f"warning: {each.damage}", "yellow")


def rename(
    name: Name,
    to: Annotated[str, typer.Argument(help="Its new name.", show_default=False)],
    json: Json = False,
) -> None:
    """Give a concept another name. All that was said stays; the old name is noted in its history."""
    from fieldmark.app.concepts.catalogue import rename_concept

    renamed, stale = rename_concept(name, to)
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-rename/1",
                "concept": renamed.name,
                "folder": renamed.folder,
                "stale": stale,
            }
        )
        return
    console = words(json=False)
    console.say(f"It is called {renamed.name!r} from now on. In {renamed.folder}")
    for told in stale:
        console.say(told)


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    json: Json = False,
) -> None:
    """Delete a concept for good. Says what is lost, and asks; the images of its pool stay where they are."""
    from fieldmark.app.concepts.catalogue import delete_concept, summary_of
    from fieldmark.app.concepts.named import open_folder

    summary = summary_of(open_folder(name))
    console = errors()
    lost = ", ".join(summary.holds) or "nothing that was said"
    console.say(f"Lost for good with {summary.name!r}: {lost}.", "bold")
    console.say("The images of its pool, exported folders and answers of models stay.")
    if not yes:
        ask(f"Delete {summary.name!r}?", option="--yes")
    deleted = delete_concept(name)
    if json:
        print_json(
            {"schema": "fieldmark.concept-delete/1", "concept": deleted.name, "lost": list(deleted.holds)}
        )
    words(json=json).say(f"{deleted.name!r} is deleted: {amount(deleted.labels, 'label')} with it.")


def import_(
    folder: Annotated[
        Path, typer.Argument(help="A concept's own folder, from another machine or home.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Take in a concept's folder, with all that was said and built; the folder stays as it is.

    The folder of a run is taken into ./runs. Endpoints of others are left out: questions go where your
    settings say. What `concept export` writes is a classifier: `concept predict` uses it as it is.
    """
    from fieldmark.app.taking_in import take_in
    from fieldmark.settings import read_settings

    taken = take_in(folder, home=read_settings().home, runs=Path("runs"))
    if json:
        print_json({"schema": "fieldmark.concept-import/1", **taken.model_dump(mode="json")})
        return
    console = words(json=False)
    console.say(f"{taken.name}: a {taken.kind}. In {taken.folder}")
    if taken.missing:
        console.say(
            f"{amount(taken.missing, 'image')} of its pool do not lie where they did; copy them there."
        )
    if taken.endpoints:
        console.say(f"Its questions went to {', '.join(taken.endpoints)}; yours go where your settings say.")
    if taken.kind == "concept":
        console.say(f"Go on with it: fieldmark concept chat {shlex.quote(taken.name)}")
