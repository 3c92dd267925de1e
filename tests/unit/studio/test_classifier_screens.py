"""The screens of a concept's classifier: what they show, and what they change."""

import base64
import io
import re
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fieldmark.app.concepts.results import in_words
from fieldmark.app.jobs import job as jobs
from fieldmark.app.jobs.job import Job
from fieldmark.app.jobs.photographs import FOUND, TriedPhotographs
from fieldmark.records import SkippedInput
from fieldmark.records.concept_predictions import ClauseScore, ConceptPrediction, ConceptPredictions
from fieldmark.tools.concepts.changes import latest_labels, settled_answers
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.config import read_config
from fieldmark.tools.images.files import find_images
from tests.unit.app.concepts.test_concept_threshold import built_concept
from tests.unit.app.jobs.conftest import until_over
from tests.unit.studio.studio_concepts import made_build, made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, visitor

TABS = ("build", "results", "trial", "history")


@pytest.fixture
def concept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConceptFolder:
    monkeypatch.setattr(jobs, "WORKER", "tests.unit.app.jobs.scripted_worker")
    return made_concept(tmp_path)


@pytest.fixture
def client(concept: ConceptFolder, tmp_path: Path) -> TestClient:
    return visitor(desk_for(tmp_path))


def at(concept: ConceptFolder, *parts: str) -> str:
    return "/".join([f"/concepts/{concept.run_id}", *parts])


def say(client: TestClient, concept: ConceptFolder, *parts: str, **data: object):
    page = client.get(at(concept, "history" if parts[0] == "history" else parts[0])).text
    sent = {"form_token": form_token(page), **data}
    return client.post(at(concept, *parts), data=sent, headers=FORM, follow_redirects=False)


def jpeg(colour: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (colour, 10, 10)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("tab", TABS)
def test_a_concept_that_nothing_was_built_of_says_what_comes_first(
    client: TestClient, concept: ConceptFolder, tab: str
) -> None:
    page = client.get(at(concept, tab)).text
    assert "<i>striped" not in page
    assert "<b>stripes" not in page
    if tab in ("results", "trial"):
        assert f"{at(concept)}/build" in page


@pytest.mark.parametrize("tab", TABS)
def test_what_was_said_stands_escaped_in_every_page(
    client: TestClient, concept: ConceptFolder, tab: str
) -> None:
    made_build(concept)
    page = client.get(at(concept, tab)).text
    for hostile in ("<i>striped", "<b>stripes", "<drawings>", "<it>", "<b>CLIP", "javascript:"):
        assert hostile not in page
    assert not re.search(r"\son\w+=", page)
    assert "<script>" not in page
    assert "style=" not in page


def test_a_build_is_begun_watched_and_gone_on_with(client: TestClient, concept: ConceptFolder) -> None:
    (concept.path / "script.txt").write_text("sleep")
    answer = say(client, concept, "build", annotate=30, max_calls="7")
    assert (answer.status_code, answer.headers["location"]) == (303, at(concept, "build"))
    job = Job.of(concept.path, "build")
    assert job.status is not None
    assert (job.status.task.annotate, job.status.task.limits.max_calls) == (30, 7)  # type: ignore[union-attr]
    page = client.get(at(concept, "build")).text
    assert "You can close this page" in page
    assert 'http-equiv="refresh"' in page  # for those without scripts
    assert f"{at(concept)}/jobs/build/cancel" in page
    say(client, concept, "build", annotate=30)  # a second click starts nothing
    token = form_token(page)
    client.post(at(concept, "jobs", "build", "cancel"), data={"form_token": token}, headers=FORM)
    assert until_over(job).state == "cancelled"
    page = client.get(at(concept, "build")).text
    assert "It was cancelled. What was done is kept." in page
    assert "Go on" in page


@pytest.mark.parametrize("wrong", [{"annotate": 0}, {"annotate": "x"}, {"max_calls": "-1"}, {"rounds": 99}])
def test_a_build_of_impossible_size_is_not_begun(
    client: TestClient, concept: ConceptFolder, wrong: dict[str, object]
) -> None:
    assert say(client, concept, "build", **wrong).status_code == 400
    assert Job.of(concept.path, "build").status is None


def test_results_say_in_words_what_a_classifier_finds(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    page = client.get(at(concept, "results")).text
    assert "it finds <strong>1 of 2</strong>" in page
    assert "<strong>None</strong> that it finds is wrong" in page
    assert "0.80" in page
    assert "(0.60 to 0.90)" in page
    # p is 0.1 to 0.6, every second one is in: missed 0.2 and 0.4, wrongly taken 0.5.
    assert page.count('class="tile"') == 3
    blind = set(concept.load().blind)
    assert not any(image in page for image in blind)


def test_another_threshold_is_tried_without_a_script(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    page = client.get(at(concept, "results"), params={"threshold": "0.15"}).text
    errors = page.partition('id="errors"')[2].partition("</p>")[0]
    assert "0.15" in errors
    assert "<strong data-missed>0</strong> of 3" in errors
    assert "<strong data-wrong>2</strong> of 3" in errors
    for wrong in ("2", "x", "nan", "-1"):
        assert client.get(at(concept, "results"), params={"threshold": wrong}).status_code == 400


def test_a_threshold_is_kept_once_and_the_blind_test_is_not_looked_at(tmp_path: Path) -> None:
    folder, out = built_concept(tmp_path)
    looks = folder.load().blind_looks
    client = visitor(desk_for(tmp_path))
    page = client.get(at(folder, "results"), params={"threshold": "0.35"}).text
    assert "Keep this threshold" in page
    again, done = (say(client, folder, "results", "threshold", version=2, threshold="0.35") for _ in "12")
    assert again.headers["location"] == done.headers["location"]
    page = client.get(done.headers["location"]).text
    assert "It calls a picture in from a probability of 0.35 on." in page
    assert "The build chose 0.50; you keep another one." in page
    assert "That was with the threshold 0.50" in page
    assert read_config(out).threshold == 0.35
    assert folder.load().blind_looks == looks
    assert "0.50 → 0.35" in client.get(at(folder, "history")).text
    for wrong in ("2", "x", "nan"):
        sent = {"form_token": form_token(page), "version": "2", "threshold": wrong}
        assert client.post(at(folder, "results", "threshold"), data=sent, headers=FORM).status_code == 400
    assert client.post(at(folder, "results", "threshold"), data=sent, headers={}).status_code == 403


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.9, "9 of 10"),
        (0.125, "1 of 8"),
        (0.98, "49 of 50"),
        (0.999, "nearly all"),
        (1.0, "all"),
        (0.0, "none"),
        (0.001, "nearly none"),
        (2 / 3, "2 of 3"),
    ],
)
def test_shares_in_words(share: float, said: str) -> None:
    assert in_words(share) == said


