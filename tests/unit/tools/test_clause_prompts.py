import pytest

from fieldmark.tools.clause_prompts import clause_prompts


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
