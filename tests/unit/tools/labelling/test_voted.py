"""Instructions out of votes: marks, look-alikes and images of each class."""

import torch

from fieldmark.tools.labelling.document import as_markdown
from fieldmark.tools.labelling.voted import ABOUT, document_of_votes

CLASSES = ("finch", "heron", "gull")
ROWS = [
    ("finch", "bill", "a short bill", 3),
    ("finch", "bill", "a stout bill", 1),
    ("finch", "leg", "grey legs", 1),
    ("heron", "bill", "a long bill", 1),
    ("heron", "leg", "grey legs", 1),
    ("gull", "bill", "a long bill", 1),
    ("gull", "leg", "pink <b>legs</b>", 1),
]


def test_marks_that_few_classes_share_come_first_and_nothing_is_markup() -> None:
    confusion = torch.tensor([[0.97, 0.01, 0.02], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])
    document = document_of_votes(
        CLASSES, ROWS, noun="bird", exemplars={"heron": ["a*b.png", "c.png"]}, confusion=confusion
    )
    text = as_markdown(document, about=ABOUT)
    finch, heron, gull = text.split("\n## ")[1:]
    assert finch.index("a short bill** (3 votes)") < finch.index("grey legs** (1 vote)")
    assert document.sections[0].marks[0].sure == 0.75
    assert "Not gull: leg **grey legs**, not pink" in heron
    assert "bill" not in heron.split("Not gull")[1].splitlines()[0]  # both have a long one
    assert "- Typical: a\\*b.png" in heron
    assert "pink \\<b\\>legs" in gull
    assert "Look-alikes" not in gull