def test_a_look_at_the_blind_test_needs_enough_labels(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept, measured=False)
    assert "too few to measure by" in client.get(at(concept, "results")).text
    assert say(client, concept, "results", "measure", version=1).status_code == 409
    assert Job.of(concept.path, "evaluate").status is None


def test_a_label_is_changed_and_what_is_stale_is_said(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    label = concept.load().labels[0]
    answer = say(client, concept, "history", "labels", label.image, value="in", why="I see <stripes>")
    page = client.get(answer.headers["location"]).text
    assert "The classifier of version 1 was built with the former label" in page
    assert "<stripes>" not in page
    given = [each for each in concept.load().labels if each.image == label.image]
    assert [(each.value, each.primed) for each in given] == [("out", False), ("in", True)]
    assert "It does not know of 1 label" in client.get(at(concept, "results")).text
    # Nobody else can have the page say something.
    there, _, sealed = answer.headers["location"].partition("notice=")
    words = base64.urlsafe_b64encode(zlib.compress(b'{"said": ["all is lost"]}')).decode()
    for forged in (words, f"{words}.", f"{words}.{sealed.partition('.')[2]}", "e.e"):
        assert "all is lost" not in client.get(f"{there}notice={forged}").text
    assert (
        "was built with"
        not in visitor(desk_for(concept.path.parents[2])).get(answer.headers["location"]).text
    )


def test_a_label_of_the_blind_test_stays_one(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    image = min(concept.load().blind)
    answer = say(client, concept, "history", "labels", image, value="out")
    assert "was made with the former label" in client.get(answer.headers["location"]).text
    label = latest_labels(concept.load().labels)[image]
    assert (label.split, label.value, label.primed) == ("blind", "out", False)
    # The figures in words are of the labels of that time.
    assert "it finds <strong>1 of 2</strong>" in client.get(at(concept, "results")).text


@pytest.mark.parametrize(
    "said", [{"value": "maybe"}, {"value": ""}, {}, {"value": "out"}, {"value": "in", "why": "x" * 5000}]
)
def test_what_is_no_other_label_changes_nothing(
    client: TestClient, concept: ConceptFolder, said: dict[str, str]
) -> None:
    before = concept.load()
    image = before.labels[0].image
    assert say(client, concept, "history", "labels", image, **said).status_code in (400, 409)
    assert say(client, concept, "history", "labels", "0" * 64, value="in").status_code == 404
    assert concept.load() == before


def test_an_answer_is_changed_and_taken_back(client: TestClient, concept: ConceptFolder) -> None:
    say(client, concept, "history", "answers", number=1, answer="yes, always")
    say(client, concept, "history", "answers", number=1, answer="")
    assert list(settled_answers(concept.load()).values()) == [""]
    kept = [each.answer for each in concept.load().decisions if each.kind in ("scope", "answer")]
    assert kept == ["no, never", "yes, always", ""]
    assert say(client, concept, "history", "answers", number=9, answer="x").status_code == 409


def test_an_earlier_version_is_put_in_force(client: TestClient, concept: ConceptFolder) -> None:
    page = client.get(at(concept, "history")).text
    assert "Go back to version 1" in page
    answer = say(client, concept, "history", "versions", number=1)
    assert "Version 1 is in force" in client.get(answer.headers["location"]).text
    after = concept.load()
    assert (after.current, len(after.versions)) == (1, 2)
    assert say(client, concept, "history", "versions", number=7).status_code == 409


def test_another_process_at_work_is_said(client: TestClient, concept: ConceptFolder) -> None:
    with concept.writing():
        answer = say(client, concept, "history", "versions", number=1)
    assert answer.status_code == 409
    assert "Another process is working on the concept" in answer.text
    assert concept.load().current == 2


def send(client: TestClient, concept: ConceptFolder, *files: tuple[str, bytes]):
    page = client.get(at(concept, "trial")).text
    return client.post(
        at(concept, "trial", "uploads"),
        data={"form_token": form_token(page)},
        files=[("photographs", file) for file in files],
        headers=FORM,
        follow_redirects=False,
    )


def test_photographs_are_taken_in_under_names_of_ours(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    (concept.path / "script.txt").write_text("plain")
    names = [
        "../../../etc/evil.jpg",
        "..\\..\\evil.png",
        "a" * 300 + ".jpg",
        "<b>x</b>.jpeg",
        "evil.jpg\x00.png",
    ]
    answer = send(client, concept, *[(name, jpeg(at)) for at, name in enumerate(names)], ("run.sh", b"rm"))
    assert answer.status_code == 303
    tried = TriedPhotographs(concept)
    kept = sorted(path.name for path in (tried.path / "uploads").iterdir())
    assert len(kept) == 5
    assert all(re.fullmatch(r"000\d\.(jpg|png|jpeg)", name) for name in kept)
    everything = {path.name for path in concept.path.rglob("*")} | {
        p.name for p in concept.path.parent.iterdir()
    }
    assert not any("evil" in name or "run.sh" in name for name in everything)
    task = tried.job.status
    assert task is not None
    assert task.task.paths == tuple(str(tried.path / "uploads" / name) for name in kept)  # type: ignore[union-attr]


def test_photographs_are_shown_with_label_and_clause(
    client: TestClient, concept: ConceptFolder, tmp_path: Path
) -> None:
    made_build(concept)
    (concept.path / "script.txt").write_text("plain")
    send(client, concept, ("<b>mine.jpg", jpeg()), ("broken.jpg", b"no picture"))
    tried = TriedPhotographs(concept)
    until_over(tried.job)
    (image,) = find_images([tried.path / "uploads" / "0001.jpg"]).images
    clause = ClauseScore(clause="c1", role="necessary", text="It has <b>stripes</b>.", probability=0.25)
    found = ConceptPredictions(
        concept="x",
        version=1,
        threshold=0.5,
        encoder="aviary",
        predictions=(
            ConceptPrediction(
                image=str(image.path),
                image_hash=image.content_hash,
                label="out",
                probability=0.2,
                clauses=(clause,),
            ),
        ),
        skipped=(SkippedInput(path=str(tried.path / "uploads" / "0002.jpg"), reason="no picture"),),
    )
    concept.write(f"trial/{FOUND}", found)
    page = client.get(at(concept, "trial")).text
    assert "1 photograph: 0 in, 1 out" in page
    assert "must hold" in page
    assert "broken.jpg" in page
    assert "<b>mine" not in page
    assert str(tmp_path) not in page
    table = client.get(at(concept, "trial", "predictions.csv")).text
    assert "<b>mine.jpg,out,0.2" in table
    assert "broken.jpg" in table
    picture = at(concept, "trial", "pictures")
    assert client.get(f"{picture}/{image.content_hash}").headers["content-type"] == "image/webp"
    for other in ("0" * 64, "0001.jpg", "..%2f..%2fnames.json", concept.load_pool()[0].content_hash):
        assert client.get(f"{picture}/{other}").status_code == 404
    say(client, concept, "trial", "forget")
    assert not tried.path.exists()


@pytest.mark.parametrize(
    "files", [[], [("a.txt", b"x")], [("a", b"x")], [("", jpeg())], [("a.jpg/", jpeg())]], ids=str
)
def test_what_is_no_photograph_is_refused(
    client: TestClient, concept: ConceptFolder, files: list[tuple[str, bytes]]
) -> None:
    made_build(concept)
    assert send(client, concept, *files).status_code in (400, 409)
    assert not TriedPhotographs(concept).path.exists()
    assert not [path for path in concept.path.iterdir() if path.name.startswith(".trial")]


def test_uploads_are_bounded(
    client: TestClient, concept: ConceptFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fieldmark.app.jobs import photographs
    from fieldmark.studio import guard

    made_build(concept)
    monkeypatch.setattr(photographs, "MOST_BYTES", 1000)
    assert send(client, concept, ("a.jpg", b"x" * 600), ("b.jpg", b"x" * 600)).status_code == 409
    monkeypatch.setattr(photographs, "MOST_FILES", 2)
    assert send(client, concept, *[("a.jpg", b"x")] * 3).status_code == 409
    monkeypatch.setattr(guard, "MOST_UPLOAD_BYTES", 2000)
    assert send(client, concept, ("a.jpg", b"x" * 3000)).status_code == 413

    def without_length():
        yield b'--b\r\ncontent-disposition: form-data; name="photographs"; filename="a.jpg"\r\n\r\n'
        for _ in range(10):
            yield b"x" * 1000

    chunked = {"content-type": "multipart/form-data; boundary=b", **FORM}
    assert client.post(
        at(concept, "trial", "uploads"), content=without_length(), headers=chunked
    ).status_code in (400, 413)
    # Elsewhere a form is as small as before.
    big = {"form_token": "x" * 70_000}
    assert client.post(at(concept, "trial", "folder"), data=big, headers=FORM).status_code == 413
    assert not TriedPhotographs(concept).path.exists()


def test_photographs_need_a_form_of_ours(client: TestClient, concept: ConceptFolder) -> None:
    made_build(concept)
    client.get("/")
    files = [("photographs", ("a.jpg", jpeg()))]
    path = at(concept, "trial", "uploads")
    assert client.post(path, files=files, headers=FORM).status_code == 403
    token = form_token(client.get(at(concept, "trial")).text)
    foreign = {"origin": "http://evil.example"}
    assert client.post(path, files=files, data={"form_token": token}, headers=foreign).status_code == 403
    assert not TriedPhotographs(concept).path.exists()


@pytest.mark.parametrize("path", ["photos", "", "~nobody/x", "/no/such/folder", "\x00", "../..", "//"])
def test_a_folder_must_be_there(client: TestClient, concept: ConceptFolder, path: str) -> None:
    made_build(concept)
    (concept.path / "script.txt").write_text("plain")
    if path == "//":
        pytest.skip("the root is a folder")
    assert say(client, concept, "trial", "folder", path=path).status_code in (400, 409)
    assert TriedPhotographs(concept).job.status is None


def test_an_export_is_refused_where_files_are_missing(
    client: TestClient, concept: ConceptFolder, tmp_path: Path
) -> None:
    made_build(concept)
    for to in ("", str(tmp_path / "out"), "relative/out"):
        answer = say(client, concept, "results", "export", version=1, to=to)
        assert answer.status_code == 409
    assert not (tmp_path / "out").exists()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(answer.content))


@pytest.mark.parametrize(("to", "told"), [("~nosuchuser/x", "home folder"), ("/a\x00b", "is no path")])
def test_what_is_no_path_is_told_wherever_one_is_typed(
    client: TestClient, concept: ConceptFolder, to: str, told: str
) -> None:
    made_build(concept)
    for answer in (
        say(client, concept, "results", "export", version=1, to=to),
        say(client, concept, "trial", "folder", path=to),
    ):
        assert answer.status_code == 409
        assert told in answer.text


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("definition/answers", "definition"),
        ("manage/rename", "manage"),
        ("results/export", "results"),
        ("history/answers", "history"),
    ],
)
def test_the_address_of_a_form_leads_to_its_page(
    client: TestClient, concept: ConceptFolder, form: str, page: str
) -> None:
    answer = client.get(at(concept, form), follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, at(concept, page))
    assert client.get(at(concept, form)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "nosuch/build",
        "..%2f..%2fetc/history",
        "%2e%2e/results",
        "a%00b/trial",
        "{id}/history/labels/..%2f..%2fkey",
        "{id}/history/labels/zz",
        "{id}/pictures/small/..%2f..%2fconcept.json",
        "{id}/pictures/huge/{image}",
        "{id}/pictures/small/" + "0" * 64,
        "{id}/trial/pictures/%2e%2e",
        "{id}/concept.json",
        "{id}/models/v1/build.json",
        "{id}/results?version=0",
        "{id}/results?version=x",
        "{id}/results?version=99",
        "{id}/history?page=0",
        "{id}/history?of=evil",
        "{id}/trial?label=evil",
    ],
)
def test_what_is_not_there_is_not_given(client: TestClient, concept: ConceptFolder, path: str) -> None:
    image = concept.load_pool()[0].content_hash
    asked = path.replace("{id}", concept.run_id).replace("{image}", image)
    assert client.get(f"/concepts/{asked}").status_code in (400, 404, 409)
