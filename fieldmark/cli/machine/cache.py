"""`fieldmark cache`: what is kept between runs: how much, whether it is sound, and away with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, option
from fieldmark.cli.terminal import amount, ask, leave, print_json, row, table, words
from fieldmark.reading import size_in_words as size

if TYPE_CHECKING:
    from fieldmark.app.stores import Stores
    from fieldmark.cache.bytestore import LastingByteStore
    from fieldmark.cache.vectorstore import DiskVectorStore

Only = Annotated[
    Literal["answers", "vectors", "adapters", "pictures"] | None,
    option("Only answers, vectors, adapters or pictures.", metavar="KIND", show_default="all"),
]

BAD_ENTRIES = 1
MOST_LISTED = 10


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(no_args_is_help=True, help="What is kept between runs: count, check, prune, clear.")
    for command in (stats, verify, prune, clear):
        group.command()(command)
    return group


def stats(json: Json = False) -> None:
    """Count what is kept and how much room it takes."""
    from fieldmark.app.stores import open_stores

    with open_stores() as stores:
        rows = [
            {"kind": kind, "name": name, **store.stats().model_dump(mode="json")}
            for kind, name, store in opened(stores)
        ]
        pictures = picture_files(stores)
        rows.append(
            {
                "kind": "pictures",
                "name": "of the aviary",
                "entries": len(pictures),
                "bytes": sum(path.stat().st_size for path in pictures),
            }
        )
        home, answers = str(stores.home), stores.answers.where
        apart = stores.answers is not stores.facts
    if json:
        print_json({"schema": "fieldmark.cache-stats/1", "home": home, "answers": answers, "stores": rows})
        return
    console = words(json=False)
    made = table("kind", "store", "entries", "size", "newest", words=("kind", "store", "newest"))
    for each in rows:
        row(
            made,
            each["kind"],
            each["name"],
            f"{each['entries']:,}",
            size(each["bytes"]),
            each.get("newest") or "",
        )
    console.print(made)
    console.say(f"In {home}" + (f", answers at {answers}" if apart else ""))


def verify(json: Json = False) -> None:
    """Read every entry and name those that cannot be used; changes nothing.

    Exit code 1 if there are any. A bad entry counts as absent and is replaced when it is needed again.
    """
    from fieldmark.app.stores import open_stores

    with open_stores() as stores, TerminalProgress("Checking") as progress:
        checks: list[dict[str, object]] = []
        bad = 0
        for kind, name, store in opened(stores):
            progress.stage(f"Checking {kind} {name}")
            report = store.verify()
            bad += len(report.bad)
            checks.append({"kind": kind, "name": name, "ok": report.ok, **report.model_dump(mode="json")})
    if json:
        print_json({"schema": "fieldmark.cache-verify/1", "ok": not bad, "stores": checks})
    console = words(json=json)
    for check in checks:
        found = check["bad"]
        entries = found if isinstance(found, list) else []
        console.say(f"{check['kind']} {check['name']}: {check['checked']:,} checked, {len(entries):,} bad")
        for entry in entries[:MOST_LISTED]:
            console.say(f"  {entry['key']}: {entry['reason']}")
        if len(entries) > MOST_LISTED:
            console.say(f"  and {len(entries) - MOST_LISTED:,} more")
    if not checks:
        console.say("Nothing is kept yet.")
    leave(BAD_ENTRIES if bad else 0)


def prune(
    days: Annotated[float, option("Answers and adapters put more than so many days ago go.", min=0)],
    yes: Annotated[bool, option("Do not ask first.", "--yes", "-y")] = False,
    json: Json = False,
) -> None:
    """Remove old answers and tuned adapters. Vectors have no age; they are cleared as a whole."""
    from fieldmark.app.stores import open_stores

    with open_stores() as stores:
        if not yes:
            ask(
                f"Remove the answers and adapters of more than {days:g} days ago in {stores.answers.where}?",
                option="--yes",
            )
        removed = {"answer": stores.answers.prune(days), "adapter": 0}
        for store in stores.all_adapters():
            removed["adapter"] += store.prune(days)
    if json:
        print_json({"schema": "fieldmark.cache-prune/1", "removed": sum(removed.values())})
    else:
        words(json=False).say(", ".join(amount(count, name) for name, count in removed.items()) + " removed.")


def clear(
    only: Only = None,
    yes: Annotated[bool, option("Do not ask first.", "--yes", "-y")] = False,
    json: Json = False,
) -> None:
    """Remove what is kept: answers that were paid for, vectors, tuned adapters, drawn pictures."""
    from fieldmark.app.stores import open_stores

    with open_stores() as stores:
        found = [each for each in opened(stores) if only in (None, each[0])]
        pictures = picture_files(stores) if only in (None, "pictures") else []
        if not yes:
            held = [
                f"{amount(store.stats().entries, 'entry', 'entries')} of {kind} {name}"
                for kind, name, store in found
            ]
            if pictures:
                held.append(amount(len(pictures), "picture file"))
            where, warning = f"in {stores.home}", ""
            if only in (None, "answers"):
                where += "" if stores.answers is stores.facts else f" and from {stores.answers.where}"
                warning = "; answers that were paid for will be paid for again"
            ask(f"Remove {', '.join(held) or 'nothing'} {where}{warning}?", option="--yes")
        removed = {f"{kind} {name}": store.clear() for kind, name, store in found}
        if pictures:
            removed["pictures of the aviary"] = len(pictures)
            stores.clear_aviary()
    if json:
        print_json({"schema": "fieldmark.cache-clear/1", "removed": removed})
        return
    console = words(json=False)
    for name, count in removed.items():
        console.say(f"{name}: {count:,} removed")
    if not removed:
        console.say("Nothing was kept.")


def opened(stores: "Stores") -> "list[tuple[str, str, LastingByteStore | DiskVectorStore]]":
    """Every store with entries: kind, name, store."""
    vectors = [("vectors", store.folder.name, store) for store in stores.all_vectors()]
    adapters = [("adapters", "as tuned", store) for store in stores.all_adapters()]
    return [("answers", "of all models", stores.answers), *vectors, *adapters]


def picture_files(stores: "Stores") -> list[Path]:
    """The aviary pictures that were drawn."""
    return [path for path in stores.aviary.rglob("*") if path.is_file()]
