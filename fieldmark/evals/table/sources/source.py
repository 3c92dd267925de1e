"""Protocols of data that are made on demand and bring a language model of their own, such as the aviary."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import JsonValue

from fieldmark.cache.bytestore import ByteStore
from fieldmark.errors import RunError
from fieldmark.evals.table.test_set import TestSet
from fieldmark.records import UsageLimits
from fieldmark.tools.clip.weakened import Weakness
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import Progress

SOURCES = {"aviary": "fieldmark.evals.table.sources.aviary_source:Aviary"}
"""Where the class of each kind of source is defined; it is imported when a run of that kind is resumed."""


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """What a source is given to make its data with.

    Attributes:
        seed: The run's seed.
        shots: Labelled images a class.
        folder: Where images may be kept; complete sets are reused.
        answers: Where answers of the language model are kept.
        limits: The most that may be asked of it.
        progress: Called with progress events.
        looks: Whether images are to be shown to a vision-language model.
    """

    seed: int
    shots: int
    folder: Path
    answers: ByteStore
    limits: UsageLimits
    progress: Progress
    looks: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Labelled images for a prompt search.

    Attributes:
        images: Training and test images.
        llm: The language model that knows the classes; None asks nothing.
        render: Seconds that making the images took.
        weakness: What is taken from the encoder before the search.
    """

    images: LabelledImages
    llm: AskedModel | None
    render: float
    weakness: Weakness = field(default_factory=Weakness)


@dataclass(frozen=True, kw_only=True)
class TestData:
    """A test set with the models that can be asked meanwhile.

    Attributes:
        test: The test set.
        llm: The language model that knows the classes; None asks nothing.
        vlm: One that sees the images; None where it has none, or none was wanted.
    """

    __test__ = False  # its name is no pytest class

    test: TestSet
    llm: AskedModel | None
    vlm: AskedModel | None = None


@runtime_checkable
class DataSource(Protocol):
    """Data for `Optimizer` and `Evaluator` that come neither from a path nor from a published set."""

    @property
    def kind(self) -> str:
        """What results call the data; see `SOURCES`."""
        ...

    @property
    def clip(self) -> str:
        """The CLIP model where none is given."""
        ...

    @property
    def noun(self) -> str:
        """The generic word for all classes."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of results must know."""
        ...

    def stated(self) -> dict[str, JsonValue]:
        """The arguments that make it again, as a run keeps them."""
        ...

    def class_names(self, seed: int) -> tuple[str, ...]:
        """The classes of the training data."""
        ...

    def check_shots(self, shots: int) -> None:
        """Raise an `InputError` where there are not so many training images a class."""
        ...

    def training_data(self, work: Workplace) -> AbstractAsyncContextManager[TrainingData]:
        """Images for a prompt search, with a language model that can be asked meanwhile."""
        ...

    def settings_named(self) -> tuple[str, ...]:
        """Names of the test sets to measure on."""
        ...

    def test_data(self, setting: str, work: Workplace) -> AbstractAsyncContextManager[TestData]:
        """A test set, with the models that can be asked meanwhile."""
        ...


def source_again(kind: str, stated: Mapping[str, Any]) -> DataSource:
    """The source of an earlier run.

    Raises:
        RunError: There is none of this kind.
    """
    if kind not in SOURCES:
        raise RunError(f"There is no data source {kind!r}.", hint="Give the source as data=….", field="data")
    module, name = SOURCES[kind].split(":")
    return getattr(import_module(module), name)(**stated)
