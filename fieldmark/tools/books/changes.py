"""What changed from one prompt book to another, class by class."""

from collections import Counter, defaultdict
from typing import Literal

from pydantic import Field

from fieldmark.records import Pooling, Prompt, PromptBook, Record


class ClassChange(Record):
    """What changed in one class that both books have."""

    class_name: str
    added: tuple[str, ...] = ()
    """Texts that only the second book has, or has more often."""
    removed: tuple[str, ...] = ()
    reweighed: tuple[str, ...] = ()
    """Texts that both have, with other weights."""
    reattributed: tuple[str, ...] = ()
    """Texts that both have, with other origins."""


class BookChanges(Record):
    """What changed from one book to another."""

    format: Literal["fieldmark.book-diff/1"] = Field(
        default="fieldmark.book-diff/1", serialization_alias="schema"
    )
    same: bool
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]
    reordered: bool
    """Whether the classes that both have come in another order; scores then have other columns."""
    noun: tuple[str, str]
    """The generic noun before and after."""
    pooling: tuple[Pooling, Pooling]
    """The pooling rule before and after."""
    prompts_added: int
    """Over all classes, those of added classes included."""
    prompts_removed: int
    classes: tuple[ClassChange, ...]
    """Classes of both books in which something changed, in the second's order."""


def changes(before: PromptBook, after: PromptBook) -> BookChanges:
    """Compare two books; the order of a class's prompts does not count, how often one occurs does."""
    old, new = _by_class(before), _by_class(after)
    both = [name for name in after.classes if name in old]
    found = [_class_change(name, old[name], new[name]) for name in both]
    changed = tuple(change for change in found if change != ClassChange(class_name=change.class_name))
    added = tuple(name for name in after.classes if name not in old)
    removed = tuple(name for name in before.classes if name not in new)
    reordered = both != [name for name in before.classes if name in new]
    return BookChanges(
        same=not (
            changed
            or added
            or removed
            or reordered
            or (before.noun, before.pooling) != (after.noun, after.pooling)
        ),
        classes_added=added,
        classes_removed=removed,
        reordered=reordered,
        noun=(before.noun, after.noun),
        pooling=(before.pooling, after.pooling),
        prompts_added=sum(len(each.added) for each in changed) + sum(len(new[name]) for name in added),
        prompts_removed=sum(len(each.removed) for each in changed) + sum(len(old[name]) for name in removed),
        classes=changed,
    )


def _by_class(book: PromptBook) -> dict[str, list[Prompt]]:
    made: dict[str, list[Prompt]] = {name: [] for name in book.classes}
    for prompt in book.prompts:
        made[prompt.class_name].append(prompt)
    return made


def _class_change(name: str, old: list[Prompt], new: list[Prompt]) -> ClassChange:
    before, after = Counter(p.text for p in old), Counter(p.text for p in new)
    weights: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    origins: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for place, prompts in enumerate((old, new)):
        for prompt in prompts:
            weights[prompt.text][place].append(prompt.weight)
            origins[prompt.text][place].append(prompt.origin.model_dump_json())
    # A text that comes more or less often is added or removed; only what stayed can have changed.
    stayed = [text for text in after if before[text] == after[text]]
    return ClassChange(
        class_name=name,
        added=tuple((after - before).elements()),
        removed=tuple((before - after).elements()),
        reweighed=tuple(t for t in stayed if sorted(weights[t][0]) != sorted(weights[t][1])),
        reattributed=tuple(t for t in stayed if sorted(origins[t][0]) != sorted(origins[t][1])),
    )
