"""What a run is taken up with again, and with what it is not, through the whole `Classifier`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.classifier import Classifier
from fieldmark.app.stores import Stores
from fieldmark.errors import (
    RunError,
)
from fieldmark.records import UsageLimits
from tests.faulty_endpoint import (
    FaultyEndpoint,
)
from tests.graph.classifying import (
    BOOK,
    KEY,
    MODEL,
    SAME,
    WORLD,
    assert_nowhere,
    classifier,
    draw,
    names_only,
    truly,
)
from tests.graph.running import Events, options
from tests.graph.world import FakeEncoder


def test_a_run_is_taken_up_by_its_id_with_what_it_was_started_with(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly], models=SAME) as endpoint:
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=2)).resolve(pictures)
        assert stopped.manifest.stop_reason == "budget"
        assert stopped.usable
        same = Classifier.from_run(
            stopped.run.name, out=place, limits=UsageLimits(), api_key=KEY, progress=Events()
        )
        found = same.resolve()
        assert endpoint.asked == 6
    assert found.run == stopped.run
    assert found.manifest.stop_reason == "max_rounds"
    assert same.options == options(max_rounds=0)


def test_other_images_are_no_resumption(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=2)).resolve(pictures)
        (pictures / "0-0.png").unlink()
        with pytest.raises(RunError, match="not those"):
            classifier(place, endpoint).resolve(pictures, resume=stopped.run.name)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"classes": ["x", "y", "z"]}, r"other classes \(missing now: .*; not there then: 'x', 'y', 'z'\)"),
        ({"classes": WORLD.names[::-1]}, "they come in another order"),
        ({"options": options(max_rounds=0, tau=0.5, k=3)}, r"other options \(k, tau\)"),
        ({"noun": "fish"}, "the noun 'bird'"),
        ({"book": BOOK}, "no prompt book"),
    ],
)
def test_what_decides_the_answers_is_no_resumption(
    place: Path, pictures: Path, changed: dict[str, Any], says: str
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=2)).resolve(pictures)
        asked = endpoint.asked
        with pytest.raises(RunError, match=says) as caught:
            classifier(place, endpoint, **changed).resolve(pictures, resume=stopped.run.name)
        assert endpoint.asked == asked
    assert caught.value.hint
    assert stopped.run.name in str(caught.value)


def test_an_option_of_a_later_version_is_no_change(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=2)).resolve(pictures)
        config = json.loads((stopped.run / "config.json").read_text())
        del config["options"]["options"]["patience"]
        (stopped.run / "config.json").write_text(json.dumps(config))
        found = classifier(place, endpoint).resolve(pictures, resume=stopped.run.name)
    assert found.manifest.stop_reason == "max_rounds"


def test_the_environment_has_no_say_in_a_resumed_run(
    place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, str]] = []

    def encoder(stores: Stores, spec: str, *, device: str) -> FakeEncoder:
        opened.append((spec, device))
        return FakeEncoder(WORLD)

    monkeypatch.setattr(Stores, "encoder", encoder)
    monkeypatch.setenv("FIELDMARK_CLIP", "the first")
    monkeypatch.setenv("FIELDMARK_DEVICE", "cpu")
    monkeypatch.setenv("FIELDMARK_LLM", MODEL)
    with FaultyEndpoint([truly]) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        unnamed: dict[str, Any] = {"clip": None, "llm": None, "base_url": None}
        new = classifier(place, endpoint, limits=UsageLimits(max_calls=2), **unnamed)
        run_id = new.resolve(pictures).run.name
        for name in ("FIELDMARK_CLIP", "FIELDMARK_LLM"):
            monkeypatch.setenv(name, "another")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("FIELDMARK_DEVICE", "mps")
        same = Classifier.from_run(run_id, out=place, limits=UsageLimits(), api_key=KEY)
        found = same.resolve()
        assert endpoint.asked == 6
        again = classifier(place, endpoint, **unnamed).resolve(pictures, resume=run_id)
    assert found.manifest.language_model["model"] == MODEL
    assert again.predictions == found.predictions
    assert opened == [("the first", "cpu")] * 3
    assert_nowhere(place, KEY)


def test_another_encoder_is_no_resumption(
    place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        stopped = classifier(place, endpoint, limits=UsageLimits(max_calls=2)).resolve(pictures)
        monkeypatch.setattr(FakeEncoder, "identity", "1" * 64)
        asked = endpoint.asked
        with pytest.raises(RunError, match="CLIP model is not the one") as caught:
            classifier(place, endpoint).resolve(pictures, resume=stopped.run.name)
        assert endpoint.asked == asked
    assert caught.value.hint


def test_what_an_interrupted_run_spent_is_added_up(
    place: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(context: Any) -> Any:
        raise KeyboardInterrupt

    with FaultyEndpoint([truly]) as endpoint:
        given: dict[str, Any] = {"noun": None, "cache": "off"}
        with monkeypatch.context() as patch:
            patch.setattr("fieldmark.app.classifier.run_resolve", interrupt)
            with pytest.raises(KeyboardInterrupt):
                classifier(place, endpoint, **given).resolve(pictures)
        (folder,) = place.iterdir()
        assert json.loads((folder / "manifest.json").read_text())["stop_reason"] == "interrupted"
        found = classifier(place, endpoint, **given).resolve(pictures, resume=folder.name)
        assert found.manifest.usage.requests == endpoint.asked == 7
    assert found.manifest.notes == ()


def test_images_that_are_others_on_resume_are_named(tmp_path: Path) -> None:
    folder = draw(tmp_path / "pictures", [(0, 0), (1, 0), (2, 0)])
    run = names_only(tmp_path / "runs").resolve(folder).run
    (folder / "0-0.png").unlink()
    shutil.copy(folder / "2-0.png", folder / "1-0.png")
    for new in ("new", "newer"):
        shutil.copy(folder / "2-0.png", folder / f"{new}.png")
    with pytest.raises(RunError) as caught:
        names_only(tmp_path / "runs").resolve(folder, resume=run.name)
    assert caught.value.message == (
        f"The images are not those that run {run.name} was started with: "
        f"2 new, such as {str(folder / 'new.png')!r}; 1 gone, such as {str(folder / '0-0.png')!r}; "
        f"1 changed, such as {str(folder / '1-0.png')!r}."
    )


def test_an_unknown_run_names_those_there_are(place: Path, pictures: Path) -> None:
    with FaultyEndpoint([truly]) as endpoint:
        known = classifier(place, endpoint).resolve(pictures).run.name
        with pytest.raises(RunError, match=known):
            classifier(place, endpoint).resolve(pictures, resume="yesterday's")
