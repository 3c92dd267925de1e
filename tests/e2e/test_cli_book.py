"""`fieldmark book`, and classifying with a book made of another project's file."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.records import PromptBook
from tests.command_line import CommandLine

DESCRIPTORS = {
    "zebra_finch": ["a red bill on a small head", "striped tail feathers"],
    "Alpine, swift": [],
    "crow": ["black all over", "a heavy bill"],
}
LOOK = ("--clip", "aviary", "--max-rounds", 0, "--no-report")


@pytest.fixture
def place(command_line: CommandLine) -> CommandLine:
    """A folder with a DCLIP file and two pictures."""
    (command_line.folder / "birds.json").write_text(json.dumps(DESCRIPTORS))
    pictures = command_line.folder / "pictures"
    pictures.mkdir()
    for name, colour in (("one.png", "red"), ("two.png", "blue")):
        Image.new("RGB", (40, 30), colour).save(pictures / name)
    return command_line


def test_import_show_export_and_diff(place: CommandLine) -> None:
    made = place.invoke("book", "import", "birds.json", "--noun", "bird")
    assert (made.code, made.err) == (0, "")
    assert made.out == "Read as dclip: 3 classes, 5 prompts; pooling: mean_cosine.\nBook: book.json\n"

    shown = place.invoke("book", "show", "book.json")
    assert shown.out.splitlines()[:3] == [
        "zebra_finch: 2 prompts",
        *(f"    {text}" for text in book_texts(place)["zebra_finch"]),
    ]
    assert "3 classes, 5 prompts; generic noun: bird." in shown.out
    assert "Origins: descriptor 4, name 1." in shown.out
    assert "A class is scored by the mean of the cosines with its prompts (mean_cosine)." in shown.out
    told = place.invoke("book", "show", "--json").json
    assert {
        each["class_name"]: [t["text"] for t in each.pop("texts")] for each in told["classes"]
    } == book_texts(place)
    assert told == {
        "schema": "fieldmark.book-show/1",
        "noun": "bird",
        "pooling": "mean_cosine",
        "prompts": 5,
        "weighted": 0,
        "attributes": 0,
        "origins": {"descriptor": 4, "name": 1},
        "models": {},
        "classes": [
            {"class_name": "zebra_finch", "prompts": 2, "origins": {"descriptor": 2}},
            {"class_name": "Alpine, swift", "prompts": 1, "origins": {"name": 1}},
            {"class_name": "crow", "prompts": 2, "origins": {"descriptor": 2}},
        ],
    }

    back = place.invoke("book", "export", "book.json", "--format", "dclip", "--out", "back.json")
    assert (back.code, back.out) == (0, "Written as dclip: back.json\n")
    assert back.lines == ["warning: noun, which the format has no place for: 1"]
    assert json.loads((place.folder / "back.json").read_text()) == DESCRIPTORS

    sentences = place.invoke(
        "book", "export", "book.json", "--format", "cupl", "--out", "sentences.json", "--json"
    )
    assert sentences.json == {
        "schema": "fieldmark.book-export/1",
        "format": "cupl",
        "files": ["sentences.json"],
        "lost": {"noun": 1, "pooling": 1, "origins": 1},
    }
    held = json.loads((place.folder / "sentences.json").read_text())
    held["crow"][0] = "crow, which has [bold]a grey neck[/bold]"
    (place.folder / "sentences.json").write_text(json.dumps(held))
    again = place.invoke(
        "book", "import", "sentences.json", "--format", "cupl", "--out", "other.json", "--json"
    )
    assert again.json == {
        "schema": "fieldmark.book-import/1",
        "book": "other.json",
        "format": "cupl",
        "noun": "object",
        "pooling": "prototype",
        "classes": 3,
        "prompts": 5,
        "lost": {},
    }

    changed = place.invoke("book", "diff", "book.json", "other.json")
    assert changed.out.splitlines() == [
        "noun: bird → object",
        "pooling: mean_cosine → prototype",
        "Alpine, swift: 1 with another origin",
        "  ~ Alpine, swift, which has ",
        "crow: 1 added, 1 removed",
        "  + crow, which has [bold]a grey neck[/bold]",
        "  - crow, which has black all over",
        "In all 1 prompt added, 1 removed, 2 classes changed.",
    ]
    value = place.invoke("book", "diff", "book.json", "other.json", "--json").json
    assert (value["schema"], value["same"]) == ("fieldmark.book-diff/1", False)
    assert value["classes"][1]["added"] == ["crow, which has [bold]a grey neck[/bold]"]
    same = place.invoke("book", "diff", "book.json", "book.json")
    assert (same.code, same.out) == (0, "The same classes, prompts, weights, origins and pooling.\n")


def book_texts(place: CommandLine) -> dict[str, list[str]]:
    book = PromptBook.load(place.folder / "book.json")
    return {name: book.texts(name) for name in book.classes}


def test_the_first_few_prompts_are_listed_or_all(place: CommandLine) -> None:
    def written(name: str, start: int) -> None:
        texts = [f"A crow is bird number {number} here." for number in range(start, start + 7)]
        (place.folder / f"{name}.json").write_text(json.dumps({"crow": texts}))
        assert place.invoke("book", "import", f"{name}.json", "--out", f"{name}.book.json").code == 0

    written("one", 0)
    written("two", 7)
    few = place.invoke("book", "show", "one.book.json").out
    assert "    A crow is bird number 4 here.\n    and 2 more (--all lists them)\n" in few
    assert "number 5" not in few
    every = place.invoke("book", "show", "one.book.json", "--all").out
    assert "    A crow is bird number 6 here.\n" in every
    assert "more" not in every
    differ = place.invoke("book", "diff", "one.book.json", "two.book.json").out
    assert "  + and 2 more (--all lists them)" in differ
    all_of_them = place.invoke("book", "diff", "one.book.json", "two.book.json", "--all").out
    assert "  - A crow is bird number 6 here.\n" in all_of_them
    assert all_of_them.count("bird number") == 14

    weighted = PromptBook.load(place.folder / "one.book.json")
    prompts = (weighted.prompts[0].model_copy(update={"weight": 0.25}), *weighted.prompts[1:])
    weighted.model_copy(update={"prompts": prompts}).save(place.folder / "book.json")
    assert "A crow is bird number 0 here.  (weight 0.25)" in place.invoke("book", "show").out


def test_export_needs_nothing_said(place: CommandLine) -> None:
    assert place.invoke("book", "import", "birds.json").code == 0
    done = place.invoke("book", "export")
    assert (done.code, done.out) == (0, "Written as cupl: book.cupl.json\n")
    assert json.loads((place.folder / "book.cupl.json").read_text()) == book_texts(place)
    assert place.invoke("book", "export", "--format", "dclip").out == "Written as dclip: book.dclip.json\n"
    again = place.invoke("book", "export")
    assert again.code == 2
    assert "'book.cupl.json' is there already." in again.err


def test_pairs_keep_their_class_list_beside_them(place: CommandLine) -> None:
    pair = {"attr_type": "bill", "prompt_pair": ["A crow's heavy bill.", "A wren's thin bill."]}
    pairs = {"0_1": {"classes": [0, 1], "prompt_pairs": [pair]}}
    (place.folder / "pairs.json").write_text(json.dumps(pairs))
    (place.folder / "names.json").write_text('["crow", "wren"]')
    bare = place.invoke("book", "import", "pairs.json")
    assert bare.code == 2
    assert "Give the list of class names, too." in bare.err
    assert place.invoke("book", "import", "pairs.json", "--class-names", "names.json").code == 0
    out = place.invoke("book", "export", "book.json", "--format", "fudd", "--out", "new.json")
    assert (out.out, out.err) == ("Written as fudd: new.json, new_class_names.json\n", "")
    assert json.loads((place.folder / "new.json").read_text()) == pairs
    (place.folder / "new.json").unlink()
    refused = place.invoke("book", "export", "book.json", "--format", "fudd", "--out", "new.json")
    assert (refused.code, (place.folder / "new.json").exists()) == (2, False)
    assert "'new_class_names.json' is there already." in refused.err


def test_nothing_is_replaced_unasked(place: CommandLine) -> None:
    (place.folder / "book.json").write_text("mine")
    refused = place.invoke("book", "import", "birds.json")
    assert refused.code == 2
    assert refused.lines == [
        "fieldmark: 'book.json' is there already.",
        "           Choose another with --out, or give --force.",
    ]
    assert (place.folder / "book.json").read_text() == "mine"
    assert place.invoke("book", "import", "birds.json", "--force").code == 0
    assert place.invoke("book", "show", "book.json").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "none.json"), "'none.json' cannot be read: No such file"),
        (("import", "broken.json"), "'broken.json' is no JSON"),
        (("import", "short.json"), "The format of 'short.json' is unclear"),
        (("import", "birds.json", "--format", "fudd"), "no class list lies beside it"),
        (("import", "birds.json", "--format", "book"), "'birds.json' is no prompt book"),
        (("show", "birds.json"), "`fieldmark book import` makes one of other projects' files."),
        (("show", "none.json"), "The prompt book 'none.json' cannot be read"),
        (("diff", "birds.json", "birds.json"), "'birds.json' is no prompt book"),
        (("export", "birds.json", "--format", "cupl", "--out", "x.json"), "'birds.json' is no prompt book"),
        (("export", "birds.json", "--after", "."), "A cupl file has no use for after."),
        (("import", "birds.json", "--format", "dclip", "--class-names", "x"), "no use for class_names."),
    ],
)
def test_wrong_files(place: CommandLine, arguments: tuple[str, ...], says: str) -> None:
    (place.folder / "broken.json").write_text("{")
    (place.folder / "short.json").write_text('{"crow": ["bill"]}')
    outcome = place.invoke("book", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert len(outcome.lines) <= 2
    assert not (place.folder / "book.json").exists()


def test_classifying_with_a_dclip_file(place: CommandLine) -> None:
    assert place.invoke("book", "import", "birds.json", "--noun", "bird").code == 0
    # No model, no question: the book says it all.
    outcome = place.invoke("classify", "pictures", "--book", "book.json", *LOOK, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["usage"]["requests"] == 0
    assert {each["label"] for each in outcome.json["images"]} <= set(DESCRIPTORS)
    run = place.folder / outcome.json["run"]
    kept = json.loads((run / "book.json").read_text())
    assert kept["classes"] == list(DESCRIPTORS)
    assert kept["noun"] == "bird"
    assert [prompt["text"] for prompt in kept["prompts"]] == [
        "zebra finch, which is a red bill on a small head",
        "zebra finch, which has striped tail feathers",
        "Alpine, swift, which has ",
        "crow, which has black all over",
        "crow, which is a heavy bill",
    ]
    with (run / "predictions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2

    (place.folder / "same.txt").write_text("\n".join(DESCRIPTORS))
    same = place.invoke(
        "classify", "pictures", "--book", "book.json", "--classes", "same.txt", *LOOK, "--json"
    )
    assert [each["candidates"] for each in same.json["images"]] == [
        each["candidates"] for each in outcome.json["images"]
    ]


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ("crow,zebra_finch", "it has besides 'Alpine, swift'."),
        ("crow,wren", "it lacks 'wren'; it has besides 'zebra_finch', 'Alpine, swift'."),
        ("crow.txt", "they come in another order."),
    ],
)
def test_a_book_of_other_classes_is_refused_before_anything_is_done(
    place: CommandLine, classes: str, says: str
) -> None:
    (place.folder / "crow.txt").write_text("\n".join(reversed(DESCRIPTORS)))
    assert place.invoke("book", "import", "birds.json").code == 0
    outcome = place.invoke("classify", "pictures", "--book", "book.json", "--classes", classes, *LOOK)
    assert outcome.code == 2
    assert outcome.lines == [
        f"fieldmark: The prompt book does not fit the classes: {says}",
        "           Take the classes from the book: classes=book.classes, or none on the command line.",
    ]
    assert not Path(place.folder / "runs").exists()


def test_a_file_without_a_text_makes_no_book(place: CommandLine) -> None:
    (place.folder / "none.json").write_text('{"a": [], "b": []}')
    made = place.invoke("book", "import", "none.json", "--format", "cupl")
    assert (made.code, made.out) == (2, "")
    assert "'none.json' has no text for any class." in made.err
    assert not (place.folder / "book.json").exists()
    (place.folder / "some.json").write_text('{"a": ["a photo of a round one."], "b": []}')
    made = place.invoke("book", "import", "some.json", "--format", "cupl")
    assert made.code == 0
    assert made.lines == ["warning: classes without a text, which are compared by their name alone: 1"]


def test_a_book_without_a_prompt_is_no_start(place: CommandLine) -> None:
    (place.folder / "book.json").write_text('{"format": "fieldmark.book/1", "classes": ["a", "b"]}')
    outcome = place.invoke("classify", "pictures", "--book", "book.json", *LOOK)
    assert outcome.code == 2
    assert "The prompt book has no prompt for any class." in outcome.err


def test_another_projects_file_is_not_taken_for_a_book(place: CommandLine) -> None:
    outcome = place.invoke("classify", "pictures", "--book", "birds.json", *LOOK)
    assert outcome.code == 2
    assert "fieldmark book import" in outcome.err


@pytest.mark.parametrize("start", ["names", "descriptors"])
def test_a_book_that_would_not_be_used_is_refused(place: CommandLine, start: str) -> None:
    assert place.invoke("book", "import", "birds.json").code == 0
    outcome = place.invoke("classify", "pictures", "--book", "book.json", "--start", start, *LOOK)
    assert outcome.code == 2
    assert f"starts from {start} uses none of a book's prompts" in outcome.err
    assert not Path(place.folder / "runs").exists()


def test_books_need_no_model_library(place: CommandLine) -> None:
    program = (
        "import sys\nfrom fieldmark.cli import main\n"
        "sys.argv[1:] = ['book', 'import', 'birds.json']\n"
        "try: main()\n"
        "finally: print(*sorted({'torch', 'openai', 'langgraph', 'open_clip'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = "Read as dclip: 3 classes, 5 prompts; pooling: mean_cosine."
    assert done.stdout.splitlines() == [said, "Book: book.json", ""]
