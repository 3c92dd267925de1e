"""Methods that compare images with what a language model says of each class: CuPL, MPVR, RAM++, CHiLS."""

import pytest
import torch

from fieldmark.errors import EndpointError, LimitReached, QuestionFailed
from fieldmark.prompts.class_questions import GENERIC_QUESTIONS
from tests.graph.world import PARTS, FakeModel, data_of
from tests.unit.evals.methods.made_up_bench import (
    WORLD,
    Benches,
    by_hand,
    refusing,
    scored_by,
    scores_by,
)


def portrait(name: str) -> list[str]:
    """What the made-up model answers to any question about the class."""
    return [f"A photo of a {name} with {WORLD.value(name, part)}." for part in PARTS]


def asked(model: FakeModel) -> list[str]:
    """The questions that were to be answered about each class."""
    return [data_of(q)["question"] for q in model.asked if q.prompt_id == "portray.v1"]


def test_cupl_asks_the_domains_questions_and_pools_all_sentences(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model)
    found = scores_by("cupl", bench)
    assert sorted(asked(model)) == sorted(f"What does a {name} look like?" for name in WORLD.names)
    assert torch.allclose(found, by_hand(bench, [portrait(name) for name in WORLD.names]), atol=1e-4)
    assert bench.notes == []
    assert bench.cost.llm_requests == 6
    assert bench.cost.texts == 6 * len(PARTS)


def test_cupl_base_asks_three_generic_questions(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    scores_by("cupl-base", make_bench(llm=model))
    wanted = [q.replace("{class}", name) for q in GENERIC_QUESTIONS for name in WORLD.names]
    assert sorted(asked(model)) == sorted(wanted)
    assert len(wanted) == 18


def test_a_domain_without_questions_gets_the_generic_ones_and_a_note(make_bench: Benches) -> None:
    bench = make_bench(questions=())
    assert torch.equal(scores_by("cupl", bench), scores_by("cupl-base", make_bench()))
    assert [note for note in bench.notes if "generic ones" in note]


def test_cupl_e_puts_templates_and_sentences_into_one_list(make_bench: Benches) -> None:
    bench = make_bench()
    texts = [[f"a {name}, a bird.", f"a bird: {name}.", *portrait(name)] for name in WORLD.names]
    assert torch.allclose(scores_by("cupl-e", bench), by_hand(bench, texts), atol=1e-4)
    plain = make_bench(templates=())
    scores_by("cupl-e", plain)
    assert plain.cost.texts == 6 * (80 + len(PARTS))


def test_a_class_without_an_answer_keeps_the_plain_template(make_bench: Benches) -> None:
    bench = make_bench(llm=refusing(lambda q: "owl" in q.about))
    found = scores_by("cupl", bench)
    texts = [portrait(name) if name != "owl" else ["a photo of an owl."] for name in WORLD.names]
    assert torch.allclose(found, by_hand(bench, texts), atol=1e-4)
    assert any("1 of 6 classes" in note for note in bench.notes)
    assert any("1 of 6 questions" in note for note in bench.notes)
    assert bench.cost.llm_failed == 1


def test_mpvr_has_its_questions_written_first(make_bench: Benches) -> None:
    model = FakeModel(WORLD)
    bench = make_bench(llm=model)
    found = scores_by("mpvr", bench)
    assert model.asked[0].prompt_id == "task_questions.v1"
    # Of the two that the made-up model writes, one has no place for the class and is dropped.
    assert sorted(asked(model)) == sorted(f"What colour is the {name}?" for name in WORLD.names)
    assert torch.allclose(found, by_hand(bench, [portrait(name) for name in WORLD.names]), atol=1e-4)


def test_mpvr_without_questions_asks_the_generic_ones(make_bench: Benches) -> None:
    model = refusing(lambda q: q.prompt_id == "task_questions.v1")
    bench = make_bench(llm=model)
    scores_by("mpvr", bench)
    assert len(asked(model)) == 18
    assert any("generic ones" in note for note in bench.notes)


def test_reweighting_weighs_each_sentence_by_its_fit_to_the_image(make_bench: Benches) -> None:
    bench = make_bench()
    found = scores_by("ram-reweighting", bench)
    for image, vector in enumerate(bench.vectors):
        for column, name in enumerate(WORLD.names):
            texts = bench.encoder.encode_texts(portrait(name))
            weights = (texts @ vector / 0.07).softmax(0)
            mixed = (weights[:, None] * texts).sum(0)
            own = 20.0 * float(vector @ mixed / mixed.norm())
            assert float(found[image, column]) == pytest.approx(own, abs=1e-4)


def test_chils_takes_the_likeliest_kind_with_its_class(make_bench: Benches) -> None:
    bench = make_bench(llm=refusing(lambda q: "owl" in q.about))
    found = scores_by("chils", bench)
    # The class itself is dropped from its kinds, as is the second spelling; it joins them by itself.
    kinds = [[name] if name == "owl" else [name, f"young {name}"] for name in WORLD.names]
    texts = [[f"a photo of a{'n' if kind == 'owl' else ''} {kind}." for kind in own] for own in kinds]
    flat = [text for own in texts for text in own]
    subs = (20.0 * bench.vectors @ bench.encoder.encode_texts(flat).T).softmax(1)
    classes = (20.0 * bench.vectors @ bench.encoder.encode_texts([own[0] for own in texts]).T).softmax(1)
    for column, own in enumerate(texts):
        places = [flat.index(text) for text in own]
        best = subs[:, places].max(1).values * classes[:, column]
        assert torch.allclose(found[:, column].exp(), best, atol=1e-6)
    assert any("1 of 6 classes have no kinds" in note for note in bench.notes)


def test_a_dead_endpoint_or_a_limit_ends_the_method(make_bench: Benches) -> None:
    for error in (EndpointError("down"), LimitReached("enough")):
        bench = make_bench(llm=FakeModel(WORLD, fault=lambda _, error=error: error))
        with pytest.raises(type(error)):
            scored_by("cupl", bench)
    silent = make_bench(
        llm=FakeModel(WORLD, fault=lambda _: QuestionFailed("late", reason="timeout", retryable=True))
    )
    with pytest.raises(EndpointError):
        scored_by("cupl", silent)
