"""Converts prompt files of other projects to prompt books and back, and counts what is lost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fieldmark.errors import InputError
from fieldmark.records import Origin, Pooling, Prompt, PromptBook, path_of
from fieldmark.records.names import plain_name
from fieldmark.tools.books.files import (
    ClassTexts,
    Count,
    book_of,
    class_texts,
    clipped,
    hint_for,
    kind_of,
    name_list,
    read_json,
    refuse,
    write_json,
)
from fieldmark.tools.books.pairs import looks_like_pairs, pairs_of_book, prompts_of_pairs
from fieldmark.tools.books.queries import prompts_of_queries
from fieldmark.tools.books.wording import class_text, descriptor_prompt, with_article

BookFormat: TypeAlias = Literal["book", "dclip", "cupl", "synonyms", "chils", "fudd", "inquire"]
"""book: our own. dclip: class to descriptors. cupl: class to sentences (also ProAPO's descriptions).
synonyms: class to names (ProAPO). chils: class to sub-classes. fudd: sentences per pair of classes.
inquire: a CSV file of queries."""
WritableFormat: TypeAlias = Literal["dclip", "cupl", "fudd"]
NOUN = "object"
"""The noun of a book that was given none."""
POOLING: dict[str, Pooling] = {
    "dclip": "mean_cosine",
    "cupl": "prototype",
    "synonyms": "prototype",
    "fudd": "prototype",
    "chils": "mean_cosine",
    "inquire": "mean_cosine",
}
"""How the authors of each format pool a class's texts. FuDD pools anew for each image and CHiLS multiplies
two softmaxes. Neither is a rule of a whole book: FuDD's file gets prototypes over all pairs, its authors'
all-classes mode, CHiLS's the default."""
CLASS_NAMES = "_class_names.json"
"""How the class list beside a pair file ends."""
LOSSES = {
    "noun": "noun, which the format has no place for",
    "pooling": "pooling rule, where the format's authors have another",
    "weights": "weights other than 1, which the format has no place for",
    "origins": "origins, which the format has no place for or not for all they say",
    "wordings": "prompts reworded: the format keeps a descriptor and words the prompt itself",
    "prompts": "prompts left out, which the format cannot hold",
    "empty": "classes without a descriptor, to which the format gives one prompt",
    "fields": "fields left out, which a book has no place for",
    "pairs": "pairs left out, which have no sentence",
    "repeats": "repeated sentences of a class left out, as the authors' pooling does",
    "blank": "blank texts, kept as they are",
    "bare": "classes without a text, which are compared by their name alone",
}
"""What can be lost, or must be said, on the way from one format to another; keys of every count."""

_FEW_WORDS, _PHRASE_WORDS, _SENTENCE_WORDS = 1.6, 2.5, 4.0
"""Mean words of a text: names have one or two, descriptors three and more, sentences a dozen."""
_ENOUGH_NAMES = 40
"""So many short texts of which none is repeated are names; descriptors of so many classes repeat."""


@dataclass(frozen=True)
class ImportedBook:
    """A book made of a file.

    Attributes:
        book: The book.
        format: What the file was read as.
        lost: What of it the book does not hold, by the keys of `LOSSES`.
    """

    book: PromptBook
    format: BookFormat
    lost: Count = field(default_factory=dict)


@dataclass(frozen=True)
class ExportedBook:
    """A book in another format.

    Attributes:
        value: The file's JSON value.
        class_names: The class list that belongs beside it, where the format has one.
        lost: What of the book it does not hold, by the keys of `LOSSES`.
    """

    value: Any
    class_names: tuple[str, ...] | None = None
    lost: Count = field(default_factory=dict)


def import_book(
    path: Path | str,
    *,
    format: BookFormat | None = None,  # noqa: A002 - the command's own word
    noun: str | None = None,
    after: str = "",
    class_names: Path | str | None = None,
) -> ImportedBook:
    """Read a prompt file as a book; classes keep the file's order.

    Args:
        path: The file.
        format: Its format; by default detected from its content.
        noun: The generic word for all classes; else the book's own, or "object".
        after: What DCLIP's rule puts after each descriptor ("." in the authors' code for ImageNet).
        class_names: FuDD's class list; else the one beside the file.

    Raises:
        InputError: The file cannot be read, has another shape or no prompt, or its format cannot be detected.
    """
    path = path_of(path, "path")
    class_names = None if class_names is None else path_of(class_names, "class_names")
    queries = format == "inquire" or (format is None and path.suffix.lower() == ".csv")
    value = None if queries else read_json(path)
    chosen = "inquire" if queries else format or detect_format(value, path)
    if noun is not None and not (noun.strip() and noun.isprintable()):
        raise InputError("The noun is blank or unreadable.", hint='Give a word such as "bird".')
    if chosen == "book":
        book = book_of(value, path)
        return ImportedBook(book.model_copy(update={"noun": noun or book.noun}), chosen)
    if chosen == "inquire":
        classes, prompts = prompts_of_queries(path)
        lost: Count = {}
    elif chosen == "fudd":
        classes = _classes_beside(path, class_names)
        prompts, lost = prompts_of_pairs(value, classes, path)
    else:
        texts = class_texts(value, path)
        classes, lost = tuple(texts), {}
        prompts = [
            prompt for name, own in texts.items() for prompt in _prompts(name, own, chosen, path, after=after)
        ]
        if blank := sum(not text.strip() for own in texts.values() for text in own):
            lost = {"blank": blank}
        if bare := len(set(classes) - {prompt.class_name for prompt in prompts}):
            lost["bare"] = bare
    if not prompts:
        refuse(path, "has no text for any class", hint="Is it the right file?")
    book = PromptBook(classes=classes, noun=noun or NOUN, prompts=tuple(prompts), pooling=POOLING[chosen])
    return ImportedBook(book, chosen, lost)


def export_book(book: PromptBook, format: WritableFormat, *, after: str = "") -> ExportedBook:  # noqa: A002
    """A book in another project's format.

    Args:
        book: The book.
        format: The format; "cupl" holds any text, the others only what fits their form.
        after: What DCLIP's rule is to put after each descriptor; see `import_book`.

    Raises:
        InputError: Nothing of the book fits the format.
    """
    names: tuple[str, ...] | None = None
    if format == "cupl":
        value: Any = {name: [] for name in book.classes}
        for prompt in book.prompts:
            value[prompt.class_name].append(prompt.text)
        lost: Count = _plain_losses(book.prompts)
    elif format == "dclip":
        value, lost = _descriptors(book, after=after)
    else:
        value, lost = pairs_of_book(book)
        names = book.classes
    if book.prompts and lost.get("prompts", 0) == len(book.prompts):
        raise InputError(
            f"None of the book's {len(book.prompts):,} prompts can be written as {format}.",
            hint="cupl holds any text.",
        )
    own = Counter(noun=int(book.noun != NOUN), pooling=int(book.pooling != POOLING[format]))
    return ExportedBook(value, names, {**+own, **lost})


def write_exported(exported: ExportedBook, path: Path) -> tuple[Path, ...]:
    """Write a book in another format, its class list beside it where there is one.

    Returns:
        The files.

    Raises:
        InputError: A file cannot be written.
    """
    beside = class_names_beside(path)
    if exported.class_names is None:
        write_json(exported.value, path)
        return (path,)
    write_json(list(exported.class_names), beside)
    write_json(exported.value, path)
    return path, beside


def class_names_beside(path: Path) -> Path:
    """Where the class list of a pair file is written."""
    return path.with_name(path.stem + CLASS_NAMES)


def detect_format(value: Any, path: Path) -> BookFormat:
    """Tell a file's format by its content.

    Our own books and FuDD's pairs are detected by their shape. The other formats share one, class name to
    texts, and are detected by the texts: sentences end in a full stop or name their class; synonyms are the
    class itself and others;
    many short texts without a repetition are sub-classes; longer phrases are descriptors.

    Args:
        value: What `read_json` gave.
        path: Where it came from, for messages.

    Raises:
        InputError: It has none of the shapes, or its texts could be of more than one kind.
    """
    if isinstance(value, dict) and str(value.get("format", "")).startswith("fieldmark.book/"):
        return "book"
    if looks_like_pairs(value):
        return "fudd"
    if not isinstance(value, dict):
        refuse(path, f"holds {kind_of(value)} and is in no known format of prompts", hint=hint_for(value))
    lists = class_texts(value, path)
    texts = [text for own in lists.values() for text in own if text.strip()]
    if texts:
        words = sum(len(text.split()) for text in texts) / len(texts)
        ended = sum(text.rstrip().endswith((".", "!", "?")) for text in texts) / len(texts)
        full = [(name, own) for name, own in lists.items() if own]
        with_own_name = sum(plain_name(name) in map(plain_name, own) for name, own in full) / len(full)
        if ended >= 0.8 and words >= _SENTENCE_WORDS:
            return "cupl"
        if with_own_name >= 0.5:
            return "synonyms"
        within = [plain_name(name) in plain_name(text) for name, own in full for text in own if text.strip()]
        if sum(within) / len(texts) >= 0.8 and words >= _PHRASE_WORDS:
            return "cupl"  # as descriptors they would name their class a second time
        if ended <= 0.2 and words >= _PHRASE_WORDS:
            return "dclip"
        if not ended and words <= _FEW_WORDS and _ENOUGH_NAMES <= len(texts) == len(set(texts)):
            return "chils"
    raise InputError(
        f"The format of {str(path)!r} is unclear: its texts could be descriptors, sentences or names.",
        hint="Name the format: dclip, cupl, synonyms or chils.",
    )


def _prompts(name: str, own: Sequence[str], chosen: BookFormat, path: Path, *, after: str) -> list[Prompt]:
    """The prompts of one class of a file that lists texts by class."""
    kind: Literal["name", "descriptor"] = "descriptor"
    if chosen == "dclip":
        # The authors' code gives a class without descriptors one prompt with none: its name, in effect.
        kind = "descriptor" if own else "name"
        texts = [descriptor_prompt(name, item, after=after) for item in (own or [""])]
    elif chosen == "cupl":
        texts = list(own)
    else:
        kind = "name"
        if any(not other.strip() for other in own):
            refuse(path, f"has a blank name for {clipped(name)!r}", hint="Remove it.")
        texts = [f"a photo of a {other}." for other in own]
    return [Prompt(class_name=name, text=text, origin=Origin(kind=kind)) for text in texts]


def _classes_beside(path: Path, given: Path | None) -> tuple[str, ...]:
    """The class names that belong to a pair file."""
    if given is None:
        own = class_names_beside(path)
        beside = [own] if own.is_file() else sorted(path.parent.glob(f"[!.]*{CLASS_NAMES}"))
        if len(beside) != 1:
            found = f"{len(beside)} class lists lie" if beside else "no class list lies"
            refuse(
                path,
                f"is a file of pairs, and {found} beside it (*{CLASS_NAMES})",
                hint="Give the list of class names, too.",
            )
        given = beside[0]
    classes = name_list(read_json(given), given)
    if not classes:
        refuse(given, "lists no class")
    return classes


def _descriptors(book: PromptBook, *, after: str) -> tuple[ClassTexts, Count]:
    """A book as descriptors by class, and what they do not hold."""
    made: ClassTexts = {}
    held: list[Prompt] = []
    lost: Counter[str] = Counter()
    prompts: dict[str, list[Prompt]] = {name: [] for name in book.classes}
    for prompt in book.prompts:
        prompts[prompt.class_name].append(prompt)
    for name, own in prompts.items():
        made[name] = []
        bare = descriptor_prompt(name, "", after=after)
        if len(own) == 1 and own[0].origin.kind == "name" and own[0].text in (bare, class_text(name)):
            lost["wordings"] += own[0].text != bare
            lost["weights"] += own[0].weight != 1.0
            lost["origins"] += own[0].origin != Origin(kind="name")
            continue
        for prompt in own:
            descriptor = _descriptor(name, prompt.text, book.noun, after=after)
            if descriptor is None:
                lost["prompts"] += 1
                continue
            made[name].append(descriptor)
            held.append(prompt)
            lost["wordings"] += descriptor_prompt(name, descriptor, after=after) != prompt.text
        lost["empty"] += not made[name]
    lost.update(_plain_losses(held))
    return made, +lost


def _plain_losses(prompts: Sequence[Prompt]) -> Count:
    """What is lost of prompts of which only the texts are kept."""
    lost = Counter(
        weights=sum(prompt.weight != 1.0 for prompt in prompts),
        origins=sum(prompt.origin != Origin(kind="descriptor") for prompt in prompts),
    )
    return +lost


def _descriptor(name: str, text: str, noun: str, *, after: str) -> str | None:
    """The descriptor in a prompt of DCLIP's wording or of our own; None where there is none."""
    start = f"{name.replace('_', ' ')}, "
    if text.startswith(start) and text.endswith(after):
        clause = text[len(start) : len(text) - len(after)]
        for verb in ("which is ", "which has ", "which "):
            # Only what gives this very prompt again is taken: the rule is not one to one.
            descriptor = clause.removeprefix(verb)
            if descriptor_prompt(name, descriptor, after=after) == text:
                return descriptor
    for word in (name, noun):
        start = f"a photo of {with_article(word)}, which has "
        if text.startswith(start) and text.endswith("."):
            return text[len(start) : -1]
    return None
