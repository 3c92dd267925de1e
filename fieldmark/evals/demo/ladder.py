"""Climbs the ladder on one labelled world, from bare names to the resolve loop, on the same images.

Labels are read after a rung has decided, never before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import load_notebook
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.agents.resolve.state import ResolveState
from fieldmark.agents.shared.notes import Notebook
from fieldmark.cache.arrays import ArrayStore
from fieldmark.records import AttributeVote, Prediction
from fieldmark.tools.books.templates import IMAGENET_7, fill
from fieldmark.tools.books.wording import class_text, descriptor_text
from fieldmark.tools.clip.clip import Encoder
from fieldmark.tools.datasets.class_tree import ClassTree
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.events import Progress, RungStarted
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.scoring.prototype import ensemble_scores

RUNGS = ("names", "templates", "descriptors", "descriptors_more", "fudd", "everything", "resolve")
FUDD_K = 10

Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class World:
    """Labelled images of classes that nobody knows by name.

    Attributes:
        classes: Class names.
        noun: The generic word for all of them.
        images: The pool that every rung sees. An image whose label is no class is unlisted; one without a
            label is a stranger, which shows nothing of the kind.
        labelled: Other labelled images, which no rung looks at.
        prior: Content hash → how likely each class is there, for the loop.
        groups: Content hash → the bird that it is a picture of, for the loop.
    """

    classes: tuple[str, ...]
    noun: str
    images: tuple[ImageFile, ...]
    labelled: tuple[ImageFile, ...] = ()
    prior: Mapping[str, Sequence[float]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def truth(self) -> Labels:
        """The true class of each image `[N]`, -1 where it is none."""
        index = {name: place for place, name in enumerate(self.classes)}
        return np.array([index.get(image.label or "", -1) for image in self.images], dtype=np.int64)

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Which images are of a class `[N]`: accuracies are over them."""
        return self.truth >= 0

    @property
    def strangers(self) -> NDArray[np.bool_]:
        """Which images show nothing of the kind `[N]`."""
        return np.array([image.label is None for image in self.images], dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class Climb:
    """What the ladder gave on one world.

    Attributes:
        world: The world.
        labels: Predicted class per image for each rung, `[N]`.
        questions: Questions that each rung needed in all.
        predictions: The resolve loop's predictions.
        state: Its last state.
        notebook: Its answers.
        fudd_notebook: The answers of the FuDD rung, which the "everything" rung lists.
        run: Folder of the resolve run.
        tree: The tree that its open images got branches of.
    """

    world: World
    labels: dict[str, Labels]
    questions: dict[str, int]
    predictions: tuple[Prediction, ...]
    state: ResolveState
    notebook: Notebook
    fudd_notebook: Notebook
    run: RunFolder
    tree: ClassTree | None = None

    def right(self, rung: str) -> NDArray[np.bool_]:
        """Which of the L listed images a rung labels correctly `[L]`."""
        return (self.labels[rung] == self.world.truth)[self.world.listed]

    @property
    def clusters(self) -> Labels:
        """The true class of each listed image `[L]`."""
        return self.world.truth[self.world.listed]

    @property
    def listed_predictions(self) -> tuple[Prediction, ...]:
        """The predictions of listed images."""
        return tuple(p for p, listed in zip(self.predictions, self.world.listed, strict=True) if listed)


@dataclass(kw_only=True)
class Ladder:
    """The tools that every rung shares."""

    encoder: Encoder
    llm: LanguageModel
    options: ResolveOptions = field(default_factory=ResolveOptions)
    progress: Progress

    async def climb(self, world: World, run: RunFolder, *, tree: ClassTree | None = None) -> Climb:
        """Run every rung.

        Args:
            world: The images.
            run: Where the resolve rung's run goes; the others use folders inside.
            tree: The tree whose branches the resolve rung gives open images; None for none.
        """
        labels: dict[str, Labels] = {}
        questions: dict[str, int] = {rung: 0 for rung in RUNGS}  # noqa: C420  (wider than the literals)
        options = self.options.model_copy(update={"noun": world.noun})

        self.progress(RungStarted(name="names"))
        labels["names"] = self.by_prompts(world, [[class_text(name)] for name in world.classes])
        labels["templates"] = self.by_prompts(world, [fill(IMAGENET_7, name) for name in world.classes])

        self.progress(RungStarted(name="resolve"))
        state, predictions, notebook = await self.resolve(world, run, options, tree=tree)
        labels["resolve"] = self._indices(world, [p.label for p in predictions])
        labels["descriptors"] = self._indices(world, [str(p.first_label) for p in predictions])
        questions["resolve"] = len(notebook.notes)
        questions["descriptors"] = len(world.classes)

        self.progress(RungStarted(name="descriptors_more"))
        # At least as many questions as the loop asked: what is left of a round of samples is not cut off.
        samples = -(-questions["resolve"] // len(world.classes))
        more = ResolveOptions(noun=world.noun, rule="table", descriptor_samples=samples, max_rounds=0)
        _, control, general = await self.resolve(world, inner(run, "descriptors_more"), more)
        labels["descriptors_more"] = self._indices(world, [p.label for p in control])
        questions["descriptors_more"] = len(general.notes)

        self.progress(RungStarted(name="fudd"))
        _, rivals, pairs = await self.resolve(world, inner(run, "fudd"), fudd_options(world.noun))
        labels["fudd"] = self._indices(world, [p.label for p in rivals])
        questions["fudd"] = questions["everything"] = len(pairs.notes)

        self.progress(RungStarted(name="everything"))
        labels["everything"] = self.by_prompts(world, everything(pairs.votes, world))
        return Climb(
            world=world,
            labels=labels,
            questions=questions,
            predictions=predictions,
            state=state,
            notebook=notebook,
            fudd_notebook=pairs,
            run=run,
            tree=tree,
        )

    async def resolve(
        self, world: World, run: RunFolder, options: ResolveOptions, *, tree: ClassTree | None = None
    ) -> tuple[ResolveState, tuple[Prediction, ...], Notebook]:
        """Run the resolve graph on the world."""
        context = self.context(world, run, options)
        context.tree = tree
        state = await run_resolve(context)
        return state, tuple(run.read_predictions()), load_notebook(state.notebook, context)

    def context(self, world: World, run: RunFolder, options: ResolveOptions) -> ResolveContext:
        """The context of a run on the world."""
        return ResolveContext(
            classes=world.classes,
            images=world.images,
            encoder=self.encoder,
            llm=self.llm,
            arrays=ArrayStore(run.path / "arrays"),
            run=run,
            options=options,
            progress=self.progress,
            prior=world.prior,
            groups=world.groups,
        )

    def scores(self, world: World, prompts: Sequence[Sequence[str]]) -> Tensor:
        """Cosines `[N, C]` with the unit mean of each class's prompts."""
        vectors = self.encoder.encode_images(world.images).vectors
        return ensemble_scores(vectors, self.encoder.encode_texts, prompts)

    def by_prompts(self, world: World, prompts: Sequence[Sequence[str]]) -> Labels:
        """Label images by prompt ensembles."""
        return self.scores(world, prompts).argmax(1).numpy()

    @staticmethod
    def _indices(world: World, names: Sequence[str]) -> Labels:
        index = {name: place for place, name in enumerate(world.classes)}
        return np.array([index[name] for name in names], dtype=np.int64)


def fudd_options(noun: str) -> ResolveOptions:
    """FuDD as its authors run it: names first, the ten best, every pair among them once."""
    return ResolveOptions(
        noun=noun, start="names", rule="fudd", ask="pairs", candidates="topk", k=FUDD_K, max_rounds=1
    )


def everything(votes: Sequence[AttributeVote], world: World, *, named: bool = False) -> list[list[str]]:
    """The equal-knowledge control: all descriptors that the answers gave, for all classes at once.

    The control is meant to be as strong as it can be: where the encoder has never seen the names, the
    generic noun stands in their place. A descriptor that several answers repeat is listed once, as FuDD does.

    Args:
        votes: What the answers said of each class.
        world: Its classes and noun.
        named: Whether to list descriptors under the names all the same.
    """
    own_texts: dict[str, dict[str, None]] = {name: {} for name in world.classes}
    for vote in votes:
        subject = vote.class_name if named else world.noun
        own_texts[vote.class_name].setdefault(descriptor_text(subject, vote.value))
    return [list(own) or [class_text(name)] for name, own in own_texts.items()]


def inner(run: RunFolder, name: str) -> RunFolder:
    """A run's folder for one of its parts."""
    return RunFolder(run.path / name)
