"""Writes what a concept's classifier says of images as a table for people."""

from collections.abc import Sequence

from fieldmark.records import SkippedInput
from fieldmark.records.concept_predictions import ConceptPrediction
from fieldmark.tools.runs.csv_table import Cell, csv_text

_FIELDS = ("image", "label", "probability", "clause", "role", "clause_probability")


def concept_csv(predictions: Sequence[ConceptPrediction], skipped: Sequence[SkippedInput] = ()) -> str:
    """The table: one row an image, with the clause that says most and the probability of each clause.

    An image that could not be read has a row with nothing but the reason.
    """
    clauses = predictions[0].clauses if predictions else ()
    head = [*_FIELDS, *(f"{clause.role}: {clause.text}" for clause in clauses), "reason"]
    rows: list[list[Cell]] = []
    for each in predictions:
        loudest = each.decided_by
        said: list[Cell] = [loudest.text, loudest.role, loudest.probability] if loudest else [None] * 3
        scores = [clause.probability for clause in each.clauses]
        rows.append([each.image, each.label, each.probability, *said, *scores, None])
    rows += [[each.path, *[None] * (len(head) - 2), each.reason] for each in skipped]
    return csv_text(head, rows)
