"""A vision-language model alone: each image is one question, which of the classes it shows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.class_vectors import name_vectors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.choose import Choice, ask_choose, ask_choose_by_examples, chosen
from fieldmark.records import ImagePart, Question
from fieldmark.tools.annotate.concurrency import map_distinct_images
from fieldmark.tools.annotate.image_asker import ImageAsker
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import concurrency_of
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import LookingStarted, OpenImagesSeen

MOST_NAMES = 64
"""Candidates of a question; of more classes the encoder's likeliest are named."""
MOST_EXAMPLES = 8
"""Labelled images in a question: one of each of the encoder's likeliest classes."""
_MOST_SURE = 0.99
NO_PICTURE = ImagePart(data_url="data:,")


AskOfImage = Callable[[ImagePart], Question[Choice]]
Asked = Callable[[Sequence[str], Sequence[int]], AskOfImage]
"""The question about an image, from the names of its candidates and the places of the encoder's likeliest
classes, the likeliest first; none of these where nothing ranked them."""


@dataclass(frozen=True)
class Saw:
    """What the model said of an image: a class by its place and how sure it is, or neither."""

    place: int | None = None
    sure: float = 0.0


def by_showing(prepare: Callable[[EvalBench], Awaitable[Asked]], *, ranked: bool = False) -> Run:
    """Show each image to the model and have it choose a class.

    The model's own confidence is the probability of the class that it chose; the others share the rest. An
    image of which it chose none, or said nothing usable, has no label.

    Args:
        prepare: Makes ready what the questions hold beside the image.
        ranked: Whether the questions go by the encoder's likeliest classes, however few there are.
    """

    async def run(bench: EvalBench) -> MethodScores:
        asked = await prepare(bench)
        asker = ImageAsker(model_of(bench))
        likeliest = _likeliest(bench) if ranked or len(bench.classes) > MOST_NAMES else None
        rows = {image.content_hash: row for row, image in enumerate(bench.images)}

        async def look(image: ImageFile) -> Saw:
            order = None if likeliest is None else likeliest[rows[image.content_hash]].tolist()
            places = range(len(bench.classes)) if order is None else sorted(order[:MOST_NAMES])
            names = [bench.classes[place] for place in places]
            said = await asker.ask(image, asked(names, order or ()))
            return Saw() if isinstance(said, str) else _saw(said, names, bench.classes)

        def tell(done: int, of: int) -> None:
            bench.progress(OpenImagesSeen(done=done, of=of))

        bench.progress(LookingStarted(images=len(rows)))
        found = await map_distinct_images(
            bench.images, look, concurrency=concurrency_of(bench.vlm), progress=tell
        )
        if asker.failures.total():
            bench.notes.append(f"{asker.failures.total()} questions brought no usable answer")
        if len(bench.classes) > MOST_NAMES:
            bench.notes.append(f"of {len(bench.classes)} classes the encoder chose {MOST_NAMES} an image")
        return _scored(found, len(bench.classes))

    return run


def model_of(bench: EvalBench) -> CountingModel:
    """The vision-language model.

    Raises:
        InputError: There is none.
    """
    if bench.vlm is None:
        raise InputError("There is no vision-language model.", hint="Name one.", field="vlm")
    return bench.vlm


async def names_alone(bench: EvalBench) -> Asked:
    """Questions that hold nothing but the names of the classes."""
    return lambda names, order: partial(ask_choose, candidates=names, noun=bench.noun)


async def with_examples(bench: EvalBench) -> Asked:
    """Questions with labelled images: one of each of the classes that the encoder finds likeliest."""
    shown = await _shown(bench, ImageAsker(model_of(bench)))

    def asked(names: Sequence[str], order: Sequence[int]) -> AskOfImage:
        own = [(bench.classes[p], shown[p]) for p in order if p in shown][:MOST_EXAMPLES]
        if not own:
            return partial(ask_choose, candidates=names, noun=bench.noun)
        return partial(ask_choose_by_examples, candidates=names, examples=own, noun=bench.noun)

    return asked


async def _shown(bench: EvalBench, asker: ImageAsker) -> Mapping[int, ImagePart]:
    """The first labelled image of each class, ready to be sent."""
    first = {bench.test.classes.index(str(image.label)): image for image in reversed(bench.test.train)}
    bench.needs.encoded(images=[image.content_hash for image in first.values()])
    return {place: await asker.images.part(image) for place, image in sorted(first.items())}


def _likeliest(bench: EvalBench) -> Tensor:
    """Classes by what the encoder makes of their names, the likeliest first `[N, C]` int64."""
    return (bench.vectors @ name_vectors(bench).T).argsort(dim=1, descending=True, stable=True)


def _saw(answer: Choice, names: Sequence[str], classes: Sequence[str]) -> Saw:
    try:
        name = chosen(answer, names)
    except ValueError:
        return Saw()
    return Saw() if name is None else Saw(classes.index(name), answer.confidence / 100)


def _scored(found: Sequence[Saw], classes: int) -> MethodScores:
    """The log of each class's probability; -inf everywhere where none was chosen."""
    least = 1 / classes
    probabilities = torch.full((len(found), classes), least)
    scores = torch.full((len(found), classes), -torch.inf)
    rows = [row for row, saw in enumerate(found) if saw.place is not None]
    if rows:
        sure = torch.tensor([found[row].sure for row in rows]).clamp(least, _MOST_SURE)
        places = torch.tensor([found[row].place for row in rows])
        own = ((1 - sure) / (classes - 1))[:, None].repeat(1, classes)
        probabilities[rows] = own.scatter(1, places[:, None], sure[:, None])
        # At a confidence that is no more than chance all are alike: the choice still comes first.
        scores[rows] = (
            probabilities[rows].log().scatter_add(1, places[:, None], torch.full((len(rows), 1), 1e-6))
        )
    return MethodScores(
        scores=scores,
        probabilities=probabilities,
        diagnostics={"chosen": len(rows) / max(1, len(found))},
    )


def a_question_an_image(test: TestSet) -> tuple[FollowUps, ...]:
    """One question for each distinct image, without examples."""
    names = sorted(test.classes, key=len)[-MOST_NAMES:]
    return (_bound("images", test, ask_choose(NO_PICTURE, names, noun=test.noun)),)


def a_question_with_examples(test: TestSet) -> tuple[FollowUps, ...]:
    """One question for each distinct image, with as many examples as there can be."""
    names = sorted(test.classes, key=len)[-MOST_NAMES:]
    shown = [(name, NO_PICTURE) for name in names[:MOST_EXAMPLES]]
    longest = ask_choose_by_examples(NO_PICTURE, names, shown, noun=test.noun)
    return (_bound("images with examples", test, longest),)


def _bound(name: str, test: TestSet, longest: Question[Choice]) -> FollowUps:
    distinct = {image.content_hash for image in test.images}
    return FollowUps(name=name, most=len(distinct), longest=(longest,), shown=True)


METHODS = (
    EvalMethod(
        key="vlm",
        title="Vision-language model, names",
        source="Fieldmark",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.VLM}),
        run=by_showing(names_alone),
        follows=a_question_an_image,
        scale="a question an image",
    ),
    EvalMethod(
        key="vlm-examples",
        title="Vision-language model, examples",
        source="Fieldmark",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.VLM, MethodNeed.LABELS}),
        run=by_showing(with_examples, ranked=True),
        follows=a_question_with_examples,
        scale="a question an image",
    ),
)
