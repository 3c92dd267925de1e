"""A folder is chosen by looking through those below allowed roots, and no name leads out of them."""

import html
import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from fieldmark.tools.images.browse import look_into, usual_roots
from tests.unit.studio.studio_concepts import made_build, made_concept
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, pictures_in, visitor


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """A visitor who may look below `open`, which holds pictures, and links to inside and outside."""
    pictures_in(tmp_path / "open" / "birds & <b>more" / "red", 3)
    pictures_in(tmp_path / "closed" / "private", 2)
    (tmp_path / "open" / ".hidden").mkdir()
    (tmp_path / "open" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "open" / "out").symlink_to(tmp_path / "closed")
    (tmp_path / "open" / "in").symlink_to(tmp_path / "open" / "birds & <b>more")
    (tmp_path / "open" / "circle").symlink_to(tmp_path / "open" / "circle")
    (tmp_path / "open" / os.fsdecode(b"\xff")).mkdir()
    return visitor(replace(desk_for(tmp_path), folders=(tmp_path / "open",)))


def test_one_goes_down_and_takes_a_folder_with_what_was_typed(client: TestClient, tmp_path: Path) -> None:
    sent = {
        "form_token": form_token(client.get("/new-concept").text),
        "called": "Red", "about": "my <words>", "balance": "1", "vlm": "none",
    }  # fmt: skip
    page = client.post("/new-concept/folder", data=sent, headers=FORM)
    for words in (str(tmp_path / "open"), "birds & <b>more", "red"):
        page = client.get(link_of(page.text, words))
    assert "3 pictures here" in page.text
    form = client.get(link_of(page.text, "Take this folder"))
    assert form.url.path == "/new-concept"
    assert parse_qs(urlsplit(str(form.url)).query)["folder"] == [
        str(tmp_path / "open" / "birds & <b>more" / "red")
    ]
    for typed in (
        'value="Red"',
        "my &lt;words&gt;",
        'value="none"',
        'aria-valuetext="A wrong “out” is twice',
    ):
        assert typed in form.text
    assert "<b>more" not in form.text + page.text


def links(page: str) -> list[tuple[str, str]]:
    """Words and address of each link within the page's content."""
    found = re.findall(r'<a[^>]* href="([^"]*)"[^>]*>(.*?)</a>', page.partition("<main")[2])
    return [(html.unescape(re.sub("<.*?>", "", said)), html.unescape(there)) for there, said in found]


def link_of(page: str, words: str) -> str:
    """Where a link leads."""
    return dict(links(page))[words]


def test_only_folders_that_are_open_are_named(client: TestClient, tmp_path: Path) -> None:
    page = client.get("/folders", params={"root": "0"}).text
    assert [said for said, _ in links(page)][-2:] == ["birds & <b>more", "in"]
    assert ".hidden" not in page
    assert "private" not in client.get("/folders", params={"root": "0", "below": "in"}).text


@pytest.mark.parametrize(
    "below",
    [
        "..", "../closed", "birds & <b>more/../../closed", "/etc", "~", ".", "./red", "out", "out/private",
        ".hidden", "file", "circle", "no such", "\x00", "..%2f..", "..\\..", "a" * 300, "red", "\udcff",
        "x/" * 100,
    ],
)  # fmt: skip
def test_nothing_leads_out(client: TestClient, below: str) -> None:
    answer = client.get("/folders", params={"root": "0", "below": below.encode("utf-8", "replace")})
    assert answer.status_code == 404
    assert "private" not in answer.text


@pytest.mark.parametrize(
    "query",
    [{"root": "1"}, {"root": "-2"}, {"root": "x"}, {"to": "elsewhere"}, {"to": "trial", "concept": ".."}],
)
def test_what_is_no_place_to_begin(client: TestClient, query: dict[str, str]) -> None:
    assert client.get("/folders", params=query).status_code in (400, 404)


def test_a_folder_is_chosen_to_be_looked_through(client: TestClient, tmp_path: Path) -> None:
    folder = made_concept(tmp_path)
    made_build(folder)
    page = client.get(link_of(client.get(f"/concepts/{folder.run_id}/trial").text, "Choose one")).text
    page = client.get(link_of(page, str(tmp_path / "open"))).text
    assert f'action="/concepts/{folder.run_id}/trial/folder"' in page
    assert f'name="path" value="{tmp_path / "open"}"' in page


def test_one_begins_at_home_and_no_root_lies_within_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    assert usual_roots()[0] == tmp_path.resolve()
    assert (tmp_path / "inside").resolve() not in usual_roots()
    monkeypatch.chdir("/")
    assert Path("/") not in usual_roots(), "the whole disk"


def test_a_drive_that_is_gone_and_links_to_hidden_folders_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".hidden" / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / ".hidden" / "inside")
    assert look_into([tmp_path], 0, []).folders == ()

    def gone(self: Path) -> bool:
        raise OSError(107, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "is_dir", gone)
    assert usual_roots() == ()
