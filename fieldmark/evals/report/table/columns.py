"""What the columns of a table of methods hold, for the page and for Markdown alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fieldmark.evals.report import words
from fieldmark.evals.table.records import CI, EvalResult, Row, Verdict
from fieldmark.evals.table.test_set import MethodNeed

NONE = "–"
VERDICTS: dict[Verdict | None, str] = {
    "beats": "beats it",
    "behind": "behind it",
    "alike": "not significant",
}
TAGS = {
    "baseline": "the method that differences are taken from",
    "control": "random words in the place of descriptors: what every method that asks must beat",
    "upper bound": "is given the class names, which are kept from the others",
    "labels": "uses labelled training images",
    "other images": "uses unlabelled images other than the test images",
    "captions": "uses captions of other images",
    "transductive": "what it says of an image depends on the other test images",
}
"""What stands beside a method's name, and what it means."""
_NEEDS = {MethodNeed.LABELS: "labels", MethodNeed.POOL: "other images", MethodNeed.CAPTIONS: "captions"}


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        below: What stands in small type below.
        order: What rows are sorted by; None sorts last.
    """

    text: str
    below: tuple[str, ...] = ()
    order: float | None = None


@dataclass(frozen=True)
class TableColumn:
    """One column.

    Attributes:
        head: Its head.
        about: What it holds, in a sentence; empty where the head says it.
        cell: A row's cell.
        cost: Whether it says what a method takes: on the page those columns have a table of their own, so
            that none is cut off.
    """

    head: str
    about: str
    cell: Callable[[Row], Cell]
    cost: bool = False


def tags_of(row: Row, result: EvalResult) -> tuple[str, ...]:
    """What stands beside a method's name; see `TAGS`."""
    found = [("baseline", row.method == result.baseline), ("control", row.method == result.control)]
    found.append(("upper bound", row.is_bound))
    found += [(word, need.value in row.needs) for need, word in _NEEDS.items()]
    found.append(("transductive", row.transductive))
    return tuple(word for word, there in found if there)


def columns_for(rows: Sequence[Row], result: EvalResult) -> list[TableColumn]:
    """The columns that any of the rows fills, in order."""
    asked = any(row.llm_requests for row in rows)
    against = "sign flips of whole classes, adjusted by Holm for all rows"
    every: list[tuple[bool, TableColumn]] = [
        (_any(rows, "top1"), TableColumn("Top-1", "with its 95% interval; classes are resampled", _top1)),
        (
            _any(rows, "mean_precision"),
            TableColumn("Mean average precision", "over classes, with its 95% interval", _mean_precision),
        ),
        (
            _any(rows, "macro_f1"),
            TableColumn("F1", "mean over classes, thresholds set without labels", _shares("macro_f1")),
        ),
        (
            _any(rows, "difference"),
            TableColumn(
                f"Against {result.baseline}",
                f"points of the first figure on the same images; p: {against}",
                _baseline,
            ),
        ),
        (
            _any(rows, "control_difference"),
            TableColumn("Against control", f"the same against {result.control}", _control),
        ),
        (_any(rows, "top5"), TableColumn("Top-5", "", lambda row: _share(row.top5))),
        (not _macro_is_top1(rows), TableColumn("Macro", "mean over classes", lambda row: _share(row.macro))),
        (
            _any(rows, "worst_group"),
            TableColumn("Worst group", "top-1 of the worst one, and its name", _worst),
        ),
        (
            _any(rows, "ece"),
            TableColumn("ECE", "calibration error of the predicted class", _figure("ece", 3)),
        ),
        (
            _any(rows, "set_size"),
            TableColumn("Sets", "classes left an image; how many sets have the true class", _sets),
        ),
        (
            _any(rows, "tree_distance"),
            TableColumn(
                "Tree distance",
                "steps from the predicted to the true class; mean square with 95% interval",
                _tree,
            ),
        ),
        (
            _any(rows, "cluster_accuracy"),
            TableColumn("Cluster accuracy", "words matched one to one with classes; 95% interval", _cluster),
        ),
        (
            _any(rows, "semantic_similarity"),
            TableColumn("Similarity", "of the word and the true name", _shares("semantic_similarity")),
        ),
        (_any(rows, "semantic_iou"), TableColumn("Word IoU", "", _shares("semantic_iou"))),
        (
            asked,
            TableColumn("Questions", "that the method needs, whoever asked first", _questions, cost=True),
        ),
        (
            asked,
            TableColumn(
                "Tokens", "of these questions and their answers; – where not reported", _tokens, cost=True
            ),
        ),
        (True, TableColumn("Texts", "compared with images", lambda row: _count(row.texts), cost=True)),
        (True, TableColumn("Time", "test images encoded before; all seeds", _seconds, cost=True)),
    ]
    return [column for there, column in every if there]


