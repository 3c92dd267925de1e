"""An exported classifier saved, loaded, pushed to a hub and fetched from one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark import Classifier, LearnedClassifier, ResolveOptions, export_run
from fieldmark.errors import FetchError, InputError
from fieldmark.testing import HashingEncoder
from tests.fake_hub import FakeHub
from tests.unit.tools.clip.test_fetching import ask_at, cache, serving

__all__ = ["cache"]

COLOURS = ("red", "blue", "green")
GIVEN: dict[str, Any] = {"clip": HashingEncoder()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a run on them, and its export."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "pictures").mkdir()
    for number, colour in enumerate(COLOURS):
        for copy in range(8):
            picture = Image.new("RGB", (8, 8), (60 * number, copy, 0))
            picture.save(folder / "pictures" / f"{colour}_finch_{copy}.png")
    found = Classifier(
        classes=[f"{colour} finch" for colour in COLOURS],
        options=ResolveOptions(start="names", max_rounds=0),
        home=folder / "home",
        out=folder / "runs",
        **GIVEN,
    ).resolve(folder / "pictures")
    export_run(found.run, folder / "export", home=folder / "home", **GIVEN)
    return folder


@pytest.fixture
def classifier(made: Path) -> Iterator[LearnedClassifier]:
    with LearnedClassifier(made / "export", home=made / "home", **GIVEN) as found:
        yield found


def labels(classifier: LearnedClassifier, made: Path) -> list[Any]:
    return [(each.label, each.confidence) for each in classifier.predict(made / "pictures").results]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_saved_is_loaded_again(classifier: LearnedClassifier, made: Path, tmp_path: Path) -> None:
    saved = classifier.save(tmp_path / "saved")
    assert names(saved) == names(made / "export")
    with LearnedClassifier.load(saved, home=made / "home", **GIVEN) as again:
        assert labels(again, made) == labels(classifier, made)
        assert again.save(saved) == saved
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        classifier.save(tmp_path / "other")


def test_pushed_files_are_those_of_the_export_with_the_card_as_readme(
    classifier: LearnedClassifier, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    class Api:
        def __init__(self, token: str | None) -> None:
            asked["token"] = token

        def create_repo(self, **given: Any) -> Any:
            asked.update(given)
            return type("Repository", (), {"repo_id": given["repo_id"]})

        def upload_folder(self, *, folder_path: Path, **given: Any) -> str:
            shutil.copytree(folder_path, tmp_path / "pushed")
            asked["removed"] = given["delete_patterns"]
            return f"https://hub/{given['repo_id']}/commit/1"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    monkeypatch.setattr("fieldmark.app.learned.hub.reach_hub", lambda repository, done: None)
    assert classifier.push_to_hub("me/finches", token="t") == "https://hub/me/finches/commit/1"
    assert (asked["repo_id"], asked["private"], asked["token"]) == ("me/finches", True, "t")
    assert asked["removed"] == ["classifier.onnx"]  # this export has none; one from before is not its own
    pushed = tmp_path / "pushed"
    assert names(pushed) == names(made / "export") | {"README.md"}
    for name in names(made / "export"):
        assert (pushed / name).read_bytes() == (made / "export" / name).read_bytes()
    readme = (pushed / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\nlibrary_name: fieldmark\n")
    assert readme.endswith((made / "export" / "card.md").read_text(encoding="utf-8"))


def test_a_repository_is_fetched_and_labels_alike(
    classifier: LearnedClassifier, made: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: (made / "export" / name).read_bytes() for name in names(made / "export")}
    hub = FakeHub({"me/finches": files | {"evil.py": b"raise SystemExit"}})
    with (
        serving(monkeypatch, hub),
        LearnedClassifier.from_hub("me/finches", home=made / "home", **GIVEN) as found,
    ):
        assert labels(found, made) == labels(classifier, made)
        assert names(found.folder) == names(made / "export")


def test_a_hub_that_cannot_be_reached_or_has_no_such_classifier_is_said(
    classifier: LearnedClassifier, made: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, FakeHub({"me/other": {"config.json": b"{}"}})):
        with pytest.raises(FetchError, match=r"answered 404 for me/finches"):
            LearnedClassifier.from_hub("me/finches", **GIVEN)
        with pytest.raises((FetchError, InputError)):
            LearnedClassifier.from_hub("me/other", **GIVEN)
    ask_at(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(FetchError, match=r'"me/finches" cannot be fetched') as missing:
        LearnedClassifier.from_hub("me/finches", **GIVEN)
    assert missing.value.hint
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", lambda token: 1 / 0)
    with pytest.raises(FetchError, match=r'"me/finches" cannot be pushed to'):
        classifier.push_to_hub("me/finches")


@pytest.mark.parametrize("config", [b"{bad", b"[1]", b"3"])
def test_a_damaged_classifier_on_a_hub_is_no_hub_that_is_gone(
    made: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, config: bytes
) -> None:
    files = {name: (made / "export" / name).read_bytes() for name in names(made / "export")}
    with (
        serving(monkeypatch, FakeHub({"me/broken": files | {"config.json": config}})),
        pytest.raises(InputError, match=r"config\.json"),
    ):
        LearnedClassifier.from_hub("me/broken", home=made / "home", **GIVEN)


def test_an_export_into_the_current_folder_is_one(
    classifier: LearnedClassifier, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    classifier.save(".")
    assert names(Path()) == names(made / "export")
