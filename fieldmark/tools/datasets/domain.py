"""Facts of a published data set: classes, templates, counts, and where its files lie."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.tools.books.files import clipped
from fieldmark.tools.datasets.layouts import Layout

Source: TypeAlias = Literal["from data", "imagenet", "imagenet-a", "imagenet-r"]
"""Class names that stand elsewhere: in the data, or in the packages that open_clip brings."""


class Split(Record):
    """A published division of a set, and how many images it has.

    Attributes:
        name: What it is called here.
        train: Training images; None where it has none, or where they are not counted.
        val: Validation images, in the same way.
        test: Test images.
        source: Who says so.
    """

    name: str = Field(min_length=1)
    train: int | None = None
    val: int | None = None
    test: int = Field(gt=0)
    source: str = Field(min_length=1)


class Domain(Record):
    """A published data set.

    Attributes:
        id: Its name here, and its file's.
        title: Its name in the literature.
        aliases: Other names it is found by, such as its folder's.
        noun: What each image shows, in general.
        domain_words: What such images are called.
        classes: The class names in the standard order, or where they stand.
        class_count: How many there are.
        spellings: What data may call a class beside its name, such as the name of its folder.
        template: The one template of the few-shot protocol, with `{}` for the class name.
        templates: The ensemble that CLIP's authors used for it; "IMAGENET_80" for those of ImageNet.
        splits: Its published divisions, the usual one first.
        layouts: Where its files may be, in the order in which they are looked for.
        contexts: What varies beside the class: factor to value to phrases that say it.
        superclasses: Coarser class to its classes.
        source: Where the facts come from.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    noun: str = Field(min_length=1)
    domain_words: tuple[str, ...] = ()
    classes: tuple[str, ...] | Source
    class_count: int = Field(ge=2)
    spellings: dict[str, str] = Field(default_factory=dict)
    template: str
    templates: tuple[str, ...] | Literal["IMAGENET_80"] = ()
    splits: tuple[Split, ...] = ()
    layouts: tuple[Layout, ...] = ()
    contexts: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    superclasses: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    source: str = Field(min_length=1)

    @field_validator("template", "templates")
    @classmethod
    def _one_hole(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        texts = value if isinstance(value, tuple) else () if value == "IMAGENET_80" else (value,)
        for text in texts:
            if text.count("{}") != 1:
                raise ValueError(f"the template {text!r} needs one {{}} for the class name")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> "Domain":
        if isinstance(self.classes, tuple):
            for problem in _disagreements(self, self.classes):
                raise ValueError(problem)
        names = [split.name for split in self.splits]
        if strays := {layout.split for layout in self.layouts} - set(names):
            raise ValueError(f"a layout has the split {min(strays)!r}, which is not among {names}")
        if len(set(names)) < len(names):
            raise ValueError("two splits have one name")
        return self

    def split(self, name: str) -> Split:
        """The division of that name."""
        return next(split for split in self.splits if split.name == name)


def _disagreements(domain: Domain, classes: tuple[str, ...]) -> Iterator[str]:
    if len(classes) != domain.class_count:
        yield f"class_count is {domain.class_count}, but there are {len(classes)} classes"
    twice = [name for name, times in Counter(classes).items() if times > 1]
    if twice:
        yield f"the class {twice[0]!r} stands there twice"
    if any(not name.strip() or name != name.strip() for name in classes):
        yield "a class name is blank or has blanks around it"
    coarse = [name for members in domain.superclasses.values() for name in members]
    if coarse and sorted(coarse) != sorted(classes):
        yield "the superclasses do not hold each class once"
    if strays := set(domain.spellings.values()) - set(classes):
        yield f"a spelling leads to {min(strays)!r}, which is no class"


def domain_ids() -> tuple[str, ...]:
    """The names of all published sets that are known, sorted."""
    folder = files("fieldmark.tools.datasets") / "domains"
    return tuple(sorted(each.name[:-5] for each in folder.iterdir() if each.name.endswith(".json")))


def domains() -> tuple[Domain, ...]:
    """All published sets that are known, by name."""
    return tuple(_packaged(name) for name in domain_ids())


def published_dataset(name: str) -> Domain:
    """The published set of that name or alias, in any spelling of case, blanks, dashes and underscores.

    Raises:
        InputError: None is known; the message has the nearest ones.
    """
    if not isinstance(name, str):
        raise InputError(f"name is no text but {name!r}.", hint="Give the name of a data set.", field="name")
    wanted = _plain(name)
    for each in domain_ids():
        if _plain(each) == wanted:
            return _packaged(each)
    everything = domains()
    for each in everything:
        if wanted in {_plain(alias) for alias in (*each.aliases, each.title)}:
            return each
    said = {word: each.id for each in everything for word in (each.id, *each.aliases)}
    near = sorted({said[word] for word in get_close_matches(name.casefold(), said, n=3)})
    raise InputError(
        f"No published data set {clipped(name)!r} is known.",
        hint=f"Do you mean {' or '.join(near)}?" if near else f"Known are {', '.join(domain_ids())}.",
    )


def read_domain(path: Path) -> Domain:
    """A description of a set from a file of one's own.

    Raises:
        InputError: It cannot be read, or is no such description.
    """
    try:
        return Domain.model_validate_json(read_bytes(path))
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        says = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{str(path)!r} describes no data set: {f'{where}: ' if where else ''}{says}.",
            hint="The files in fieldmark/tools/datasets/domains are examples.",
        ) from error


@cache
def _packaged(name: str) -> Domain:
    text = (files("fieldmark.tools.datasets") / "domains" / f"{name}.json").read_text(encoding="utf-8")
    return Domain.model_validate_json(text)


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.casefold())
