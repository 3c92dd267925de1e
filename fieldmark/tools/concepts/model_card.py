"""Writes the model card of a concept's classifier: definition, training, results, limits."""

import shlex
from collections.abc import Sequence

from fieldmark.records import Clause, Concept
from fieldmark.records.building import BuildResult, Measurement, Score
from fieldmark.tools.concepts.changes import misread_images
from fieldmark.tools.concepts.heads.config import ONNX, HeadConfig

_JUDGES = {
    "classifier": "this classifier",
    "annotator": "the annotator it learned from",
    "name": "the concept's name alone (zero-shot)",
    "own labels": "a head on the owner's labels alone",
}


def model_card(
    concept: Concept,
    config: HeadConfig,
    built: BuildResult,
    measured: Measurement | None,
    *,
    folder: str = "FOLDER",
) -> str:
    """The card as Markdown.

    Args:
        concept: The concept.
        config: What was exported.
        built: How it was made.
        measured: How it did on the blind test; None where it was not measured.
        folder: What the folder is called where it lies, for the command line that uses it.
    """
    encoder = config.encoder
    parts = [
        f"# {_line(concept.name)}",
        "",
        f"A classifier of one owner's concept, version {config.version} of its definition. It takes image "
        f"vectors of `{encoder.name}` and says *in* or *out*; it needs no language model.",
        "",
        f"    fieldmark concept predict {_argument(folder)} photos/",
        "",
        "## What the concept is",
        "",
        _line(concept.purpose) or "Its owner gave no purpose.",
        "",
        *_clauses(config.definition.active),
        "",
        "## How it was made",
        "",
        f"- Head: {built.kind}, chosen among {len(built.contenders)} by cross-validated average precision; "
        f"threshold {config.threshold:.3f} on calibrated probabilities{_kept(built)}.",
        f"- Encoder: `{encoder.name}`, identity `{encoder.identity[:16]}…`. Vectors of another encoder or "
        "preprocessing are refused.",
        f"- Learned from {built.annotated:,} images that an annotator judged and {built.owner_labels:,} that "
        f"the owner labelled; {built.unjudged:,} that the annotator could not tell were left out.",
        f"- {built.active:,} images were added where the classifier was unsure; {built.debated:,} were "
        f"argued about, and {built.overturned:,} verdicts changed by that.",
        "",
        "## How well it does",
        "",
        *_results(measured),
        *_measured_before(built, measured),
        "",
        "## Where it ends",
        "",
        "- It knows one owner's concept; another person's may differ.",
        "- It was calibrated on the pool it was made from: elsewhere the share of images that are in, and "
        "with it the right threshold, may be another.",
        "- A hundred blind labels leave wide intervals; read them before you compare versions.",
    ]
    wrongly = misread_images(concept)
    if misread := [clause for clause in config.definition.active if clause.id in wrongly]:
        rules = "; ".join(_line(clause.text) for clause in misread)
        parts.append(
            f"- The owner saw the annotator misread these clauses: {rules} (instructions.md says where). "
            "What was misread in those images was not learned."
        )
    if ONNX not in config.files:
        parts.append(
            f"- It has no `{ONNX}`, as the package onnx was not installed. To add it: "
            '`pip install "fieldmark[onnx]"`, then export again. All else works without it.'
        )
    parts += [f"- {_line(note)}" for note in built.notes]
    return "\n".join(parts) + "\n"


def _clauses(clauses: Sequence[Clause]) -> list[str]:
    if not clauses:
        return ["It has no clauses: its name is all that is known of it."]
    return [f"- {clause.role}: {_line(clause.text)}" for clause in clauses]


def _results(measured: Measurement | None) -> list[str]:
    if measured is None:
        return ["Not measured on the owner's blind test."]
    rows = [
        f"Measured once, on {measured.images} images drawn before anything else and labelled blind "
        f"({measured.positives} of them in); means are weighted to the pool, intervals are 95%.",
        "",
        "| judge | F1 | area under precision-recall | recall at precision 0.9 | kappa |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {_JUDGES.get(judge.name, judge.name)} | {_said(judge.f1)} | {_said(judge.auprc)} | "
        f"{_said(judge.recall_at_precision_90)} | {_said(judge.kappa)} |"
        for judge in measured.judges
    ]
    rows += ["", f"The owner against themself (the ceiling): kappa {_said(measured.self_kappa)}."]
    if measured.mcnemar_p is not None:
        rows += ["", f"Against version {measured.mcnemar_version}: McNemar p {measured.mcnemar_p:.2g}."]
    return rows


def _kept(built: BuildResult) -> str:
    return "" if built.kept is None else f", which the owner keeps in place of {built.threshold:.3f}"


def _measured_before(built: BuildResult, measured: Measurement | None) -> list[str]:
    """That the figures are of another threshold, where they are."""
    then = built.in_force if measured is None else built.measured_with(measured)
    if then == built.in_force:
        return []
    return [
        "",
        f"It was measured with the threshold {then:.3f}; the owner keeps "
        f"{built.in_force:.3f} since. F1 and kappa are of the former, and the test is not looked at again.",
    ]


def _said(score: Score) -> str:
    if score.value is None:
        return "–"
    if score.ci95 is None:
        return f"{score.value:.3f}"
    return f"{score.value:.3f} ({score.ci95[0]:.3f} to {score.ci95[1]:.3f})"


def _argument(name: str) -> str:
    """A file name as a shell takes it, on one line."""
    return shlex.quote(name) if name.isprintable() else "FOLDER"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
