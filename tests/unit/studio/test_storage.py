"""What all of it takes, and folders of concepts and runs that are taken in."""

import json
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.app.concepts.setup import read_setup
from fieldmark.app.review.storage import FRESH_S, CountedStorage, Storage
from fieldmark.app.taking_in import take_in
from fieldmark.errors import InputError, RunError
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.runs.folder import RunFolder
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


@pytest.mark.parametrize("name", ["", " ", "a\0b", "..", ".hidden", "a/b"])
def test_a_run_of_no_name_is_not_taken_in(tmp_path: Path, elsewhere: Path, name: str) -> None:
    run = run_in(elsewhere)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(config | {"run_id": name}), encoding="utf-8")
    with pytest.raises(InputError):
        take_in(run, home=tmp_path / "home", runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_nobody_elses_folder_says_where_questions_and_the_key_go(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concept, run = concept_in(elsewhere), run_in(elsewhere)
    theirs, ours = "http://elsewhere.example/v1", "http://127.0.0.1:9/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", ours)
    setup = json.loads((concept / "setup.json").read_text(encoding="utf-8"))
    (concept / "setup.json").write_text(json.dumps(setup | {"base_url": theirs}), encoding="utf-8")
    built = {"setup": setup | {"base_url": theirs}, "options": {"vlm_base_url": ours}}
    (concept / "models" / "v1" / "settings.json").write_text(json.dumps(built), encoding="utf-8")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["options"] |= {"base_url": theirs, "vlm_base_url": ours}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    client = visitor(desk_for(tmp_path))
    assert "elsewhere.example" in send(client, concept)
    assert read_setup(ConceptFolder(concept_in(tmp_path))).base_url is None
    here = (concept_in(tmp_path) / "models" / "v1" / "settings.json").read_text(encoding="utf-8")
    assert theirs not in here
    assert ours in here
    assert "elsewhere.example" in send(client, run)
    kept = RunFolder(run_in(tmp_path)).config.options
    assert (kept["base_url"], kept["vlm_base_url"]) == (None, ours)
    assert theirs in (concept / "setup.json").read_text(encoding="utf-8"), "theirs stays as it is"


def test_a_concept_whose_models_cannot_be_read_is_not_taken_in(tmp_path: Path, elsewhere: Path) -> None:
    (concept_in(elsewhere) / "setup.json").write_text("garbage", encoding="utf-8")
    with pytest.raises(InputError, match=r"setup\.json cannot be read"):
        take_in(concept_in(elsewhere), home=tmp_path / "home", runs=tmp_path / "runs")


def test_paths_that_no_folder_can_have_are_told(tmp_path: Path) -> None:
    client = visitor(desk_for(tmp_path))
    assert "There is no folder" in send(client, Path("/" + "a" * 3000))
    page = client.get("/import", follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/")


def test_nothing_is_copied_while_a_process_works_in_it(tmp_path: Path, elsewhere: Path) -> None:
    source = concept_in(elsewhere)
    with ConceptFolder(source).writing(), pytest.raises(RunError, match="is working on what is to be copied"):
        take_in(source, home=tmp_path / "home", runs=tmp_path / "runs")
    assert not list((tmp_path / "home" / "concepts").iterdir())
    take_in(source, home=tmp_path / "home", runs=tmp_path / "runs")


def test_files_are_counted_once_a_minute_or_when_one_asks(tmp_path: Path) -> None:
    now = [1000.0]
    counted = CountedStorage(tmp_path / "home", tmp_path / "runs", clock=lambda: now[0])
    before, _ = counted.read()
    (tmp_path / "home" / "vectors").mkdir(parents=True)
    now[0] += FRESH_S - 1
    assert counted.read() == (before, 1000.0)
    found, at = counted.read(again=True)
    assert (len(found.kept), at) == (1, now[0])
    (tmp_path / "home" / "answers").mkdir()
    now[0] += FRESH_S + 1
    assert len(counted.read()[0].kept) == 2


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
