"""Candidate classes per image. Each round only narrows, except for contested winners."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.evidence import WeighedEvidence
from fieldmark.agents.resolve.sure import as_labelled, classes_left
from fieldmark.errors import InputError
from fieldmark.tools.scoring.candidates import CandidateRule, Conformal, Margin, TopK, class_probabilities


@dataclass(frozen=True)
class Triage:
    """What triage found, over the usable images (calibration images not counted)."""

    candidates_hash: str
    resolved: int
    open: int
    rejected: int
    left: int
    """Candidates left over all images."""


def triage(
    *,
    scores_hash: str,
    candidates_hash: str,
    temperature: float,
    undescribed: Tensor | None,
    admitted_hash: str,
    context: ResolveContext,
    evidence: WeighedEvidence | None = None,
    shortlist: str = "",
) -> Triage:
    """Apply the candidate rule within the earlier candidates.

    Args:
        scores_hash: Class scores `[N, C]`, calibration rows last.
        candidates_hash: The round before's candidates, or "" before the first.
        temperature: What the scores are divided by.
        undescribed: Classes that follow-up answers say too little of `[C]` bool. They stay candidates: an
            image of theirs would otherwise fall to whichever look-alike was described first.
        admitted_hash: The first look's candidates, or "" at the first look.
        context: The run.
        evidence: What names and votes say, each as reliable as it is here; None by other rules. Only where
            it is sure enough may one class be left, and every round looks at all classes anew.
        shortlist: See `ResolveState.shortlist`.
    """
    scores = torch.from_numpy(context.arrays.get(scores_hash))
    before = (
        torch.from_numpy(context.arrays.get(candidates_hash))
        if candidates_hash and evidence is None
        else torch.ones_like(scores, dtype=torch.bool)
    )
    left = class_probabilities(scores, temperature, within=before)
    kept = candidate_rule(left, context)(left, before)
    if evidence is not None:
        kept = as_labelled(evidence, classes_left(evidence, kept, undescribed, context.options))
    elif undescribed is not None:
        if shortlist:
            undescribed = undescribed[torch.from_numpy(context.arrays.get(shortlist)).to(torch.int64)]
        kept |= before & undescribed
        admitted = torch.from_numpy(context.arrays.get(admitted_hash))
        kept = with_winners(scores.masked_fill(undescribed | ~admitted, -torch.inf), kept)
    counts = kept[: len(context.usable)].sum(1)
    return Triage(
        candidates_hash=context.arrays.put(kept.numpy()),
        resolved=int((counts == 1).sum()),
        open=int((counts > 1).sum()),
        rejected=int((counts == 0).sum()),
        left=int(counts.sum()),
    )


def with_winners(scores: Tensor, kept: Tensor) -> Tensor:
    """Bring back the class that beats all that are left, where an earlier round of questions ruled it out.

    Being resolved must mean something: an image is not resolved while all evidence together speaks for
    another class. A rejected image stays rejected.

    Args:
        scores: Class scores `[N, C]`, -inf where a class was not scored, not described (little said of a
            class is little said against it) or ruled out by the first look (whose evidence the table's
            scores do not hold).
        kept: The classes left `[N, C]` bool.

    Returns:
        `[N, C]` bool.
    """
    best = scores.max(dim=1, keepdim=True)
    best_left = scores.masked_fill(~kept, -torch.inf).max(dim=1, keepdim=True).values
    beaten = (best.values > best_left) & kept.any(dim=1, keepdim=True)
    return kept.scatter(1, best.indices, kept.gather(1, best.indices) | beaten)


def candidate_rule(probabilities: Tensor, context: ResolveContext) -> CandidateRule:
    """The rule that the options name; the conformal one is calibrated on the calibration rows.

    Every round removes candidates, so each round may lose the truth: the permitted error is divided
    by the number of rounds there may be (a union bound), and the calibration images pass through every
    round with the others. Only so does coverage hold at the end.
    """
    options = context.options
    if options.candidates == "topk":
        return TopK(k=options.k)
    if options.candidates == "margin":
        return Margin(tau=options.tau, k=len(context.classes))
    names = {name: index for index, name in enumerate(context.classes)}
    labels = [image.label for image in context.usable_calibration]
    unlisted = sorted({str(label) for label in labels if label not in names})
    if unlisted or not labels:
        raise InputError(
            f"Conformal candidates need labelled calibration images; unknown classes there: {unlisted[:5]}."
            if unlisted
            else "Conformal candidates need labelled calibration images, and there are none.",
            hint="Give a folder of them, with one folder per class that is named like it.",
            field="calibration",
        )
    truth = torch.tensor([names[str(label)] for label in labels])
    alpha = options.alpha / (options.max_rounds + 1)
    return Conformal.calibrate(probabilities[len(context.usable) :], truth, alpha=alpha)
