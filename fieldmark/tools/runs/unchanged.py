"""What a resumed run must find as it was when it was started, and what is said where it does not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from fieldmark.errors import RunError
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.folder import RunFolder

UNCHANGED = {
    "images_hash": (
        "The images are not those that run {run} was started with.",
        "Restore them, or give those in memory again; or start a new run: what was paid for comes from the "
        "cache.",
    ),
    "calibration_hash": (
        "The images beside them (for calibration, labelled, or unlabelled) are not those that run {run} was "
        "started with.",
        "Restore them, or start a new run: what was paid for comes from the cache.",
    ),
    "encoder": (
        "The CLIP model is not the one that run {run} was started with.",
        "Restore its files and the device it ran on, or start a new run: answers come from the cache.",
    ),
    "texts_hash": (
        "The descriptions are not those that run {run} was started with.",
        "Restore the files, or start a new run.",
    ),
}
"""What must be the same when a run is resumed, and what is said where it is not."""
DECIDING = ("classes", "noun", "book", "options", "tree", "method", "prior", "about", "group_by")
"""The arguments that decide what a run answers: with others it would be another run."""
BEFORE = {"method": "resolve"}
"""What a run had of an argument that the version that wrote it did not have yet."""


def check_unchanged(
    run: RunFolder, now: Mapping[str, JsonValue], *, images: Sequence[ImageFile] = ()
) -> None:
    """Refuse to go on with other images, calibration images, descriptions, encoder, or arguments that decide.

    Args:
        run: The run.
        now: What it would go on with, as its configuration holds it.
        images: The images of a classification, to tell which of them are others.

    Raises:
        RunError: Something changed; it says what.
    """
    kept = run.config.options
    for name, (message, hint) in UNCHANGED.items():
        if name in now and kept.get(name) != now[name]:
            which = _other_images(run, images) if name == "images_hash" and images else ""
            raise RunError(message.format(run=run.run_id).rstrip(".") + f"{which}.", hint=hint)
    for name in DECIDING:
        before = kept.get(name, BEFORE.get(name))
        if name in now and (changed := _changed(name, before, now[name])):
            raise RunError(
                f"Run {run.run_id} was started with {changed}.",
                hint="Give what it was started with, as `from_run` does; or start a new run: what was paid "
                "for comes from the cache.",
            )


def _other_images(run: RunFolder, images: Sequence[ImageFile]) -> str:
    """How many images are new, gone or changed, and the first of each; empty where the run names none yet."""
    if not (run.path / "predictions.jsonl").is_file():
        return ""
    folder = Path(_text(run.config.options.get("folder")) or "")
    before = {str(folder / each.image): each.image_hash for each in run.read_predictions()}
    now = {str(Path.cwd() / each.path): each.content_hash for each in images}
    found = {
        "new": [path for path in now if path not in before],
        "gone": [path for path in before if path not in now],
        "changed": [path for path, name in now.items() if before.get(path, name) != name],
    }
    said = [f"{len(paths):,} {what}, such as {paths[0]!r}" for what, paths in found.items() if paths]
    return f": {'; '.join(said)}" if said else ""


def _changed(name: str, kept: Any, now: Any) -> str:
    """In what an argument differs from what a run was started with; empty where it does not."""
    if kept == now:
        return ""
    match name:
        case "classes":
            parts = [
                f"{word}: {', '.join(map(repr, names[:3]))}{' and others' if len(names) > 3 else ''}"
                for word, names in (
                    ("missing now", [each for each in kept if each not in set(now)]),
                    ("not there then", [each for each in now if each not in set(kept)]),
                )
                if names
            ]
            return f"other classes ({'; '.join(parts) or 'they come in another order'})"
        case "options":
            # One that the version that wrote the run did not have yet is no change.
            others = [option for option in now if option in kept and kept[option] != now[option]]
            return f"other options ({', '.join(others)})" if others else ""
        case "book":
            return "another prompt book" if kept else "no prompt book"
        case _:
            return f"the {name} {kept!r}" if kept else f"no {name}"


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
