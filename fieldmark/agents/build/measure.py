"""Measures a classifier on the owner's blind test, once a version, beside what it must be compared with."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.look import Floats, check_before_look, check_enough, score
from fieldmark.agents.build.sample import taught_labels
from fieldmark.agents.build.write import write_card
from fieldmark.errors import RunError
from fieldmark.records import Concept, Verdict
from fieldmark.records.building import Judge, Measurement, Score
from fieldmark.tools.concepts.built import MEASUREMENT, read_measurement
from fieldmark.tools.concepts.changes import blind_labels, repeats
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.choose import choose_head
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.concepts.heads.train import Examples
from fieldmark.tools.runs.folder import RunFolder, now
from fieldmark.tools.statistics import agreement
from fieldmark.tools.statistics.intervals import mcnemar


async def measure(context: BuildContext) -> Measurement:
    """Measure the classifier of a version on the blind test; one measured before is read, not measured again.

    Beside it stand the annotator it learned from, the concept's name alone (threshold by F1 on the owner's
    other labels) and a head fitted to the owner's other labels alone.

    Args:
        context: The build; its classifier was written before.

    Raises:
        RunError: The classifier is not built, or of other labels, options or models than those now, or the
            test was looked at for this version and its result is gone.
        InputError: Too few blind labels.
        EndpointError: The annotator cannot be asked; the test was not looked at.
    """
    concept = context.concept
    measured = read_measurement(context.out)
    if measured is not None:
        note_look(context.folder, context.version)
        return measured
    built = check_before_look(concept, context.version, context.out)
    if built.identity != context.identity:
        raise RunError(
            f"What version {context.version} of {concept.name!r} is built from has changed since: labels, "
            "costs, images, options or models.",
            hint="Build it again before it is measured. A build judges only new images.",
        )
    labels = {image: label for image, label in blind_labels(concept).items() if label.value != "unsure"}
    hashes = [image for image in labels if image in context.pool.row_of]
    truth = np.array([float(labels[image].value == "in") for image in hashes])
    check_enough(truth)
    verdicts = await context.judge(hashes)
    weights = np.array([concept.blind.get(image, 1.0) for image in hashes])
    rows = torch.tensor(context.pool.rows(hashes))
    head, _ = load_head(context.out, context.encoder)
    p, _ = head.probabilities(context.pool.vectors[rows])
    calls = (p >= head.threshold).numpy()
    judges = [
        judged("classifier", truth, p.double().numpy(), calls, weights),
        annotators(truth, verdicts, weights),
        by_name(context, truth, rows, weights),
    ]
    own = by_own_labels(context, truth, rows, weights)
    before = earlier(context)
    result = Measurement(
        concept=concept.name,
        version=context.version,
        at=now(),
        images=len(hashes),
        positives=int(truth.sum()),
        judges=tuple(judge for judge in (*judges, own) if judge is not None),
        self_kappa=self_kappa(concept),
        mcnemar_p=None if before is None else against(before, hashes, truth, calls),
        mcnemar_version=None if before is None else before.version,
        threshold=built.in_force,
        calls=dict(zip(hashes, calls.tolist(), strict=True)),
    )
    # Nobody has seen anything yet; from here on the look counts. Its result goes first: on a full disk
    # nothing was looked at, and a result whose look was not noted has it noted when it is read.
    RunFolder(context.out).write(MEASUREMENT, result)
    note_look(context.folder, context.version)
    write_card(context, built, result)
    return result


def note_look(folder: ConceptFolder, version: int) -> None:
    """Note in a concept, held by this process, that the test was looked at for a version; once."""
    concept = folder.load()
    if version not in concept.blind_looks:
        folder.save(concept.model_copy(update={"blind_looks": (*concept.blind_looks, version)}))


def judged(name: str, truth: Floats, scores: Floats, calls: NDArray[np.bool_], weights: Floats) -> Judge:
    """How scores and calls agree with the owner, all weighted to the pool."""
    said = calls.astype(np.float64)
    return Judge(
        name=name,
        f1=score(agreement.f1, truth, said, weights),
        auprc=score(agreement.average_precision, truth, scores, weights),
        recall_at_precision_90=score(agreement.recall_at_precision, truth, scores, weights),
        kappa=score(agreement.kappa, truth, said, weights),
        judged=len(truth),
    )


def annotators(truth: Floats, verdicts: Sequence[Verdict], weights: Floats) -> Judge:
    """The annotator; where it cannot tell, its call counts as out and its score as the least."""
    scores = np.array([0.0 if v.p is None else v.p for v in verdicts])
    judge = judged("annotator", truth, scores, np.array([v.call == "in" for v in verdicts]), weights)
    return judge.model_copy(update={"judged": sum(v.call in ("in", "out") for v in verdicts)})


def by_name(context: BuildContext, truth: Floats, rows: Tensor, weights: Floats) -> Judge | None:
    """The concept's name alone; its threshold has the best F1 on the owner's other labels."""
    own, labels = dev_rows(context)
    if not len(own) or labels.min() == labels.max():
        return None
    scores = name_scores(context)
    threshold = agreement.best_threshold(labels, scores[own].double().numpy())
    mine = scores[rows].double().numpy()
    return judged("name", truth, mine, mine >= threshold, weights)


def name_scores(context: BuildContext) -> Tensor:
    """Cosine of every image of the pool with "a photo of" the concept `[N]`."""
    vector = context.encoder.encode_texts([f"a photo of {context.concept.name}"])
    return context.pool.vectors @ vector[0]


def by_own_labels(context: BuildContext, truth: Floats, rows: Tensor, weights: Floats) -> Judge | None:
    """A head fitted to the owner's other labels alone; None where there are too few of them."""
    own, labels = dev_rows(context)
    if not len(own) or min(labels.sum(), (1 - labels).sum()) < 2:
        return None
    ones = torch.ones(len(own))
    examples = Examples(
        context.pool.vectors[own], torch.from_numpy(labels).float(), torch.zeros(len(own), 0), ones, ones
    )
    head = choose_head(
        examples, context.definition.model_copy(update={"clauses": ()}), seed=context.options.seed
    ).head
    p, _ = head.probabilities(context.pool.vectors[rows])
    return judged("own labels", truth, p.double().numpy(), (p >= head.threshold).numpy(), weights)


