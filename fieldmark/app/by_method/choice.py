"""Which method labels the images, what it is given for that, and what speaks against it.

It loads no method: what is missing is told before anything else is done.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.errors import FieldmarkError, InputError, SettingsError, close_to
from fieldmark.evals.table.chosen_names import FED, METHOD_KEYS, METHOD_NEEDS, OWN_WORDS, fed_with, names_book
from fieldmark.records import PromptBook
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.search.own_code import names_own_code

LOOP = "resolve"
"""The method that is the loop itself."""
OF_METHODS = ("noun", "k", "tau")
"""The options of the loop that count where another method labels."""
BASE = "base classes"
BESIDE = ("labels", "pool", "captions", "tree", "shots", "calibration", "vlm", "book")
"""The arguments of a classifier that a method may need, or have no use for."""
_LACKING = {
    "labels": (
        "labelled images",
        "Give a folder with one folder per class, or a CSV file with the columns image and label.",
    ),
    "pool": ("unlabelled images beside those to label", "Give a folder of them."),
    "captions": (
        "captions of unlabelled images",
        "Give a JSONL file of them beside the folder of the images.",
    ),
    "vlm": ("a vision-language model", "Name one, as the endpoint calls it."),
    "tree": ("a tree over the classes", "Give a CSV or TSV file with the columns child and parent."),
}
"""What each need is called, and how it is met; the option has its name."""


@dataclass(kw_only=True)
class MethodChoice:
    """The part of a classifier that says by which method it labels.

    Args:
        classes: The class names.
        labels: Labelled images, for methods that learn from them: see `read_examples`.
        tree: Child → parent over the classes, for methods that go by it.
        book: A prompt book for methods that may begin with its texts in place of class names.
        options: The choices of the loop; other methods go by `OF_METHODS` alone.
        progress: Called with progress events.
        method: "resolve" is the loop; else a method of the table by its key, one's own as "file.py:METHOD",
            the file of a prompt book, or a method that begins with one as "tip-adapter+book.json".
        pool: Folder of unlabelled images, for methods that use some.
        captions: JSONL of captions of these: {"image": "path in the folder", "caption": "…"}.
        shots: The most labelled images a class that a method uses; all of them where not given.
        seed: Decides whatever a method draws.
    """

    classes: Sequence[str]
    labels: Any = None
    tree: Any = None
    book: PromptBook | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    progress: Progress = no_progress
    method: str = LOOP
    pool: Path | None = None
    captions: Path | None = None
    shots: int | None = None
    seed: int = 0

    @property
    def by_method(self) -> bool:
        """Whether another method than the loop labels the images."""
        return self.method != LOOP

    def given(self) -> dict[str, Any]:
        """What stands beside the method, by name; None where it was not given."""
        return {name: getattr(self, name, None) for name in BESIDE}

    def stated_method(self) -> dict[str, JsonValue]:
        """What a run keeps of it: paths by their full names, so that it can be resumed from any folder."""
        if not self.by_method:
            return {}
        return {
            "pool": _full(self.pool),
            "captions": _full(self.captions),
            "shots": self.shots,
            "seed": self.seed,
            "labels": dict(self.labels) if isinstance(self.labels, Mapping) else _full(self.labels),
        }

    def check_method(self, *, asks: bool = True) -> None:
        """Refuse what the method cannot use, or lacks.

        Args:
            asks: False where an earlier run is to be scored anew.

        Raises:
            FieldmarkError: The first thing that is wrong.
        """
        if self.by_method and not asks:
            raise InputError(
                f"The method {self.method} cannot take labels afterwards.",
                hint="Start a new run and give them to it, with a method that uses labels.",
                field="labels",
            )
        for mistake in mistakes_of(self.method, self.given(), self.options):
            raise mistake


def mistakes_of(
    method: str, given: Mapping[str, Any], options: ResolveOptions | None
) -> Iterator[FieldmarkError]:
    """What is wrong with a method and what it is given.

    Args:
        method: As the user named it.
        given: What was given beside it, by the names of `Classifier`; what is None or empty was not.
        options: The options of the loop.

    Yields:
        An error for each thing that is missing, or of no use.
    """
    there = {name for name, value in given.items() if value not in (None, "", ())}
    if method == LOOP:
        for name in ("pool", "captions", "shots"):
            if name in there:
                yield InputError(
                    f"{name} is of no use to the loop.",
                    hint="Leave it out, or name a method that uses it.",
                    field=name,
                )
        return
    if (wrong := _unknown(method)) is not None:
        yield wrong
        return
    needs = needs_of(method)
    if needs is not None:
        yield from lacking(method, needs, given)
        for name in ("labels", "pool", "captions", "tree", "vlm"):
            if name in there and name not in needs:
                yield _idle(name, method)
        if "shots" in there and "labels" not in needs:
            yield _idle("shots", method)
    if given.get("shots") is not None and given["shots"] < 1:
        yield InputError("shots must be at least 1.", field="shots")
    if given.get("tree") == "ask":
        yield InputError("A method takes a tree that is there.", hint=_LACKING["tree"][1], field="tree")
    if "captions" in there and "pool" not in there:
        yield InputError("Captions belong to images.", hint="Give the folder they lie in.", field="pool")
    if "calibration" in there:
        yield _idle("calibration", method)
    if "book" in there and method not in FED:
        yield InputError(
            f"The method {method} scores by texts of its own.",
            hint=f"Name the book's file as the method; or take one of {', '.join(FED)}.",
            field="book",
        )
    usual = ResolveOptions()
    for name in ResolveOptions.model_fields if options else ():
        if name not in OF_METHODS and getattr(options, name) != getattr(usual, name):
            yield _idle(name, method)


def needs_of(method: str) -> frozenset[str] | None:
    """What a method needs beside class names; None of one's own code, which is not loaded here."""
    if names_own_code(method):
        return None
    return frozenset(METHOD_NEEDS.get(fed_with(method)[0] or method, ()))


