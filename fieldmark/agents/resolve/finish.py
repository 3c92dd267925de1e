"""Turns the state a run ended in into predictions and a prompt book, and writes both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.evidence import WeighedEvidence, weighed
from fieldmark.agents.resolve.field_guide import load_array
from fieldmark.agents.resolve.rejected import rejected_groups
from fieldmark.agents.resolve.rescoring import ScoredTable, tabulated
from fieldmark.agents.resolve.state import Look
from fieldmark.agents.resolve.to_label import images_to_label
from fieldmark.records import (
    CandidateClass,
    ClassProbabilities,
    Contribution,
    Origin,
    Prediction,
    Prompt,
    PromptBook,
    RejectedGroups,
    Status,
)
from fieldmark.tools.books.wording import descriptor_text
from fieldmark.tools.runs.labels import write_ask
from fieldmark.tools.scoring.branches import smallest_branch
from fieldmark.tools.scoring.candidates import class_probabilities, with_confidence
from fieldmark.tools.scoring.contributions import Explanation, explain_labels
from fieldmark.tools.scoring.evidence.explain import explain
from fieldmark.tools.scoring.evidence.labels import CANNOT_TELL
from fieldmark.tools.scoring.field_guide import FieldGuide
from fieldmark.tools.scoring.table import TableResult
from fieldmark.tools.scoring.vectors import image_steps

SMALLEST_CONTRIBUTION = 1e-7
"""Attributes that add less than this say nothing of the decision and are left out."""


@dataclass(frozen=True)
class RunOutcome:
    """Where a run ended.

    Attributes:
        notebook: Hash of all answers.
        first: Class probabilities of the first look `[N, C]`.
        scores: The last class scores `[N, C]`.
        candidates: The classes left `[N, C]` bool.
        scored_within: Hash of the classes that the scores were made within `[N, C]` bool.
        temperature: What the scores are divided by.
        rounds: Rounds of follow-up questions.
        shortlist: See `ResolveState.shortlist`.
    """

    notebook: str
    first: Tensor
    scores: Tensor
    candidates: Tensor
    scored_within: str
    temperature: float
    rounds: int
    shortlist: str = ""


def conclude(
    outcome: RunOutcome, context: ResolveContext, *, book: PromptBook, looks: Sequence[Look]
) -> None:
    """Write predictions, probabilities, groups of rejected images, the book, perhaps `ask.csv`."""
    predicted = predict(outcome, context)
    by_image = {look.image: look for look in looks}
    of_group = {p.group: by_image[p.image_hash] for p in predicted if p.group and p.image_hash in by_image}
    predictions = [
        with_look(
            p, by_image.get(p.image_hash) or (of_group.get(p.group or "") if p.status == "open" else None)
        )
        for p in predicted
    ]
    context.run.write_predictions(predictions)
    shares = shares_of(outcome, context)
    kept = ClassProbabilities(
        classes=context.classes, array=context.arrays.put(shares.numpy()), listed=outcome.shortlist
    )
    context.run.write(ClassProbabilities.FILE, kept)
    if context.rule == "evidence":
        # Where no image is open, no label is worth a person's time.
        count = context.options.ask_labels if any(p.status == "open" for p in predictions) else 0
        found = weighed(outcome.notebook, context)
        write_ask(context.run, images_to_label(found, shares, context, count=count))
    table = table_of(outcome, context)
    context.run.write(RejectedGroups.FILE, rejected_groups(predictions, table, context))
    context.run.write_book(field_guide_book(table, context) if table else book)


def shares_of(outcome: RunOutcome, context: ResolveContext) -> Tensor:
    """Probability of every class, of each usable image `[N, C]`; of a large pool `[N, K]`.

    Shares among all classes: being the only one left is a status, not certainty.
    """
    if context.rule == "evidence":
        evidence = weighed(outcome.notebook, context).evidence
        return with_confidence(evidence.log_p.exp(), evidence.sureness.confidence)[: len(context.usable)]
    return class_probabilities(outcome.scores[: len(context.usable)], outcome.temperature)


def table_of(outcome: RunOutcome, context: ResolveContext) -> ScoredTable | None:
    """The field guide that decided, scored; None where another rule did, or the first look alone."""
    if not outcome.rounds or context.rule == "fudd":
        return None
    return tabulated(
        outcome.notebook, outcome.first, outcome.scored_within, context, shortlist=outcome.shortlist
    )


def predict(outcome: RunOutcome, context: ResolveContext) -> list[Prediction]:
    """What the loop itself makes of each usable image, in order."""
    first, scores, rounds = outcome.first, outcome.scores, outcome.rounds
    count = len(context.usable)
    left = outcome.candidates[:count]
    # A rejected image has no candidate; its label is then the best of all classes, and its status says so.
    within = left | ~left.any(1, keepdim=True)
    probabilities = shares_of(outcome, context)
    table = table_of(outcome, context)
    found = weighed(outcome.notebook, context) if context.rule == "evidence" else None
    decision = None
    if found is not None:
        every = torch.ones(len(scores) - count, len(context.classes), dtype=torch.bool)
        decision = explain(found.evidence, found.table, torch.cat([within, every]))
    elif table is not None:
        decision = explain_labels(table.result, _padded(within, table.result))
    order = probabilities.masked_fill(~within, -1.0).sort(dim=1, descending=True, stable=True)
    listed = load_array(outcome.shortlist, context)[:count].to(torch.int64) if outcome.shortlist else None
    ranked = order.indices if listed is None else listed.gather(1, order.indices)
    label = decision.label[:count] if decision else ranked[:, 0]
    runner_up = decision.runner_up[:count] if decision else _second(ranked, within)
    place = label[:, None].clamp(min=0)
    if listed is not None:
        place = (listed == place).to(torch.int8).argmax(1, keepdim=True)
    confidence = probabilities.gather(1, place)[:, 0]
    branches = branches_of(probabilities, left, context, listed)
    best_first = first[:count].max(1)
    first_label = best_first.indices
    if listed is not None:
        first_label = listed.gather(1, first_label[:, None])[:, 0]
    groups = found.group_names(context) if found else ()
    sizes = left.sum(1).tolist()
    predictions: list[Prediction] = []
    for row, image in enumerate(context.usable):
        keep = max(1, int(within[row].sum())) if sizes[row] else 1
        shown = min(keep, context.options.k)
        top = zip(ranked[row, :shown].tolist(), order.values[row, :shown].tolist(), strict=True)
        rival = int(runner_up[row])
        predictions.append(
            Prediction(
                image=str(image.path),
                image_hash=image.content_hash,
                label=context.classes[int(label[row])],
                confidence=min(1.0, float(confidence[row])),
                calibrated=False,
                status=_status(sizes[row]),
                candidates=tuple(
                    CandidateClass(class_name=context.classes[c], probability=min(1.0, p)) for c, p in top
                ),
                candidates_left=sizes[row],
                rounds=rounds,
                first_label=context.classes[int(first_label[row])],
                first_confidence=min(1.0, float(best_first.values[row])),
                runner_up=context.classes[rival] if rival >= 0 else None,
                margin=float(decision.margin[row]) if decision and rival >= 0 else None,
                contributions=contributions_of(row, decision, table.guide if table else None)
                if decision and rival >= 0
                else (),
                **(_fit_of(row, found, sizes[row], risk=context.options.risk) if found else {}),
                coarse_label=branches[row][0],
                coarse_probability=branches[row][1],
                group=groups[row] if groups else None,
                prior=_prior_of(image.content_hash, int(label[row]), context) if found else None,
                decided_by="loop"
                if context.labels.get(image.content_hash, CANNOT_TELL) == CANNOT_TELL
                else "label",
                truth=image.label,
            )
        )
    return predictions


def branches_of(
    probabilities: Tensor, left: Tensor, context: ResolveContext, listed: Tensor | None = None
) -> list[tuple[str | None, float | None]]:
    """The branch of each open image and its probability; None and None where there is none.

    Args:
        probabilities: Class probabilities `[N, C]`, or `[N, K]` of the classes listed.
        left: The classes left, shaped like them, bool.
        context: The run, with its tree.
        listed: Which classes `[N, K]` int64; None where they are all.
    """
    if context.tree is None:
        return [(None, None)] * len(left)
    names, membership = tuple(context.tree.branches()), context.tree.membership()
    branches: list[tuple[str | None, float | None]] = []
    for step in image_steps(len(left), len(context.classes)):
        own = probabilities[step]
        if listed is not None:
            own = torch.zeros(len(own), len(context.classes)).scatter_(1, listed[step], own)
        found = smallest_branch(own, membership, risk=context.options.risk)
        places = found.branch.masked_fill(left[step].sum(1) < 2, -1).tolist()
        branches += [
            (names[place], probability) if place >= 0 else (None, None)
            for place, probability in zip(places, found.probability.tolist(), strict=True)
        ]
    return branches


def _fit_of(row: int, found: WeighedEvidence, left: int, *, risk: float) -> dict[str, Any]:
    """The fields of a prediction that say how well any class fits the image."""
    ignorance = float(found.unlisted[row])
    return {
        "fit": float(found.fit[row]),
        "confusion": max(0.0, 1 - float(found.evidence.sureness.confidence[row])),
        "ignorance": ignorance,
        "why_open": None if left < 2 else "ignorant" if ignorance >= risk else "confused",
    }


def _prior_of(image: str, label: int, context: ResolveContext) -> float | None:
    """How likely the label of an image was beforehand; None where nothing was known."""
    row = context.prior.get(image)
    return None if row is None else min(1.0, row[label])


def with_look(prediction: Prediction, look: Look | None) -> Prediction:
    """A prediction with what the vision-language model made of the image; what the loop said stays.

    Where the model says that the image shows none of its candidates, it is rejected, unless it has others
    that the model was not shown. What a person said counts for more.
    """
    if look is None or prediction.decided_by == "label":
        return prediction
    all_shown = prediction.candidates_left <= len(prediction.candidates)
    none = look.label is None and look.failure is None and all_shown
    rejected: dict[str, Any] = {
        "status": "rejected",
        "candidates": prediction.candidates[:1],
        "candidates_left": 0,
        "why_open": None,
        "coarse_label": None,
        "coarse_probability": None,
    }
    return prediction.model_copy(
        update={
            "decided_by": "vlm" if none or look.label is not None else "loop",
            "vlm_label": look.label,
            "vlm_confidence": look.confidence,
            "vlm_rationale": look.rationale,
            "vlm_failure": look.failure or "",
            **(rejected if none else {}),
        }
    )


def contributions_of(row: int, decision: Explanation, guide: FieldGuide | None) -> tuple[Contribution, ...]:
    """The attributes that decided one image, the weightiest first; they sum to its margin."""
    values = decision.contributions[row].tolist()
    attributes = len(guide.attributes) if guide else 0
    found: list[Contribution] = []
    for t, contribution in enumerate(values):
        if abs(contribution) < SMALLEST_CONTRIBUTION:
            continue
        if guide is None or t >= attributes:
            found.append(Contribution(attribute=decision.others[t - attributes], contribution=contribution))
            continue
        value = guide.values[t]
        found.append(
            Contribution(
                attribute=guide.attributes[t],
                contribution=contribution,
                label_value=value[int(decision.label_value[row, t])],
                runner_up_value=value[int(decision.runner_up_value[row, t])],
                seen=value[int(decision.seen[row, t])],
            )
        )
    return tuple(sorted(found, key=lambda each: -abs(each.contribution)))


def field_guide_book(table: ScoredTable, context: ResolveContext) -> PromptBook:
    """The field guide as a prompt book: each class's likeliest value of every attribute it has votes for."""
    noun, guide = context.options.noun, table.guide
    belief, value = table.result.q.max(-1)
    voted = guide.counts.sum(-1) > 0
    prompts = [
        Prompt(
            class_name=name,
            text=descriptor_text(noun, guide.values[t][int(value[c, t])]),
            origin=Origin(kind="field_guide", attribute=guide.attributes[t]),
            weight=round(float(belief[c, t]), 6),
        )
        for c, name in enumerate(context.classes)
        for t in voted[c].nonzero()[:, 0].tolist()
    ]
    return PromptBook(classes=context.classes, noun=noun, prompts=tuple(prompts))


def _status(left: int) -> Status:
    return "resolved" if left == 1 else "open" if left else "rejected"


def _second(ranked: Tensor, within: Tensor) -> Tensor:
    """The second class of each row, -1 where only one is left."""
    if ranked.shape[1] < 2:
        return torch.full((len(ranked),), -1)
    return ranked[:, 1].masked_fill(within.sum(1) < 2, -1)


def _padded(within: Tensor, result: TableResult) -> Tensor:
    """Calibration rows stand behind the images in the result; they may be anything."""
    more = result.images - len(within)
    return torch.cat([within, torch.ones(more, within.shape[1], dtype=torch.bool)])
