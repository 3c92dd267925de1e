"""Which models open_clip knows by name, without loading it."""

import difflib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from fieldmark.errors import FetchError, ModelError
from fieldmark.tools.clip.model_source import HUB
from fieldmark.tools.images.given_paths import is_there

BUNDLED = "aviary"
"""The model that comes with the package."""


def check_spec(spec: str) -> None:
    """Refuse a name of no model, as far as that is known without loading anything: a tag is not looked at.

    Raises:
        ModelError: Blank, or no model that open_clip knows, with near matches.
    """
    if not spec.strip():
        raise ModelError("No CLIP model was named.", hint='Name one, such as "ViT-B-32:laion2b_s34b_b79k".')
    package = importlib.util.find_spec("open_clip")
    # Once it is loaded, a program may have told it of models of its own.
    if "open_clip" in sys.modules or package is None or package.origin is None:
        return
    if spec == BUNDLED or spec.startswith(HUB) or is_there(spec):
        return
    known = [path.stem for path in (Path(package.origin).parent / "model_configs").glob("*.json")]
    architecture = spec.partition(":")[0].replace("/", "-")
    if known and architecture not in known:
        raise unknown_model(spec, architecture, known)


def check_fetchable(spec: str) -> None:
    """Refuse to fetch what is on this machine already, or is no model; see `check_spec`.

    Raises:
        FetchError: It needs no fetching.
        ModelError: It is no model.
    """
    if spec.strip() and (spec == BUNDLED or is_there(spec)):
        raise needs_no_fetching(spec)
    check_spec(spec)


def needs_no_fetching(spec: str) -> FetchError:
    """What is said of a model that is here."""
    return FetchError(f'"{spec}" needs no fetching.', hint="Use it as it is.")


def unknown_model(spec: str, architecture: str, known: Sequence[str]) -> ModelError:
    """What is said of a model that nobody knows."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(architecture.lower(), by_lower, n=5, cutoff=0.5)
    hint = f"Did you mean {', '.join(by_lower[name] for name in near)}? " if near else ""
    return ModelError(
        f'"{spec}" is neither a model that open_clip knows nor a folder.',
        hint=f'{hint}Give "MODEL:TAG", "hf-hub:OWNER/NAME", a model folder, or "aviary".',
    )
