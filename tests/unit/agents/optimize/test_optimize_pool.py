"""The pool of units: what words and descriptions become, once each, and the natural books."""

from fieldmark.agents.optimize.pool import GIVEN, PromptPool, build_pool
from fieldmark.agents.optimize.search import harmful
from fieldmark.agents.shared.notes import Note, Notebook
from fieldmark.records import Origin, Prompt, QuestionSpec
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.books.templates import PLAIN, library

CLASSES = ("grey heron", "wren")


def notebook(**words: tuple[str, ...]) -> Notebook:
    marks = [
        Note(
            spec=QuestionSpec(kind="describe", classes=(name,)),
            descriptors=("a long bill",),
        )
        for name in CLASSES
    ]
    named = [
        Note(spec=QuestionSpec(kind="synonyms", classes=(name.replace("_", " "),)), words=said)
        for name, said in words.items()
    ]
    return Notebook(notes=(*marks, *named))


def pool(
    notes: Notebook, synonyms: int = 1, described: int = 2, given: GivenTexts | None = None
) -> PromptPool:
    return build_pool(
        CLASSES,
        notebook=notes,
        templates=(PLAIN,),
        noun="bird",
        given=given,
        synonyms=synonyms,
        described_synonyms=described,
    )


def texts(made: PromptPool, c: int, synonym: str) -> list[str]:
    return [
        text for unit in made.units if (unit.class_index, unit.synonym) == (c, synonym) for text in unit.texts
    ]


def test_another_word_stands_for_a_class_as_its_name_does() -> None:
    made = pool(notebook(wren=("Jenny", "songbird")), synonyms=2)
    assert texts(made, 1, "synonym 1") == [
        "a photo of a Jenny.",
        "a photo of a Jenny, which has a long bill.",
    ]
    assert texts(made, 1, "synonym 2")[0] == "a photo of a songbird."
    (unit, *_) = [unit for unit in made.units if unit.synonym == "synonym 1"]
    assert unit.origin == Origin(kind="name", question="synonyms.v1")


def test_of_other_words_only_the_described_ones_carry_descriptors() -> None:
    made = pool(notebook(wren=("Jenny", "songbird")), synonyms=2, described=0)
    assert texts(made, 1, "synonym 1") == ["a photo of a Jenny."]
    assert "synonym 1 bare" in made.kinds()
    assert "synonym 1 descriptor" not in made.kinds()
    assert "name descriptor" in made.kinds()
    half = pool(notebook(wren=("Jenny", "songbird")), synonyms=2, described=1)
    assert [len(texts(half, 1, f"synonym {number}")) for number in (1, 2)] == [2, 1]


def test_words_that_are_there_already_do_not_count() -> None:
    made = pool(notebook(grey_heron=("Heron", "Grey Heron", "BIRD", "egret", "Egret", "stork")))
    assert texts(made, 0, "synonym 1")[0] == "a photo of an egret."
    assert texts(made, 0, "synonym 2") == []
    assert {unit.synonym for unit in pool(notebook(wren=("Jenny",)), synonyms=0).units} == {
        "name",
        "noun",
        "head",
    }


def test_a_class_without_the_word_is_called_by_its_name_in_the_natural_books() -> None:
    made = pool(notebook(wren=("Jenny",)))
    heron, wren = made.kinds()["synonym 1 descriptor"]
    assert made.units[heron[0]].texts == ("a photo of a grey heron, which has a long bill.",)
    assert made.units[wren[0]].texts == ("a photo of a Jenny, which has a long bill.",)


def described(name: str, text: str, file: str) -> Prompt:
    return Prompt(class_name=name, text=text, origin=Origin(kind="descriptor", file=file))


def test_a_description_is_a_unit_once_and_stands_in_each_of_its_files() -> None:
    given = GivenTexts(
        (described("wren", "Small.", "a"), described("wren", "Small.", "b"), described("wren", "Brown.", "b"))
    )
    made = pool(notebook(), given=given)
    units = [unit for unit in made.units if unit.synonym == GIVEN]
    assert [unit.texts for unit in units] == [("Small.",), ("Brown.",)]
    assert [unit.origin.file for unit in units] == ["a", "b"]
    assert {file: len(own) for file, own in made.files.items()} == {"a": 1, "b": 2}
    heron, wren = made.kinds()["b"]
    assert [made.units[u].texts for u in wren] == [("Small.",), ("Brown.",)]
    # A class that the file does not describe is called by its name.
    assert [made.units[u].texts for u in heron] == [("a photo of a grey heron.",)]


def test_given_words_come_before_answered_ones() -> None:
    given = GivenTexts(synonyms={"wren": (("troglodyte", Origin(kind="name", file="s.json")),)})
    made = pool(notebook(wren=("Jenny",)), given=given)
    assert texts(made, 1, "synonym 1")[0] == "a photo of a troglodyte."


def test_domain_words_vary_the_plain_template() -> None:
    plain = set(library("bird"))
    more = set(library("bird", ("satellite photo", "sketch", "bird", "{}"))) - plain
    assert more == {
        "a photo of a {}, a type of satellite photo.",
        "a photo of a satellite photo: {}.",  # as ProAPO's authors write it; ours follows
        "satellite photo: a photo of a {}.",
        "a satellite photo of a {}.",
        "a photo of a {}, a type of sketch.",
        "a photo of a sketch: {}.",
        "sketch: a photo of a {}.",
        "a sketch photo of a {}.",
    }


def test_exactly_three_errors_more_are_harmful_however_shares_are_rounded() -> None:
    for images in range(4, 120):
        for right in range(3, images + 1):
            sizes = {"shown": images, "images": images, "classes": images}
            assert harmful((right - 3) / images, right / images, **sizes), (images, right)
            assert not harmful((right - 2) / images, right / images, **sizes), (images, right)
    # Four shots allow four times as many; of half of the images, half as many count.
    assert harmful(28 / 40, 40 / 40, shown=40, images=40, classes=10)
    assert not harmful(29 / 40, 40 / 40, shown=40, images=40, classes=10)
    assert harmful(14 / 20, 20 / 20, shown=20, images=40, classes=10)
    assert not harmful(15 / 20, 20 / 20, shown=20, images=40, classes=10)
