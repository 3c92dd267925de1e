"""Reads the environment: the only place that does, used by `fieldmark.app` alone."""

from pathlib import Path

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldmark.errors import SettingsError


class Settings(BaseSettings):
    """What the environment says; arguments given in code or on the command line win over it."""

    model_config = SettingsConfigDict(env_prefix="FIELDMARK_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("fieldmark", appauthor=False)))
    """Where answers, vectors and aviary pictures are kept (`FIELDMARK_HOME`)."""
    clip: str = "ViT-B-32:laion2b_s34b_b79k"
    """The encoder used where none is named (`FIELDMARK_CLIP`)."""
    llm: str | None = None
    """The language model used where none is named (`FIELDMARK_LLM`)."""
    llm_concurrency: int = Field(default=16, ge=1)
    """The most calls at a time, of either model (`FIELDMARK_LLM_CONCURRENCY`)."""
    llm_timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """The most seconds that an answer may take, of either model (`FIELDMARK_LLM_TIMEOUT`)."""
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
