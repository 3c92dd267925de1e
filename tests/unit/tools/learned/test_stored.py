"""The folder of a run's classifier: what is read back, and what is refused."""

import json
from typing import Any

import pytest
import torch

from fieldmark.errors import InputError, ModelError
from fieldmark.testing import HashingEncoder
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import format_of, write_folder
from fieldmark.tools.learned.contest import GUIDE, STUDENT, Way, learn
from fieldmark.tools.learned.stored import (
    ARRAYS,
    CONFIG,
    FORMAT,
    LearnedConfig,
    arrays_of,
    load_learned,
    read_learned,
    written,
)
from tests.unit.tools.learned.test_contest import CENTRES, CLASSES, WIDTH, drawn, lesson, names_guide

ENCODER = HashingEncoder(width=WIDTH)


@pytest.fixture
def export(tmp_path):
    learned = learn(lesson(), names_guide(CENTRES), reject=0.02)
    config = LearnedConfig(
        run="a-run",
        created="2026-01-01T00:00:00+00:00",
        classes=tuple("abcd"[:CLASSES]),
        noun="bird",
        encoder=EncoderStamp.of(ENCODER),
        logit_scale=20.0,
        reference="pool",
        contenders=dict(learned.contenders),
        best=learned.best,
        decay=learned.decay,
        reject=0.02,
        farthest=learned.farthest,
        risk=0.05,
        tau=0.02,
        images=120,
        labels=0,
        files={},
    )
    folder = tmp_path / "out"
    write_folder(folder, written(config, arrays_of(learned), {"card.md": b"card"}), leftovers=lambda _: ())
    return folder, learned


def test_what_was_written_is_read_back(export):
    folder, learned = export
    stored = load_learned(folder, ENCODER)
    vectors, label = drawn(3)
    scorers: dict[Way, Any] = {STUDENT: learned.student, GUIDE: learned.guide}
    for name, scorer in scorers.items():
        wanted = (scorer.scores(vectors) / learned.contenders[name].temperature).softmax(1)
        assert torch.equal(stored.probabilities(vectors, name), wanted)
    assert torch.equal(stored.probabilities(vectors), stored.probabilities(vectors, learned.best))
    assert float((stored.probabilities(vectors).argmax(1) == label).float().mean()) > 0.9
    assert torch.equal(stored.unlisted(vectors), learned.means.distance(vectors) > learned.farthest)
    assert format_of(folder) == FORMAT


def test_another_encoder_is_refused_in_a_sentence(export):
    folder, _ = export
    with pytest.raises(ModelError, match=r"classifier of run a-run was made with hashing .* not with other"):
        load_learned(folder, HashingEncoder(width=WIDTH, name="other"))


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def edited(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: flipped(folder / ARRAYS), rf"{ARRAYS} is damaged: its content is not what was"),
        (lambda folder: (folder / ARRAYS).unlink(), rf"{ARRAYS} is damaged: No such file"),
        (lambda folder: (folder / ARRAYS).write_bytes(b"\x80\x04cos\nsystem\n."), rf"{ARRAYS} is damaged"),
        (lambda folder: (folder / CONFIG).write_text("{"), rf"{CONFIG} is damaged"),
        (lambda folder: (folder / CONFIG).write_text("[" * 100_000), rf"{CONFIG} is damaged"),
        (lambda folder: edited(folder / CONFIG, contenders={}), r"contenders must be student and guide"),
        (lambda folder: edited(folder / CONFIG, classes=["a", "b"]), rf"{ARRAYS} is damaged: .*impossible"),
        (lambda folder: edited(folder / CONFIG, format="pickle/1"), rf"{CONFIG} is damaged: format"),
        (lambda folder: (folder / CONFIG).unlink(), "holds no exported classifier"),
    ],
)
def test_a_tampered_file_is_refused_by_name(export, damage, says):
    folder, _ = export
    damage(folder)
    with pytest.raises(InputError, match=says):
        load_learned(folder, ENCODER)


def test_texts_for_people_may_be_edited(export):
    folder, _ = export
    (folder / "card.md").write_text("mine")
    assert load_learned(folder, ENCODER).config == read_learned(folder)
