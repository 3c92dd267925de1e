"""Labels images by a method of the table, in the folder of a run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.by_method.choice import MethodChoice, lacking
from fieldmark.app.evaluate.inputs import read_captions
from fieldmark.app.inputs import find_given
from fieldmark.app.labels import LabelledExamples, read_examples
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.evals.methods.books import fed
from fieldmark.evals.methods.registry import methods_named
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.labelled import labelled
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.run import only_encoding, usable
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.records import ClassProbabilities, PromptBook
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.datasets.class_tree import rooted
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.folder import RunFolder

WORK = "method"
"""Folder of what a method keeps for itself, in that of the run."""


@dataclass(frozen=True, kw_only=True)
class ImagesBeside:
    """What a method may use beside the images that it labels.

    Attributes:
        examples: Labelled images.
        pool: Unlabelled ones.
        captions: A caption for each of these, where they have any.
        notes: What a reader must know of the labelled images.
    """

    examples: LabelledExamples = field(default_factory=LabelledExamples)
    pool: tuple[ImageFile, ...] = ()
    captions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[ImageFile, ...]:
        """All of them."""
        return (*self.examples.images, *self.pool)


def check_estimate(choice: MethodChoice) -> ResolveOptions:
    """The options by which nothing is asked, for the estimate of a method that asks nothing.

    Raises:
        InputError: The method asks: what, it finds out on its way.
    """
    if method_of(choice).needs & {MethodNeed.LLM, MethodNeed.VLM}:
        raise InputError(
            f"What the method {choice.method} would ask is not known beforehand.",
            hint="Limit the calls of the language model; a stopped run can be resumed.",
            field="max_calls",
        )
    return ResolveOptions(start="names", max_rounds=0)


@dataclass(frozen=True, kw_only=True)
class MethodOutcome:
    """What came of labelling by a method: figures for the manifest, and what a reader must know."""

    counts: dict[str, int]
    notes: tuple[str, ...]


def method_of(choice: MethodChoice) -> EvalMethod:
    """The method that was named.

    Raises:
        InputError: There is no such method, it cannot label images, or lacks what it needs.
    """
    (method,) = methods_named((choice.method,))
    needs = frozenset(need.value for need in method.needs)
    for mistake in lacking(method.key, needs, choice.given()):
        raise mistake
    return fed(method, choice.book, "book") if choice.book else method


def asks_questions(choice: MethodChoice) -> bool:
    """Whether the method asks a language model.

    Raises:
        InputError: There is no such method, or it cannot label images.
    """
    return MethodNeed.LLM in method_of(choice).needs


def images_beside(choice: MethodChoice, images: Sequence[ImageFile]) -> ImagesBeside:
    """Find what was given beside the images.

    Raises:
        InputError: It cannot be read, does not fit the classes, or there are too few labelled images.
        NoImagesError: There is no usable image in the pool.
    """
    if not choice.by_method:
        return ImagesBeside()
    pool = find_given(choice.pool).images if choice.pool else ()
    captions: tuple[str, ...] = ()
    if choice.captions:
        pool, captions = read_captions(choice.captions, choice.pool, pool)
    if choice.labels is None:
        return ImagesBeside(pool=pool, captions=captions)
    notes: list[str] = []
    examples = read_examples(choice.labels, images, choice.classes, notes=notes)
    kept = draw_shots(
        [each.label for each in examples.images],
        shots=choice.shots or len(examples.images),
        draw=first,
        classes=choice.classes,
    )
    examples = replace(examples, images=tuple(examples.images[place] for place in kept))
    if not examples.images:
        raise InputError("No labelled image shows one of the classes.", hint="Label some.", field="labels")
    return ImagesBeside(examples=examples, pool=pool, captions=captions, notes=tuple(notes))


async def label_by_method(
    choice: MethodChoice,
    images: tuple[ImageFile, ...],
    beside: ImagesBeside,
    *,
    noun: str,
    encoder: Encoder,
    llm: AskedModel | None,
    vlm: AskedModel | None,
    run: RunFolder,
) -> MethodOutcome:
    """Label images, and write predictions and probabilities into the run's folder.

    Args:
        choice: The method, the classes, and how candidates are chosen.
        images: The images.
        beside: What it may use beside them.
        noun: The generic word for all classes.
        encoder: The CLIP encoder.
        llm: The language model; None asks nothing.
        vlm: The vision-language model; None shows it nothing.
        run: The run's folder.

    Raises:
        EndpointError: The language model cannot be asked.
        LimitReached: A limit stopped the method; the run can be resumed.
        FieldmarkError: Whatever else keeps the method from its work.
    """
    method, classes = method_of(choice), tuple(choice.classes)
    test = usable(
        TestSet(
            data="images",
            setting="images",
            classes=classes,
            noun=noun,
            images=tuple(replace(image, label=None) for image in images),
            train=beside.examples.images,
            pool=beside.pool,
            captions=beside.captions,
            parents=rooted(choice.tree) if choice.tree else {},
            labelled=False,
        ),
        encoder,
        choice.progress,
    )
    bench = EvalBench.of(
        test,
        encoder=encoder,
        llm=llm,
        vlm=vlm,
        run=RunFolder(run.path / WORK),
        seed=choice.seed,
        progress=only_encoding(choice.progress),
    )
    scored = await method.run(bench)
    made = labelled(
        scored,
        bench,
        method=method.key,
        tau=choice.options.tau,
        most=choice.options.k,
        said=beside.examples.said,
    )
    run.write_predictions(made.predictions)
    array = ArrayStore(run.path / "arrays").put(made.probabilities.numpy())
    run.write(ClassProbabilities.FILE, ClassProbabilities(classes=classes, array=array))
    run.write_book(PromptBook(classes=classes, noun=noun))
    statuses = Counter(each.status for each in made.predictions)
    counts = {
        "resolved": statuses["resolved"],
        "open": statuses["open"],
        "rejected": statuses["rejected"],
        "examples": len(test.train),
        "pool": len(test.pool),
    }
    return MethodOutcome(counts=counts, notes=(*test.notes, *bench.notes, *scored.notes))
