"""Images of a finished classification go into folders by label, and nothing is overwritten."""

import hashlib
from pathlib import Path

import pytest

from fieldmark.app.review.sorting import MARK, sort_run
from fieldmark.errors import InputError, RunError
from fieldmark.records import CandidateClass, Prediction
from fieldmark.tools.runs.folder import RunFolder

CLASSES = ("wren", "open", "../up")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of five pictures, two of one name; one open, one rejected."""
    run = RunFolder.create(
        tmp_path / "runs", kind="classify", options={"classes": list(CLASSES), "folder": str(tmp_path)}
    )
    run.write_predictions(
        [
            predict(tmp_path, "a/1.png", "wren"),
            predict(tmp_path, "b/1.png", "wren"),
            predict(tmp_path, "c.png", "../up"),
            predict(tmp_path, "d.png", "open", "open"),
            predict(tmp_path, "e.png", "wren", "rejected"),
        ]
    )
    return run


def predict(folder: Path, image: str, label: str, status: str = "resolved", **more: object) -> Prediction:
    path = folder / image
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(image.encode())
    values = {
        "image": image,
        "image_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
        "label": label,
        "confidence": 0.9,
        "status": status,
        "candidates": (CandidateClass(class_name=label, probability=1.0),),
        "candidates_left": 1,
        "rounds": 0,
    }
    return Prediction.model_validate(values | more)


def files(into: Path) -> dict[str, str]:
    return {
        path.relative_to(into).as_posix(): path.read_text()
        for path in into.rglob("*")
        if path.is_file() and path.name != MARK
    }


SORTED = {
    "wren/1.png": "a/1.png",
    "wren/1-2.png": "b/1.png",
    "_._up/c.png": "c.png",
    "open/open-2/d.png": "d.png",
    "rejected/e.png": "e.png",
}


@pytest.mark.parametrize("link", [False, True])
def test_images_lie_by_label(run: RunFolder, tmp_path: Path, link: bool) -> None:
    into = tmp_path / "sorted"
    done = sort_run(run.run_id, into, out=tmp_path / "runs", link=link)
    found = files(into)
    folder = done.folders["../up"]
    assert "/" not in folder and folder.strip(".") == folder
    assert found == {name.replace("_._up", folder): text for name, text in SORTED.items()}
    assert all(path.is_symlink() == link for path in into.rglob("*.png"))
    assert done.counts == {"wren": 2, folder: 1, "open/open-2": 1, "rejected": 1}
    assert not done.skipped
    again = sort_run(run, into, link=link)
    assert again.already_there == 5
    assert again.counts == done.counts
    assert files(into) == found


def test_an_open_image_stands_under_what_decided_it(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", kind="classify", options={"folder": str(tmp_path)})
    looked = predict(tmp_path, "a.png", "wren", "open", decided_by="vlm", vlm_label="crow")
    run.write_predictions([looked])
    sort_run(run, tmp_path / "sorted")
    assert files(tmp_path / "sorted") == {"open/crow/a.png": "a.png"}


def test_nothing_is_overwritten(run: RunFolder, tmp_path: Path) -> None:
    into = tmp_path / "sorted"
    sort_run(run, into)
    (into / "wren" / "1.png").write_text("mine by now")
    (into / "rejected" / "e.png").unlink()
    done = sort_run(run, into)
    assert (into / "wren" / "1.png").read_text() == "mine by now"
    assert [each.path for each in done.skipped] == ["a/1.png"]
    assert "is another file" in done.skipped[0].reason
    assert (into / "rejected" / "e.png").read_text() == "e.png"


def test_a_folder_that_holds_anything_else_is_refused(run: RunFolder, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "holiday.jpg").write_text("x")
    with pytest.raises(InputError, match="is not empty") as caught:
        sort_run(run, used)
    assert caught.value.field == "into"
    assert [path.name for path in used.iterdir()] == ["holiday.jpg"]
    sort_run(run, tmp_path / "sorted")
    other = RunFolder.create(tmp_path / "runs", kind="classify", options={"folder": str(tmp_path)})
    other.write_predictions([predict(tmp_path, "a/1.png", "wren")])
    with pytest.raises(InputError, match=f"holds images of run {run.run_id}"):
        sort_run(other, tmp_path / "sorted")


def test_images_that_are_gone_or_changed_are_named(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "c.png").unlink()
    (tmp_path / "d.png").write_text("another picture")
    done = sort_run(run, tmp_path / "sorted")
    reasons = {each.path: each.reason for each in done.skipped}
    assert reasons == {"c.png": "it is not there any more", "d.png": "it has changed since the run"}
    assert not list((tmp_path / "sorted").rglob("*part*"))
    assert len(files(tmp_path / "sorted")) == 3


def test_the_latest_run_must_be_there_and_finished(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run of classify"):
        sort_run("latest", tmp_path / "sorted", out=tmp_path / "runs")
    RunFolder.create(tmp_path / "runs", kind="classify", options={})
    with pytest.raises(RunError) as caught:
        sort_run("latest", tmp_path / "sorted", out=tmp_path / "runs")
    assert "once it is finished" in caught.value.hint
    assert not (tmp_path / "sorted").exists()
