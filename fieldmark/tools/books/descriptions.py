"""Reads descriptions and synonyms of given classes from files of any known format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt
from fieldmark.records.names import one_name, plain_name
from fieldmark.tools.books.files import ClassTexts, class_texts, read_json
from fieldmark.tools.books.formats import BookFormat, import_book

NAMED = 5
"""The most names that a message or note lists."""
Words = tuple[tuple[str, Origin], ...]
"""Words for a class, with where each came from."""


@dataclass(frozen=True)
class GivenTexts:
    """What is given about the classes of a search.

    Attributes:
        prompts: Descriptions, file by file; the origin of each names its file.
        synonyms: Class name → other words for it.
        notes: What a reader must know of what was left out or is missing.
    """

    prompts: tuple[Prompt, ...] = ()
    synonyms: Mapping[str, Words] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Hash of everything given."""
        words = {name: [word for word, _ in own] for name, own in self.synonyms.items()}
        return content_key([[prompt.model_dump(mode="json") for prompt in self.prompts], words])

    def __add__(self, other: "GivenTexts") -> "GivenTexts":
        """Both, one after the other."""
        synonyms = {name: (*own, *other.synonyms.get(name, ())) for name, own in self.synonyms.items()}
        return GivenTexts(
            self.prompts + other.prompts, {**other.synonyms, **synonyms}, self.notes + other.notes
        )


def read_descriptions(
    path: Path,
    classes: Sequence[str],
    *,
    format: BookFormat | None = None,  # noqa: A002 - the format of a file, as everywhere
    only_these: bool = False,
) -> GivenTexts:
    """Read a file of descriptions; texts of other classes are skipped and counted.

    Names are matched without regard to case, spaces and underscores where they are not the same.

    Args:
        path: The file, in any format that `import_book` reads.
        classes: The class names.
        format: Its format; by default detected from its content.
        only_these: Refuse a file that has other classes.

    Raises:
        InputError: The file cannot be read, or has none of the classes or, where that is asked for, others.
    """
    imported = import_book(path, format=format)
    book = imported.book
    names = matched(book.classes, classes, path, only_these=only_these)
    prompts: dict[tuple[str, str], Prompt] = {}
    blank = repeated = 0
    for prompt in book.prompts:
        name = names.get(prompt.class_name)
        # DCLIP's and FuDD's code give a class without texts one prompt that says nothing but its name.
        if name is None or (imported.format in ("dclip", "fudd") and prompt.origin.kind == "name"):
            continue
        if not prompt.text.strip():
            blank += 1
            continue
        repeated += (name, prompt.text) in prompts
        origin = prompt.origin.model_copy(update={"file": path.name})
        prompts.setdefault((name, prompt.text), Prompt(class_name=name, text=prompt.text, origin=origin))
    described = {name for name, _ in prompts}
    missing = [name for name in classes if name not in described]
    notes: list[str] = []
    if missing:
        notes.append(
            f"{path.name} describes {len(described)} of {len(classes)} classes; not {listed(missing)}."
        )
    if len(names) < len(book.classes):
        others = [name for name in book.classes if name not in names]
        notes.append(f"{path.name} has {len(others)} other class(es), which were left out: {listed(others)}.")
    if blank or repeated:
        notes.append(f"{path.name}: {blank} blank and {repeated} repeated text(s) were left out.")
    return GivenTexts(tuple(prompts.values()), notes=tuple(notes))


def read_synonyms(path: Path, classes: Sequence[str]) -> GivenTexts:
    """Read a file of other words for each class: `{class: [word]}`, as ProAPO has it.

    Raises:
        InputError: The file cannot be read, or has other classes or none of these.
    """
    lists: ClassTexts = class_texts(read_json(path), path)
    names = matched(list(lists), classes, path, only_these=True)
    origin = Origin(kind="name", file=path.name)
    words = {
        names[name]: tuple((" ".join(word.split()), origin) for word in own if word.strip())
        for name, own in lists.items()
    }
    missing = [name for name in classes if not words.get(name)]
    note = f"{path.name} has words for {len(classes) - len(missing)} of {len(classes)} classes; not "
    return GivenTexts((), words, (f"{note}{listed(missing)}.",) if missing else ())


def matched(theirs: Sequence[str], classes: Sequence[str], path: Path, *, only_these: bool) -> dict[str, str]:
    """Which of the classes each name in a file means, for those that mean one.

    Raises:
        InputError: None does, two mean the same, or one means none and `only_these` is set.
    """
    known = set(classes)
    by_plain: dict[str, list[str]] = {}
    for name in classes:
        by_plain.setdefault(plain_name(name), []).append(name)
    names: dict[str, str] = {}
    for name in theirs:
        own = one_name(name)
        alike = [own] if own in known else by_plain.get(plain_name(name), [])
        if len(alike) == 1:
            names[name] = alike[0]
    unlisted = [name for name in theirs if name not in names]
    if not names or (unlisted and only_these):
        lacking = sorted(known - set(names.values()))
        raise InputError(
            f"{str(path)!r} has classes that are not among the {len(classes)} given: {listed(unlisted)}"
            f"{f'; it lacks {listed(lacking)}' if lacking else ''}.",
            hint="The same classes must have the same names everywhere.",
        )
    twice = [name for name in names if list(names.values()).count(names[name]) > 1] if _clash(names) else []
    if twice:
        raise InputError(f"{str(path)!r} names one class several times: {listed(twice)}.")
    return names


def listed(names: Sequence[str]) -> str:
    """The first few names, for a message."""
    return ", ".join(names[:NAMED]) + (f", … ({len(names)} in all)" if len(names) > NAMED else "")


def _clash(names: Mapping[str, str]) -> bool:
    return len(set(names.values())) < len(names)
