"""Other projects' prompt files become books to the letter, and books become such files again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books import pairs as book_pairs
from fieldmark.tools.books.files import read_book, write_book
from fieldmark.tools.books.formats import ImportedBook, export_book, import_book, write_exported
from fieldmark.tools.scoring.books import book_scores
from fieldmark.tools.scoring.fudd import fudd_all_scores

DESCRIPTORS = {
    "zebra_finch": [
        "a red bill",
        "has stripes",
        "used to people",
        "often in flocks",
        "striped, greyish tail",
    ],
    "crow": ["black all over", "black all over", "also glossy"],
    "Alpine, swift": [],
    "ghost": [""],
}
SENTENCES = {
    "crow": ["A crow is a large black bird.", "Crows have strong bills!", "A crow is a large black bird."],
    "wren": ["The wren is small, round and loud."],
    "unknown": [],
}
PAIRS = {
    "0_1": {
        "classes": [0, 1],
        "prompt_pairs": [
            {"attr_type": "bill", "prompt_pair": ["A crow with a big bill.", "a wren with a thin bill."]},
            {"attr_type": "size", "prompt_pair": ["A big crow.", "A tiny wren."]},
            {"attr_type": "bill", "prompt_pair": ["A crow's black bill.", "A wren's brown bill."]},
        ],
    },
    "1_2": {
        "classes": [1, 2],
        "prompt_pairs": [{"attr_type": "", "prompt_pair": ["A tiny wren.", "A tit."]}],
    },
}


def written(tmp_path: Path, value: Any, name: str = "file.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def texts(book: PromptBook) -> dict[str, list[str]]:
    return {name: book.texts(name) for name in book.classes}


def pair(attribute: str, one: str, other: str) -> dict[str, Any]:
    return {"attr_type": attribute, "prompt_pair": [one, other]}


def pair_file(tmp_path: Path, value: Any = None, *, classes: Sequence[str] = ("crow", "wren", "tit")) -> Path:
    written(tmp_path, list(classes), "pairs_class_names.json")
    return written(tmp_path, value or PAIRS, "pairs.json")


def field_guide() -> PromptBook:
    """A book as a run leaves it: three birds, two attributes, one value unknown."""
    values = {
        "crow": {"bill": "a big bill", "size": "a large body"},
        "raven": {"bill": "a big bill", "size": "a huge body"},
        "wren": {"bill": "a thin bill"},
    }
    return PromptBook(
        classes=tuple(values),
        noun="bird",
        prompts=tuple(
            Prompt(
                class_name=name,
                text=f"a photo of a bird, which has {value}.",
                origin=Origin(kind="field_guide", attribute=attribute),
                weight=0.5,
            )
            for name, own in values.items()
            for attribute, value in own.items()
        ),
    )


def test_dclip_prompts_follow_the_authors_rule(tmp_path: Path) -> None:
    made = import_book(written(tmp_path, DESCRIPTORS), format="dclip", noun="bird")
    assert (made.format, made.book.noun, made.lost) == ("dclip", "bird", {"blank": 1})
    assert made.book.classes == ("zebra_finch", "crow", "Alpine, swift", "ghost")
    assert texts(made.book) == {
        "zebra_finch": [
            "zebra finch, which is a red bill",
            "zebra finch, which has stripes",
            "zebra finch, which is used to people",
            "zebra finch, which often in flocks",
            "zebra finch, which has striped, greyish tail",
        ],
        "crow": [
            "crow, which has black all over",
            "crow, which has black all over",
            "crow, which is also glossy",
        ],
        "Alpine, swift": ["Alpine, swift, which has "],
        "ghost": ["ghost, which has "],
    }
    assert {p.origin.kind for p in made.book.prompts} == {"descriptor", "name"}


@pytest.mark.parametrize("after", ["", "."])
def test_dclip_there_and_back(tmp_path: Path, after: str) -> None:
    book = import_book(written(tmp_path, DESCRIPTORS), format="dclip", after=after).book
    exported = export_book(book, "dclip", after=after)
    # "stripes" and "has stripes" make one and the same prompt; the shorter one comes back.
    expected = {**DESCRIPTORS, "zebra_finch": [d.replace("has ", "") for d in DESCRIPTORS["zebra_finch"]]}
    assert (exported.value, exported.lost) == (expected, {})
    assert list(exported.value) == list(DESCRIPTORS)
    write_exported(exported, tmp_path / "back.json")
    assert import_book(tmp_path / "back.json", format="dclip", after=after).book == book


def test_a_dclip_file_read_with_a_full_stop_keeps_it_as_wording(tmp_path: Path) -> None:
    book = import_book(written(tmp_path, {"crow": ["black"], "wren": []}), format="dclip", after=".").book
    assert texts(book) == {"crow": ["crow, which has black."], "wren": ["wren, which has ."]}
    assert export_book(book, "dclip").value["crow"] == ["black."]


@pytest.mark.parametrize("value", [SENTENCES, {"crow": ["Ein Vogel, größer als “ein” Spatz 🐦."]}])
def test_cupl_there_and_back(tmp_path: Path, value: Any) -> None:
    made = import_book(written(tmp_path, value), format="cupl")
    assert texts(made.book) == value
    exported = export_book(made.book, "cupl")
    assert (exported.value, exported.lost) == (value, {})
    write_exported(exported, tmp_path / "back.json")
    assert import_book(tmp_path / "back.json", format="cupl") == made


@pytest.mark.parametrize("chosen", ["synonyms", "chils"])
def test_names_become_plain_prompts(tmp_path: Path, chosen: Any) -> None:
    made = import_book(written(tmp_path, {"fish": ["ray", "eel"], "none": []}), format=chosen)
    assert texts(made.book) == {"fish": ["a photo of a ray.", "a photo of a eel."], "none": []}
    assert {p.origin.kind for p in made.book.prompts} == {"name"}


def test_fudd_there_and_back(tmp_path: Path) -> None:
    value = {"0_1": PAIRS["0_1"], "1_2": {"classes": [1, 2], "prompt_pairs": [pair("", "A wren.", "A tit.")]}}
    made = import_book(pair_file(tmp_path, value))
    assert (made.format, made.book.classes, made.lost) == ("fudd", ("crow", "wren", "tit"), {})
    assert made.book.texts("wren") == [
        "a wren with a thin bill.",
        "A tiny wren.",
        "A wren's brown bill.",
        "A wren.",
    ]
    assert made.book.prompts[0].origin == Origin(kind="differential", question="fudd:wren", attribute="bill")
    exported = export_book(made.book, "fudd")
    assert (exported.value, exported.class_names, exported.lost) == (value, ("crow", "wren", "tit"), {})
    files = write_exported(exported, tmp_path / "back.json")
    assert [path.name for path in files] == ["back.json", "back_class_names.json"]
    assert import_book(files[0]) == made


def test_fudd_loses_repeats_as_the_authors_pooling_does(tmp_path: Path) -> None:
    """A class's list keeps each sentence once, told apart by capitals; an empty list gets the default."""
    value = PAIRS | {"0_2": {"classes": [0, 2], "prompt_pairs": [pair("bill", "A big crow.", "a tit.")]}}
    made = import_book(pair_file(tmp_path, value, classes=["crow", "wren", "tit", "great_auk"]))
    assert texts(made.book) == {
        "crow": ["A crow with a big bill.", "A big crow.", "A crow's black bill."],
        "wren": ["a wren with a thin bill.", "A tiny wren.", "A wren's brown bill."],
        "tit": ["A tit.", "a tit."],
        "great_auk": ["a photo of a great auk."],
    }
    assert made.lost == {"repeats": 2, "bare": 1}
    # What import keeps comes back, whichever of its counterparts were repeats.
    exported = export_book(made.book, "fudd")
    assert exported.lost == {}
    assert exported.value["1_2"]["prompt_pairs"] == [pair("", "a wren with a thin bill.", "A tit.")]
    again = import_book(write_exported(exported, tmp_path / "back.json")[0])
    assert texts(again.book) == texts(made.book)


