"""A new concept: what is wished is checked and kept; pictures that are sent are taken in like any others."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fieldmark.app.concepts.making import WISH, WishedConcept, most_of_a_talk, read_wish
from fieldmark.settings import overridden
from fieldmark.studio import guard
from fieldmark.studio.talking import Going
from tests.unit.studio.studio_concepts import made_concept
from tests.unit.studio.studio_runs import FORM, HERE, desk_for, form_token, pictures_in, visitor


class Noted:
    """`Talks` that do nothing, and note what they were asked for."""

    def __init__(self) -> None:
        self.folders: list[str] = []

    def go_on(self, folder: Path, *, more: bool = False) -> None:
        self.folders.append(folder.name)

    def going(self, folder: Path) -> Going:
        return Going(on=True, doing="Looking at the images: 3 of 8")


def opened(place: Path) -> tuple[TestClient, Noted]:
    talks = Noted()
    return visitor(replace(desk_for(place), talking=talks)), talks


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


def send(client: TestClient, said: dict[str, str], files: list[tuple[str, bytes]] = []) -> str:  # noqa: B006
    data = {"form_token": form_token(client.get("/new-concept").text), **said}
    sent = [("pictures", file) for file in files]
    headers = {**FORM, "referer": f"{HERE}/new-concept"}
    return client.post("/new-concept/uploads", data=data, files=sent or None, headers=headers).text


def test_a_folder_of_pictures_is_enough(tmp_path: Path) -> None:
    pictures_in(tmp_path / "pool", 3)
    client, talks = opened(tmp_path)
    page = send(client, {"called": "<b>Red</b>", "folder": str(tmp_path / "pool"), "balance": "2"})
    assert "Looking at the images: 3 of 8" in page
    assert "&lt;b&gt;Red&lt;/b&gt;" in page
    (folder,) = talks.folders
    wished = read_wish(tmp_path / "home" / "concepts" / folder)
    assert wished is not None
    assert (wished.costs.false_positive, wished.costs.false_negative) == (1.0, 4.0)
    assert "not yet made" in client.get("/").text


def test_what_is_wrong_is_said_and_what_was_typed_stays(tmp_path: Path) -> None:
    client, talks = opened(tmp_path)
    page = send(client, {"called": "Red", "about": "my <words>", "folder": "/no/such/folder"})
    assert "do" in page
    assert "my &lt;words&gt;" in page
    assert "No pictures were given" in send(client, {"called": "Red"})
    assert not talks.folders


def test_pictures_that_are_sent_are_kept_by_their_content(tmp_path: Path) -> None:
    client, talks = opened(tmp_path)
    files = [
        ("../../../evil.png", picture()),
        ("again.png", picture()),
        ("page.html", b"<script>alert(1)</script>"),
        ("broken.png", b"no picture"),
    ]
    page = send(client, {"called": "Red"}, files)
    assert "2 files could not be used" in page
    assert "<bdi>broken.png</bdi>" in page
    assert talks.folders == ["red"]
    kept = [path.name for path in (tmp_path / "home" / "concepts" / "red" / "pictures").iterdir()]
    assert len(kept) == 1
    assert len(kept[0]) == 64 + len(".png")
    assert not list(tmp_path.rglob("evil*"))
    wished = read_wish(tmp_path / "home" / "concepts" / "red")
    assert wished is not None
    assert [name for name, _ in wished.skipped] == ["page.html", "broken.png"]


def test_what_could_not_be_used_is_told_before_the_conversation_begins(tmp_path: Path) -> None:
    folder = made_concept(tmp_path)
    reason = "it has <b>no</b> pixels"
    wished = WishedConcept(name="Red", pool=("/x",), skipped=(("/x/<i>old</i>.png", reason),))
    folder.write(WISH, wished)
    page = visitor(desk_for(tmp_path)).get(f"/concepts/{folder.run_id}").text
    assert "1 file could not be used" in page
    assert "&lt;b&gt;no&lt;/b&gt; pixels" in page
    assert "<i>old" not in page


def test_a_zip_of_pictures_is_as_good_as_the_pictures(tmp_path: Path) -> None:
    client, talks = opened(tmp_path)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("birds/a.png", picture())
        archive.writestr("birds/notes.txt", "none")
    send(client, {"called": "Red"}, [("birds.zip", made.getvalue())])
    assert talks.folders == ["red"]
    kept = [path.name for path in (tmp_path / "home" / "concepts" / "red" / "pictures").iterdir()]
    assert [name[64:] for name in kept] == [".png"]
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("../../evil.png", picture())
    page = send(client, {"called": "Blue"}, [("birds.zip", made.getvalue())])
    assert "holds a path that leads out of it" in page
    assert 'value="Blue"' in page
    assert not list(tmp_path.rglob("evil*"))


def test_pictures_that_are_too_large_together_are_told_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_UPLOAD_BYTES", 10_000)
    client, talks = opened(tmp_path)
    page = send(client, {"called": "Red"}, [("a.png", bytes(20_000))])
    assert "The files are larger than 256 MiB together. Send fewer" in page
    assert "<h1>New concept</h1>" in page
    assert not talks.folders


def test_a_concept_without_any_usable_picture_is_not_begun(tmp_path: Path) -> None:
    client, talks = opened(tmp_path)
    assert "No picture that was sent can be used" in send(client, {"called": "Red"}, [("a.png", b"x")])
    assert not talks.folders


def test_a_name_that_is_taken_leads_to_its_concept(tmp_path: Path) -> None:
    folder = made_concept(tmp_path, name="Red")
    client, talks = opened(tmp_path)
    page = send(client, {"called": " red ", "about": "my <words>", "folder": str(tmp_path / "pool")})
    assert f'<a href="/concepts/{folder.path.name}">go on with the one that there is</a>' in page
    assert "ConceptConversation" not in page
    assert "my &lt;words&gt;" in page
    assert not talks.folders


def test_what_is_no_path_is_told_and_what_was_typed_stays(tmp_path: Path) -> None:
    client, talks = opened(tmp_path)
    page = send(client, {"called": "Red", "about": "mine", "folder": "~nosuchuser/x"})
    assert "Nobody on this machine has the home folder" in page
    assert 'value="mine"' in page
    assert "is no path" in send(client, {"called": "Red", "folder": "/a\x00b"})
    assert not talks.folders


def test_the_address_that_takes_a_new_concept_leads_to_its_page(tmp_path: Path) -> None:
    client, _ = opened(tmp_path)
    assert client.get("/new-concept/uploads").url.path == "/new-concept"


def test_the_costs_of_mistakes_are_a_slider_that_says_its_place(tmp_path: Path) -> None:
    client, _ = opened(tmp_path)
    page = client.get("/new-concept").text
    assert '<input type="range" id="balance" name="balance" min="-2" max="2"' in page
    assert 'aria-valuetext="Both are alike."' in page
    again = send(client, {"called": "Red", "balance": "-1"})
    assert 'aria-valuetext="A wrong “in” is twice as bad as a wrong “out”."' in again


def test_the_estimate_says_money_where_a_price_is_set(tmp_path: Path) -> None:
    client, _ = opened(tmp_path)
    assert "No language model is set" in client.get("/new-concept").text
    with overridden(llm="some-model"):
        assert "what that costs is unknown" in client.get("/new-concept").text
    with overridden(llm="some-model", price_prompt=1.0, price_completion=2.0):
        cost = most_of_a_talk().cost
        assert cost is not None
        assert f"about <strong>{cost:.2f}</strong> in money" in client.get("/new-concept").text
