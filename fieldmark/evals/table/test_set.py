"""A test set as the table of methods sees it: classes, images, and whatever else a method may need."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import InputError
from fieldmark.evals.table.chosen_names import CLASS_BY_CLASS, METHOD_KEYS
from fieldmark.tools.clip.weakened import Weakness
from fieldmark.tools.images.files import ImageFile


class MethodNeed(StrEnum):
    """What a method may need beyond the test images; a data set that lacks it leaves the method out."""

    NAMES = "names"
    """The names of the classes."""
    LLM = "llm"
    """A language model that answers questions about the classes."""
    VLM = "vlm"
    """A vision-language model that is shown the test images."""
    LABELS = "labels"
    """A few labelled training images a class."""
    POOL = "pool"
    """Unlabelled images other than the test images."""
    CAPTIONS = "captions"
    """Captions of the unlabelled images."""
    TREE = "tree"
    """A hierarchy over the classes."""
    BASE = "base classes"
    """Labelled images of other classes."""
    REFERENCE = "reference"
    """Images like those that the encoder was trained on."""
    ONE = "one class an image"
    """That an image shows one class and no more."""


@dataclass(frozen=True)
class ImageFactor:
    """Something about a photo that is not the class, such as its background.

    Attributes:
        name: "background".
        values: Each value's synonym phrases, which follow a class name: ("in the snow", "on snowy ground").
    """

    name: str
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """Images with known classes, to measure on, and what methods may use beside them.

    Attributes:
        data: What the user calls the data: "aviary", "eurosat", a path.
        setting: Which of its settings: "new", "habitat", …; "test" where there is but one.
        classes: Class names, in the order of the score columns.
        noun: The generic word for all classes.
        images: The test images; each label is one of the classes.
        shown: The classes that each test image shows, where these may be several, or none; it then has no
            label. Methods that go by the classes' being rivals are left out.
        groups: Name of each test image's group, for worst-group accuracy; its class where empty.
        train: Labelled images, the first shots of each class.
        pool: Unlabelled images; a label, where one is there, is not looked at.
        captions: A caption for each image of the pool, where it has them.
        base: Labelled images of other classes, whose names are the labels: what is learned there must carry
            over.
        parents: Child → parent over classes and the nodes above them.
        observed: Classes that a base model knows, where a method is to guess at the others; all where empty.
        factors: Contexts that a user of this domain would name.
        templates: Templates of the domain, with `{}` for the class name.
        questions: Questions about a class of this domain, with `{}` for its name (CuPL's "full").
        concept: What WaffleCLIP calls the high-level concept: "bird".
        weakness: What is taken from the encoder before anything is measured.
        labelled: Whether the test images have labels. Without, methods can say what they
            are, and nothing can be measured.
        names_given: Whether methods may see the class names: not in a vocabulary-free setting.
        render: Seconds that drawing took.
        notes: What a reader must know.
    """

    __test__ = False  # its name is no pytest class

    data: str
    setting: str
    classes: tuple[str, ...]
    noun: str
    images: tuple[ImageFile, ...]
    shown: tuple[frozenset[str], ...] = ()
    groups: tuple[str, ...] = ()
    train: tuple[ImageFile, ...] = ()
    pool: tuple[ImageFile, ...] = ()
    captions: tuple[str, ...] = ()
    base: tuple[ImageFile, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict[str, str])
    observed: tuple[str, ...] = ()
    factors: tuple[ImageFactor, ...] = ()
    templates: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    concept: str = ""
    weakness: Weakness = field(default_factory=Weakness)
    labelled: bool = True
    names_given: bool = True
    render: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        places = set(self.classes)
        if len(places) != len(self.classes) or len(places) < 2:
            raise InputError(
                f"{self.data} lists {len(self.classes)} classes, {len(places)} of them distinct.",
                hint="Telling apart takes at least two classes, each listed once.",
            )
        if not self.images:
            raise InputError(
                f"{self.data} has no test images.", hint="Name images that are not for training."
            )
        if strange := frozenset().union(*self.shown) - places:
            raise InputError(f"Images show {min(strange)!r}, which is not among the classes.")
        for image in (*(self.images if self.labelled and not self.shown else ()), *self.train):
            if image.label not in places:
                raise InputError(
                    f"{str(image.path)!r} is labelled {image.label!r}, which is not among the classes.",
                    hint="Compare the folders' names with the list of classes.",
                )
        for image in self.base:
            if not image.label or image.label in places:
                raise InputError(
                    f"{str(image.path)!r}, an image of base classes, is labelled {image.label!r}.",
                    hint="Base classes are other classes than those that are measured.",
                )
        lengths = {
            "shown": self.shown and self.images,
            "groups": self.groups and self.images,
            "captions": self.captions and self.pool,
        }
        for name, beside in lengths.items():
            if beside and len(getattr(self, name)) != len(beside):
                raise InputError(
                    f"{self.data} has {len(getattr(self, name))} {name} for {len(beside)} images."
                )

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each test image `[N]`; where images show several, the classes that any of them shows."""
        if self.shown:
            return np.flatnonzero(self.truth.any(axis=0))
        return _places(self.images, self.classes)

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Whether each class is among those that each test image shows `[N, C]`."""
        return np.array([[name in shown for name in self.classes] for shown in self.shown])

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Class of each training image `[S]`."""
        return _places(self.train, self.classes)

    @property
    def base_classes(self) -> tuple[str, ...]:
        """Names of the B base classes, in the order of their first images."""
        return tuple(dict.fromkeys(str(image.label) for image in self.base))

    @property
    def base_labels(self) -> NDArray[np.int64]:
        """Base class of each base image `[L]`, its place in `base_classes`."""
        return _places(self.base, self.base_classes)

    def lacking(self, key: str, needs: Set[MethodNeed], offers: Set[MethodNeed]) -> list[MethodNeed]:
        """What a method would need, and would not find.

        Args:
            key: The method.
            needs: What it needs.
            offers: What there is; see `offers`.
        """
        found = sorted(needs - offers)
        rivals = self.shown and key in METHOD_KEYS and key not in CLASS_BY_CLASS
        return [*found, MethodNeed.ONE] if rivals else found

    def offers(self, *, llm: bool, vlm: bool = False, reference: bool = False) -> frozenset[MethodNeed]:
        """What methods may count on, with these models and a reference pool beside the data."""
        found = {
            MethodNeed.NAMES: self.names_given,
            MethodNeed.LLM: llm and self.names_given,
            MethodNeed.VLM: vlm and self.names_given,
            MethodNeed.LABELS: bool(self.train),
            MethodNeed.POOL: bool(self.pool),
            MethodNeed.CAPTIONS: bool(self.captions),
            MethodNeed.TREE: bool(self.parents),
            MethodNeed.BASE: bool(self.base),
            MethodNeed.REFERENCE: reference,
        }
        return frozenset(need for need, there in found.items() if there)


def _places(images: tuple[ImageFile, ...], classes: tuple[str, ...]) -> NDArray[np.int64]:
    place = {name: number for number, name in enumerate(classes)}
    return np.array([place[str(image.label)] for image in images], dtype=np.int64)
