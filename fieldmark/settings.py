"""Reads the environment and the settings file: the only place that does, used by `fieldmark.app` alone."""

import json
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldmark.cache.server import without_password
from fieldmark.errors import SettingsError, close_to
from fieldmark.reading import read_text

FILE = "fieldmark.toml"
SECRETS = ("api_key", "vlm_api_key")
"""Settings that are read from the user's own file alone, and shown nowhere."""
ADDRESSES = ("base_url", "cache", "checkpoints", "ray_address")
"""Settings that lead to a server, and may have a password in them, which is shown nowhere."""
_ROOTS = (".git", ".hg", ".svn", ".jj")
"""What lies in the root folder of a repository."""
_MOST_BYTES = 1 << 20
_PREFIX = "FIELDMARK_"


class Settings(BaseSettings):
    """What the environment and settings files say; arguments in code or on the command line win over them.

    A variable that is empty counts as not set.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("fieldmark", appauthor=False)))
    """Where answers, vectors and aviary pictures are kept (`FIELDMARK_HOME`); "~" is your own folder."""
    cache: SecretStr | None = None
    """A Redis server where answers are kept instead, for many machines at once (`FIELDMARK_CACHE`)."""
    checkpoints: SecretStr | None = None
    """A PostgreSQL server where new runs keep their checkpoints instead (`FIELDMARK_CHECKPOINTS`)."""
    clip: str = "ViT-B-32:laion2b_s34b_b79k"
    """The encoder used where none is named (`FIELDMARK_CLIP`)."""
    reference: Path | None = None
    """Images like those that the encoder was trained on: a folder, or an `.npy` file of their vectors
    (`FIELDMARK_REFERENCE`)."""
    llm: str | None = None
    """The language model used where none is named (`FIELDMARK_LLM`)."""
    llm_concurrency: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    """The most calls at a time, of either model (`FIELDMARK_LLM_CONCURRENCY`); "auto" finds what the endpoint
    sustains; else 16, on this machine 4."""
    llm_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The most seconds that an answer may take, of either model (`FIELDMARK_LLM_TIMEOUT`); else 60, on this
    machine 600."""
    pool_memory: int = Field(default=1024, ge=1)
    """MiB that what images show of the attributes may take (`FIELDMARK_POOL_MEMORY`); more lies in a
    temporary file. Results are the same."""
    answer_tokens: int | None = Field(default=None, ge=1)
    """The least room of an answer in tokens, thinking included (`FIELDMARK_ANSWER_TOKENS`)."""
    effort: Literal["low", "medium", "high"] | None = None
    """How long a model that thinks may think (`FIELDMARK_EFFORT`)."""
    device: str = "auto"
    engine: Literal["local", "processes", "ray"] = "local"
    """Where images are encoded (`FIELDMARK_ENGINE`): here, in a process for each GPU, or by Ray."""
    ray_address: str | None = Field(
        default=None, validation_alias=AliasChoices("FIELDMARK_RAY_ADDRESS", "RAY_ADDRESS")
    )
    """A Ray cluster (`RAY_ADDRESS`); without one, Ray is started on this machine while it is needed."""
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
        home = _at_home(home)
        try:
            is_other = home.exists() and not home.is_dir()
        except OSError as error:  # a name that is too long, or a folder above it that is closed
            raise ValueError(f"{error.strerror}: {str(home)[:200]!r}") from error
        if is_other:
            raise ValueError(f"{str(home)!r} is no folder")
        return home


@dataclass(frozen=True)
class SettingsFile:
    """One `fieldmark.toml`.

    Attributes:
        path: Where it lies.
        own: Whether it is the user's own, in the folder for configurations; another lies beside somebody's
            data, and may have come with them.
        values: What it sets, by the names of `Settings`.
    """

    path: Path
    own: bool
    values: Mapping[str, Any]


@dataclass(frozen=True)
class SettingOrigin:
    """Where the value of a setting comes from.

    Attributes:
        name: The setting.
        value: Its value as text; None where it is not set. A secret is "(set)"; what is secret in an
            address is left out.
        origin: "environment", "file" or "default".
        place: The variable, or the file.
    """

    name: str
    value: str | None
    origin: Literal["environment", "file", "default"]
    place: str


def read_settings() -> Settings:
    """Read the environment and the settings files now; a variable wins over a file.

    Raises:
        SettingsError: A variable or a file has a value that cannot be used; all of them are named.
    """
    said = _environment()
    for file in settings_files():
        missing = {name: value for name, value in file.values.items() if name not in said.model_fields_set}
        said = said.model_copy(update=missing)
    return said


def settings_files(start: Path | None = None) -> tuple[SettingsFile, ...]:
    """The settings files that count: the nearest of the current folder, then the user's own.

    The current folder is looked at, and its parents up to the root of a repository, or to the user's own
    folder; above either, and where there is neither, nothing is looked for.

    Args:
        start: The folder to begin at; the current one where not given.

    Raises:
        SettingsError: A file cannot be read, or has a key or a value that cannot be used.
    """
    found = next((folder / FILE for folder in _folders(start) if _is_there(folder / FILE)), None)
    own = own_file()
    files = [(found, False)] if found and found.resolve() != own.resolve() else []
    files += [(own, True)] if _is_there(own) else []
    return tuple(SettingsFile(path, mine, _read_file(path, own=mine)) for path, mine in files)


def own_file() -> Path:
    """Where the user's own settings file lies, or would."""
    return Path(platformdirs.user_config_dir("fieldmark", appauthor=False)) / FILE