def lacks_llm(method: str) -> SettingsError:
    """What is said where a method asks and no language model is named."""
    return SettingsError(
        f"The method {method} asks a language model, and none is named.",
        hint="Name one, or set FIELDMARK_LLM; or choose a method that asks nothing, such as transclip-zs.",
        field="llm",
    )


def options_for(key: str) -> tuple[str, ...] | None:
    """The arguments that a shipped method needs to label images; None where it cannot."""
    needs = METHOD_NEEDS.get(key, ())
    return None if key in OWN_WORDS or BASE in needs else needs


def _unknown(method: str) -> InputError | None:
    """Why a name is no method that can label images; None where it is one, as far as is known."""
    if names_own_code(method):
        return None
    if names_book(method):
        missing = InputError(f"There is no prompt book {method!r}.", hint="Check the path.", field="method")
        return None if is_there(fed_with(method)[1]) else missing
    if method not in METHOD_KEYS:
        usable = [key for key in METHOD_KEYS if options_for(key) is not None]
        return InputError(
            f"There is no method {method!r}.",
            hint=f"{close_to(method, usable)}There are: {', '.join(usable)}.",
            field="method",
        )
    if method in OWN_WORDS:
        return InputError(
            f"The method {method} finds words of its own: it goes by no list of classes.",
            hint="Choose another; it can be measured in a table of methods.",
            field="method",
        )
    return None


def lacking(method: str, needs: Collection[str], given: Mapping[str, Any]) -> Iterator[InputError]:
    """What a method needs and was not given.

    Args:
        method: The method.
        needs: What it needs.
        given: What was given, by the names of `Classifier`.
    """
    for name in sorted(needs):
        if name in _LACKING and given.get(name) is None:
            what, hint = _LACKING[name]
            yield InputError(f"The method {method} needs {what}, and there are none.", hint=hint, field=name)
        elif name == BASE:
            yield InputError(
                f"The method {method} learns from labelled images of other classes: none can be given.",
                hint="Choose another; it can be measured in a table of methods.",
                field="method",
            )


def _idle(field: str, method: str) -> InputError:
    return InputError(f"{field} is of no use to the method {method}.", hint="Leave it out.", field=field)


def _full(path: Path | str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())