def test_fudd_scores_of_an_imported_file_are_those_of_the_authors_all_classes_mode(tmp_path: Path) -> None:
    value = PAIRS | {"0_2": {"classes": [0, 2], "prompt_pairs": [pair("bill", "A big crow.", "A tit.")]}}
    book = import_book(pair_file(tmp_path, value, classes=["crow", "wren", "tit", "auk"])).book
    pairs: dict[tuple[int, int], tuple[list[str], list[str]]] = {}
    for entry in value.values():
        one, other = entry["classes"]
        sides = [each["prompt_pair"] for each in entry["prompt_pairs"]]
        pairs[one, other] = ([side[0] for side in sides], [side[1] for side in sides])

    def encode(written_texts: Sequence[str]) -> torch.Tensor:
        """A made-up encoder that reads lower case, as CLIP's tokenizer does."""
        seeds = [int.from_bytes(text.lower().encode()[-8:], "big") % 2**31 for text in written_texts]
        return torch.stack([torch.randn(16, generator=torch.Generator().manual_seed(s)) for s in seeds])

    images = torch.nn.functional.normalize(
        torch.randn(5, 16, generator=torch.Generator().manual_seed(1)), dim=1
    )
    default = [f"a photo of a {name}." for name in book.classes]
    expected = fudd_all_scores(images, encode, pairs, default)
    assert torch.allclose(book_scores(book, images, encode), expected, atol=1e-6)


