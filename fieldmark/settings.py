"""Reads the environment: the only place that does, used by `fieldmark.app` alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldmark.errors import SettingsError


class Settings(BaseSettings):
    """What the environment says; arguments given in code or on the command line win over it.

    A variable that is empty counts as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIELDMARK_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("fieldmark", appauthor=False)))
    """Where answers, vectors and aviary pictures are kept (`FIELDMARK_HOME`); "~" is your own folder."""
    clip: str = "ViT-B-32:laion2b_s34b_b79k"
    """The encoder used where none is named (`FIELDMARK_CLIP`)."""
    llm: str | None = None
    """The language model used where none is named (`FIELDMARK_LLM`)."""
    llm_concurrency: int | None = Field(default=None, ge=1)
    """The most calls at a time, of either model (`FIELDMARK_LLM_CONCURRENCY`); else 16, on this machine 4."""
    llm_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The most seconds that an answer may take, of either model (`FIELDMARK_LLM_TIMEOUT`); else 60, on this
    machine 600."""
    answer_tokens: int | None = Field(default=None, ge=1)
    """The least room of an answer in tokens, thinking included (`FIELDMARK_ANSWER_TOKENS`)."""
    effort: Literal["low", "medium", "high"] | None = None
    """How long a model that thinks may think (`FIELDMARK_EFFORT`)."""
    device: str = "auto"
    price_prompt: float | None = Field(default=None, ge=0)
    """Price per million prompt tokens; unknown unless set."""
    price_completion: float | None = Field(default=None, ge=0)
    vlm_price_prompt: float | None = Field(default=None, ge=0)
    """The same for the vision-language model, where it is another than the language model."""
    vlm_price_completion: float | None = Field(default=None, ge=0)
    vlm_api_key: SecretStr | None = None
    """The key of the vision-language model's endpoint, where it is another (`FIELDMARK_VLM_API_KEY`)."""
    base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("FIELDMARK_BASE_URL", "OPENAI_BASE_URL")
    )
    api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("FIELDMARK_API_KEY", "OPENAI_API_KEY")
    )

    @field_validator("home")
    @classmethod
    def _a_folder(cls, home: Path) -> Path:
        if not str(home).strip():
            raise ValueError("it is blank")
        return home.expanduser()


def read_settings() -> Settings:
    """Read the environment now.

    Raises:
        SettingsError: A variable has a value that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"The setting {name!r} cannot be used: {first['msg']}.",
            hint=f"Correct or unset FIELDMARK_{name.upper()}.",
        ) from error


@contextmanager
def overridden(**settings: object) -> Iterator[None]:
    """Have settings win over the environment for a while; those that are None stay as they are.

    They are put into the environment, so that processes that are started meanwhile have them, too.
    """
    given = {f"FIELDMARK_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
