"""How an annotator looks: with its owner's labels before it, several times, or as these labels speak for."""

import asyncio
from typing import Any, Literal

import pytest
import torch

from fieldmark.agents.build.looks import annotator_looking
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError, QuestionFailed
from fieldmark.records import Concept, Label
from fieldmark.testing import data_of
from fieldmark.tools.annotate.exemplars import MOST_EXEMPLARS, choose_exemplars
from fieldmark.tools.annotate.looks import WayOfLooking, voted
from fieldmark.tools.annotate.verdict_store import StoredVerdict, VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.concepts.pool import ImagePool
from tests.seeing import COLOURS, SeeingModel, colour_of, definition, draw

WARM = definition("The picture is warm.")


def annotator(model: SeeingModel, store: VerdictStore | None = None) -> VlmAnnotator:
    return VlmAnnotator(model, model="seeing", store=store or VerdictStore(MemoryByteStore()))


def learning() -> SeeingModel:
    """Knows what is warm from examples alone: what has the colour of one that is in."""
    model = SeeingModel()

    def told(data: dict[str, Any], true: dict[str, Any]) -> dict[str, Any]:
        shown = [colour_of(each.data_url) for each in model.asked[-1].messages[-1].images]
        if "findings" not in true or not shown:
            return true
        inside = {c for c, label in zip(shown, data.get("examples", ()), strict=False) if label == "in"}
        finding = "yes" if shown[-1] in inside else "no"
        return true | {"findings": [row | {"finding": finding} for row in true["findings"]]}

    model.told = told
    return model


@pytest.fixture
def pool(tmp_path: Any) -> ImagePool:
    images = draw(tmp_path / "pool", ["red", "blue"] * 16)
    colours = [torch.tensor(COLOURS["red" if n % 2 == 0 else "blue"]).float() for n in range(32)]
    vectors = torch.nn.functional.normalize(torch.stack(colours) + torch.arange(32)[:, None], dim=1)
    return ImagePool(tuple(images), vectors)


def concept(pool: ImagePool, labels: int = 24) -> Concept:
    """The first of the pool are labelled; the last four are the blind test."""
    values: tuple[Literal["in", "out"], ...] = ("in", "out")
    hashes = [image.content_hash for image in pool.images]
    said = [Label(image=h, value=values[n % 2], split="dev", at="t") for n, h in enumerate(hashes[:labels])]
    return Concept(name="warm", labels=tuple(said), blind=dict.fromkeys(hashes[-4:], 1.0), blind_drawn=True)


def test_an_image_is_never_its_own_example(pool: ImagePool) -> None:
    model = learning()
    examples = tuple((pool.images[n], "in" if n % 2 == 0 else "out") for n in range(4))
    looking = annotator(model).looking(WayOfLooking(examples=examples))  # pyright: ignore[reportArgumentType]
    verdicts = asyncio.run(looking.judge(pool.images[:6], WARM))
    assert [each.call for each in verdicts] == ["in", "out"] * 3
    shown = [question.messages[-1].images for question in model.asked]
    assert sorted(map(len, shown)) == [4, 4, 4, 4, 5, 5]  # several are asked at a time, in any order
    assert all(len({part.data_url for part in each}) == len(each) for each in shown)


def test_what_was_judged_otherwise_is_no_verdict_of_this_look(pool: ImagePool) -> None:
    model, store = learning(), VerdictStore(MemoryByteStore())
    once = annotator(model, store)
    some = once.looking(WayOfLooking(examples=((pool.images[0], "in"),)))
    other = once.looking(WayOfLooking(examples=((pool.images[2], "in"),)))
    thrice = once.looking(WayOfLooking(samples=3))
    assert len({each.identity for each in (once, some, other, thrice)}) == 4
    image = pool.images[4:5]
    calls = [asyncio.run(each.judge(image, WARM))[0].call for each in (once, some, other, thrice, some)]
    assert calls == ["out", "in", "in", "out", "in"]
    assert len(model.asked) == 1 + 1 + 1 + 3
    assert [question.sample for question in model.asked[3:]] == [0, 1, 2]
    assert len(thrice.foretold(WARM.active)) == 3


def test_steps_caption_ask_and_weigh_without_the_image(pool: ImagePool) -> None:
    model, store = SeeingModel(), VerdictStore(MemoryByteStore())
    steps = annotator(model, store).looking(WayOfLooking(steps=True))
    own = definition("The picture is red.", "There is something hidden.")
    red, blue = asyncio.run(steps.judge(pool.images[:2], own))
    assert [(each.finding, each.p) for each in red.clauses] == [("yes", 0.9), ("abstain", None)]
    assert (blue.call, blue.seen, blue.rationale) == ("out", "A blue picture.", "A blue picture.")
    by_id: dict[str, list[Any]] = {}
    for question in model.asked:
        by_id.setdefault(question.prompt_id, []).append(question)
    assert {name: len(each) for name, each in by_id.items()} == {
        "caption.v1": 2,
        "inquire.v1": 2,
        "weigh.v1": 2,
    }
    shown = {name: {len(q.messages[-1].images) for q in each} for name, each in by_id.items()}
    assert shown == {"caption.v1": {1}, "inquire.v1": {1}, "weigh.v1": {0}}
    assert {data_of(q)["caption"] for q in by_id["weigh.v1"]} == {"A red picture.", "A blue picture."}
    assert [q.prompt_id for q in steps.foretold(own.active)] == list(by_id)
    asyncio.run(steps.judge(pool.images[:2], own))
    assert len(model.asked) == 6  # the verdicts are kept; those of one look are others
    asyncio.run(annotator(model, store).judge(pool.images[:2], own))
    assert len(model.asked) == 8


