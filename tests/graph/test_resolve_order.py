"""The path that a run takes through the graph, and why it ends."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fieldmark.agents.resolve import graph as resolve
from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.graph import MOST_SENDS, build_graph
from fieldmark.agents.resolve.planning import PlanView
from fieldmark.agents.resolve.state import ResolveState
from fieldmark.agents.shared.notes import Note, Notebook
from fieldmark.app.event_loop import run_to_end
from fieldmark.errors import EndpointError, InputError, LimitReached, NoImagesError, QuestionFailed
from fieldmark.records import Origin, Prompt, PromptBook, QuestionSpec
from fieldmark.tools.runs.events import (
    EncodingStarted,
    ImagesEncoded,
    QuestionAnswered,
    RoundPlanned,
    RoundSummary,
    StepFailed,
)
from fieldmark.tools.scoring.books import book_scores
from tests.graph.running import Events, make_context, options, run
from tests.graph.world import FakeEncoder, FakeModel, World, data_of

WORLD = World()
FIRST_LOOK = ["encode", "score", "triage"]


def steps(context: ResolveContext) -> list[tuple[str, int]]:
    """The nodes in the order in which they ran, each with how many tasks of it ran at once."""

    async def stream() -> list[tuple[str, int]]:
        taken: list[tuple[str, int]] = []
        updates = build_graph().astream(
            ResolveState(), {"recursion_limit": 200}, context=context, stream_mode="updates"
        )
        async for update in updates:
            (name,) = update
            before, count = taken[-1] if taken else ("", 0)
            fan_out = name == before and name in ("describe", "differentiate")
            taken[len(taken) - fan_out :] = [(name, count + 1 if fan_out else 1)]
        return taken

    return run_to_end(stream())


def names(context: ResolveContext) -> list[str]:
    return [name for name, _ in steps(context)]


def test_a_run_from_descriptors_goes_through_the_loop_until_all_are_resolved(tmp_path: Path) -> None:
    context = make_context(tmp_path, WORLD)
    assert steps(context) == [
        ("describe", 16), ("encode", 1), ("score", 1), ("triage", 1),
        ("plan", 1), ("differentiate", 4), ("rescore", 1), ("triage", 1), ("finish", 1),
    ]  # fmt: skip


def test_a_run_from_names_describes_nothing(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    context = make_context(tmp_path, WORLD, llm=model, options=options(start="names", max_rounds=1))
    assert names(context) == [*FIRST_LOOK, "plan", "differentiate", "rescore", "triage", "finish"]
    assert model.kinds() == ["differentiate_group.v1"]
    assert {origin.kind for origin in first_prompts(context)} == {"name"}


def first_prompts(context: ResolveContext) -> list[Origin]:
    """Where the texts of the first look came from, by the only book that is among the stored values."""
    found = [context.arrays.get_json(path.stem) for path in context.arrays.folder.glob("*.json")]
    (book,) = [
        value for value in found if isinstance(value, dict) and value.get("format") == "fieldmark.book/1"
    ]
    return [prompt.origin for prompt in PromptBook.model_validate(book).prompts]


def book_of(world: World, classes: tuple[str, ...] | None = None) -> PromptBook:
    own = Origin(kind="book")
    prompts = tuple(
        Prompt(class_name=name, text=f"{world.value(name, part)} here", origin=own)
        for name in world.names
        for part in ("belly", "bill", "crest")
    )
    return PromptBook(classes=classes or world.names, noun="bird", prompts=prompts)


def test_a_run_from_a_book_asks_nothing_where_the_book_resolves(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    chosen = options(start="book", rivals=1.01, tau=0.5)
    context = make_context(tmp_path, WORLD, llm=model, options=chosen, book=book_of(WORLD))
    assert names(context) == [*FIRST_LOOK, "finish"]
    assert model.asked == []
    assert all(p.status == "resolved" and p.rounds == 0 for p in context.run.read_predictions())


def test_a_book_is_scored_by_the_rule_it_names(tmp_path: Path) -> None:
    book = book_of(WORLD).model_copy(update={"pooling": "prototype"})
    weighed = book.model_copy(
        update={
            "prompts": tuple(p.model_copy(update={"weight": 1.0 + ("bill" in p.text)}) for p in book.prompts)
        }
    )
    scores: list[torch.Tensor] = []
    for number, each in enumerate((book_of(WORLD), book, weighed)):
        chosen = options(start="book", max_rounds=0)
        ran = run(make_context(tmp_path / str(number), WORLD, options=chosen, book=each))
        assert ran.context.run.read("book.json", PromptBook).pooling == each.pooling
        scores.append(torch.from_numpy(ran.context.arrays.get(ran.state.scores)))
    expected = book_scores(weighed, ran.context.vectors, ran.context.encoder.encode_texts)
    assert torch.equal(scores[2], expected)
    assert not torch.allclose(scores[1], scores[2])
    assert not torch.allclose(scores[0], scores[1])


def test_a_book_that_lists_the_classes_otherwise_is_refused(tmp_path: Path) -> None:
    book = book_of(WORLD, classes=tuple(reversed(WORLD.names)))
    with pytest.raises(InputError, match="in another order"):
        run(make_context(tmp_path, WORLD, options=options(start="book"), book=book))


def test_several_samples_are_asked_apart_and_a_repeated_mark_counts_once(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    ran = run(make_context(tmp_path, WORLD, llm=model, options=options(descriptor_samples=3, max_rounds=0)))
    samples = [(data_of(q)["class"], q.sample) for q in model.asked]
    assert sorted(samples) == sorted((name, n) for name in WORLD.names for n in range(3))
    book = ran.context.run.read("book.json", PromptBook)
    assert [len(book.texts(name)) for name in WORLD.names] == [1] * 16


def test_more_questions_than_a_step_may_hold_are_sent_in_batches(tmp_path: Path) -> None:
    world = World(names=tuple(f"kind {n:04}" for n in range(MOST_SENDS + 50)))
    model = FakeModel(world)
    context = make_context(
        tmp_path, world, llm=model, images=world.images(1, of=[0]), options=options(max_rounds=0)
    )
    (node, sends), *_ = steps(context)
    assert (node, sends) == ("describe", (MOST_SENDS + 50) / 2)
    assert len({data_of(q)["class"] for q in model.asked}) == len(model.asked) == MOST_SENDS + 50


# ---------------------------------------------------------------- stop reasons


def test_resolved_ends_the_loop(tmp_path: Path) -> None:
    ran = run(make_context(tmp_path, WORLD))
    assert ran.state.stop_reason == "resolved"
    assert set(ran.statuses) == {"resolved"}
    assert ran.right(WORLD) == 1.0


def test_no_rounds_allowed_is_max_rounds_and_asks_nothing_more(tmp_path: Path) -> None:
    model = FakeModel(WORLD)
    ran = run(make_context(tmp_path, WORLD, llm=model, options=options(max_rounds=0)))
    assert (ran.state.stop_reason, ran.state.round) == ("max_rounds", 0)
    assert model.kinds() == ["describe.v1"]
    assert set(ran.statuses) == {"open"}


def useless(question: Any, said: dict[str, Any]) -> dict[str, Any]:
    """Says of all rivals that they look alike."""
    for difference in said.get("differences", ()):
        for value in difference["values"]:
            value["value"] = "two eyes"
    return said


def test_a_loop_that_gets_nowhere_stops_for_want_of_progress(tmp_path: Path) -> None:
    chosen = options(ask="groups", patience=2, max_rounds=9)
    ran = run(make_context(tmp_path, WORLD, llm=FakeModel(WORLD, told=useless), options=chosen))
    assert ran.state.stop_reason == "no_progress"
    assert ran.state.round <= 2
    assert ran.state.history[-1].candidates == ran.state.history[0].candidates


def test_nothing_left_to_ask_is_no_progress(tmp_path: Path) -> None:
    chosen = options(rule="fudd", ask="pairs", candidates="topk", k=3, patience=5)
    model = FakeModel(WORLD)
    ran = run(make_context(tmp_path, WORLD, llm=model, options=chosen))
    assert ran.state.stop_reason == "no_progress"
    assert ran.state.plan == ()
    pairs = [q.about for q in model.asked if q.prompt_id == "differentiate.v1"]
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) > 0


class Insatiable:
    """A planner that always finds one more question, the same one over and over."""

    def plan(self, view: PlanView) -> tuple[QuestionSpec, ...]:
        return (QuestionSpec(kind="group", classes=view.classes[:3], need=1.0),)


@pytest.mark.parametrize("most", [1, 4])
def test_a_planner_that_never_ends_is_stopped_by_the_count_of_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(resolve, "planner_of", lambda context: Insatiable())
    model = FakeModel(WORLD, told=useless)
    chosen = options(max_rounds=most, patience=1000)
    ran = run(make_context(tmp_path, WORLD, llm=model, options=chosen))
    assert (ran.state.stop_reason, ran.state.round) == ("max_rounds", most)
    assert [q.prompt_id for q in model.asked].count("differentiate_group.v1") == most


def failing_after(count: int, error: Exception) -> Any:
    asked = 0

    def fault(question: Any) -> Exception | None:
        nonlocal asked
        asked += 1
        return error if asked > count else None

    return fault


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LimitReached("The limit of 18 calls is reached."), "budget"),
        (EndpointError("The endpoint is gone."), "endpoint"),
    ],
)
@pytest.mark.parametrize(("answered", "rounds"), [(5, 0), (18, 1)])
def test_a_limit_or_a_dead_endpoint_ends_the_run_with_what_was_answered(
    tmp_path: Path, error: Exception, reason: str, answered: int, rounds: int
) -> None:
    model = FakeModel(WORLD, fault=failing_after(answered, error))
    ran = run(make_context(tmp_path, WORLD, llm=model))
    assert (ran.state.stop_reason, ran.state.round) == (reason, rounds)
    assert len(ran.notebook.notes) == answered
    assert all(note.failure is None for note in ran.notebook.notes)
    assert len(ran.predictions) == 32


def test_after_the_endpoint_is_gone_nothing_more_is_asked_of_it(tmp_path: Path) -> None:
    error = EndpointError("The endpoint is gone.")
    model = FakeModel(WORLD, fault=failing_after(5, error))
    run(make_context(tmp_path, WORLD, llm=model))
    # The 16 questions of the fan-out are independent tasks; each after the failed one sees that it is over.
    assert len(model.asked) == 6


def test_an_endpoint_that_describes_nothing_is_an_error_not_a_result(tmp_path: Path) -> None:
    model = FakeModel(WORLD, fault=failing_after(0, EndpointError("connection refused")))
    context = make_context(tmp_path, WORLD, llm=model)
    with pytest.raises(EndpointError, match="connection refused"):
        run(context)
    assert not (tmp_path / "predictions.jsonl").exists()


def test_no_model_is_an_error_too_where_descriptors_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="no language model"):
        run(make_context(tmp_path, WORLD, llm=None))


def test_half_a_first_look_is_not_called_resolved(tmp_path: Path) -> None:
    world = World(names=("finch", "heron"))
    model = FakeModel(world, fault=failing_after(1, LimitReached("enough")))
    chosen = options(rivals=1.01, tau=1.0)
    ran = run(make_context(tmp_path, world, llm=model, options=chosen))
    assert ran.statuses == ["resolved"] * 4
    assert ran.state.stop_reason == "budget"


# ---------------------------------------------------------------- failed items


def test_a_failed_question_is_a_counted_outcome_and_the_rest_goes_on(tmp_path: Path) -> None:
    def fault(question: Any) -> Exception | None:
        if data_of(question).get("class") == "heron":
            return QuestionFailed("It refused.", reason="refused")
        return None

    events = Events()
    ran = run(make_context(tmp_path, WORLD, llm=FakeModel(WORLD, fault=fault), progress=events))
    (failed,) = [note for note in ran.notebook.notes if note.failure]
    assert (failed.spec.classes, failed.failure) == (("heron",), "question")
    assert failed.reason == "refused: It refused."
    assert [event.classes for event in events.of(StepFailed)] == [("heron",)]
    assert ran.state.stop_reason in ("resolved", "no_progress", "max_rounds")
    known = [p for p, image in zip(ran.predictions, ran.context.usable, strict=True)
             if WORLD.truth(image) not in ("heron", "robin", "tern", "dove")]  # fmt: skip
    assert {p.status for p in known} == {"resolved"}


def test_images_that_vanish_between_scan_and_encoding_are_left_out(tmp_path: Path) -> None:
    encoder = FakeEncoder(WORLD, gone=["0-1.png", "7-0.png"])
    ran = run(make_context(tmp_path, WORLD, encoder=encoder))
    left = [p.image for p in ran.predictions]
    assert len(left) == 30
    assert "/pictures/0-1.png" not in left
    assert "/pictures/7-0.png" not in left
    assert ran.right(WORLD) == 1.0
    assert [skipped.path for skipped in encoder.failures] == ["/pictures/0-1.png", "/pictures/7-0.png"]


def test_no_image_that_can_be_encoded_is_an_error(tmp_path: Path) -> None:
    images = WORLD.images(1, of=[0])
    encoder = FakeEncoder(WORLD, gone=["0-0.png"])
    with pytest.raises(NoImagesError):
        run(make_context(tmp_path, WORLD, images=images, encoder=encoder))


def test_progress_is_told_in_order(tmp_path: Path) -> None:
    events = Events()
    run(make_context(tmp_path, WORLD, progress=events))
    kinds = list(dict.fromkeys(map(type, events.all)))
    assert kinds == [QuestionAnswered, EncodingStarted, ImagesEncoded, RoundSummary, RoundPlanned]
    assert [event.round for event in events.of(RoundSummary)] == [0, 1]
    assert events.of(RoundPlanned) == [RoundPlanned(round=1, questions=4)]


def test_the_state_holds_names_and_hashes_only(tmp_path: Path) -> None:
    ran = run(make_context(tmp_path, WORLD))
    dumped = ran.state.model_dump_json()
    assert len(dumped) < 3_000
    for name in (ran.state.first, ran.state.scores, ran.state.candidates):
        assert ran.context.arrays.get(name).shape == (32, 16)
    notes: tuple[Note, ...] = Notebook.model_validate(ran.context.arrays.get_json(ran.state.notebook)).notes
    assert len(notes) == 20
    assert ran.state.fresh == []
