"""What the screens show, and that every value on them is text."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fieldmark.records import Concept
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.studio_runs import CLASSES, HERE, desk_for, made_run, visitor


class Read(HTMLParser):
    """The elements of a page, and whether they are closed as they were opened."""

    VOID = ("meta", "link", "input", "img", "col", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def first_hash(run: RunFolder) -> str:
    return next(run.read_predictions()).image_hash


def screens(run: RunFolder) -> list[str]:
    here = f"/runs/{run.run_id}"
    image = first_hash(run)
    return [
        "/",
        here,
        f"{here}?status=open&order=name",
        f"{here}/asked",
        f"{here}/confused",
        f"{here}/images/{image}",
        f"{here}/images/{image}?within=asked",
        "/no/such/page",
    ]


def test_home_says_what_to_do_next(client: TestClient, run: RunFolder, tmp_path: Path) -> None:
    page = client.get("/").text
    assert "8 images, 3 classes: 4 resolved, 3 open, 1 of no class." in page
    assert f'3 labels would help most. <a href="/runs/{run.run_id}/asked">' in page
    stopped = made_run(tmp_path / "runs", tmp_path / "more", stop_reason="budget")
    (cut := made_run(tmp_path / "runs", tmp_path / "more")).path.joinpath("manifest.json").unlink()
    (broken := made_run(tmp_path / "runs", tmp_path / "more")).path.joinpath("manifest.json").write_text("{")
    page = client.get("/").text
    assert f"fieldmark classify --resume {stopped.run_id} --out" in page
    assert f"It was cut short. Go on in a terminal: <code>fieldmark classify --resume {cut.run_id}" in page
    assert str(broken.path / "manifest.json") in page
    assert "has no result yet" in client.get(f"/runs/{cut.run_id}").text


def test_home_lists_concepts_with_the_next_step(client: TestClient, tmp_path: Path) -> None:
    folder = ConceptFolder(tmp_path / "home" / "concepts" / "striped-birds")
    folder.save(Concept(name="striped <b>birds</b>"))
    folder.save_pool([])
    page = client.get("/").text
    assert "striped &lt;b&gt;birds&lt;/b&gt;" in page
    assert '<a href="/concepts/striped-birds">Begin the conversation</a>' in page
    (folder.path / "concept.json").write_text("{}", encoding="utf-8")
    assert "is no concept" in client.get("/").text


def test_there_is_no_run_yet(tmp_path: Path) -> None:
    page = visitor(desk_for(tmp_path)).get("/").text
    assert "There is no run" in page
    assert "fieldmark classify" in page


def test_a_page_holds_no_script_style_or_address_from_elsewhere(client: TestClient, run: RunFolder) -> None:
    for screen in screens(run):
        answer = client.get(screen)
        page = Read(answer.text)
        assert [each.get("src") for each in page.all("script")] == ["/static/keys.js"], screen
        assert not page.all("style")
        for tag, attributes in page.found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (
                screen,
                tag,
            )
            for name in ("src", "href", "action"):
                value = attributes.get(name)
                assert value is None or re.match(r"/(?!/)|#|\?", value), (screen, tag, value)
        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")


def test_texts_from_outside_are_shown_as_they_are(client: TestClient, run: RunFolder) -> None:
    image = client.get(f"/runs/{run.run_id}/images/{first_hash(run)}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in image
    assert "bill &lt;img src=x onerror=alert(1)&gt;" in image
    assert "&lt;b&gt;000&lt;∕b&gt;" in image
    assert "<b>" not in image


def test_everything_has_a_name_and_a_size(client: TestClient, run: RunFolder) -> None:
    for screen in screens(run):
        text = client.get(screen).text
        page = Read(text)
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("h1")) >= 1
        for image in page.all("img"):
            assert image["alt"]
            assert {"width", "height"} <= set(image)
        labelled = len(re.findall(r"<label>[^<]+<(?:select|input)", text))
        assert labelled == len(page.all("select"))
        identities = [attributes["id"] for _, attributes in page.found if "id" in attributes]
        assert len(identities) == len(set(identities))


def test_the_gallery_chooses_by_label_status_and_doubt(tmp_path: Path) -> None:
    run = made_run(tmp_path / "runs", tmp_path / "pictures", count=130, asks=70)
    client = visitor(desk_for(tmp_path))

    def shown(query: str) -> list[str]:
        page = client.get(f"/runs/{run.run_id}{query}").text
        return re.findall(r"/images/([0-9a-f]{64})", page)

    predictions = list(run.read_predictions())
    by_doubt = [p.image_hash for p in sorted(predictions, key=lambda p: p.confidence)]
    assert shown("") == by_doubt[:60]
    assert shown("?page=3") == by_doubt[120:]
    assert shown("?page=999") == by_doubt[120:]
    assert shown("?order=sure")[0] == by_doubt[-1]
    assert shown("?status=rejected") == [predictions[-1].image_hash]
    assert shown("?within=asked&page=2") == [p.image_hash for p in predictions[60:70]]
    label = client.get(f"/runs/{run.run_id}", params={"label": CLASSES[1], "page": 1}).text
    assert "43 images." in label
    between = client.get(
        f"/runs/{run.run_id}", params={"label": CLASSES[0], "against": CLASSES[1], "status": "open"}
    )
    assert "24 images." in between.text
    for lazy in Read(client.get(f"/runs/{run.run_id}").text).all("img"):
        assert lazy["loading"] == "lazy"


def test_the_matrix_counts_pairs_and_opens_their_pictures(tmp_path: Path) -> None:
    run = made_run(tmp_path / "runs", tmp_path / "pictures", count=130, asks=70)
    client = visitor(desk_for(tmp_path))
    page = client.get(f"/runs/{run.run_id}/confused").text
    cells = [each["href"] or "" for each in Read(page).all("a") if "shade-" in (each.get("class") or "")]
    assert sorted(int(n) for n in re.findall(r'class="shade-\d"[^>]*>(\d+)<', page)) == [23, 23, 24]
    assert sorted(client.get(each).text.count('class="tile"') for each in cells) == [23, 23, 24]
    settled = made_run(tmp_path / "runs", tmp_path / "more", count=4, asks=0)
    assert "No open image lies between" in client.get(f"/runs/{settled.run_id}/confused").text


@pytest.mark.parametrize(
    "query", ["status=wrong", "page=0", "page=x", "order=1", "nothing=1", f"label={'a' * 3000}"]
)
def test_a_choice_that_is_none_is_refused_plainly(client: TestClient, run: RunFolder, query: str) -> None:
    answer = client.get(f"/runs/{run.run_id}?{query}")
    assert answer.status_code == 400
    assert "cannot take" in answer.text


def test_why_is_shown_as_signed_bars(client: TestClient, run: RunFolder) -> None:
    page = client.get(f"/runs/{run.run_id}/images/{first_hash(run)}").text
    assert page.count('class="figure signed"') == 2
    assert "+0.90" in page
    assert "−0.40" in page
    assert "2 candidates left" in page


def test_pictures_are_small_made_once_and_known_by_content(
    client: TestClient, run: RunFolder, tmp_path: Path
) -> None:
    image = next(run.read_predictions())
    here = f"/runs/{run.run_id}/pictures/small/{image.image_hash}"
    first = client.get(here)
    assert first.headers["content-type"] == "image/webp"
    assert "immutable" in first.headers["cache-control"]
    assert Image.open(io.BytesIO(first.content)).size == (64, 48)
    Path(image.image).unlink()  # what was made once is there without the file
    assert client.get(here).content == first.content
    assert client.get(here.replace("small", "large")).status_code == 404


def test_a_file_that_changed_is_not_shown(client: TestClient, run: RunFolder) -> None:
    image = next(run.read_predictions())
    Image.new("RGB", (10, 10)).save(image.image)
    answer = client.get(f"/runs/{run.run_id}/pictures/small/{image.image_hash}")
    assert answer.status_code == 404
    assert "changed since it was found" in answer.text


def test_the_tables_are_given_away(client: TestClient, run: RunFolder) -> None:
    predictions = client.get(f"/runs/{run.run_id}/predictions.csv")
    assert f'filename="{run.run_id}-predictions.csv"' in predictions.headers["content-disposition"]
    assert predictions.text == (run.path / "predictions.csv").read_bytes().decode()
    labels = list(csv.DictReader(io.StringIO(client.get(f"/runs/{run.run_id}/labels.csv").text)))
    assert len(labels) == 8
    assert {row["given_by"] for row in labels} == {"run"}
    assert (labels[-1]["label"], labels[-1]["answer"]) == ("", "none of these")


def test_nothing_of_the_server_is_told_in_a_fault(run: RunFolder, tmp_path: Path) -> None:
    client = TestClient(visitor(desk_for(tmp_path)).app, base_url=HERE, raise_server_exceptions=False)
    client.get("/")
    (run.path / "predictions.jsonl").write_text("secret path\n", encoding="utf-8")
    answer = client.get(f"/runs/{run.run_id}")
    assert answer.status_code == 409
    assert "Traceback" not in answer.text
    assert "is no prediction" in answer.text
