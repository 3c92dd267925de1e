"""What an export says to people: its table of votes, and what is taken for what."""

import json

import torch

from fieldmark.records import AttributeVote
from fieldmark.tools.learned.card import confusion_of
from fieldmark.tools.learned.guide_table import CSV_FILE, JSON_FILE, guide_files
from fieldmark.tools.scoring.field_guide import build_field_guide

CLASSES = ("finch", "heron", "gull")


def encode(texts):
    torch.manual_seed(0)
    known = {}
    return torch.stack([known.setdefault(text, torch.randn(32)) for text in texts])


def guide():
    said = [
        ("finch", "bill", "a short bill"),
        ("heron", "bill", "a long bill"),
        ("gull", "bill", "a long bill"),
        ("finch", "leg", "grey legs"),
        ("heron", "leg", "grey legs"),
        ("gull", "leg", "pink <b>legs</b>"),
    ]
    votes = [
        AttributeVote(class_name=name, attribute=attribute, value=value, source=f"{n}")
        for n, (name, attribute, value) in enumerate(said)
    ]
    return build_field_guide(votes, CLASSES, encode, noun="bird")


def test_the_table_is_the_same_in_both_forms():
    files = guide_files(guide(), noun="bird")
    rows = json.loads(files[JSON_FILE])["rows"]
    assert {"class": "finch", "attribute": "bill", "value": "a short bill", "votes": 1} in rows
    assert len(files[CSV_FILE].decode().splitlines()) == len(rows) + 1 == 7
    assert json.loads(guide_files(None, noun="bird")[JSON_FILE])["rows"] == []


def test_confusion_is_the_mean_probability_over_the_images_of_a_class():
    target = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    found = confusion_of(target, torch.tensor([1.0, 0.5, 0.0]))
    assert torch.allclose(found, torch.tensor([[0.7, 0.3], [0.0, 0.0]]))
