"""What must hold before anything is asked: options that fit together, a fitting book, enough calibration."""

import math
from collections.abc import Sequence
from pathlib import Path

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.errors import ClassNamesError, InputError, RunError
from fieldmark.records import PromptBook
from fieldmark.records.names import near_note
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import manifest_of_stop
from fieldmark.tools.search.named import operators_named


def check_loop(options: ResolveOptions, *, has_book: bool, calibrated: bool) -> None:
    """Refuse choices of the loop that exclude each other, or lack what they need.

    Raises:
        InputError: They cannot be used.
    """
    if options.start == "book" and not has_book:
        raise InputError("A run that starts from a prompt book needs one.", hint="Give one.", field="book")
    if options.rule == "evidence" and options.candidates != "margin":
        raise InputError(
            f"The evidence rule decides by itself which images are resolved; {options.candidates} candidates "
            "would not hold.",
            hint="Leave the candidates out, or choose another rule.",
            field="candidates",
        )
    if options.candidates == "conformal" and not calibrated:
        raise InputError(
            "Conformal candidates need labelled calibration images, and there are none.",
            hint="Give a folder of them, with one folder per class.",
            field="calibration",
        )
    if calibrated and options.candidates != "conformal":
        raise InputError(
            f"Calibration images are of no use to {options.candidates} candidates.",
            hint="Leave the calibration out, or choose conformal candidates.",
            field="candidates",
        )
    if options.candidates == "topk" and options.k < 2:
        raise InputError(
            f"Top-k candidates with k = {options.k} leave nothing to tell apart.",
            hint="Give k of at least 2.",
        )


def check_labels(options: ResolveOptions, *, labelled: bool) -> None:
    """Refuse labels of the pool's own images where the rule cannot use them.

    Raises:
        InputError: The rule is another than the evidence rule.
    """
    if labelled and options.rule != "evidence":
        raise InputError(
            f"Labels are of no use to the rule {options.rule!r}.",
            hint="Choose the evidence rule, or leave the labels out.",
            field="labels",
        )


def check_ended(run: RunFolder | None, *, asks: bool) -> None:
    """Refuse to score a run anew, where nothing may be asked, that has not come to an end.

    Raises:
        RunError: There is no such run, or it was interrupted.
    """
    if asks:
        return
    stopped = manifest_of_stop(run) if run else None
    if stopped is None or stopped.stop_reason in ("failed", "interrupted"):
        raise RunError(
            f"Run {run.run_id} has not ended."
            if run
            else "Nothing can be asked, and there is no earlier run.",
            hint="Go on with it first." if run else "Let models be asked, or name a run.",
        )


def check_book(book: PromptBook, classes: Sequence[str]) -> None:
    """Refuse a prompt book of other classes, without a prompt, or with weights that cannot be used.

    Raises:
        ClassNamesError: It lists others, or these in another order.
        InputError: It has no prompt, or its weights make no mean.
    """
    if book.classes != tuple(classes):
        raise ClassNamesError(
            f"The prompt book does not fit the classes: {_misfit(book.classes, classes)}.",
            hint=near_note([*classes, *book.classes])
            or "Take the classes from the book: classes=book.classes, or none on the command line.",
        )
    if not book.prompts:
        raise InputError(
            "The prompt book has no prompt for any class.",
            hint="Give another book, or none and start from names.",
            field="start",
        )
    from fieldmark.tools.scoring.books import check_weights  # not at the top: it loads torch

    check_weights(book)


def check_calibration(
    calibration: Sequence[ImageFile],
    images: Sequence[ImageFile],
    *,
    classes: Sequence[str],
    options: ResolveOptions,
) -> None:
    """Refuse calibration images that could not carry what conformal candidates promise; none are fine.

    Raises:
        InputError: Labels that are no classes, images that are to be classified themselves, or too few.
    """
    if not calibration:
        return
    unlisted = sorted({str(image.label) for image in calibration} - set(classes))
    if unlisted:
        named = ", ".join(map(repr, unlisted[:5])) + (", …" if len(unlisted) > 5 else "")
        raise InputError(
            f"Calibration images lie in folders that are no classes: {named}.",
            hint=near_note([*classes, *unlisted])
            or "Name each folder like its class, and give one folder per class.",
        )
    asked = {image.content_hash for image in images}
    shared = [image for image in calibration if image.content_hash in asked]
    if shared:
        raise InputError(
            f"{len(shared)} of {len(calibration)} calibration images are among the images to classify, "
            f"such as {str(shared[0].path)!r}.",
            hint="Calibrate on other images: nothing is promised about those that set the threshold.",
        )
    needed = calibration_needed(options)
    if len(calibration) < needed:
        rounds = options.max_rounds
        over = f" over {rounds} round{'s' * (rounds != 1)}" if rounds else ""
        raise InputError(
            f"{len(calibration)} calibration images are too few for alpha {options.alpha:g}{over}: "
            f"{needed} are needed.",
            hint="Add images, raise alpha or lower max_rounds.",
        )


def calibration_needed(options: ResolveOptions) -> int:
    """The fewest calibration images with a finite threshold: ceil((n + 1)(1 - a)) must not pass n.

    `a` is alpha divided by the first look and every round there may be, as each may lose the truth.
    """
    alpha = options.alpha / (options.max_rounds + 1)
    # The tolerance of `conformal_quantile`, so that both agree where floating point is a little off.
    return max(1, math.ceil((1 - 1e-9) / alpha - 1))


def _misfit(book: Sequence[str], classes: Sequence[str]) -> str:
    """In what a book's classes differ from the run's."""
    listed, asked = set(book), set(classes)
    parts = [
        f"{word} {', '.join(map(repr, names[:3]))}{' and others' if len(names) > 3 else ''}"
        for word, names in (
            ("it lacks", [name for name in classes if name not in listed]),
            ("it has besides", [name for name in book if name not in asked]),
        )
        if names
    ]
    return "; ".join(parts) or "they come in another order"


def check_folds_fit(folds: int, shots: int) -> None:
    """Refuse more folds than a class has training images.

    Raises:
        InputError: There are.
    """
    if folds > shots:
        raise InputError(
            f"{folds} folds need {folds} training images a class, and {shots} are drawn.",
            hint="Draw more shots, or make fewer folds.",
            field="folds",
        )


def check_operators(names: Sequence[str], *, strategy: str) -> tuple[str, ...]:
    """Refuse operators that cannot be run, before anything is paid for.

    Returns:
        The names, files by their absolute path, so that a run can be resumed from any folder.

    Raises:
        InputError: There is none of that name, or the strategy runs no operators.
    """
    if strategy == "random":
        raise InputError(
            "The strategy random runs no operators: every one of its books is random.",
            hint="Leave the operators or the strategy out.",
            field="strategy",
        )
    operators_named(names)
    return tuple(str(Path(name).resolve()) if ".py:" in name else name for name in names)
