"""What all of it takes, and folders of concepts and runs that are taken in."""

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.app.review.storage import Storage, size_words, take_in
from fieldmark.errors import InputError
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.unit.studio.studio_concepts import NAME, made_build, made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, made_run, visitor


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another machine's home and runs."""
    made_build(made_concept(tmp_path / "there"))
    made_run(tmp_path / "there" / "runs", tmp_path / "there" / "pictures")
    return tmp_path / "there"


def concept_in(place: Path) -> Path:
    return next((place / "home" / "concepts").iterdir())


def run_in(place: Path) -> Path:
    return next((place / "runs").iterdir())


def send(client: TestClient, path: Path) -> str:
    token = form_token(client.get("/folders", params={"to": "import", "root": "0"}).text)
    return client.post("/import", data={"form_token": token, "path": str(path)}, headers=FORM).text


def test_a_concept_goes_on_where_it_was_taken_in(tmp_path: Path, elsewhere: Path) -> None:
    source = concept_in(elsewhere)
    (source / "jobs").mkdir()
    (source / "models" / "link").symlink_to("/etc")
    client = visitor(desk_for(tmp_path))
    assert "&lt;i&gt;striped&lt;/i&gt; birds" in send(client, source)
    here = ConceptFolder(concept_in(tmp_path))
    assert here.load() == ConceptFolder(source).load()
    assert (here.path / "models" / "v1" / "build.json").is_file()
    assert not (here.path / "jobs").exists()
    assert not (here.path / "models" / "link").exists()
    assert NAME.replace("<", "&lt;").replace(">", "&gt;") in client.get("/").text
    assert "There is one called" in send(client, source)


def test_pictures_that_are_not_there_are_counted(tmp_path: Path, elsewhere: Path) -> None:
    shutil.rmtree(elsewhere / "pool")
    done = take_in(concept_in(elsewhere), home=tmp_path / "home", runs=tmp_path / "runs")
    assert (done.kind, done.missing) == ("concept", 8)


def test_a_run_is_looked_at_where_it_was_taken_in(tmp_path: Path, elsewhere: Path) -> None:
    client = visitor(desk_for(tmp_path))
    run = run_in(elsewhere)
    send(client, run)
    assert run.is_dir()
    assert client.get(f"/runs/{run.name}").status_code == 200
    assert not [path for path in (tmp_path / "runs").iterdir() if path.name != run.name]


def test_what_is_no_folder_of_ours_is_not_taken_in(tmp_path: Path, elsewhere: Path) -> None:
    client = visitor(desk_for(tmp_path))
    export = tmp_path / "export"
    export.mkdir()
    (export / "head.safetensors").write_bytes(b"x")
    (export / "config.json").write_text("{}", encoding="utf-8")
    assert "is an exported classifier" in send(client, export)
    assert "is the folder of neither" in send(client, elsewhere / "pictures")
    assert "There is no folder" in send(client, Path("relative"))
    assert "There is no folder" in send(client, tmp_path / "no such")
    run = run_in(elsewhere)
    text = (run / "config.json").read_text(encoding="utf-8")
    (run / "config.json").write_text(text.replace(run.name, "../../out"), encoding="utf-8")
    with pytest.raises(InputError, match="no name of a run"):
        take_in(run, home=tmp_path / "home", runs=tmp_path / "runs")
    assert not (tmp_path / "home" / "concepts").exists()
    assert not (tmp_path / "runs").exists()


def test_storage_counts_concepts_runs_and_what_is_kept(tmp_path: Path, elsewhere: Path) -> None:
    (elsewhere / "home" / "vectors").mkdir()
    (elsewhere / "home" / "vectors" / "some").write_bytes(b"x" * 5000)
    found = Storage.of(elsewhere / "home", elsewhere / "runs")
    assert [len(each) for each in (found.concepts, found.runs, found.kept)] == [1, 1, 1]
    assert (found.kept[0].bytes, found.kept[0].size, found.kept[0].files) == (5000, "5.0 kB", 1)
    page = visitor(desk_for(elsewhere)).get("/storage").text
    assert found.size in page
    assert "vectors of images and texts" in page
    assert run_in(elsewhere).name in page
    assert "<i>striped" not in page
    assert [size_words(count) for count in (0, 999, 1000, 2_500_000, 7 * 10**9)] == [
        "0 bytes", "999 bytes", "1.0 kB", "2.5 MB", "7.0 GB",
    ]  # fmt: skip
