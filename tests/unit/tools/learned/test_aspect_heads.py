"""Aspects of a student: learned, counted only where they help, stored, and added up as reasons."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fieldmark.errors import InputError
from fieldmark.records import AttributeVote
from fieldmark.tools.learned.aspect_heads import fit_aspects, try_aspects
from fieldmark.tools.learned.aspects import Aspect, AspectLesson, alike_sets, aspects_of_guide, merged
from fieldmark.tools.learned.contest import STUDENT, learn
from fieldmark.tools.learned.onnx_student import ASPECTS, PROBABILITIES, student_onnx
from fieldmark.tools.learned.stored import (
    LearnedConfig,
    StoredAspect,
    StoredAspects,
    arrays_of,
    load_learned,
    written,
)
from fieldmark.tools.learned.student import Lesson
from fieldmark.tools.scoring.field_guide import build_field_guide
from tests.unit.tools.learned.test_contest import CENTRES, CLASSES, drawn, lesson, names_guide
from tests.unit.tools.learned.test_stored import ENCODER, export

__all__ = ["export"]
TEXTS = ("It is a or b.", "It is a or c.")
TABLE = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def aspects(label, *, sure=0.95, known=None):
    p = TABLE[label] * sure + (1 - TABLE[label]) * (1 - sure)
    own = tuple(
        Aspect(text=text, holds=tuple(n for n, t in zip("abcd", TABLE[:, a], strict=True) if t),
               fails=tuple(n for n, t in zip("abcd", TABLE[:, a], strict=True) if not t))
        for a, text in enumerate(TEXTS)
    )  # fmt: skip
    return AspectLesson(own, p, torch.ones_like(p) if known is None else known)


def test_a_student_sees_aspects_in_new_images_and_adds_scores_up_over_them():
    pool, (_, label) = lesson(), drawn(2)
    vectors, new = drawn(3)
    fit = fit_aspects(pool, aspects(label), decay=0.001, alpha=1.0)
    assert ((fit.heads.probabilities(vectors) > 0.5) == (TABLE[new] > 0.5)).float().mean() > 0.95
    assert (fit.scores(vectors).argmax(1) == new).float().mean() > 0.95
    assert fit.heads.share.abs().sum() > 0.1
    alone = fit_aspects(pool, aspects(label), decay=0.001, alpha=0.0)
    assert alone.heads.share.abs().sum() == alone.student.weight.abs().sum() == 0
    assert ((alone.heads.probabilities(vectors) > 0.5) == (TABLE[new] > 0.5)).float().mean() > 0.95


def test_images_without_an_answer_teach_nothing_of_aspects():
    pool, (_, label) = lesson(), drawn(2)
    seen = aspects(label)
    known = torch.ones_like(seen.p)
    known[::2] = 0
    wrong = replace(seen, p=torch.where(known > 0, seen.p, 1 - seen.p), known=known)
    right = replace(seen, known=known)
    one, other = (fit_aspects(pool, each, decay=0.001, alpha=1.0).heads.weight for each in (wrong, right))
    assert torch.equal(one, other)


def test_aspects_count_only_where_they_bring_the_student_nearer_to_the_run():
    torch.manual_seed(0)
    pool, (_, label) = lesson(), drawn(2)
    half = torch.arange(len(label)) % 2
    bad = pool.target.new_full(pool.target.shape, 0.0)  # scores that say nothing
    helps = try_aspects(pool, aspects(label), half, bad, decay=0.001)
    assert helps.alpha > 0
    good = fit_aspects(pool, aspects(label), decay=0.001, alpha=1.0).scores(pool.vectors)
    assert try_aspects(pool, aspects(label), half, 20 * good, decay=0.001).alpha == 0
    mixed = try_aspects(pool, aspects(label[torch.randperm(len(label))]), half, 20 * good, decay=0.001)
    assert mixed.alpha == 0
    assert (helps.agreement > 0.95).all()
    assert (mixed.agreement < 0.8).all()
    assert helps.usual == pytest.approx([0.5, 0.5], abs=0.01)


def test_an_export_with_aspects_is_read_back_and_its_reasons_sum_to_the_margin(export, tmp_path):
    folder, _ = export
    plain = load_learned(folder, ENCODER).config
    (_, label), (vectors, _) = drawn(2), drawn(3)
    learned = learn(lesson(), names_guide(CENTRES), reject=0.02, aspects=aspects(label))
    assert learned.aspects is not None
    counting = fit_aspects(lesson(), aspects(label), decay=0.001, alpha=1.0)
    trial = replace(learned.aspects.trial, alpha=1.0)
    learned = replace(
        learned, student=counting.student, aspects=replace(learned.aspects, heads=counting.heads, trial=trial)
    )
    stored = StoredAspects(
        aspects=tuple(
            StoredAspect(**each.model_dump(), agreement=0.9, usual=0.5, answers=9)
            for each in aspects(label).aspects
        ),
        alpha=1.0, written_by="m", seen_by="v", images=9, calibrated_on=0,
    )  # fmt: skip
    config = LearnedConfig(**{**plain.model_dump(), "aspects": stored.model_dump()})
    for name, data in written(config, arrays_of(learned), {}).items():
        (folder / name).write_bytes(data)
    read = load_learned(folder, ENCODER)
    assert read.config.aspects == stored
    refuses_edited(folder)
    wanted = (counting.scores(vectors) / config.contenders[STUDENT].temperature).softmax(1)
    assert torch.allclose(read.probabilities(vectors, STUDENT), wanted, atol=1e-6)
    made = read.decide(vectors, STUDENT)
    assert torch.allclose(made.shares, wanted.topk(2, dim=1).values, atol=1e-5)
    reasons = read.reasons(vectors, made.classes[:, 0], made.classes[:, 1])
    assert reasons is not None
    odds = made.shares[:, 0].log() - made.shares[:, 1].log()
    assert torch.allclose(reasons.margin, odds, atol=1e-3)
    assert reasons.parts.abs().max() > 0.1
    path = tmp_path / "student.onnx"
    path.write_bytes(student_onnx(learned, config))
    session = onnxruntime.InferenceSession(path)
    shares, seen = session.run([PROBABILITIES, ASPECTS], {"vectors": vectors.numpy()})
    assert np.abs(shares - read.with_none(vectors, STUDENT).numpy()).max() < 1e-5
    assert np.abs(seen - reasons.seen.numpy()).max() < 1e-5
    said = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert json.loads(said["aspects"]) == list(TEXTS)


def refuses_edited(folder):
    path = folder / "config.json"
    kept = path.read_text(encoding="utf-8")
    swapped, weighed, none, dropped = (json.loads(kept) for _ in range(4))
    first, second = swapped["aspects"]["aspects"]
    first["text"], second["text"] = second["text"], first["text"]
    weighed["aspects"]["alpha"] = 0.3
    none["aspects"] = None
    dropped["aspects"] = dropped["aspects_hash"] = None
    for edited in (swapped, weighed, none, dropped):
        path.write_text(json.dumps(edited), encoding="utf-8")
        with pytest.raises(InputError, match="aspects"):
            load_learned(folder, ENCODER)
    path.write_text(kept, encoding="utf-8")


def test_of_a_large_pool_the_images_that_were_looked_at_are_drawn(monkeypatch):
    monkeypatch.setattr("fieldmark.tools.learned.contest.MOST_COMPETING", 60)
    pool, (_, label) = lesson(), drawn(2)
    known = torch.zeros(len(label), len(TEXTS))
    known[torch.randperm(len(label), generator=torch.Generator().manual_seed(5))[:40]] = 1
    known[:, 1] = 0
    learned = learn(pool, names_guide(CENTRES), reject=0.02, aspects=aspects(label, known=known))
    assert learned.aspects is not None
    trial = learned.aspects.trial
    assert trial.answers.tolist() == [40, 0]
    assert trial.agreement[0] > 0.6
    assert bool(trial.agreement[1].isnan())
    assert bool(trial.usual[1].isnan())


def test_aspects_with_one_answer_or_hardly_any_are_left_out():
    seen = aspects(torch.arange(CLASSES).repeat(8))
    known = torch.ones_like(seen.p)
    known[7:, 0] = 0
    assert [a.text for a in replace(seen, known=known).with_both_answers().aspects] == [TEXTS[1]]
    same = replace(seen, p=torch.full_like(seen.p, 0.9))
    assert same.with_both_answers().aspects == ()
    assert replace(seen, known=torch.zeros_like(known)).with_both_answers().p.shape == (32, 0)


def test_aspects_of_several_sets_of_classes_are_one_list():
    found = merged([(("a", "b"), {"x": ("a",)}), (("c", "d"), {"x": ("c", "d"), "y": ("d",)})])
    assert [each.text for each in found] == ["x", "y"]
    assert (found[0].holds, found[0].fails) == (("a", "c", "d"), ("b",))
    assert [found[1].said_of(name) for name in "adc"] == [None, "yes", "no"]


def test_sets_are_of_like_size_and_hold_look_alikes():
    torch.manual_seed(0)
    centres = torch.eye(3).repeat_interleave(4, 0) + 0.05 * torch.randn(12, 3)
    order = torch.randperm(12)
    sets = alike_sets(centres[order], 4)
    assert sorted(row for own in sets for row in own) == list(range(12))
    assert [len({int(order[row]) // 4 for row in own}) for own in sets] == [1, 1, 1]
    assert [len(own) for own in alike_sets(torch.randn(25, 3), 24)] == [13, 12]


def test_a_field_guide_gives_aspects_that_split_its_classes_most_even_first():
    said = [("a", "bill", "a long bill"), ("b", "bill", "a long bill"), ("c", "bill", "a short bill"),
            ("d", "bill", "a short bill"), ("a", "cap", "a red cap"), ("b", "cap", "no cap"),
            ("c", "cap", "no cap"), ("a", "legs", "grey legs"), ("b", "legs", "grey legs")]  # fmt: skip
    votes = [
        AttributeVote(class_name=c, attribute=a, value=v, source=f"{n}") for n, (c, a, v) in enumerate(said)
    ]

    def encode(texts):
        return torch.nn.functional.normalize(
            torch.stack(
                [torch.randn(32, generator=torch.Generator().manual_seed(sum(t.encode()))) for t in texts]
            ),
            dim=1,
        )

    found = aspects_of_guide(build_field_guide(votes, "abcd", encode, noun="bird"), most=3)
    assert found[0].text in ("The bird has a long bill.", "The bird has a short bill.")
    assert {len(found[0].holds), len(found[0].fails)} == {2}
    assert not any("grey legs" in each.text for each in found)  # all that it is said of have it
    cap = next(each for each in found if "cap" in each.text)
    assert "d" not in (*cap.holds, *cap.fails)


def test_a_lesson_of_no_weight_is_no_trouble():
    vectors, label = drawn(2)
    target = torch.nn.functional.one_hot(label, CLASSES).float()
    fit = fit_aspects(
        Lesson(vectors, target, torch.zeros(len(label))), aspects(label), decay=0.001, alpha=1.0
    )
    assert bool(fit.scores(vectors).isfinite().all())
