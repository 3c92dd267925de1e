"""The prompt search graph on the made-up world: what it finds, writes, survives and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.optimize.context import OptimizeContext
from fieldmark.agents.optimize.finish import RESULT, SearchResult
from fieldmark.agents.optimize.gather import load_notebook, unanswered
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.run import run_optimize
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import checkpoint_server
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import EndpointError, LimitReached, QuestionFailed
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.clip.encoder import EncodedImages
from fieldmark.tools.runs.events import Event, GenerationScored
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import FakeEncoder, FakeModel, World

SMALL = OptimizeOptions(noun="bird", descriptor_samples=1, template_generations=1, generations=2, passes=2)


class Killed(BaseException):
    """Ends a process in the middle of a node."""


class Watched(FakeEncoder):
    """Remembers in which order images and texts were asked for."""

    def __init__(self, world: World, **given: Any) -> None:
        super().__init__(world, **given)
        self.order: list[str] = []
        self.labelled: list[list[str]] = []

    def encode_images(self, images: Any, **rest: Any) -> EncodedImages:
        self.order.append("images")
        self.labelled.append([image.path.name for image in images])
        return super().encode_images(images, **rest)

    def encode_texts(self, texts: Any, **rest: Any) -> Any:
        self.order.append("texts")
        return super().encode_texts(texts, **rest)


def context_on(folder: Path, world: World, **given: Any) -> OptimizeContext:
    numbers = range(len(world.names))
    values: dict[str, Any] = {
        "classes": world.names,
        "train": tuple(world.image(n, 100, labelled=True) for n in numbers),
        "test": tuple(world.image(n, copy, labelled=True) for n in numbers for copy in range(3)),
        "encoder": Watched(world, noise=0.8),
        "llm": FakeModel(world),
        "run": RunFolder(folder),
        "arrays": ArrayStore(folder / "arrays"),
        "options": SMALL,
        "checkpoints": checkpoint_server(),
    }
    return OptimizeContext(**(values | given))


def search(context: OptimizeContext) -> SearchResult:
    run_to_end(run_optimize(context))
    return context.run.read(RESULT, SearchResult)


def raw(folder: Path) -> tuple[bytes, ...]:
    names = ("book.json", "history.jsonl", "class_matrix.safetensors", RESULT)
    return tuple((folder / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[OptimizeContext, SearchResult]:
    context = context_on(tmp_path_factory.mktemp("whole"), World())
    return context, search(context)


def test_it_finds_a_better_book(whole: tuple[OptimizeContext, SearchResult]) -> None:
    context, found = whole
    assert not found.kept_start
    assert found.best.fitness > found.start.fitness
    assert found.start.test_top1 is not None
    assert found.best.test_top1 is not None
    assert found.best.test_top1 >= found.start.test_top1 + 0.2
    book = PromptBook.model_validate_json((context.run.path / "book.json").read_bytes())
    assert book.classes == context.classes
    assert all(book.texts(name) for name in book.classes)
    assert found.changes
    assert found.curve[-1].test_top1 == found.best.test_top1


def test_every_candidate_stands_in_the_history_once_with_a_parent_that_is_known(
    whole: tuple[OptimizeContext, SearchResult],
) -> None:
    context, found = whole
    rows = [json.loads(line) for line in (context.run.path / "history.jsonl").read_text().splitlines()]
    assert len(rows) == found.candidates
    ids = [row["id"] for row in rows]
    known: set[str] = {f"{0:016x}"}
    for row in rows:
        assert row["parent"] is None or row["parent"] in known
        known.add(row["id"])
    later = [row["id"] for row in rows if row["stage"] == "classes"]
    assert len(later) == len(set(later))
    assert not set(later) & set(ids[: len(ids) - len(later)])
    assert max(row["fitness"] for row in rows if row["stage"] != "templates") == found.best.fitness


def test_everything_is_asked_before_the_search_and_test_images_are_touched_last(
    whole: tuple[OptimizeContext, SearchResult],
) -> None:
    context, _ = whole
    model, encoder = context.llm, context.encoder
    assert isinstance(model, FakeModel)
    assert isinstance(encoder, Watched)
    assert model.kinds() == ["domain_words.v1", "describe.v1", "synonyms.v1", "differentiate_group.v1"]
    assert sum(q.prompt_id == "domain_words.v1" for q in model.asked) == 1
    assert [q.about for q in model.asked if q.prompt_id == "synonyms.v1"] == [(c,) for c in context.classes]
    questions = [(q.prompt_id, q.about, q.sample) for q in model.asked]
    assert len(questions) == len(set(questions))
    tested = [any(not name.endswith("-100.png") for name in names) for names in encoder.labelled]
    assert tested.count(True) == 1
    assert tested[-1]
    assert encoder.order[-1] == "images"


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("fatal", [1, 2, 4, 9])
def test_a_killed_search_ends_in_the_same_bytes(
    whole: tuple[OptimizeContext, SearchResult], tmp_path: Path, fatal: int
) -> None:
    seen = 0

    def kill(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, GenerationScored)
        if seen == fatal:  # the history is written, the checkpoint is not
            raise Killed

    with pytest.raises(Killed):
        search(context_on(tmp_path, World(), progress=kill))
    model = FakeModel(World())
    search(context_on(tmp_path, World(), llm=model))
    assert raw(tmp_path) == raw(whole[0].run.path)
    assert bool(model.asked) == (fatal == 1)


def test_a_finished_search_is_not_done_again(whole: tuple[OptimizeContext, SearchResult]) -> None:
    context, _ = whole
    before = raw(context.run.path)
    encoder = Watched(World())
    again = context_on(context.run.path, World(), encoder=encoder)
    search(again)
    assert raw(context.run.path) == before
    assert encoder.order == []


def test_the_random_control_scores_at_least_as_many_and_finds_less(
    whole: tuple[OptimizeContext, SearchResult], tmp_path: Path
) -> None:
    options = SMALL.model_copy(update={"strategy": "random"})
    found = search(context_on(tmp_path, World(), options=options))
    assert found.candidates >= whole[1].candidates
    assert found.best.fitness < whole[1].best.fitness


def test_without_a_language_model_names_and_templates_are_searched(tmp_path: Path) -> None:
    found = search(context_on(tmp_path, World(), llm=None))
    assert found.candidates > 0
    assert found.start.prompts == 16


def test_a_start_that_cannot_be_beaten_is_kept(tmp_path: Path) -> None:
    world = World(names=("finch", "heron"))
    told = [
        Prompt(
            class_name=name,
            text=f"a photo of a {name}, which has "
            + " and ".join(
                world.value(name, part) for part in ("belly", "bill", "tail", "crest", "wing", "leg")
            )
            + ".",
            origin=Origin(kind="book"),
        )
        for name in world.names
    ]
    book = PromptBook(classes=world.names, noun="bird", prompts=tuple(told))
    options = SMALL.model_copy(update={"fitness": "accuracy"})
    found = search(context_on(tmp_path, world, llm=None, book=book, options=options))
    assert found.kept_start
    written = PromptBook.model_validate_json((tmp_path / "book.json").read_bytes())
    assert [p.text for p in written.prompts] == [p.text for p in told]
    assert found.best == found.start


def test_two_classes_and_a_class_without_images(tmp_path: Path) -> None:
    two = World(names=("finch", "heron"))
    assert search(context_on(tmp_path / "two", two)).generations > 0
    world = World()
    train = tuple(world.image(n, 100, labelled=True) for n in range(1, len(world.names)))
    found = search(context_on(tmp_path / "none", world, train=train, test=()))
    assert found.best.test_top1 is None
    assert found.gain is None


def test_a_class_that_could_not_be_described_keeps_its_name(tmp_path: Path) -> None:
    def fault(question: Any) -> Exception | None:
        first = question.about[0] == "owl" and question.prompt_id == "describe.v1"
        return QuestionFailed("refused", reason="refused") if first else None

    context = context_on(tmp_path, World(), llm=FakeModel(World(), fault=fault))
    search(context)
    start = PromptBook.model_validate_json((tmp_path / "start_book.json").read_bytes())
    assert start.texts("owl") == ["a photo of an owl."]


def test_what_is_given_is_not_asked(tmp_path: Path) -> None:
    world = World()
    owl = Prompt(class_name="owl", text="An owl, which has a red belly.", origin=Origin(kind="descriptor"))
    given = GivenTexts((owl,), {"owl": (("night bird", Origin(kind="name", file="s.json")),)})
    model = FakeModel(world)
    options = SMALL.model_copy(update={"domain_words": ("sketch",)})
    search(context_on(tmp_path, world, llm=model, given=given, options=options))
    assert "domain_words.v1" not in model.kinds()
    named = [q.about for q in model.asked if q.prompt_id == "synonyms.v1"]
    assert named == [(name,) for name in world.names if name != "owl"]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [({"synonyms": 0}, "synonyms.v1"), ({"template_generations": 0}, "domain_words.v1")],
)
def test_what_is_of_no_use_is_not_asked(tmp_path: Path, changed: dict[str, Any], kind: str) -> None:
    model = FakeModel(World())
    search(context_on(tmp_path, World(), llm=model, options=SMALL.model_copy(update=changed)))
    assert kind not in model.kinds()
    assert "describe.v1" in model.kinds()


@pytest.mark.parametrize(
    "error",
    [
        QuestionFailed("It would not.", reason="refused"),
        QuestionFailed("It was busy.", reason="http", status=429, retryable=True),
        LimitReached("Enough."),
    ],
)
def test_the_search_does_without_domain_words(tmp_path: Path, error: Exception) -> None:
    stop = FakeModel(World(), fault=lambda q: error if q.prompt_id == "domain_words.v1" else None)
    context = context_on(tmp_path, World(), llm=stop)
    state = run_to_end(run_optimize(context))
    assert state.stop_reason == "searched"
    count, (note,) = unanswered(load_notebook(state.notebook, context))
    assert count == 1
    assert note.endswith("question(s) brought no answer: domain_words 1.")


def test_the_search_does_without_other_names_but_not_without_all_answers(tmp_path: Path) -> None:
    busy = QuestionFailed("It was busy.", reason="http", status=429, retryable=True)
    stop = FakeModel(World(), fault=lambda q: busy if q.prompt_id == "synonyms.v1" else None)
    context = context_on(tmp_path / "some", World(), llm=stop)
    state = run_to_end(run_optimize(context))
    assert unanswered(load_notebook(state.notebook, context))[0] == len(context.classes)
    with pytest.raises(EndpointError):
        search(context_on(tmp_path / "none", World(), llm=FakeModel(World(), fault=lambda q: busy)))


def test_domain_words_and_other_names_are_tried(whole: tuple[OptimizeContext, SearchResult]) -> None:
    context, _ = whole
    said = context.encoder.texts_seen  # pyright: ignore
    assert "animal: a photo of a finch." in said
    assert "a photo of a finch, a type of animal." in said
    first = World().value("finch", "belly")
    assert any(f" bird with {first}" in text for text in said)


@pytest.mark.parametrize("count", [2, 25, 29])
def test_any_number_of_classes(tmp_path: Path, count: int) -> None:
    world = World(names=tuple(f"kind {number}" for number in range(count)))
    text = Prompt(class_name="kind 1", text="Brown.", origin=Origin(kind="descriptor", file="a.json"))
    options = SMALL.model_copy(update={"passes": 1, "generations": 1})
    found = search(context_on(tmp_path, world, given=GivenTexts((text,)), options=options))
    assert found.best.fitness >= found.start.fitness


@pytest.mark.parametrize(
    ("error", "kind"), [(LimitReached("enough"), LimitReached), (EndpointError("gone"), EndpointError)]
)
def test_what_stops_the_asking_stops_the_run_and_it_can_go_on(
    whole: tuple[OptimizeContext, SearchResult], tmp_path: Path, error: Exception, kind: type[Exception]
) -> None:
    stop = FakeModel(World(), fault=lambda question: error if question.prompt_id != "describe.v1" else None)
    with pytest.raises(kind):
        search(context_on(tmp_path, World(), llm=stop))
    search(context_on(tmp_path, World()))
    assert raw(tmp_path) == raw(whole[0].run.path)
