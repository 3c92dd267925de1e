"""Writes the classes that hold in images as a table for people."""

from fieldmark.records.label_sets import LabelSets
from fieldmark.tools.runs.csv_table import BETWEEN, Cell, csv_text, joined

TABLE, CLASSES = "predictions.csv", "classes.csv"


def label_sets_csv(found: LabelSets) -> str:
    """One row an image: its classes (`joined`), how likely each is, and from which probability on.

    The next run takes it as labels: of the rows whose column `said` is true, be it set by hand. Where
    images have the probability of every class, each has a column, `probability: NAME`.
    """
    names = [each.class_name for each in found.classes]
    thresholds = {each.class_name: each.threshold for each in found.classes}
    head = ["image", "image_hash", "labels", "probabilities", "thresholds", "said"]
    head += [f"probability: {name}" for name in names] if any(each.every for each in found.images) else []
    rows: list[list[Cell]] = [
        [
            each.image,
            each.image_hash,
            joined(each.labels) or "none of these",
            BETWEEN.join(f"{share:.4f}" for share in each.probabilities),
            BETWEEN.join(f"{thresholds[name]:.4f}" for name in each.labels),
            each.said,
            *each.every,
        ]
        for each in found.images
    ]
    return csv_text(head, rows)


def classes_csv(found: LabelSets) -> str:
    """One row a class: its threshold, how many images show it, and how many labelled ones do."""
    rows = [(each.class_name, each.threshold, each.images, each.positives) for each in found.classes]
    return csv_text(("class", "threshold", "images", "labelled"), rows)