def macro_is_top1(rows: Sequence[Row]) -> bool:
    """Whether macro accuracy has no column because it says the same as top-1."""
    return _any(rows, "top1") and _macro_is_top1(rows)


def span(ends: CI | None) -> str:
    """An interval of shares: "25.1–41.4"; empty where there is none."""
    return "" if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}"


def _any(rows: Sequence[Row], field: str) -> bool:
    return any(getattr(row, field) is not None for row in rows)


def _macro_is_top1(rows: Sequence[Row]) -> bool:
    return all(row.macro is None or abs(row.macro - (row.top1 or 0)) < 5e-4 for row in rows)


def _share(value: float | None) -> Cell:
    return Cell(words.percent(value), order=value)


def _shares(field: str) -> Callable[[Row], Cell]:
    return lambda row: _share(getattr(row, field))


def _figure(field: str, digits: int) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = getattr(row, field)
        return Cell(NONE if value is None else f"{value:.{digits}f}", order=value)

    return cell


def _count(number: int) -> Cell:
    return Cell(words.count(number), order=number)


def _top1(row: Row) -> Cell:
    below = [span(row.ci95)]
    if row.spread is not None:
        below.append(f"± {100 * row.spread:.1f} over {len(row.seeds)} seeds")
    return Cell(words.percent(row.top1), tuple(filter(None, below)), row.top1)


def _mean_precision(row: Row) -> Cell:
    below = tuple(filter(None, (span(row.mean_precision_ci95),)))
    return Cell(words.percent(row.mean_precision), below, row.mean_precision)


def _baseline(row: Row) -> Cell:
    return _difference(row.difference, row.difference_ci95, row.p_holm, "")


def _control(row: Row) -> Cell:
    return _difference(
        row.control_difference,
        row.control_difference_ci95,
        row.p_holm_control,
        VERDICTS.get(row.against_control, ""),
    )


def _difference(value: float | None, ends: CI | None, p: float | None, verdict: str) -> Cell:
    if value is None:
        return Cell(NONE)
    between = "" if ends is None else f"{words.points(ends[0])} to {words.points(ends[1])}"
    p_value = "" if p is None else f"p {words.p_value(p)}"
    below = (between, ", ".join(filter(None, (p_value, verdict))))
    return Cell(words.points(value), tuple(filter(None, below)), value)


def _worst(row: Row) -> Cell:
    below = (words.short(row.worst_group_name, 40),) if row.worst_group_name else ()
    return Cell(words.percent(row.worst_group), below, row.worst_group)


def _sets(row: Row) -> Cell:
    if row.set_size is None:
        return Cell(NONE)
    return Cell(f"{row.set_size:.1f}", (f"cover {words.percent(row.coverage)}",), row.set_size)


def _cluster(row: Row) -> Cell:
    below = tuple(filter(None, (span(row.cluster_ci95),)))
    return Cell(words.percent(row.cluster_accuracy), below, row.cluster_accuracy)


def _tree(row: Row) -> Cell:
    if row.tree_distance is None:
        return Cell(NONE)
    below: tuple[str, ...] = ()
    if row.tree_distance_squared is not None:
        ends = row.tree_distance_squared_ci95
        between = "" if ends is None else f"{ends[0]:.2f}–{ends[1]:.2f}"
        below = tuple(filter(None, (f"square {row.tree_distance_squared:.2f}", between)))
    return Cell(f"{row.tree_distance:.2f}", below, row.tree_distance)


def _questions(row: Row) -> Cell:
    below = (f"{words.count(row.llm_failed)} failed",) if row.llm_failed else ()
    return Cell(words.count(row.llm_requests), below, row.llm_requests)


def _tokens(row: Row) -> Cell:
    if row.prompt_tokens is None or row.completion_tokens is None:
        return Cell(NONE)
    both = row.prompt_tokens + row.completion_tokens
    asked, answered = words.count(row.prompt_tokens), words.count(row.completion_tokens)
    return Cell(words.count(both), (f"{asked} + {answered}",) if both else (), both)


def _seconds(row: Row) -> Cell:
    return Cell(words.duration(row.seconds), order=row.seconds)
