"""`fieldmark book`: prompt books of other projects in and out, what one holds, what changed between two."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, errors, print_json, row, table, words
from fieldmark.errors import InputError

if TYPE_CHECKING:
    from fieldmark.records import Prompt, PromptBook
    from fieldmark.tools.books.changes import BookChanges
    from fieldmark.tools.books.files import Count

After = Annotated[str, option('dclip: put after each descriptor; "." for ImageNet.', show_default="nothing")]
Force = Annotated[bool, option("Replace files that are there.", "--force")]
Book = Annotated[Path, typer.Argument(help="A prompt book.")]
All = Annotated[bool, option("List every prompt, not the first few of each class.", "--all")]
BOOK = Path("book.json")

POOLINGS = {
    "mean_cosine": "the mean of the cosines with its prompts",
    "prototype": "the cosine with the unit mean of its weighted prompts",
}
MOST_LISTED = 5
"""Texts of a class that are listed, of each kind of change; `--all` and `--json` list them all."""


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Prompt books: import, export, show, compare.")
    group.command(name="import")(import_)
    for command in (export, show, diff):
        group.command()(command)
    return group


def import_(
    file: Annotated[Path, typer.Argument(help="A prompt file of another project.", show_default=False)],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["dclip", "cupl", "synonyms", "chils", "fudd", "inquire", "book"] | None,
        option(
            "Its format: dclip, cupl, synonyms, chils, fudd, inquire or book.",
            metavar="FORMAT",
            show_default="by its content",
        ),
    ] = None,
    out: Annotated[Path, option("Where the book goes.")] = BOOK,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird".', show_default="object")
    ] = None,
    after: After = "",
    class_names: Annotated[
        Path | None, option("fudd: list of class names.", show_default="the *_class_names.json beside it")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Make a prompt book of another project's file. Classes keep its order."""
    from fieldmark.tools.books.files import write_book
    from fieldmark.tools.books.formats import import_book

    refuse_existing([out], force=force)
    _refuse_unused(format, after=after, class_names=class_names)
    made = import_book(file, format=format, noun=noun, after=after, class_names=class_names)
    write_book(made.book, out)
    say_losses(made.lost)
    counts = {"classes": len(made.book.classes), "prompts": len(made.book.prompts)}
    if json:
        print_json(
            {
                "schema": "fieldmark.book-import/1",
                "book": str(out),
                "format": made.format,
                "noun": made.book.noun,
                "pooling": made.book.pooling,
                **counts,
                "lost": dict(made.lost),
            }
        )
        return
    console = words(json=False)
    console.say(f"Read as {made.format}: {in_words(made.book)}; pooling: {made.book.pooling}.")
    console.say(f"Book: {out}")