def settings_origins() -> tuple[SettingOrigin, ...]:
    """Every setting with its value and where that comes from, in the order of `Settings`.

    Raises:
        SettingsError: As `read_settings`.
    """
    said, files, settings = _environment(), settings_files(), read_settings()
    made: list[SettingOrigin] = []
    for name in Settings.model_fields:
        value = _shown(name, getattr(settings, name))
        file = next((each for each in files if name in each.values), None)
        if name in said.model_fields_set:
            made.append(SettingOrigin(name, value, "environment", _variable_of(name)))
        elif file is not None:
            made.append(SettingOrigin(name, value, "file", str(file.path)))
        else:
            made.append(SettingOrigin(name, value, "default", ""))
    return tuple(made)


def unknown_variables(others: Iterable[str] = ()) -> dict[str, str]:
    """Variables that look like settings and are none, each with what may have been meant (may be empty).

    Args:
        others: Variables that are known, and no settings.
    """
    known = {*map(_usual_variable, Settings.model_fields), *others}
    set_here = [name for name in os.environ if name.startswith(_PREFIX)]
    return {
        name: close_to(name, known, prefix=_PREFIX).strip() for name in sorted(set_here) if name not in known
    }


def _environment() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        wrong: dict[str, list[str]] = {}
        for each in error.errors():  # of each kind that a setting may be
            wrong.setdefault(str(each["loc"][0]), []).append(each["msg"])
        raise SettingsError(
            " ".join(f"The setting {name!r} cannot be used: {', or '.join(w)}." for name, w in wrong.items()),
            hint=f"Correct or unset {', '.join(map(_usual_variable, map(str.lower, wrong)))}.",
        ) from error


def _folders(start: Path | None) -> tuple[Path, ...]:
    """The folders where a file beside one's data is looked for, nearest first."""
    try:
        start = start or Path.cwd()
    except FileNotFoundError:  # the current folder was removed
        return ()
    above = (start, *start.parents)
    home = Path.home()
    for at, folder in enumerate(above):
        if folder == home or any(_is_there(folder / mark) for mark in _ROOTS):
            return above[: at + 1]
    return above[:1]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be looked into
        return False


def _read_file(path: Path, *, own: bool) -> dict[str, Any]:
    try:
        written = tomllib.loads(read_text(path, most=_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error}.", hint="Correct it."
        ) from error
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for name, value in written.items():
        field = Settings.model_fields.get(name)
        if field is None:
            wrong.append(f"there is no setting {name!r}. {close_to(name, Settings.model_fields)}".strip(". "))
            continue
        if isinstance(value, str) and not value.strip():
            wrong.append(f"{name} is blank")
            continue
        if not own and (refused := _not_from_here(name, value)):
            wrong.append(refused)
            continue
        try:
            # As JSON: a path is a text there, and nothing else is taken for what it is not.
            annotated: Any = Annotated[field.annotation, Field(), *field.metadata]  # pyright: ignore
            kind: TypeAdapter[Any] = TypeAdapter(annotated)
            values[name] = kind.validate_json(json.dumps(value, default=str), strict=True)
        except ValidationError as error:
            wrong.append(f"{name}: {error.errors()[0]['msg'].lower()}")
            continue
        if name in ("home", "clip", "reference"):
            try:
                values[name] = _beside(path, values[name])
            except ValueError as error:
                wrong.append(f"{name}: {error}")
    secret = any(name in SECRETS or (name in ADDRESSES and "@" in str(written[name])) for name in values)
    if own and secret and _read_by_others(path):
        wrong.append("it holds a key or password, and others on this machine can read it (chmod 600)")
    if wrong:
        raise SettingsError(
            f"The settings file {path} cannot be used: {'; '.join(wrong)}.",
            hint=f"Correct it. There are: {', '.join(Settings.model_fields)}.",
        )
    return values


def _not_from_here(name: str, value: object) -> str:
    """Why a file beside somebody's data may not set this; empty where it may.

    Such a file may have come with the data: it could take a key, or have the user's own key sent elsewhere.
    """
    where = f"put it into the environment, or into {own_file()}"
    if name in SECRETS:
        return f"{name} is a secret, which is not read from a file in the folder one works in; {where}"
    if name in ADDRESSES and not _on_this_machine(value):
        what = "key" if name == "base_url" else "data"
        return f"{name} leads to another machine, which would get your {what}; {where}"
    return ""


def _on_this_machine(value: object) -> bool:
    try:
        host = urlsplit(str(value)).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _read_by_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _beside(file: Path, value: Any) -> Any:
    """A path that a file gives, from the file's own folder; a name that is no path there stays."""
    path = _at_home(Path(value))
    if isinstance(value, Path):
        return file.parent / path
    return str(file.parent / path) if (file.parent / path).exists() else value


def _at_home(path: Path) -> Path:
    """A path whose ~ stands for a home folder.

    Raises:
        ValueError: There is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no user {path.parts[0]!r}") from None


def _shown(name: str, value: object) -> str | None:
    if value is None:
        return None
    if name in SECRETS:
        return "(set)"
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return without_password(text) if name in ADDRESSES else text


def _variable_of(name: str) -> str:
    """The variable that a setting was read from."""
    alias = Settings.model_fields[name].validation_alias
    names = [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else []
    return next((each for each in names if os.environ.get(each)), _usual_variable(name))


def _usual_variable(name: str) -> str:
    """The variable that sets a setting, or that bears this name already."""
    return name.upper() if name.startswith(("fieldmark_", "openai_")) else f"FIELDMARK_{name.upper()}"


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