@pytest.mark.parametrize("silent", ["caption.v1", "inquire.v1", "weigh.v1"])
def test_a_step_without_an_answer_is_no_verdict(pool: ImagePool, silent: str) -> None:
    model = SeeingModel(lambda q: QuestionFailed("no", reason="refused") if q.prompt_id == silent else None)
    steps = annotator(model).looking(WayOfLooking(steps=True))
    (verdict,) = asyncio.run(steps.judge(pool.images[:1], WARM))
    assert verdict.call == "refused" and steps.failures == {"refused": 1}


def test_a_vote_that_lacks_an_answer_is_none(pool: ImagePool) -> None:
    model = SeeingModel(lambda q: QuestionFailed("no", reason="refused") if q.sample == 1 else None)
    store = VerdictStore(MemoryByteStore())
    voting = annotator(model, store).looking(WayOfLooking(samples=3))
    (verdict,) = asyncio.run(voting.judge(pool.images[:1], WARM))
    assert verdict.call == "refused"
    assert voting.open_clauses(pool.images[0], WARM) == list(WARM.active)


def test_images_are_judged_in_steps_or_by_examples(pool: ImagePool) -> None:
    with pytest.raises(InputError, match="shown alone"):
        WayOfLooking(steps=True, examples=((pool.images[0], "in"),))


def test_a_debate_sees_the_examples_but_the_image_itself(pool: ImagePool) -> None:
    model = SeeingModel()
    examples = ((pool.images[0], "in"), (pool.images[1], "out"))
    looking = annotator(model).looking(WayOfLooking(examples=examples))  # pyright: ignore[reportArgumentType]
    asyncio.run(looking.debate([pool.images[0], pool.images[3]], WARM, concept="warm", purpose=""))
    shown = [len(q.messages[1].images) for q in model.asked if q.prompt_id == "argue.v2"]
    assert sorted(shown) == [2, 3]
    assert sorted({tuple(data_of(q)["examples"]) for q in model.asked if q.prompt_id == "argue.v2"}) == [
        ("in", "out"), ("out",),
    ]  # fmt: skip


def test_most_of_several_findings_count() -> None:
    def said(finding: Any, p: float | None) -> dict[str, StoredVerdict]:
        return {"a": StoredVerdict(finding=finding, p=p)}

    (no,) = voted([said("yes", 0.9), said("no", 0.2), said("no", 0.3)]).values()
    assert (no.finding, no.p) == ("no", pytest.approx(1.4 / 3))
    (yes,) = voted([said("yes", 0.55), said("no", 0.01), said("yes", 0.55)]).values()
    assert (yes.finding, yes.p) == ("yes", 0.5)  # never on the other side of its finding
    (silent,) = voted([said("abstain", None), said("abstain", None), said("yes", 0.9)]).values()
    assert (silent.finding, silent.p) == ("abstain", None)


@pytest.mark.parametrize(
    ("model", "labels", "chosen"),
    [(learning, 24, "examples"), (SeeingModel, 24, "once"), (learning, 12, "once")],
)
def test_labels_choose_the_cheapest_look_that_is_no_worse(
    pool: ImagePool, model: Any, labels: int, chosen: str
) -> None:
    own = concept(pool, labels)
    found = asyncio.run(annotator_looking(annotator(asked := model()), "choose", own, WARM, pool))
    assert found.chosen == chosen
    assert bool(found.right) == (labels >= 20)
    if found.right:
        assert found.right["once"] == 0.5 and "Of the owner's labels" in found.notes[0]
        assert len(asked.asked) == labels * 8
        held = {pool.images[row].content_hash for row in range(28, 32)}
        assert held.isdisjoint(verdict_images(asked))


def verdict_images(model: SeeingModel) -> set[str]:
    from tests.seeing import hash_of

    return {hash_of(part.data_url) for each in model.asked for part in each.messages[-1].images}


def test_exemplars_are_typical_and_borderline_of_either_label() -> None:
    hashes = [f"{n}" for n in range(12)]
    angle = torch.linspace(0, 1.5, 12)
    vectors = torch.stack((angle.cos(), angle.sin()), 1)
    labels: dict[str, Literal["in", "out"]] = {h: "in" if n < 6 else "out" for n, h in enumerate(hashes)}
    chosen = choose_exemplars(hashes, vectors, labels)
    assert len(chosen) == MOST_EXEMPLARS
    assert set(chosen) == {"0", "1", "4", "5", "6", "7", "10", "11"}
    assert [labels[each] for each in chosen[:4]] == ["in", "out", "in", "out"]
    assert choose_exemplars(hashes[:6], vectors[:6], labels) == ()
    assert set(choose_exemplars(["0", "11"], vectors[[0, 11]], labels)) == {"0", "11"}
