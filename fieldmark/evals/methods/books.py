"""Prompt books as methods: `fieldmark eval` measures a user's own book beside the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.chosen_names import fed_with
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.records import PromptBook
from fieldmark.tools.books.files import read_book
from fieldmark.tools.scoring.books import book_scores, check_weights
from fieldmark.tools.scoring.prototype import class_prototypes

PLAIN_STEM = "book"
"""What every run calls its book; the run's name then says which one it is."""


def book_methods(names: Sequence[str], methods: Mapping[str, EvalMethod]) -> tuple[EvalMethod, ...]:
    """A method for each file of a prompt book, called after the file, or after its run where it is book.json.

    Args:
        names: Files; or a method that begins with a book's texts, and the file: "tip-adapter+book.json".
        methods: Those methods, by key.

    Raises:
        InputError: A file is no prompt book, or a class has no prompt with weight.
    """
    found: list[EvalMethod] = []
    for name in dict.fromkeys(names):
        key, path = fed_with(name)
        found.append(fed(methods[key], *_read(Path(path))) if key else _method(Path(path)))
    seen = Counter[str]()
    for at, method in enumerate(found):
        seen[method.key] += 1
        if seen[method.key] > 1:
            found[at] = replace(method, key=f"{method.key}-{seen[method.key]}")
    return tuple(found)


def fed(method: EvalMethod, book: PromptBook, called: str) -> EvalMethod:
    """A method that begins with a prompt book's texts where it would begin with class names.

    Its class vectors are the unit mean of the book's texts, weighed where the book goes by weights.

    Args:
        method: The method.
        book: The book; every class has a prompt.
        called: What the book is called.

    Raises:
        InputError: The method begins with no texts of classes.
    """
    on_texts = method.on_texts
    if on_texts is None:
        raise InputError(f"The method {method.key} begins with no texts of classes.", field="book")

    async def run(bench: EvalBench) -> MethodScores:
        order = _order(book, bench)
        own = book.by_class()
        texts = [[prompt.text for prompt in own[place]] for place in order]
        weights = [[prompt.weight for prompt in own[place]] for place in order]
        words = class_prototypes(
            texts, bench.encode, weights=weights if book.pooling == "prototype" else None
        )
        made = on_texts(bench, words)
        return replace(made, notes=(*made.notes, *_chosen_on(book, bench)))

    return replace(
        method,
        key=f"{method.key}+{called}",
        title=f"{method.title}, texts of {called}",
        run=run,
        version=content_key([method.version, book.model_dump(mode="json")]),
    )


def _read(path: Path) -> tuple[PromptBook, str]:
    """A book, and what it is called: after its file, or after its run.

    Raises:
        InputError: The file is no prompt book, or a class has no prompt with weight.
    """
    book = read_book(path)
    if bare := [name for name, own in zip(book.classes, book.by_class(), strict=True) if not own]:
        raise InputError(
            f"The prompt book {str(path)!r} has no prompt for {bare[0]!r}.", hint="Give each class one."
        )
    check_weights(book)
    folder = path.absolute().parent.name
    called = folder if path.stem == PLAIN_STEM and folder else path.stem
    return book, "-".join(called.lower().split())


def _method(path: Path) -> EvalMethod:
    book, called = _read(path)

    async def run(bench: EvalBench) -> MethodScores:
        return scored(book, bench)

    return EvalMethod(
        key=f"book-{called}",
        title=f"Prompt book {called}",
        source="the user's own",
        needs=frozenset({MethodNeed.NAMES}),
        run=run,
        version=content_key(book.model_dump(mode="json")),
    )


def scored(book: PromptBook, bench: EvalBench) -> MethodScores:
    """Score the test images by a book, whose classes may come in another order.

    Raises:
        InputError: The book lists other classes.
    """
    scores = book_scores(book, bench.vectors, bench.encode)[:, torch.tensor(_order(book, bench))]
    return MethodScores(
        scores=bench.logit_scale * scores,
        diagnostics={"prompts": float(len(book.prompts))},
        notes=_chosen_on(book, bench),
    )


def _order(book: PromptBook, bench: EvalBench) -> list[int]:
    """The place in the book of each class of the data.

    Raises:
        InputError: The book lists other classes.
    """
    if set(book.classes) != set(bench.classes):
        lacking = [name for name in bench.classes if name not in book.classes]
        more = [name for name in book.classes if name not in bench.classes]
        raise InputError(
            f"The book lists other classes: it lacks {len(lacking)}, and has {len(more)} that the data lack"
            f", such as {(lacking + more)[0]!r}."
        )
    place = {name: number for number, name in enumerate(book.classes)}
    return [place[name] for name in bench.classes]


def _chosen_on(book: PromptBook, bench: EvalBench) -> tuple[str, ...]:
    """A note where test images are among those that chose the book's prompts."""
    chosen_by = {each.image_hash for each in book.labelled}
    shared = sum(image.content_hash in chosen_by for image in bench.images)
    return (f"{shared} of the test images chose its prompts: the figure is too high",) if shared else ()
