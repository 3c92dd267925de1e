"""Images of base classes beside a test set: of other classes, readable, and part of what decides results."""

from dataclasses import replace

import pytest

from fieldmark.errors import InputError
from fieldmark.evals.table.run import record_of, usable
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.tools.runs.events import no_progress
from tests.graph.world import FakeEncoder, World

WORLD = World()
IMAGES = tuple(WORLD.image(number, labelled=True) for number in range(4))
BASE = tuple(WORLD.image(number, copy, labelled=True) for number in (7, 5) for copy in range(2))
TEST = TestSet(data="made-up", setting="test", classes=WORLD.names[:4], noun="bird", images=IMAGES, base=BASE)


def test_base_classes_are_numbered_for_themselves() -> None:
    assert TEST.base_classes == (WORLD.names[7], WORLD.names[5])
    assert TEST.base_labels.tolist() == [0, 0, 1, 1]
    assert MethodNeed.BASE in TEST.offers(llm=False)
    assert MethodNeed.BASE not in replace(TEST, base=()).offers(llm=True)


def test_an_image_of_a_measured_class_or_of_none_is_no_base_image() -> None:
    for wrong in (IMAGES[0], WORLD.image(9)):
        with pytest.raises(InputError, match="base classes"):
            replace(TEST, base=(*BASE, wrong))


def test_base_images_that_cannot_be_read_are_left_out() -> None:
    left = usable(TEST, FakeEncoder(WORLD, gone=("7-0.png", "7-1.png")), no_progress)
    assert left.base == BASE[2:]
    assert left.base_classes == (WORLD.names[5],)
    assert left.images == IMAGES
    assert "2 images" in left.notes[-1]


def test_base_images_and_their_labels_decide_the_hash() -> None:
    record = record_of(TEST)
    assert record.base == 4
    others = [BASE[:3], (*BASE[:3], replace(BASE[3], label="emu"))]
    hashes = {record.data_hash, *(record_of(replace(TEST, base=each)).data_hash for each in others)}
    assert len(hashes) == 3