def test_fudd_pairs_survive_another_order_of_classes(tmp_path: Path) -> None:
    book = import_book(pair_file(tmp_path)).book
    turned = export_book(book.model_copy(update={"classes": ("tit", "wren", "crow")}), "fudd")
    assert turned.lost == {}
    assert turned.value["1_2"]["prompt_pairs"][1] == pair("size", "A tiny wren.", "A big crow.")


def test_fudd_counts_what_a_book_cannot_hold(tmp_path: Path) -> None:
    written(tmp_path, ["crow", "wren", "tit"], "birds_class_names.json")
    extra = json.loads(json.dumps(PAIRS)) | {"0_2": {"classes": [0, 2], "prompt_pairs": []}}
    extra["0_1"]["model"] = "m"
    extra["0_1"]["prompt_pairs"][0]["score"] = 1
    assert import_book(written(tmp_path, extra)).lost == {"fields": 2, "pairs": 1, "repeats": 1}


def test_fudd_sets_a_sentence_whose_other_side_is_gone_against_another(tmp_path: Path) -> None:
    book = import_book(pair_file(tmp_path)).book
    kept = tuple(p for p in book.prompts if p.text != "a wren with a thin bill.")
    exported = export_book(book.model_copy(update={"prompts": kept}), "fudd")
    assert exported.lost == {}
    bills = [p for p in exported.value["0_1"]["prompt_pairs"] if p["attr_type"] == "bill"]
    assert bills == [
        pair("bill", "A crow with a big bill.", "A wren's brown bill."),
        pair("bill", "A crow's black bill.", "A wren's brown bill."),
    ]
    none = tuple(p for p in book.prompts if p.class_name != "tit")
    exported = export_book(book.model_copy(update={"prompts": none}), "fudd")
    assert (list(exported.value), exported.lost) == (["0_1"], {})
    alone = tuple(p for p in book.prompts if p.class_name == "tit")
    with pytest.raises(InputError, match="None of the book's 1 prompts"):
        export_book(book.model_copy(update={"prompts": alone}), "fudd")


def test_a_field_guide_as_pairs_tells_only_differences() -> None:
    exported = export_book(field_guide(), "fudd")
    assert {
        key: [each["attr_type"] for each in pair["prompt_pairs"]] for key, pair in exported.value.items()
    } == {"0_1": ["size"], "0_2": ["bill"], "1_2": ["bill"]}
    assert exported.value["1_2"]["prompt_pairs"][0]["prompt_pair"] == [
        "a photo of a bird, which has a big bill.",
        "a photo of a bird, which has a thin bill.",
    ]
    assert exported.lost == {"noun": 1, "pooling": 1, "weights": 5, "origins": 5}


def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_pairs, "MOST_PAIRS", 2)
    with pytest.raises(InputError, match="more than 2 sentence pairs"):
        export_book(field_guide(), "fudd")


def test_a_field_guide_as_descriptors_is_reworded() -> None:
    exported = export_book(field_guide(), "dclip")
    assert exported.value["crow"] == ["a big bill", "a large body"]
    assert exported.lost == {"noun": 1, "wordings": 5, "weights": 5, "origins": 5}


def test_what_dclip_cannot_hold_is_counted() -> None:
    def prompt(name: str, text: str, **more: Any) -> Prompt:
        return Prompt(class_name=name, text=text, origin=Origin(kind="template"), **more)

    book = PromptBook(
        classes=("owl", "crow", "wren", "tit"),
        prompts=(
            prompt("crow", "a drawing of a crow.", weight=2.0),
            prompt("crow", "crow, which has a bill", weight=3.0),
            Prompt(class_name="owl", text="a photo of an owl.", origin=Origin(kind="name")),
            prompt("wren", "itap of a wren."),
        ),
    )
    exported = export_book(book, "dclip")
    # Not "a bill", which the rule would word "which is a bill".
    assert exported.value == {"owl": [], "crow": ["has a bill"], "wren": [], "tit": []}
    assert exported.lost == {"wordings": 1, "prompts": 2, "empty": 2, "weights": 1, "origins": 1}
    assert export_book(book, "cupl").lost == {"pooling": 1, "weights": 2, "origins": 4}


