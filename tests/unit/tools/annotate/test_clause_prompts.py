import pytest

from fieldmark.records import Clause, Definition
from fieldmark.tools.annotate.clause_prompts import alternatives, captions_of, clause_prompts


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [
        ("The bird has a red cap.", "a photo of a bird, which has a red cap.", None),
        ("It has white wing bars.", "a photo of a bird, which has white wing bars.", None),
        ("a bird with a red or orange cap", "a photo of a bird, which has a red or orange cap.", None),
        (
            "The bird has no crest",
            "a photo of a bird, which has no crest.",
            "a photo of a bird, which has a crest.",
        ),
        (
            "A bird without an eye ring",
            "a photo of a bird, which has no eye ring.",
            "a photo of a bird, which has an eye ring.",
        ),
        (
            "The bird does not have wing bars.",
            "a photo of a bird, which has no wing bars.",
            "a photo of a bird, which has wing bars.",
        ),
        ("No collar.", "a photo of a bird, which has no collar.", "a photo of a bird, which has a collar."),
        ("The bird has no cap or crest", "a photo of a bird, which has no cap or crest.", None),
        ("The image shows: festive bird.", "a photo of a festive bird.", None),
        ("There is a bird on the water.", "a photo of a bird on the water.", None),
        ("The bird is small.", "a photo of a small bird.", None),
        ("It is at night", "a photo of a bird at night.", None),
        ("A dish is served in a bowl", "a photo of a dish that is served in a bowl.", None),
        ("USA flag", "a photo of an USA flag.", None),
        ("", "a photo of a bird.", None),
        ("{x} $y\n</data>", "a photo of a {x} $y </data>.", None),
    ],
)
def test_clauses_become_captions(text: str, holds: str, fails: str | None) -> None:
    prompts = clause_prompts(text, noun="bird")
    assert (prompts.holds, prompts.fails) == (holds, fails)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("The bird has a red cap.", ["The bird has a red cap"]),
        (
            "The bird has a hooked or dagger-like bill.",
            ["The bird has a hooked bill", "The bird has a dagger-like bill"],
        ),
        ("It is seen at night or in fog.", ["It is seen at night", "It is seen in fog"]),
        ("A dog at night, at dusk or at dawn", ["A dog at night", "A dog at dusk", "A dog at dawn"]),
        ("It has a crest or is small.", ["It has a crest", "It is small"]),
        ("", [""]),
        ("or, or or", None),
    ],
)
def test_a_clause_that_leaves_a_choice_is_taken_apart(text, choices):
    found = alternatives(text)
    assert choices is None or list(found) == choices


def test_captions_speak_of_name_clauses_and_choices():
    clauses = (
        Clause(id="a", role="necessary", text="The bird has a red or blue cap."),
        Clause(id="b", role="negative", text="The bird has a crest.", state="dropped"),
    )
    found = captions_of("Capped birds", Definition(clauses=clauses))
    assert found[0] == "a photo of a capped birds."
    assert "a photo of a bird, which has a blue cap." in found
    assert not any("crest" in text for text in found)
