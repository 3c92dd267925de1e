"""Tells everything that is wrong with a classification before torch is loaded."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.cli.resuming import refuse_with_resume
from fieldmark.errors import FieldmarkError, InputError, NoImagesError

if TYPE_CHECKING:
    from fieldmark.agents.resolve.options import ResolveOptions
    from fieldmark.records import PromptBook

NO_CLASSES = "No classes were given."
NAME_THEM = "Give them as --classes 'a,b,c' or as a file with one name a line."
ASK = "ask"
BOTH_CACHES = "--no-cache and --refresh exclude each other."


def check(
    paths: Sequence[Path] | None,
    classes: str | None,
    book: Path | None,
    *,
    fixed: dict[str, Any],
    loop: dict[str, Any],
    limits: dict[str, Any],
    models: dict[str, Any],
    both_caches: bool,
) -> None:
    """Check what a new run was given, and tell all that is wrong with it at once.

    Args:
        paths: The images.
        classes: The class names, or their file.
        book: The prompt book.
        fixed: Options that a run keeps, None where not given.
        loop: The loop's options that were given.
        limits: The limits that were given.
        models: The models and endpoints that were given.
        both_caches: Whether the cache is to be left off and refreshed at once.

    Raises:
        FieldmarkError: What is wrong.
    """
    from fieldmark.app.beforehand import Mistakes, check_models, check_there
    from fieldmark.app.by_method.choice import LOOP, mistakes_of, needs_of
    from fieldmark.app.checks import check_labels, check_loop
    from fieldmark.app.circumstances.given import mistakes_beside
    from fieldmark.app.inputs import check_classes, check_images_there
    from fieldmark.app.tree import check_tree
    from fieldmark.tools.images.given_paths import is_there
    from fieldmark.tools.search.own_code import names_own_code

    mistakes, tree = Mistakes(), fixed.get("tree")
    method = fixed.get("method") or LOOP
    if both_caches:
        mistakes.note([InputError(BOTH_CACHES, hint="Give one of them.")])
    if method == LOOP:
        mistakes.note(idle(loop, book=book, limits=limits, shown=bool(models.get("vlm")), tree=tree))
    with mistakes.noted():
        check_images_there(paths or ())
    if not paths:
        mistakes.note([NoImagesError("No image files or folders were given.", hint="Name at least one.")])
    names: Sequence[str] | None = None
    with mistakes.noted():
        names = check_classes(read_classes(classes, book, method=method)[0])
    with mistakes.noted():
        if tree and tree != ASK:
            check_there(tree, "The tree", field="tree")
            check_tree(tree, names) if names else None
    for name, what in (
        ("calibration", "The folder"),
        ("labels", "The file or folder"),
        ("pool", "The folder"),
        ("captions", "The file"),
        ("prior", "The file"),
        ("about", "The file"),
    ):
        with mistakes.noted():
            check_there(fixed.get(name), what, field=name)
    options = None
    with mistakes.noted():
        options = loop_options(loop)
        if method == LOOP:
            check_loop(options, has_book=book is not None, calibrated=fixed.get("calibration") is not None)
            check_labels(options, labelled=fixed.get("labels") is not None)
    told = ("prior", "about")  # where one is not there that was said
    beside = {**fixed, **{name: None for name in told if (path := fixed.get(name)) and not is_there(path)}}
    mistakes.note(mistakes_beside(beside, method=method, options=options, classes=names))
    mistakes.note(mistakes_of(method, {**fixed, "book": book, "vlm": models.get("vlm")}, options))
    starts = loop.get("start", "descriptors" if book is None else "book")
    asks = starts == "descriptors" or tree == ASK or (options is not None and options.max_rounds > 0)
    if method != LOOP:
        asks = "llm" in (needs_of(method) or ())
        if limits and not asks and not names_own_code(method):
            mistakes.note([limits_nothing(limits, "choose a method that asks")])
    check_models(
        mistakes,
        clip=fixed.get("clip"),
        device=fixed.get("device"),
        llm=models.get("llm"),
        vlm=models.get("vlm"),
        base_url=models.get("base_url"),
        vlm_base_url=models.get("vlm_base_url"),
        max_cost=limits.get("max_cost"),
        asks=asks,
        by=method,
    )
    mistakes.tell()


def idle(
    loop: dict[str, Any],
    *,
    book: Path | None = None,
    limits: dict[str, Any] | None = None,
    shown: bool = False,
    tree: str | None = None,
) -> Iterator[FieldmarkError]:
    """Options that the others leave no use for: they are refused rather than passed over.

    Args:
        loop: The loop's options that were given.
        book: The prompt book that was given.
        limits: The limits that were given.
        shown: Whether open images are shown to a vision-language model.
        tree: The tree whose branches open images may get.

    Yields:
        What to say of each that has no effect.
    """
    rule = loop.get("candidates", "margin")
    for name, its_rule in (("tau", "margin"), ("alpha", "conformal")):
        if name in loop and rule != its_rule:
            yield InputError(
                f"--{name} is of no use to {rule} candidates.",
                hint=f"Leave it out, or choose --candidates {its_rule}.",
            )
    unsaid = "evidence" if rule == "margin" and loop.get("max_rounds") != 0 else "table"
    by_evidence = loop.get("rule", unsaid) == "evidence"
    for name in ("risk", "reject", "second_opinions", "ask_labels"):
        if name in loop and not by_evidence and not (tree and name == "risk"):
            yield InputError(
                f"--{name.replace('_', '-')} is of no use to this rule.",
                hint="Leave it out, or leave out what chooses another rule than evidence"
                + (", or give a --tree." if name == "risk" else "."),
            )
    if book is not None and loop.get("start") in ("names", "descriptors"):
        yield InputError(
            f"A run that starts from {loop['start']} uses none of a book's prompts.",
            hint="Leave --start out to start from the book; or leave the book out, and give --classes.",
        )
    asks_nothing = loop.get("max_rounds") == 0 and (book is not None or loop.get("start") == "names")
    if "words" in loop and asks_nothing and not shown:
        yield InputError("No question is asked that --words could reword.", hint="Leave it out.")
    first_is_free = tree != "ask" and (book is not None or loop.get("start") == "names")
    if limits and not shown and first_is_free and loop.get("max_rounds") == 0:
        yield limits_nothing(limits, "allow rounds with --max-rounds")


def limits_nothing(limits: Iterable[str], instead: str) -> InputError:
    """What is said where limits were given and nothing is asked."""
    named = ", ".join(f"--{name.replace('_', '-')}" for name in limits)
    return InputError(
        f"Nothing is asked in this run, so that {named} can limit nothing.",
        hint=f"Leave that out, or {instead}.",
    )


def read_classes(
    classes: str | None, book: Path | None, *, method: str | None = None
) -> "tuple[Sequence[str], PromptBook | None]":
    """Class names and prompt book; without names of their own, the classes are the book's.

    They may also be those of the book that is the method.

    Raises:
        InputError: Neither was given, or a file cannot be read.
    """
    from fieldmark.app.inputs import read_book, read_class_names
    from fieldmark.evals.table.chosen_names import fed_with, names_book

    prompts = read_book(book) if book else None
    if classes is not None:
        return read_class_names(classes), prompts
    if prompts is None and method and names_book(method):
        return read_book(Path(fed_with(method)[1])).classes, None
    if prompts is None:
        raise InputError(NO_CLASSES, hint=NAME_THEM)
    return prompts.classes, prompts


def loop_options(chosen: dict[str, Any]) -> "ResolveOptions":
    """The loop's options, with the chosen ones.

    Raises:
        InputError: One of them cannot be used.
    """
    from fieldmark.agents.resolve.options import ResolveOptions

    if chosen.get("words") is not None:
        from fieldmark.app.words.file import check_of_loop, read_words

        told = read_words(chosen["words"])
        check_of_loop(told)
        chosen = {**chosen, "words": told}
    return ResolveOptions.model_validate(chosen)


def check_resumed(run: str, out: Path, options: dict[str, Any], *, both_caches: bool = False) -> None:
    """Check that there is a run to go on with, and that nothing was given that it has settled.

    Raises:
        FieldmarkError: What is wrong.
    """
    from fieldmark.app.beforehand import Mistakes
    from fieldmark.tools.runs.folder import RunFolder

    mistakes = Mistakes()
    with mistakes.noted():
        RunFolder.open(out, run, kind="classify")
    with mistakes.noted():
        refuse_with_resume(options)
    if both_caches:
        mistakes.note([InputError(BOTH_CACHES, hint="Give one of them.")])
    mistakes.tell()