@pytest.mark.parametrize("chosen", ["dclip", "fudd"])
def test_a_book_of_which_nothing_fits_is_refused(chosen: Any) -> None:
    template = Prompt(class_name="wren", text="itap of a wren.", origin=Origin(kind="template"))
    with pytest.raises(InputError, match=f"None of the book's 1 prompts can be written as {chosen}") as told:
        export_book(PromptBook(classes=("crow", "wren"), prompts=(template,)), chosen)
    assert "cupl" in told.value.hint


def test_our_own_book_there_and_back(tmp_path: Path) -> None:
    book = field_guide()
    write_book(book, tmp_path / "book.json")
    assert read_book(tmp_path / "book.json") == book
    assert import_book(tmp_path / "book.json") == ImportedBook(book, "book")
    assert import_book(tmp_path / "book.json", noun="corvid").book.noun == "corvid"
    for noun in ("", " ", "\ud800", "a\nb"):
        with pytest.raises(InputError, match="noun is blank"):
            import_book(tmp_path / "book.json", noun=noun)


NAMES = {f"group {g}": [f"kind{g}"] for g in range(45)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SENTENCES, "cupl"),
        ({"robin": ["robin, which has a red breast"], "crow": ["crow, which has a black bill"]}, "cupl"),
        (DESCRIPTORS, "dclip"),
        ({"banded_sea": ["Banded sea", "striped"], "b": ["b", "bumpy"], "c": ["cc"]}, "synonyms"),
        (NAMES, "chils"),
        ({"format": "fieldmark.book/1", "classes": ["a", "b"]}, "book"),
    ],
)
def test_formats_are_told_by_content(tmp_path: Path, value: Any, expected: str) -> None:
    assert import_book(written(tmp_path, value)).format == expected


@pytest.mark.parametrize(
    "value",
    [
        {"zebra": ["stripes", "hooves"], "crow": ["feathers"]},  # one-word descriptors, or sub-classes?
        {name: [*own, "same"] for name, own in NAMES.items()},  # sub-classes do not repeat
        {"crow": ["a black bird", "A crow is a large black bird."]},
        {"crow": [], "wren": []},
        {"crow": ["", " "]},
    ],
)
def test_what_could_be_several_formats_is_not_guessed(tmp_path: Path, value: Any) -> None:
    path = written(tmp_path, value)
    with pytest.raises(InputError, match="is unclear") as told:
        import_book(path)
    assert str(path) in told.value.message
    assert "Name the format: dclip" in told.value.hint
    assert import_book(path, format="dclip").book.classes == tuple(value)


@pytest.mark.parametrize(
    ("chosen", "value", "pooling"),
    [
        ("dclip", DESCRIPTORS, "mean_cosine"),
        ("cupl", SENTENCES, "prototype"),
        ("synonyms", {"fish": ["ray"]}, "prototype"),
        ("chils", {"fish": ["ray"]}, "mean_cosine"),
    ],
)
def test_a_file_is_pooled_as_its_authors_do(tmp_path: Path, chosen: Any, value: Any, pooling: str) -> None:
    assert import_book(written(tmp_path, value), format=chosen).book.pooling == pooling


def test_pairs_are_pooled_by_prototypes_and_a_book_keeps_its_rule(tmp_path: Path) -> None:
    book = import_book(pair_file(tmp_path)).book
    assert book.pooling == "prototype"
    write_book(book, tmp_path / "book.json")
    assert read_book(tmp_path / "book.json") == book
    told = json.loads((tmp_path / "book.json").read_text())
    del told["pooling"]
    assert import_book(written(tmp_path, told, "old.json")).book.pooling == "mean_cosine"


def test_a_format_of_another_pooling_loses_it() -> None:
    book = field_guide()
    assert [export_book(book, each).lost.get("pooling") for each in ("dclip", "cupl", "fudd")] == [None, 1, 1]
    prototype = book.model_copy(update={"pooling": "prototype"})
    lost = [export_book(prototype, each).lost.get("pooling") for each in ("dclip", "cupl", "fudd")]
    assert lost == [1, None, None]
