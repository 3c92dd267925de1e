"""`fieldmark concept` as a script would run it: answers in a file, CLIP as annotator, a scripted analyst."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldmark.aviary.world.dataset import render_dataset
from fieldmark.aviary.world.species import species_book
from tests.command_line import CommandLine
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion
from tests.graph.world import data_of

HAWKS = "hawk"
MODELS = ("--llm", "analyst", "--vlm", "none")


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "birds"
    render_dataset(folder, species_book(7, new=12, known=0), images_per_species=8, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def answers(birds: Path) -> Path:
    """Every bird is labelled by its kind; a question is answered, edits are accepted."""
    path = birds.parent / "answers.jsonl"
    pictures = sorted(birds.rglob("*.jpg"))
    rows: list[dict[str, str]] = [
        {
            "image": "/".join(picture.parts[-2:]),
            "label": "in" if HAWKS in picture.parts[-2] else "out",
            "reason": "it is no hawk",
        }
        for picture in pictures
    ]
    rows += [{"question": "perched", "answer": "it does not matter"}, {"offers": "accept"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def analyst(request: Received) -> Reply:
    """Drafts one clause and one question; proposes one edit."""
    if request.body is None:
        return Reply(hang_up=True)
    data = data_of(request.text)
    if "asked" in data:
        question = {"question": "Must it be perched?", "about": "a perched bird", "options": ["never"]}
        said = {
            "clauses": [{"role": "necessary", "text": "The bird has a hooked bill."}],
            "questions": [] if data["asked"] else [question],
        }
    elif "examples" in data:
        edit = {"kind": "add", "clause": "", "role": "negative", "text": "A tiny bird.", "why": "size"}
        said = {"edits": [edit]}
    else:
        said = {"positive": ["a photo of a hawk"], "near_miss": ["a photo of a hummingbird"]}
    return completion(json.dumps(said))


@pytest.fixture
def line(command_line: CommandLine) -> Iterator[CommandLine]:
    with FaultyEndpoint([analyst]) as endpoint:
        more = {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": "none"}
        yield CommandLine(command_line.folder, command_line.home, more)


def new(line: CommandLine, birds: Path, *more: object) -> dict[str, object]:
    made = line.invoke(
        "concept", "new", "Hawks", "--pool", birds, "--about", "hawks of all kinds", "--clip", "aviary",
        "--blind", 12, *MODELS, "--json", *more,
    )  # fmt: skip
    assert made.code == 0, made.err
    return made.json


def test_from_a_name_to_a_definition(line: CommandLine, birds: Path, answers: Path) -> None:
    made = new(line, birds)
    assert made["schema"] == "fieldmark.concept-new/1"
    assert (made["images"], made["blind"]) == (96, 12)

    talked = line.invoke("concept", "chat", "hawks", "--answers", answers, "--boards", 3, "--json")
    assert talked.code == 0, talked.err
    assert talked.json["over"] is True
    assert talked.json["stop_reason"] == "boards"
    assert talked.json["labels"] >= 15
    assert talked.json["blind_missing"] == 0

    shown = line.invoke("concept", "show", "Hawks", "--json").json
    concept = shown["concept"]
    assert concept["decisions"][0]["answer"] == "it does not matter"
    assert {label["split"] for label in concept["labels"]} == {"dev", "blind"}
    assert shown["progress"]["boards"] == 3
    words = line.invoke("concept", "show", "Hawks")
    assert "All of these must hold:" in words.out
    assert "c1  The bird has a hooked bill." in words.out
    assert "Over: all boards are done." in words.out

    over = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--json")
    assert over.json["labels"] == talked.json["labels"], "what is over is not begun again unasked"
    one = line.invoke("concept", "board", "Hawks", "--answers", answers, "--json")
    assert one.code == 0, one.err
    assert one.json["labels"] == talked.json["labels"] + 5
    assert one.json["over"] is False


def test_versions_are_compared_and_gone_back_to(line: CommandLine, birds: Path, answers: Path) -> None:
    new(line, birds)
    line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 0)
    folder = Path(line.invoke("concept", "show", "Hawks", "--json").json["folder"])
    record = json.loads((folder / "concept.json").read_text())
    second = json.loads(json.dumps(record["versions"][0])) | {"number": 2, "why": "by hand"}
    second["definition"]["clauses"].append({"id": "c2", "role": "negative", "text": "A tiny bird."})
    record["versions"].append(second)
    record["current"] = 2
    (folder / "concept.json").write_text(json.dumps(record))
    diff = line.invoke("concept", "diff", "Hawks", 1, 2)
    assert diff.out == "+ negative: A tiny bird.\n"
    back = line.invoke("concept", "rollback", "Hawks", 1)
    assert back.code == 0, back.err
    assert "Version 1 is in force." in back.out
    shown = line.invoke("concept", "show", "Hawks", "--json").json["concept"]
    assert (shown["current"], len(shown["versions"])) == (1, 2)
    assert shown["decisions"][-1]["kind"] == "rollback"
    assert line.invoke("concept", "rollback", "Hawks", 7).code == 2


def test_clauses_and_answers_are_edited_by_hand(line: CommandLine, birds: Path, answers: Path) -> None:
    new(line, birds)
    line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 0)
    shown = line.invoke("concept", "edit", "Hawks")
    assert "c1  The bird has a hooked bill." in shown.out
    assert "1  Must it be perched? it does not matter" in shown.out
    done = line.invoke(
        "concept", "edit", "Hawks", "--reword", "c1: The bird has a hooked, dark bill.", "--add",
        "negative: The bird is tiny.", "--answer", "1: never", "--why", "after a walk", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["version"], done.json["answers"][0]["answer"]) == (2, "never")
    assert [clause["id"] for clause in done.json["definition"]["clauses"]] == ["c1", "c2", "c3"]
    history = line.invoke("concept", "show", "Hawks", "--json").json["concept"]
    assert [version["why"] for version in history["versions"]][-1] == "by hand: after a walk"
    assert line.invoke("concept", "diff", "Hawks", 1, 2).out.startswith("- necessary")
    wrong = line.invoke("concept", "edit", "Hawks", "--drop", "c9")
    assert (wrong.code, "no clause 'c9'" in wrong.err) == (2, True)
    assert line.invoke("concept", "edit", "Hawks", "--answer", "never").code == 2
    talked = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 1, "--more", "--json")
    assert talked.json["version"] == 2, talked.err


def test_concepts_are_listed_renamed_and_deleted(line: CommandLine, birds: Path) -> None:
    assert "no concept yet" in line.invoke("concept", "list").out
    new(line, birds)
    listed = line.invoke("concept", "list")
    assert "Hawks" in listed.out
    assert "0 of 12" in listed.out
    renamed = line.invoke("concept", "rename", "hawks", "birds of prey", "--json").json
    assert renamed["concept"] == "birds of prey"
    assert "drawn by the old name" in renamed["stale"][0]
    (only,) = line.invoke("concept", "list", "--json").json["concepts"]
    assert (only["name"], only["images"]) == ("birds of prey", 96)
    unasked = line.invoke("concept", "delete", "birds of prey")
    assert (unasked.code, "Give --yes" in unasked.err) == (2, True)
    assert "Lost for good with 'birds of prey': 1 decision." in unasked.err
    gone = line.invoke("concept", "delete", "birds of prey", "--yes", "--json")
    assert (gone.code, gone.json["lost"]) == (0, ["1 decision"]), gone.err
    assert line.invoke("concept", "list", "--json").json["concepts"] == []
    assert len(list(birds.rglob("*.jpg"))) == 96


def test_labels_outside_of_the_conversation(line: CommandLine, birds: Path, answers: Path) -> None:
    made = new(line, birds)
    done = line.invoke("concept", "label", "Hawks", "--blind", "--answers", answers, "--json")
    assert done.json == {
        "schema": "fieldmark.concept-label/1",
        "concept": "Hawks",
        "labelled": 12,
        "blind_missing": 0,
    }
    record = json.loads((Path(str(made["folder"])) / "concept.json").read_text())
    blind = set(record["blind"])
    pool = json.loads((Path(str(made["folder"])) / "pool.json").read_text())
    inside = next(row["path"] for row in pool if row["hash"] in blind)
    outside = [row["path"] for row in pool if row["hash"] not in blind][:3]
    assert "blind test" in line.invoke("concept", "label", "Hawks", inside, "--answers", answers).err
    assert (
        line.invoke("concept", "label", "Hawks", *outside, "--answers", answers, "--json").json["labelled"]
        == 3
    )
    stranger = line.folder / "stranger.jpg"
    stranger.write_bytes(Path(outside[0]).read_bytes() + b"\0")
    refused = line.invoke("concept", "label", "Hawks", stranger, "--answers", answers)
    assert refused.code == 2
    assert "is not in the pool" in refused.err


def test_a_file_without_answers_changes_nothing_and_says_what_it_skipped(
    line: CommandLine, birds: Path, answers: Path
) -> None:
    new(line, birds)
    labels = line.folder / "labels.jsonl"
    rows = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    labels.write_text("".join(row for row in rows if '"label"' in row), encoding="utf-8")
    done = line.invoke("concept", "chat", "Hawks", "--answers", labels, "--boards", 0, *MODELS)
    assert done.code == 0, done.err
    assert "Must it be perched?" in done.err.split("without a line in the file")[1]
    shown = line.invoke("concept", "show", "Hawks", "--json").json
    (version,) = shown["concept"]["versions"]
    assert [clause["text"] for clause in version["definition"]["clauses"]] == ["The bird has a hooked bill."]


def test_what_the_scripted_guide_said_is_said_to_be_a_scripts(
    line: CommandLine, birds: Path, answers: Path
) -> None:
    new(line, birds)
    guide = ("--llm", "aviary-guide (scripted)", "--vlm", "none")
    done = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 0, *guide)
    assert (done.code, "It is not a language model" in done.out) == (0, True), done.err
    told = line.invoke("concept", "chat", "Hawks", "--answers", answers, *guide, "--json").json
    assert "It is not a language model" in told["notes"][0]
    other = line.invoke("concept", "chat", "Hawks", "--answers", answers, *MODELS, "--json").json
    assert other["notes"] == []


def test_what_a_pool_lacks_is_said(line: CommandLine, birds: Path, answers: Path) -> None:
    pool = line.folder / "pool"
    shutil.copytree(birds, pool)
    (pool / "broken\n.jpg").write_bytes(b"no picture")
    made = line.invoke("concept", "new", "Hawks", "--pool", pool, "--clip", "aviary", "--blind", 5000)
    assert made.code == 0
    assert "The blind test was to have 5,000 images: at most half of the pool goes there." in made.out
    assert "broken\\n.jpg" in made.out
    before = line.invoke("concept", "show", "Hawks", "--json").json
    pool.rename(line.folder / "elsewhere")
    gone = line.invoke("concept", "chat", "Hawks", "--answers", answers, *MODELS)
    assert (gone.code, "images is there any more" in gone.err) == (2, True), gone.err
    assert line.invoke("concept", "show", "Hawks", "--json").json == before
    (line.folder / "elsewhere").rename(pool)
    some = sorted(pool.rglob("*.jpg"))[-3:]
    for path in some:
        path.unlink()
    done = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 1, *MODELS)
    assert done.code == 0, done.err
    assert "images are not there any more" in done.err


def test_wrong_input_is_said_in_a_sentence(line: CommandLine, birds: Path, answers: Path) -> None:
    assert "There is no concept 'nothing'" in line.invoke("concept", "show", "nothing").err
    new(line, birds)
    again = line.invoke("concept", "new", "hawks", "--pool", birds, "--clip", "aviary")
    assert (again.code, "concept 'Hawks' already" in again.err) == (2, True)
    both = line.invoke("concept", "label", "Hawks", birds, "--blind")
    assert (both.code, "do not go together" in both.err) == (2, True)
    nobody = line.invoke("concept", "chat", "Hawks")
    assert (nobody.code, "no terminal" in nobody.err) == (2, True)
    blank = line.invoke("concept", "new", " ", "--pool", birds, "--clip", "aviary")
    assert (blank.code, "needs a name" in blank.err) == (2, True)
    assert line.invoke("concept", "label", "Hawks").code == 2
    assert line.invoke("concept", "diff", "Hawks", 1, 2).code == 2


def test_a_dead_endpoint_loses_nothing(line: CommandLine, birds: Path, answers: Path) -> None:
    new(line, birds)
    dead = line.invoke(
        "concept", "chat", "Hawks", "--answers", answers, "--base-url", "http://127.0.0.1:9/v1"
    )
    assert dead.code == 2
    alive = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 1, "--json")
    assert alive.code == 0, alive.err
    assert alive.json["labels"] == 5


def test_a_limit_stops_it_and_the_next_sitting_goes_on(line: CommandLine, birds: Path, answers: Path) -> None:
    new(line, birds)
    stopped = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--max-calls", 1, "--json")
    assert stopped.code == 3
    assert stopped.json["stop_reason"] == "calls"
    further = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 2, "--json")
    assert further.code == 0, further.err
    assert further.json["stop_reason"] == "boards"


def test_two_at_once_and_a_kill(line: CommandLine, birds: Path, answers: Path) -> None:
    folder = Path(str(new(line, birds)["folder"]))
    process = line.start("concept", "chat", "Hawks", "--answers", answers, "--boards", 8)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "progress.json").exists():
            break
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    other = line.invoke("concept", "rollback", "Hawks", 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (other.code, "Another process" in other.err) == (2, True)
    before = json.loads((folder / "concept.json").read_text())
    done = line.invoke("concept", "chat", "Hawks", "--answers", answers, "--boards", 8, "--json")
    assert done.code == 0, done.err
    after = json.loads((folder / "concept.json").read_text())
    assert after["labels"][: len(before["labels"])] == before["labels"]
    assert after["decisions"][: len(before["decisions"])] == before["decisions"]
    first = [(x["image"], x["split"]) for x in after["labels"] if not x["repeat"] and not x["reason"]]
    assert len(set(first)) == len(first), "a label was doubled"
