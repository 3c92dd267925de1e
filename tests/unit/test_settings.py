"""What the environment says, read when asked and by the application alone."""

import ast
from pathlib import Path

import pytest

import fieldmark
from fieldmark.app.stores import open_llm, open_vlm
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import QuestionFailed, SettingsError
from fieldmark.prompts.noun import ask_noun
from fieldmark.settings import read_settings
from fieldmark.tools.llm.chat import (
    CONCURRENCY,
    LOCAL_CONCURRENCY,
    LOCAL_TIMEOUT_S,
    TIMEOUT_S,
    concurrency_of,
)
from tests.faulty_endpoint import FaultyEndpoint, Reply


def test_without_an_environment_there_are_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDMARK_HOME")
    settings = read_settings()
    assert settings.home.name == "fieldmark"
    assert settings.clip == "ViT-B-32:laion2b_s34b_b79k"
    assert settings.llm is settings.base_url is settings.api_key is None
    assert settings.price_prompt is settings.price_completion is None
    assert settings.device == "auto"
    assert settings.llm_concurrency is settings.llm_timeout is None
    assert settings.answer_tokens is settings.effort is None


@pytest.mark.parametrize(
    ("url", "concurrency", "timeout_s"),
    [
        ("http://127.0.0.1:8000/v1", LOCAL_CONCURRENCY, LOCAL_TIMEOUT_S),
        ("http://localhost:11434/v1", LOCAL_CONCURRENCY, LOCAL_TIMEOUT_S),
        ("http://[::1]:8000/v1", LOCAL_CONCURRENCY, LOCAL_TIMEOUT_S),
        ("https://model.invalid/v1", CONCURRENCY, TIMEOUT_S),
        (None, CONCURRENCY, TIMEOUT_S),
    ],
)
async def test_a_server_on_this_machine_gets_time(
    url: str | None, concurrency: int, timeout_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_llm("m", MemoryByteStore(), base_url=url, api_key="k") as llm:
        assert concurrency_of(llm) == concurrency
        assert llm.endpoint.timeout_s == timeout_s
    monkeypatch.setenv("FIELDMARK_LLM_TIMEOUT", "7")
    async with open_llm("m", MemoryByteStore(), base_url=url, api_key="k") as llm:
        assert llm.endpoint.timeout_s == 7


def test_the_environment_is_read_anew_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDMARK_HOME", str(tmp_path / "one"))
    assert read_settings().home == tmp_path / "one"
    monkeypatch.setenv("FIELDMARK_HOME", str(tmp_path / "two"))
    assert read_settings().home == tmp_path / "two"


def test_openai_variables_work_untouched_and_our_own_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    settings = read_settings()
    assert settings.base_url == "http://127.0.0.1:1/v1"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-one"
    monkeypatch.setenv("FIELDMARK_BASE_URL", "http://127.0.0.1:2/v1")
    monkeypatch.setenv("FIELDMARK_API_KEY", "sk-two")
    settings = read_settings()
    assert settings.base_url == "http://127.0.0.1:2/v1"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-two"


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    settings = read_settings()
    assert "sk-one" not in repr(settings)
    assert "sk-one" not in settings.model_dump_json()


async def test_a_slow_model_is_given_time_and_a_small_server_is_not_overrun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIELDMARK_LLM_CONCURRENCY", "2")
    monkeypatch.setenv("FIELDMARK_LLM_TIMEOUT", "0.2")
    with FaultyEndpoint([Reply(200, b"{}", delay_s=5.0)]) as endpoint:
        url, store = endpoint.base_url, MemoryByteStore()
        async with (
            open_llm("m", store, base_url=url) as llm,
            open_vlm("v", store, beside=llm, llm=(url, None)) as vlm,
        ):
            for model in (llm, vlm):
                assert concurrency_of(model) == 2
                with pytest.raises(QuestionFailed) as caught:
                    await model.ask(ask_noun(["heron"]))
                assert caught.value.reason == "timeout"
                assert "within 0.2 s (FIELDMARK_LLM_TIMEOUT)" in caught.value.message


@pytest.mark.parametrize("value", ["cheap", "-1"])
def test_a_value_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FIELDMARK_PRICE_PROMPT", value)
    with pytest.raises(SettingsError, match="price_prompt") as caught:
        read_settings()
    assert "FIELDMARK_PRICE_PROMPT" in caught.value.hint


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "FIELDMARK_HOME",
        "FIELDMARK_CLIP",
        "FIELDMARK_LLM",
        "FIELDMARK_PRICE_PROMPT",
        "OPENAI_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    usual = read_settings()
    for name in (
        "FIELDMARK_HOME",
        "FIELDMARK_CLIP",
        "FIELDMARK_LLM",
        "FIELDMARK_PRICE_PROMPT",
        "OPENAI_BASE_URL",
    ):
        monkeypatch.setenv(name, "")
    assert read_settings() == usual
    assert read_settings().home.is_absolute()


def test_a_home_may_begin_at_ones_own_folder_and_is_not_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDMARK_HOME", "~/birds")
    assert read_settings().home == Path.home() / "birds"
    monkeypatch.setenv("FIELDMARK_HOME", "  ")
    with pytest.raises(SettingsError, match="home"):
        read_settings()


def test_a_home_that_can_be_no_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home, says in ((str(tmp_path / "file"), "file' is no folder"), ("x" * 300, "File name too long")):
        monkeypatch.setenv("FIELDMARK_HOME", home)
        with pytest.raises(SettingsError, match=says):
            read_settings()
    monkeypatch.setenv("FIELDMARK_HOME", str(tmp_path / "ein Ordner ä"))  # made on first use
    assert read_settings().home == tmp_path / "ein Ordner ä"


def test_nobody_else_reads_the_environment() -> None:
    root = Path(fieldmark.__file__).parent
    readers = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if reads_environment(path)}
    # A child process gets a copy, a terminal its width, torch and Ray their silence and threads that sleep
    # while they wait; none of these takes a setting.
    assert readers <= {
        "cli/__init__.py",
        "cli/exit_codes.py",
        "cli/terminal.py",
        "app/jobs/job.py",
        "aviary/world/render_files.py",
        "settings.py",
        "tools/clip/engines/ray_data.py",
        "tools/llm/serving/gpus.py",
        "tools/llm/serving/vllm.py",
    }


def reads_environment(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(tree)
    )
