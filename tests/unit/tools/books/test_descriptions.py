"""Files of descriptions for given classes: what is matched, missing, left out and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.books.descriptions import GivenTexts, read_descriptions, read_synonyms

CLASSES = ("hot_dog", "pad thai", "sushi")


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def sentences(*names: str) -> dict[str, list[str]]:
    return {
        name: [f"A plate of {name} looks warm and brown.", f"The {name} lies in a round dish."]
        for name in names
    }


def test_sentences_are_kept_to_the_letter_with_their_file(tmp_path: Path) -> None:
    given = read_descriptions(written(tmp_path / "CuPL.json", sentences(*CLASSES)), CLASSES)
    assert [p.class_name for p in given.prompts] == [name for name in CLASSES for _ in range(2)]
    assert given.prompts[0].text == "A plate of hot_dog looks warm and brown."
    assert {p.origin.file for p in given.prompts} == {"CuPL.json"}
    assert {p.origin.kind for p in given.prompts} == {"descriptor"}
    assert given.notes == ()


def test_names_are_matched_but_for_case_spaces_and_underscores(tmp_path: Path) -> None:
    given = read_descriptions(
        written(tmp_path / "a.json", sentences("Hot Dog", "Pad_Thai", "sushi")), CLASSES
    )
    assert list(dict.fromkeys(p.class_name for p in given.prompts)) == list(CLASSES)


def test_missing_other_blank_and_repeated_are_counted_and_named(tmp_path: Path) -> None:
    texts = sentences("sushi", "pizza") | {"hot_dog": [], "pad thai": ["It is flat. ", "It is flat. ", " "]}
    given = read_descriptions(written(tmp_path / "a.json", texts), CLASSES, format="cupl")
    assert {p.class_name for p in given.prompts} == {"sushi", "pad thai"}
    missing, other, left = given.notes
    assert "describes 2 of 3 classes; not hot_dog." in missing
    assert "1 other class(es), which were left out: pizza." in other
    assert "1 blank and 1 repeated" in left


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (sentences("pizza", "ramen"), "pizza, ramen; it lacks hot_dog, pad thai, sushi"),
        (sentences("hot dog", "HOT_DOG"), "names one class several times"),
        ([1, 2], "holds a list"),
        ({"sushi": "a text"}, "not a list of texts"),
        ({}, "holds no class"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_descriptions(written(tmp_path / "a.json", value), CLASSES)


def test_other_classes_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not among the 3 given: pizza; it lacks hot_dog"):
        read_descriptions(
            written(tmp_path / "a.json", sentences("pizza", "sushi", "pad thai")), CLASSES, only_these=True
        )


def test_synonyms_and_their_sum(tmp_path: Path) -> None:
    one = read_synonyms(written(tmp_path / "a.json", {"sushi": ["maki ", " "], "hot dog": []}), CLASSES)
    two = read_synonyms(written(tmp_path / "b.json", {"sushi": ["nigiri"], "pad thai": ["noodles"]}), CLASSES)
    both = one + two
    assert [word for word, _ in both.synonyms["sushi"]] == ["maki", "nigiri"]
    assert [origin.file for _, origin in both.synonyms["sushi"]] == ["a.json", "b.json"]
    assert [word for word, _ in both.synonyms["pad thai"]] == ["noodles"]
    assert "words for 1 of 3 classes; not hot_dog, pad thai." in one.notes[0]
    assert both.notes == (*one.notes, *two.notes)
    assert len({both.key, one.key, two.key, GivenTexts().key}) == 4
    with pytest.raises(InputError, match="pizza"):
        read_synonyms(written(tmp_path / "c.json", {"sushi": ["x"], "pizza": ["y"]}), CLASSES)
