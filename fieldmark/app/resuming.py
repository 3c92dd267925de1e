"""Reads back what a classification was started with."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.errors import InputError, RunError
from fieldmark.records import PromptBook, UsageLimits
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.unchanged import UNCHANGED


def arguments_of(run: RunFolder) -> dict[str, Any]:
    """What a classification was started with: the arguments of `Classifier`, its images among them.

    Raises:
        RunError: Its configuration cannot be read.
    """
    kept: dict[str, Any] = {
        name: value
        for name, value in run.config.options.items()
        if name not in UNCHANGED and name != "reference"  # `choose_models` takes that
    }
    try:
        images, folder, book = kept.pop("images"), Path(kept.pop("folder")), kept.pop("book")
        if folder != Path.cwd():
            images = [str(folder / path) for path in images]
        kept |= {
            "images": images,
            "book": PromptBook.model_validate(book) if book else None,
            "options": ResolveOptions.model_validate(kept["options"]),
            "limits": UsageLimits.model_validate(kept["limits"]),
        }
    except (KeyError, TypeError, ValidationError, InputError) as error:
        raise RunError(
            f"The configuration of run {run.run_id} cannot be read.",
            hint="Another version of Fieldmark wrote it: start a new run, answers come from the cache.",
        ) from error
    return kept