def export(
    book: Book = BOOK,
    format: Annotated[  # noqa: A002
        Literal["dclip", "cupl", "fudd"], option("The format; cupl holds any text.")
    ] = "cupl",
    out: Annotated[
        Path | None, option("Where the file goes.", show_default="book.cupl.json, by both names")
    ] = None,
    after: After = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a prompt book in another project's format; says what that cannot hold."""
    from fieldmark.tools.books.files import read_book
    from fieldmark.tools.books.formats import class_names_beside, export_book, write_exported

    _refuse_unused(format, after=after)
    out = out or Path(f"{book.stem}.{format}.json")
    refuse_existing([out, class_names_beside(out)] if format == "fudd" else [out], force=force)
    made = export_book(read_book(book), format, after=after)
    files = [str(path) for path in write_exported(made, out)]
    say_losses(made.lost)
    if json:
        print_json(
            {
                "schema": "fieldmark.book-export/1",
                "format": format,
                "files": files,
                "lost": dict(made.lost),
            }
        )
        return
    words(json=False).say(f"Written as {format}: {', '.join(files)}")


def _refuse_unused(named: str | None, *, after: str, class_names: Path | None = None) -> None:
    """Refuse what the named format has no use for; one that is read off the content may have a use for it."""
    for name, given, only in (("after", after, "dclip"), ("class_names", class_names, "fudd")):
        if given and named not in (None, only):
            raise InputError(
                f"A {named} file has no use for {name}.", hint=f"Leave it out; {only} has.", field=name
            )


def show(book: Book = BOOK, everything: All = False, json: Json = False) -> None:
    """Show what a prompt book holds: the prompts of each class, their number, where they came from."""
    from fieldmark.tools.books.files import read_book

    held = read_book(book)
    origins: dict[str, Counter[str]] = {name: Counter() for name in held.classes}
    for prompt in held.prompts:
        origins[prompt.class_name][prompt.origin.kind] += 1
    kinds = sum(origins.values(), Counter[str]())
    models = Counter(p.origin.model for p in held.prompts if p.origin.model is not None)
    attributes = {p.origin.attribute for p in held.prompts if p.origin.attribute is not None}
    weighted = sum(p.weight != 1.0 for p in held.prompts)
    if json:
        print_json(
            {
                "schema": "fieldmark.book-show/1",
                "noun": held.noun,
                "pooling": held.pooling,
                "prompts": len(held.prompts),
                "weighted": weighted,
                "attributes": len(attributes),
                "origins": dict(kinds),
                "models": dict(models),
                "classes": [
                    {
                        "class_name": name,
                        "prompts": own.total(),
                        "origins": dict(own),
                        "texts": [{"text": prompt.text, "weight": prompt.weight} for prompt in prompts],
                    }
                    for (name, own), prompts in zip(origins.items(), held.by_class(), strict=True)
                ],
            }
        )
        return
    console = words(json=False)
    for name, prompts in zip(held.classes, held.by_class(), strict=True):
        console.say(f"{name}: {amount(len(prompts), 'prompt')}", "bold")
        say_texts([in_full(prompt) for prompt in prompts], " ", everything=everything)
    console.say()
    made = table("class", "prompts", "origins", words=("class", "origins"))
    for name, own in origins.items():
        row(made, name, f"{own.total():,}", listed(own))
    console.print(made)
    console.say(f"{in_words(held)}; generic noun: {held.noun}.")
    console.say(f"A class is scored by {POOLINGS[held.pooling]} ({held.pooling}).")
    if kinds:
        console.say(f"Origins: {listed(kinds)}.")
    if attributes:
        console.say(f"{amount(len(attributes), 'attribute')}.")
    if models:
        console.say(f"Answered by: {listed(models)}.")
    if weighted:
        console.say(f"{amount(weighted, 'prompt')} with a weight other than 1.")


def diff(
    before: Annotated[Path, typer.Argument(help="A prompt book.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    everything: All = False,
    json: Json = False,
) -> None:
    """Say what changed from one prompt book to another, class by class. Exit code 0 either way."""
    from fieldmark.tools.books.changes import changes
    from fieldmark.tools.books.files import read_book

    found = changes(read_book(before), read_book(after))
    if json:
        print_json(found)
        return
    say_changes(found, everything=everything)


def say_changes(found: "BookChanges", *, everything: bool) -> None:
    """Name what changed, everything or the first few texts of each kind."""
    console = words(json=False)
    if found.same:
        console.say("The same classes, prompts, weights, origins and pooling.")
        return
    if found.noun[0] != found.noun[1]:
        console.say(f"noun: {found.noun[0]} → {found.noun[1]}")
    if found.pooling[0] != found.pooling[1]:
        console.say(f"pooling: {found.pooling[0]} → {found.pooling[1]}")
    if found.reordered:
        console.say("The classes come in another order.")
    for sign, names in (("+", found.classes_added), ("-", found.classes_removed)):
        for name in names:
            console.say(f"{sign} class {name}")
    for change in found.classes:
        kinds = (
            ("+", "added", change.added),
            ("-", "removed", change.removed),
            ("~", "with another weight", change.reweighed),
            ("~", "with another origin", change.reattributed),
        )
        counted = ", ".join(f"{len(texts):,} {what}" for _, what, texts in kinds if texts)
        console.say(f"{change.class_name}: {counted}")
        for sign, _, texts in kinds:
            say_texts(texts, sign, everything=everything)
    console.say(
        f"In all {amount(found.prompts_added, 'prompt')} added, {found.prompts_removed:,} removed, "
        f"{amount(len(found.classes), 'class', 'classes')} changed."
    )


def say_texts(texts: Sequence[str], sign: str, *, everything: bool) -> None:
    """List the first few texts, or all, each after a sign."""
    console = words(json=False)
    shown = texts if everything else texts[:MOST_LISTED]
    for text in shown:
        console.say(f"  {sign} {text}")
    if len(texts) > len(shown):
        console.say(f"  {sign} and {len(texts) - len(shown):,} more (--all lists them)")


def in_full(prompt: "Prompt") -> str:
    """A prompt's text, with its weight where that is not 1."""
    return prompt.text if prompt.weight == 1.0 else f"{prompt.text}  (weight {prompt.weight:g})"


def say_losses(lost: "Count") -> None:
    """Warn of what a format could not hold, a line for each kind."""
    from fieldmark.tools.books.formats import LOSSES

    for kind, count in lost.items():
        errors().say(f"warning: {LOSSES[kind]}: {count:,}", "yellow")


def refuse_existing(files: list[Path], *, force: bool) -> None:
    """Refuse to replace a file unasked; a run's book took money to make.

    Raises:
        InputError: One of them is there.
    """
    there = [path for path in files if path.exists()]
    if there and not force:
        raise InputError(
            f"{str(there[0])!r} is there already.", hint="Choose another with --out, or give --force."
        )


def in_words(book: "PromptBook") -> str:
    """How many classes and prompts a book holds."""
    return f"{amount(len(book.classes), 'class', 'classes')}, {amount(len(book.prompts), 'prompt')}"


def listed(counts: "Counter[Any]") -> str:
    """Counts with their names, the largest first."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
