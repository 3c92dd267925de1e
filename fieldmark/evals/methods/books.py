"""Prompt books as methods: `fieldmark eval` measures a user's own book beside the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.records import PromptBook
from fieldmark.tools.books.files import read_book
from fieldmark.tools.scoring.books import book_scores, check_weights

PLAIN_STEM = "book"
"""What every run calls its book; the run's name then says which one it is."""


def book_methods(names: Sequence[str]) -> tuple[EvalMethod, ...]:
    """A method for each file of a prompt book, called after the file, or after its run where it is book.json.

    Raises:
        InputError: A file is no prompt book, or a class has no prompt with weight.
    """
    methods = [_method(Path(name)) for name in dict.fromkeys(names)]
    seen = Counter[str]()
    for at, method in enumerate(methods):
        seen[method.key] += 1
        if seen[method.key] > 1:
            methods[at] = replace(method, key=f"{method.key}-{seen[method.key]}")
    return tuple(methods)


def _method(path: Path) -> EvalMethod:
    book = read_book(path)
    if bare := [name for name, own in zip(book.classes, book.by_class(), strict=True) if not own]:
        raise InputError(
            f"The prompt book {str(path)!r} has no prompt for {bare[0]!r}.", hint="Give each class one."
        )
    check_weights(book)
    folder = path.absolute().parent.name
    called = folder if path.stem == PLAIN_STEM and folder else path.stem

    async def run(bench: EvalBench) -> MethodScores:
        return scored(book, bench)

    return EvalMethod(
        key=f"book-{'-'.join(called.lower().split())}",
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
    if set(book.classes) != set(bench.classes):
        lacking = [name for name in bench.classes if name not in book.classes]
        more = [name for name in book.classes if name not in bench.classes]
        raise InputError(
            f"The book lists other classes: it lacks {len(lacking)}, and has {len(more)} that the data lack"
            f", such as {(lacking + more)[0]!r}."
        )
    place = {name: number for number, name in enumerate(book.classes)}
    order = torch.tensor([place[name] for name in bench.classes])
    scores = book_scores(book, bench.vectors, bench.encode)[:, order]
    chosen_by = {each.image_hash for each in book.labelled}
    shared = sum(image.content_hash in chosen_by for image in bench.images)
    notes = (f"{shared} of the test images chose its prompts: the figure is too high",) if shared else ()
    return MethodScores(
        scores=bench.logit_scale * scores,
        diagnostics={"prompts": float(len(book.prompts))},
        notes=notes,
    )
