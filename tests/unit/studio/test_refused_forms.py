"""A refused form leads back to its page, which says why and keeps what was typed; a reload sends nothing."""

import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

import fieldmark.studio
from fieldmark.studio.notice import MOST_CHARACTERS, TOO_LONG, WORDS
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.studio_concepts import made_build, made_concept
from tests.unit.studio.studio_runs import FORM, HERE, desk_for, form_token, visitor

MINE = "my <own> words"


@pytest.fixture
def concept(tmp_path: Path) -> ConceptFolder:
    folder = made_concept(tmp_path)
    made_build(folder)
    return folder


@pytest.fixture
def client(concept: ConceptFolder, tmp_path: Path) -> TestClient:
    return visitor(desk_for(tmp_path))


def refused(client: TestClient, page: str, form: str, said: dict[str, str], referer: str | None = None):
    token = form_token(client.get(page).text) or form_token(client.get("/new-concept").text)
    sent = {"form_token": token, **said}
    headers = {**FORM, "referer": f"{HERE}{page}" if referer is None else referer}
    return client.post(form, data=sent, headers=headers, follow_redirects=False)


@pytest.mark.parametrize(
    ("page", "form", "said", "told"),
    [
        ("build", "build", {"annotate": "0"}, "cannot take: annotate"),
        ("results?threshold=0.3", "results/export", {"version": "1", "to": MINE}, "is no full path"),
        ("results", "results/measure", {"version": "9"}, "no version 9"),
        ("trial", "trial/folder", {"path": MINE}, "There is no folder"),
        ("trial", "trial/uploads", {}, "cannot take: photographs"),
        ("history", "history/answers", {"number": "9", "answer": MINE}, "question"),
        ("history/labels/{image}", "history/labels/{image}", {"value": "maybe", "why": MINE}, "maybe"),
        ("history", "history/versions", {"number": "9"}, "no version 9"),
        ("definition", "definition", {"version": "1", "new_text": MINE}, "this was written for"),
        ("definition", "definition", {"version": "2", "clause": "c1", "new_text": MINE}, "not whole"),
        ("definition", "definition/answers", {"number": "9", "answer": MINE}, "question"),
        ("manage", "manage/rename", {"to": " "}, "needs a name"),
        ("manage", "manage/delete", {}, "have read what is lost"),
        ("manage", "manage/rename", {"to": MINE, "form_token": "0"}, "no longer valid"),
        ("build", "jobs/build/again", {"back": "/x"}, "Nothing of that sort"),
        ("", "answer", {"turn": "t0", "answer": MINE}, "does not wait any more"),
        ("blind", "blind", {"image": "0", "value": "in"}, "not of the blind test"),
    ],
)
def test_a_refused_form_leads_back_to_its_page(
    client: TestClient, concept: ConceptFolder, page: str, form: str, said: dict[str, str], told: str
) -> None:
    before, image = concept.load(), concept.load().labels[0].image
    here = f"/concepts/{concept.run_id}/{page}".replace("{image}", image).rstrip("/")
    there = f"/concepts/{concept.run_id}/{form}".replace("{image}", image)
    answer = refused(client, here, there, said)
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert urlsplit(location).path == here.partition("?")[0]
    assert here.partition("?")[2] in location
    for _ in range(2):  # and it is loaded again
        shown = client.get(location)
        assert shown.status_code == 200
        assert told in shown.text
        assert 'role="alert"' in shown.text
        if MINE in said.values():
            assert "<li><q><bdi>my &lt;own&gt; words</bdi></q></li>" in shown.text
        assert "<own>" not in shown.text
    assert concept.load() == before


def test_a_label_of_a_run_that_is_refused_leads_back_to_its_image(client: TestClient, run: RunFolder) -> None:
    here = f"/runs/{run.run_id}/images/{next(run.read_predictions()).image_hash}?within=asked"
    location = refused(client, here, here, {"label": "no such bird"}).headers["location"]
    assert location.startswith(f"{here}&notice=")
    assert "no such bird" in client.get(location).text


@pytest.mark.parametrize(
    "referer", ["", "http://evil.example/", "http://[", f"{HERE}.evil.example/", "javascript:1", "/x"]
)
def test_a_form_of_no_page_of_ours_leads_nowhere(
    client: TestClient, concept: ConceptFolder, referer: str
) -> None:
    here = f"/concepts/{concept.run_id}/manage"
    answer = refused(client, here, f"{here}/rename", {"to": " "}, referer)
    assert answer.status_code == 409
    assert "needs a name" in answer.text


def test_a_page_of_ours_is_never_another_host(client: TestClient, concept: ConceptFolder) -> None:
    here = f"/concepts/{concept.run_id}/manage"
    for path in ("//evil.example/", "/\\evil.example/"):
        answer = refused(client, here, f"{here}/rename", {"to": " "}, HERE + path)
        assert answer.headers["location"].startswith("/evil.example/?notice=")


def test_what_an_address_cannot_hold_is_left_out_and_said(client: TestClient, concept: ConceptFolder) -> None:
    here = f"/concepts/{concept.run_id}/history"
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4000))
    location = refused(client, here, f"{here}/answers", {"number": "9", "answer": long}).headers["location"]
    assert len(location) < MOST_CHARACTERS + 200
    assert TOO_LONG.replace("'", "&#39;") in client.get(location).text
    other = {"number": "9", "answer": long, "why": "short enough"}
    location = refused(client, here, f"{here}/answers", other).headers["location"]
    assert "short enough" in client.get(location).text, "what fits is kept"
    plain = "The bird sits in a tree and sings. " * 100
    location = refused(client, here, f"{here}/answers", {"number": "9", "answer": plain}).headers["location"]
    assert plain.strip() in client.get(location).text


def test_a_wrong_token_is_asked_for_again(concept: ConceptFolder, tmp_path: Path) -> None:
    closed = visitor(desk_for(tmp_path, token="a-token-that-is-long-enough"))
    headers = {**FORM, "referer": f"{HERE}/enter"}
    answer = closed.post("/enter", data={"token": "wrong"}, headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter?wrong=yes")
    assert "not the token" in closed.get("/enter?wrong=yes").text


def test_every_field_in_which_a_person_writes_is_kept() -> None:
    found: set[str] = set()
    for path in (Path(fieldmark.studio.__file__).parent / "templates").rglob("*.html"):
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(encoding="utf-8"), re.S):
            for field in re.findall(r"<(?:input|textarea)\b[^>]*>", form):
                kind = re.search(r'type="(\w+)"', field)
                name = re.search(r'name="(\w+)"', field)
                if name and (kind is None or kind[1] == "text"):
                    found.add(name[1])
    assert found == WORDS
