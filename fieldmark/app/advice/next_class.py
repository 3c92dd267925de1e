"""Says which class to collect labels for next, by what a model could then tell."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.evaluate.inputs import read_tree
from fieldmark.app.labels import words_of
from fieldmark.app.models import choose_models
from fieldmark.app.stores import open_stores
from fieldmark.errors import InputError
from fieldmark.evals.methods.loki import next_labels, text_distances
from fieldmark.evals.metrics.tree_distances import tree_distances
from fieldmark.records import Record
from fieldmark.records.names import one_name
from fieldmark.tools.books.templates import PLAIN, fill_phrase
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.scoring.prototype import class_prototypes


class NextClass(Record):
    """A class to collect labels for next.

    Attributes:
        class_name: The class.
        reach: Classes that a prediction can name once it and those before it have labels.
        nearest: The class with labels that is nearest to it.
        distance: How far that is: steps in the tree, or between class texts from 0 to 2.
    """

    class_name: str
    reach: int
    nearest: str
    distance: float


@checked_arguments
def next_classes(
    classes: Sequence[str],
    labelled: Path | str | Sequence[str],
    *,
    tree: Path | None = None,
    count: int = 5,
    clip: Encoder | str | None = None,
    device: str | None = None,
    home: Path | None = None,
) -> tuple[NextClass, ...]:
    """Which classes to collect labels for next, by Loki's rule (`next_labels`); nothing is asked.

    Args:
        classes: All class names.
        labelled: Those that have labels: their names, or labelled images as `Classifier` takes them.
        tree: A file of child → parent over the classes, see `read_parents`; how far class texts lie apart
            decides where not given.
        count: How many to name.
        clip: The encoder of the texts, or its name; the settings' where not given.
        device: Where it computes.
        home: Where vectors are kept; the settings' where not given.

    Raises:
        InputError: A name is no class, no class has labels, or the tree cannot be read.
        ModelError: The encoder cannot be opened.
    """
    names = tuple(map(one_name, classes))
    said = words_of(labelled) if isinstance(labelled, str | Path) else [one_name(name) for name in labelled]
    known = dict.fromkeys(said)
    strange = [name for name in known if name not in names]
    if strange or not known:
        what = f"{strange[0]!r} is none of the {len(names)} classes" if strange else "No class has labels"
        raise InputError(f"{what}.", hint="Name at least one class as the list has it.", field="labelled")
    if count < 1:
        raise InputError(f"{count} classes cannot be named.", hint="Give one or more.", field="count")
    if tree is not None:
        distances = tree_distances(read_tree(tree, names), names, names)
    else:
        with open_stores(home) as stores:
            chosen = choose_models(clip=clip if isinstance(clip, str) else None, device=device)
            encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device)
            words = class_prototypes([[fill_phrase(PLAIN, name)] for name in names], encoder.encode_texts)
        distances = text_distances(words, words)
    found = next_labels(distances, [names.index(name) for name in known], count=count)
    return tuple(
        NextClass(
            class_name=names[each.label],
            reach=each.reach,
            nearest=names[each.nearest],
            distance=round(each.distance, 4),
        )
        for each in found
    )