def dev_rows(context: BuildContext) -> tuple[Tensor, Floats]:
    """Rows of the pool with a label that may be learned from, and these labels, 1 for in."""
    labels = taught_labels(context.concept, context.pool)
    values = np.array([float(label.value == "in") for label in labels.values()])
    return torch.tensor(context.pool.rows(list(labels)), dtype=torch.int64), values


def self_kappa(concept: Concept) -> Score:
    """The owner against themself, on images that came back unannounced."""
    pairs = [(a.value, b.value) for a, b in repeats(concept) if "unsure" not in (a.value, b.value)]
    if not pairs:
        return Score(value=None)
    first, second = (np.array([float(pair[side] == "in") for pair in pairs]) for side in (0, 1))
    return score(agreement.kappa, first, second, np.ones(len(pairs)))


def earlier(context: BuildContext) -> Measurement | None:
    """The measurement of the version measured before this one, if it is there."""
    for version in reversed(context.concept.blind_looks):
        found = read_measurement(context.out.parent / f"v{version}")
        if version != context.version and found is not None:
            return found
    return None


def against(
    before: Measurement, hashes: Sequence[str], truth: Floats, calls: NDArray[np.bool_]
) -> float | None:
    """McNemar's p against an earlier version, on the images that both were measured on."""
    said: Mapping[str, bool] = before.calls
    both = [place for place, image in enumerate(hashes) if image in said]
    if not both:
        return None
    old = np.array([said[hashes[place]] == bool(truth[place]) for place in both])
    new = np.array([bool(calls[place]) == bool(truth[place]) for place in both])
    return float(f"{mcnemar(new, old).p:.4g}")
