"""What a run keeps of how it was started, and what of it a resumption must find unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.errors import RunError
from fieldmark.records import Limits, PromptBook, Record, RunManifest
from fieldmark.settings import Settings
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.endpoint import normal_url
from fieldmark.tools.runs.folder import RunFolder

SETTLED = "settled.json"
RESUMED = "Resumed after a kill: what the killed process spent is not counted."
UNCHANGED = {
    "images_hash": (
        "The images are not those that run {run} was started with.",
        "Restore them, or start a new run: what was paid for comes from the cache.",
    ),
    "calibration_hash": (
        "The calibration images are not those that run {run} was started with.",
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
DECIDING = ("classes", "noun", "book", "options")
"""The arguments that decide what a run answers: with others it would be another run."""


class Settled(Record):
    """What a run asked before its loop began, kept for when it is resumed."""

    noun: str
    note: str = ""
    """What a reader must know of it; empty where it was answered."""


@dataclass(frozen=True)
class ChosenModels:
    """The models of one run, by name: what was given, else what the run has, else the settings'."""

    clip: str
    device: str
    llm: str | None
    base_url: str | None


def choose(
    settings: Settings,
    kept: Mapping[str, JsonValue] | None,
    *,
    clip: str | None,
    device: str | None,
    llm: str | None,
    base_url: str | None,
) -> ChosenModels:
    """Settle which models a run uses; the environment has no say in a run that is resumed.

    Args:
        settings: What the environment says.
        kept: The configuration of the run that is resumed; None for a new one.
        clip: The CLIP model, where given.
        device: The device, where given.
        llm: The language model, where given.
        base_url: The endpoint, where given.
    """
    if kept is None:
        return ChosenModels(
            clip or settings.clip,
            device or settings.device,
            llm or settings.llm,
            base_url or settings.base_url,
        )
    url = base_url or _text(kept.get("base_url"))
    # What is kept lacks the user and password that the same address may need.
    if url and settings.base_url and url == normal_url(settings.base_url):
        url = settings.base_url
    return ChosenModels(
        clip or _text(kept.get("clip")) or settings.clip,
        device or _text(kept.get("device")) or settings.device,
        llm or _text(kept.get("llm")),
        url,
    )


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
        if name in now and (changed := _changed(name, kept.get(name), now[name])):
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
    told = [f"{len(paths):,} {what}, such as {paths[0]!r}" for what, paths in found.items() if paths]
    return f": {'; '.join(told)}" if told else ""


def arguments_of(run: RunFolder) -> tuple[dict[str, Any], list[str]]:
    """What a classification was started with: the arguments of `Classifier`, and its image paths.

    Raises:
        RunError: The run is no classification, or its configuration cannot be read.
    """
    if run.config.kind != "classify":
        raise RunError(f"Run {run.run_id} is no classification but {run.config.kind!r}.")
    kept: dict[str, Any] = {
        name: value for name, value in run.config.options.items() if name not in UNCHANGED
    }
    try:
        images, folder, book = kept.pop("images"), Path(kept.pop("folder")), kept.pop("book")
        if folder != Path.cwd():
            images = [str(folder / path) for path in images]
        kept |= {
            "book": PromptBook.model_validate(book) if book else None,
            "options": ResolveOptions.model_validate(kept["options"]),
            "limits": Limits.model_validate(kept["limits"]),
        }
    except (KeyError, TypeError, ValidationError) as error:
        raise RunError(
            f"The configuration of run {run.run_id} cannot be read.",
            hint="Another version of Fieldmark wrote it: start a new run, answers come from the cache.",
        ) from error
    return kept, images


def earlier_manifest(run: RunFolder) -> RunManifest | None:
    """The manifest of a run that stopped before; None where it is new or was killed."""
    return run.read("manifest.json", RunManifest) if (run.path / "manifest.json").is_file() else None


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
