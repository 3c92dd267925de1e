"""Searches and tables: the reports' own pages in the studio's frame, in any order, and their files."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fieldmark.agents.optimize.folds import FOLDS, FoldCurve, HeldOutPoint
from fieldmark.tools.runs.folder import RunFolder
from tests.unit.studio.results_to_show import made_search, made_table
from tests.unit.studio.studio_runs import desk_for, visitor
from tests.unit.studio.test_screens import Read


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def client(place: Path) -> TestClient:
    return visitor(desk_for(place))


def test_home_lists_searches_and_tables(client: TestClient, place: Path) -> None:
    search, table = made_search(place), made_table(place)
    page = client.get("/").text
    assert f'href="/searches/{search.run_id}"' in page
    assert f'href="/tables/{table.run_id}"' in page


def test_a_search_shows_its_report_without_style_or_script_of_its_own(
    client: TestClient, place: Path
) -> None:
    run = made_search(place)
    text = client.get(f"/searches/{run.run_id}").text
    page = Read(text)
    assert "Generation by generation" in text
    assert "new wren" in text
    assert "a script answers" not in text
    assert not page.all("style")
    assert not [tag for tag, attributes in page.found if "style" in attributes]
    book = client.get(f"/searches/{run.run_id}/files/book.json")
    assert book.content == (run.path / "book.json").read_bytes()
    assert "attachment" in book.headers["content-disposition"]
    for name in ("config.json", "..%2Fconfig.json", "no.json"):
        assert client.get(f"/searches/{run.run_id}/files/{name}").status_code == 404


def test_a_search_that_goes_on_shows_how_far_it_is(client: TestClient, place: Path) -> None:
    run = RunFolder.create(place / "runs", kind="optimize", options={})
    assert "It has no result" in client.get(f"/searches/{run.run_id}").text
    rows = [
        {"generation": n, "stage": "templates", "best": "0", "fitness": -5.0 + n, "scored": 10}
        for n in (1, 2)
    ]
    lines = [json.dumps(row) for row in rows]
    (run.path / "generations.jsonl").write_text("\n".join([*lines, lines[0][:9]]), encoding="utf-8")
    page = client.get(f"/searches/{run.run_id}").text
    assert "2 generations, 20 candidates scored; now templates" in page
    assert "Fitness of the fittest after each generation" in page


def test_held_out_curves_are_seen_while_folds_are_searched(client: TestClient, place: Path) -> None:
    run = RunFolder.create(place / "runs", kind="optimize", options={})
    page = client.get(f"/searches/{run.run_id}").text
    assert "held out" not in page
    run.write_text(FOLDS, json.dumps([curve.model_dump(mode="json") for curve in (fold(1), fold(2))]))
    page = client.get(f"/searches/{run.run_id}").text
    assert "mean over 2 folds so far" in page
    assert page.count('<figure class="curve">') == 1
    run.write_text(FOLDS, '[{"fold": 1')
    assert "held out" not in client.get(f"/searches/{run.run_id}").text


def fold(number: int) -> FoldCurve:
    points = tuple(
        HeldOutPoint(
            stage=stage,
            passes=0,
            units=3,
            train_fitness=-1.0,
            train_top1=0.5 + at / 10,
            held_out_fitness=-2.0,
            held_out_top1=0.4 + at / 10,
        )
        for at, stage in enumerate(("start", "sampled"))
    )
    return FoldCurve(fold=number, penalty=0.0, train_images=8, held_out_images=2, candidates=9, points=points)


def order_of(page: str) -> list[str]:
    table = page[page.index("every method with its figures") :]
    return re.findall(r"<code>(\w+)</code>", table[: table.index("</table>")])


def test_a_table_is_sorted_without_a_script(client: TestClient, place: Path) -> None:
    here = f"/tables/{made_table(place).run_id}"
    plain = client.get(here).text
    assert order_of(plain) == ["base", "words", "asks", "shots"]
    falling = client.get(here, params={"order": "Top-1"}).text
    assert order_of(falling) == ["asks", "shots", "words", "base"]
    rising = client.get(here, params={"order": "Top-1", "way": "rising"}).text
    assert order_of(rising) == ["base", "words", "shots", "asks"]
    assert order_of(client.get(here, params={"order": "no such column"}).text) == order_of(plain)
    assert client.get(here, params={"way": "sideways"}).status_code == 400
    assert [each.get("src") for each in Read(plain).all("script")] == ["/static/keys.js", "/static/sort.js"]


def test_a_table_is_taken_away(client: TestClient, place: Path) -> None:
    here = f"/tables/{made_table(place).run_id}"
    links = re.findall(rf'href="({here}/files/[^"]+)"', client.get(here).text)
    assert [each.rpartition("/")[2] for each in links] == [
        "table.csv",
        "table.tex",
        "1-top1.svg",
        "1-questions.svg",
        "1-texts.svg",
    ]
    csv, tex, *plots = (client.get(each) for each in links)
    assert csv.text.startswith("data,setting,method")
    assert r"\toprule" in tex.text
    assert all(each.text.startswith("<svg") for each in plots)
    for name in ("result.json", "config.json", "plots/..%2F..%2Fconfig.json"):
        assert client.get(f"{here}/files/{name}").status_code == 404


def test_a_run_of_another_kind_is_none(client: TestClient, place: Path) -> None:
    search, table = made_search(place), made_table(place)
    for path in (f"/tables/{search.run_id}", f"/searches/{table.run_id}", f"/runs/{search.run_id}"):
        assert client.get(path).status_code == 404
