"""A settings file: where it is looked for, what it may say, and what wins over it."""

import os
from pathlib import Path

import pytest

from fieldmark.app.models import choose_models
from fieldmark.errors import SettingsError
from fieldmark.settings import (
    FILE,
    overridden,
    own_file,
    read_settings,
    settings_files,
    settings_origins,
    unknown_variables,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder, three deep in a repository."""
    monkeypatch.delenv("FIELDMARK_HOME")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    folder = tmp_path / "repository" / "deep" / "down"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def write_own(text: str, mode: int = 0o600) -> Path:
    own_file().parent.mkdir(parents=True, exist_ok=True)
    own_file().write_text(text)
    own_file().chmod(mode)
    return own_file()


def origin_of(name: str) -> tuple[str | None, str, str]:
    return next((each.value, each.origin, each.place) for each in settings_origins() if each.name == name)


def test_option_then_environment_then_nearest_file_then_own_file_then_default(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_own('llm = "own"\ndevice = "cpu"\nllm_timeout = 9\n')
    beside = here.parent / FILE
    beside.write_text('llm = "beside"\nllm_timeout = 5\n')
    (here.parents[1] / FILE).write_text('llm = "further up"\neffort = "low"\n')  # only the nearest counts
    settings = read_settings()
    assert (settings.llm, settings.llm_timeout, settings.device, settings.effort) == (
        "beside",
        5,
        "cpu",
        None,
    )
    assert [file.path for file in settings_files()] == [beside, own]
    monkeypatch.setenv("FIELDMARK_LLM", "environment")
    assert read_settings().llm == "environment"
    assert choose_models().llm == "environment"  # the one rule for models goes by the same settings
    assert choose_models(llm="given").llm == "given"
    assert choose_models({"llm": "kept"}).llm == "kept"
    with overridden(effort="high"):
        assert read_settings().effort == "high"
    assert origin_of("llm") == ("environment", "environment", "FIELDMARK_LLM")
    assert origin_of("llm_timeout") == ("5.0", "file", str(beside))
    assert origin_of("device") == ("cpu", "file", str(own))
    assert origin_of("clip")[1] == "default"


def test_an_address_in_the_environment_wins_by_either_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / FILE).write_text('base_url = "http://127.0.0.1:1/v1"\n')
    assert read_settings().base_url == "http://127.0.0.1:1/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:word@127.0.0.1:2/v1")
    assert choose_models().base_url == "http://me:word@127.0.0.1:2/v1"
    assert origin_of("base_url") == ("http://127.0.0.1:2/v1", "environment", "OPENAI_BASE_URL")


def test_nothing_above_a_repository_or_ones_own_folder_is_looked_at(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text('llm = "not ours"\n')
    assert settings_files() == ()
    (here.parents[1] / ".git").rmdir()
    assert settings_files() == ()  # neither is met on the way up: only the current folder counts
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_settings().llm == "not ours"
    monkeypatch.setenv("HOME", str(here))
    assert settings_files() == ()


def test_every_mistake_of_a_file_is_told_at_once(here: Path) -> None:
    (here / FILE).write_text('llm_tiemout = 3\nllm_concurrency = "4"\neffort = "max"\n[clip]\na = 1\n')
    with pytest.raises(SettingsError) as caught:
        read_settings()
    said = caught.value.message
    assert str(here / FILE) in said
    assert "no setting 'llm_tiemout'. Did you mean llm_timeout?" in said
    for name in ("llm_concurrency: ", "effort: ", "clip: "):
        assert name in said


@pytest.mark.parametrize("text", ["llm =", "\x00", "[" * 9])
def test_a_file_that_is_no_toml_is_a_sentence(text: str, here: Path) -> None:
    (here / FILE).write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings()


@pytest.mark.parametrize("line", ['home = ""', 'clip = " "', 'llm = ""', 'home = "~nobody-by-this-name/x"'])
def test_a_blank_text_and_a_home_of_nobody_set_nothing(line: str, here: Path) -> None:
    (here / FILE).write_text(line + "\n")
    with pytest.raises(SettingsError, match=r"is blank|there is no user"):
        read_settings()


def test_a_home_of_nobody_in_the_environment_is_a_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDMARK_HOME", "~nobody-by-this-name/x")
    with pytest.raises(SettingsError, match="no user"):
        read_settings()


def test_a_pipe_is_not_waited_for(here: Path) -> None:
    os.mkfifo(here / FILE)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings()


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "sk-1"',
        'vlm_api_key = "sk-1"',
        'base_url = "https://127.0.0.1.example.org/v1"',
        "base_url = 1",
        'cache = "redis://:sk-1@answers.example/0"',
    ],
)
def test_a_file_that_may_have_come_with_the_data_gets_no_key(line: str, here: Path) -> None:
    (here / FILE).write_text(line + "\n")
    with pytest.raises(SettingsError, match=r"your key|your data|secret") as caught:
        read_settings()
    assert "sk-1" not in str(caught.value)
    assert str(own_file()) in caught.value.message


def test_ones_own_file_may_hold_a_key_that_nobody_else_can_read(here: Path) -> None:
    write_own('api_key = "sk-own"\nbase_url = "https://models.example/v1"\n')
    settings = read_settings()
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-own"
    assert settings.base_url == "https://models.example/v1"
    assert "sk-own" not in repr(settings_origins()) + repr(settings_files())
    own_file().chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_settings()


def test_a_password_in_an_address_of_ones_own_file_is_a_secret(here: Path) -> None:
    write_own('cache = "rediss://me:s3cret@answers.example/0"\n')
    assert origin_of("cache") == ("rediss://answers.example/0", "file", str(own_file()))
    assert "s3cret" not in repr(read_settings()) + repr(settings_origins())
    own_file().chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_settings()
    write_own('cache = "redis://answers.example/0"\n')
    own_file().chmod(0o644)
    assert read_settings().cache is not None


def test_paths_are_read_from_the_file_s_folder(here: Path) -> None:
    (here.parent / FILE).write_text('home = "kept"\nclip = "model"\n')
    assert read_settings().home == here.parent / "kept"
    assert read_settings().clip == "model"  # a name: there is no such folder
    (here.parent / "model").mkdir()
    assert read_settings().clip == str(here.parent / "model")


def test_variables_that_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDMARK_CLPI", "x")
    monkeypatch.setenv("FIELDMARK_DEBUG", "1")
    monkeypatch.setenv("FIELDMARK_SEED", "1")  # alike in what all begin with, and in nothing else
    monkeypatch.delenv("FIELDMARK_INTEROP_DIR", raising=False)
    assert unknown_variables(["FIELDMARK_DEBUG"]) == {
        "FIELDMARK_CLPI": "Did you mean FIELDMARK_CLIP?",
        "FIELDMARK_SEED": "",
    }
