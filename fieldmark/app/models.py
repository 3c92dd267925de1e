"""Settles which models and endpoint a command uses: one rule for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from fieldmark.errors import SettingsError
from fieldmark.settings import Settings, read_settings
from fieldmark.tools.llm.address import normal_url

ASKED = ("llm", "base_url", "vlm", "vlm_base_url")
"""The arguments that say whom to ask."""


@dataclass(frozen=True)
class ChosenModels:
    """The models of one run, by name.

    Attributes:
        clip: The CLIP model.
        device: Where it computes.
        llm: The language model; None where none is named.
        base_url: Its endpoint; None is OpenAI's.
        reference: The encoder's reference pool, in place of its own.
    """

    clip: str
    device: str
    llm: str | None
    base_url: str | None
    reference: Path | None = None

    def encoder_kept(self) -> dict[str, JsonValue]:
        """What a run keeps of the encoder: model, device, and the whole path of the reference pool."""
        reference = str(self.reference.absolute()) if self.reference else None
        return {"clip": self.clip, "device": self.device, "reference": reference}


def choose_models(
    kept: Mapping[str, JsonValue] | None = None,
    *,
    clip: str | None = None,
    device: str | None = None,
    llm: str | None = None,
    base_url: str | None = None,
    settings: Settings | None = None,
) -> ChosenModels:
    """Settle each model: what is given, else what the resumed run has kept, else what the settings say.

    A resumed run asks the model and the endpoint that it has kept, or none where it has kept none, and has
    the reference pool that it had: the environment may have changed since.

    Args:
        kept: The configuration of the run that is resumed; None for a new one.
        clip: The CLIP model, where given.
        device: The device, where given.
        llm: The language model, where given.
        base_url: The endpoint, where given.
        settings: What the environment and the settings file say; read where not given.
    """
    settings = settings or read_settings()
    before = kept or {}
    url = base_url or _text(before.get("base_url"))
    if kept is None:
        llm, url = llm or settings.llm, url or settings.base_url
    if url and settings.base_url and url == normal_url(settings.base_url):
        url = settings.base_url  # what is kept lacks the user and password that the same address may need
    pool = _text(before["reference"]) if "reference" in before else settings.reference
    return ChosenModels(
        clip or _text(before.get("clip")) or settings.clip,
        device or _text(before.get("device")) or settings.device,
        llm or _text(before.get("llm")),
        url,
        Path(pool) if pool else None,
    )


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def lacks_vlm() -> SettingsError:
    """What is said where an endpoint stands alone."""
    return SettingsError(
        "An endpoint for a vision-language model was given, but no model.",
        hint="Give the model, too.",
        field="vlm",
    )
