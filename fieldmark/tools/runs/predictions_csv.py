"""Writes predictions as a table for people, with other classes and their probabilities where asked for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fieldmark.records import Prediction
from fieldmark.tools.runs.csv_table import Cell, csv_text, joined

NONE_OF_THESE = "none of these"
"""The decision on a rejected image, in words."""
_FIELDS = (
    "image",
    "label",
    "confidence",
    "calibrated",
    "status",
    "why_open",
    "ignorance",
    "candidates",
    "rounds",
    "runner_up",
    "margin",
    "decision",
    "decided_by",
    "vlm_label",
    "vlm_confidence",
    "vlm_rationale",
    "vlm_failure",
    "coarse_label",
    "coarse_probability",
    "group",
    "prior",
)


def predictions_csv(
    predictions: Sequence[Prediction],
    *,
    classes: Sequence[str] = (),
    probabilities: npt.NDArray[np.float32] | None = None,
    top_k: int = 1,
    all_classes: bool = False,
) -> str:
    """The table, one row an image.

    Args:
        predictions: The predictions.
        classes: All class names.
        probabilities: Share of each class in each image `[N, C]`, rows as in `predictions`; None for none.
        top_k: Classes named in each row. From 2 on there are columns `label_2`, `probability_2` and so on:
            the likeliest classes beside the label, whether they are still candidates or not.
        all_classes: Whether each class has a column with its probability, `probability: NAME`.

    Aspects of an exported student have a column each with their probability, `aspect: TEXT`.
    """
    rows = [_row(p) for p in predictions]
    head = list(_FIELDS)
    if probabilities is not None and top_k > 1:
        most = min(top_k, len(classes))
        place = {name: at for at, name in enumerate(classes)}
        labels = np.array([place[p.label] for p in predictions], dtype=np.int64)[:, None]
        others = probabilities.copy()
        np.put_along_axis(others, labels, -1.0, axis=1)
        best = np.argsort(-others, axis=1, kind="stable")[:, : most - 1]
        shares = np.take_along_axis(probabilities, best, axis=1)
        head += [name for k in range(2, most + 1) for name in (f"label_{k}", f"probability_{k}")]
        for row, named, said in zip(rows, best.tolist(), shares.tolist(), strict=True):
            for at, share in zip(named, said, strict=True):
                row += [classes[at], f"{share:.6f}"]
    if probabilities is not None and all_classes:
        head += [f"probability: {name}" for name in classes]
        for row, said in zip(rows, probabilities.tolist(), strict=True):
            row += [f"{share:.6f}" for share in said]
    aspects = dict.fromkeys(
        c.attribute for p in predictions for c in p.contributions if c.probability is not None
    )
    head += [f"aspect: {text}" for text in sorted(aspects)]
    for row, p in zip(rows, predictions, strict=True) if aspects else ():
        seen = {c.attribute: c.probability for c in p.contributions}
        row += [seen.get(text) for text in sorted(aspects)]
    return csv_text(head, rows)


def _row(p: Prediction) -> list[Cell]:
    return [
        p.image,
        p.label,
        f"{p.confidence:.6f}",
        p.calibrated,
        p.status,
        p.why_open,
        p.ignorance,
        joined(c.class_name for c in p.candidates),
        p.rounds,
        p.runner_up,
        p.margin,
        NONE_OF_THESE if p.decision is None else p.decision,
        p.decided_by,
        p.vlm_label,
        p.vlm_confidence,
        p.vlm_rationale,
        p.vlm_failure,
        p.coarse_label,
        p.coarse_probability,
        p.group,
        p.prior,
    ]
