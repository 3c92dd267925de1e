"""Says what came of a classification, or what one would ask: in words, or as one JSON object."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fieldmark.cli.spending import PRICES, money, spent, tokens_and_money
from fieldmark.cli.terminal import PlainConsole, amount, one_line, print_json, row, share, table, words

if TYPE_CHECKING:
    from fieldmark.agents.shared.estimate import CallEstimate
    from fieldmark.app.resolution import Resolution
    from fieldmark.cli.progress import TerminalProgress
    from fieldmark.evals.metrics.graded import GradedError
    from fieldmark.records import ImageToLabel, Prediction, RejectedGroup

MOST_LISTED = 5
"""The most open images, and the most skipped files, that are named on the terminal."""
MOST_LABELS = 20
"""The most labels that are counted on the terminal."""
REASONS = {
    "resolved": "no image is left open",
    "no_progress": "no further question was expected to change a label",
    "max_rounds": "the rounds that were allowed are used up",
    "budget": "a limit was reached",
    "endpoint": "the language model could not be asked any more",
    "unanswered": "no question was answered",
}


def as_json(resolution: "Resolution") -> dict[str, Any]:
    """What `--json` prints."""
    from fieldmark.records.predictions import counts_by_label

    manifest = resolution.manifest
    return {
        "schema": "fieldmark.classify/1",
        "run": str(resolution.run),
        "method": resolution.method,
        "stop_reason": manifest.stop_reason,
        "counts": dict(manifest.counts),
        "usage": manifest.usage.model_dump(mode="json"),
        "vision_usage": manifest.vision_usage.model_dump(mode="json"),
        "encoder_usage": manifest.encoder_usage.model_dump(mode="json"),
        "by_label": [
            {"label": each.label, "resolved": each.resolved, "open": each.open, "by_vlm": each.by_vlm}
            for each in counts_by_label(resolution.predictions)
        ],
        "images": [prediction.model_dump(mode="json") for prediction in resolution.predictions],
        "groups": dict(Counter(p.coarse_label for p in resolution.predictions if p.coarse_label)),
        "rejected_groups": [group.model_dump(mode="json") for group in resolution.rejected_groups],
        "skipped": [skipped.model_dump(mode="json") for skipped in resolution.skipped],
        "passed_over": dict(manifest.passed_over),
        "labels": manifest.counts.get("labels", 0),
        "ask": [image.model_dump(mode="json") for image in to_label(resolution)],
        "notes": list(manifest.notes),
    }


def show(resolution: "Resolution", console: PlainConsole, *, failures: Counter[str], again: str) -> None:
    """Say what came of it: counts, the first open images, what was left out, where everything is."""
    manifest, folder = resolution.manifest, resolution.run
    counts = manifest.counts
    outcome = table("outcome", "images", words=("outcome",))
    for status in ("resolved", "open", "rejected"):
        row(outcome, status, f"{counts.get(status, 0):,}")
    if resolution.skipped:
        row(outcome, "skipped", f"{len(resolution.skipped):,}")
    console.print(outcome)
    show_labels(resolution.predictions, console)
    reason = REASONS.get(manifest.stop_reason, manifest.stop_reason)
    rounds = counts.get("rounds", 0)
    if manifest.stop_reason == "labelled":
        console.say(
            f"Labelled by the method {resolution.method}, whose probabilities nothing has calibrated."
        )
    elif not rounds and manifest.stop_reason == "max_rounds":
        console.say("Stopped after the first look: no follow-up rounds were allowed.")
    else:
        console.say(f"Stopped after {amount(rounds, 'round') if rounds else 'the first look'}: {reason}.")
    console.say(spent(manifest.usage, failures))
    if said := vlm_in_words(resolution):
        console.say(said)
    if grouped := counts.get("coarse", 0):
        console.say(f"Of the open images {grouped:,} lie within one group.")
    if said := labels_in_words(counts):
        console.say(said)
    for note in manifest.notes:
        console.say(note, "bold red")
    name_some(console, "Open", [in_words(p) for p in resolution.predictions if p.status == "open"])
    name_some(console, "Rejected images that look alike", list(map(alike, resolution.rejected_groups)))
    if resolution.rejected_groups:
        console.say(f"Look for their names: fieldmark discover --run {shlex.quote(str(folder))} --vlm …")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in resolution.skipped])
    say_passed_over(console, manifest.passed_over)
    report = folder / "report.html"
    console.say(f"Predictions: {folder / 'predictions.csv'}")
    console.say(f"Report: {report}" if report.is_file() else f"Run: {folder}")
    console.say(f"Sort the images into folders: fieldmark sort {shlex.quote(str(folder))} --into DIR")
    if asked := to_label(resolution):
        console.say(f"{amount(len(asked), 'label')} would help most, of the images in {folder / 'ask.csv'}.")
        if (page := folder / "ask.html").is_file():
            console.say(f"Look at them in {page}")
        console.say(f"Give them with: fieldmark label {shlex.quote(str(folder))}")
    if not again:
        return
    if manifest.stop_reason == "budget":
        console.say(f"Go on with a higher limit: {again} --max-calls …")
    elif manifest.stop_reason == "endpoint":
        console.say(f"Go on with: {again}")
    elif kept_back := counts.get("vlm_kept_back", 0):
        console.say(f"Show the other {amount(kept_back, 'open image')} with: {again}")


def show_labels(predictions: Sequence["Prediction"], console: PlainConsole) -> None:
    """Say how many images got each label, the most frequent first."""
    from fieldmark.records.predictions import counts_by_label

    counts = counts_by_label(predictions)
    by_vlm = any(each.by_vlm for each in counts)
    more = ("of these by the VLM",) if by_vlm else ()
    labels = table("label", "resolved", "open", *more, words=("label",))
    for each in counts[:MOST_LABELS]:
        shown = (f"{each.by_vlm:,}",) if by_vlm else ()
        row(labels, one_line(each.label), f"{each.resolved:,}", f"{each.open:,}", *shown)
    if counts:
        console.print(labels)
    if len(counts) > MOST_LABELS:
        console.say(f"and {amount(len(counts) - MOST_LABELS, 'label')} more, in predictions.csv")


def labels_in_words(counts: Mapping[str, int]) -> str:
    """One line on the labels that were used; empty where there were none."""
    of_book = ""
    if "book_labels" in counts:
        used = amount(counts["book_labels"], "labelled image")
        of_book = f"{used} of the prompt book weighed the evidence."
    if "book_judges" in counts:
        held = amount(counts["book_judges"], "image")
        of_book = f"{of_book} {held} that had no part in choosing it judged it.".lstrip()
    if "labels" not in counts:
        return of_book
    said = f"Used {amount(counts['labels'], 'label')}"
    if counts["labels_none"]:
        said += f"; {amount(counts['labels_none'], 'image')} labelled as none of the classes"
    if counts["labels_cannot_tell"]:
        said += f"; {amount(counts['labels_cannot_tell'], 'image')} could not be told"
    return f"{said}. {of_book}".rstrip()


def to_label(resolution: "Resolution") -> "list[ImageToLabel]":
    """The images whose labels would help most."""
    from fieldmark.tools.runs.folder import RunFolder
    from fieldmark.tools.runs.labels import read_ask

    return read_ask(RunFolder(resolution.run))


def vlm_in_words(resolution: "Resolution") -> str:
    """One line on what the vision-language model was shown; empty where it was shown nothing."""
    counts, usage = resolution.manifest.counts, resolution.manifest.vision_usage
    model = resolution.manifest.vision_model.get("model")
    if "vlm_decided" not in counts:  # a method showed it the images, or there was none
        asked = usage.requests + usage.cached + usage.failed
        return f"Shown images to {model}. {spent(usage)}" if asked else ""
    shown = counts["vlm_decided"] + counts["vlm_none"] + counts["vlm_failed"]
    said = f"Shown to {model}: {amount(shown, 'open image')}, {counts['vlm_decided']:,} decided"
    if counts["vlm_none"]:
        said += f", {counts['vlm_none']:,} none of the candidates"
    if counts["vlm_failed"]:
        said += f", {counts['vlm_failed']:,} without a usable answer"
    if counts["vlm_kept_back"]:
        said += f"; {counts['vlm_kept_back']:,} not shown yet"
    return f"{said}; {tokens_and_money(usage)}."


def in_words(prediction: "Prediction") -> str:
    """An open image and what it may be."""
    left = ", ".join(f"{c.class_name} {share(c.probability)}" for c in prediction.candidates[:3])
    more = prediction.candidates_left - min(3, len(prediction.candidates))
    chosen = f"; chosen by the vision-language model: {prediction.vlm_label}" if prediction.vlm_label else ""
    branch, sure = prediction.coarse_label, prediction.coarse_probability or 0.0
    group = "" if branch is None else f"{branch} {share(sure)}: "
    return f"{prediction.image}: {group}{left}" + (f", {more} more" if more > 0 else "") + chosen


def alike(group: "RejectedGroup") -> str:
    """A group of rejected images and the most typical of them."""
    return f"{group.in_words} Such as {group.images[0]}"


def graded_in_words(graded: "GradedError") -> list[str]:
    """How right labels and groups are, where the truth is known."""
    said = (
        f"Right: {share(graded.right_label)} of the labels, {graded.tree_distance:.2f} steps off in the tree"
    )
    if not graded.grouped:
        return [f"{said}. No open image got a group."]
    return [
        f"{said}.",
        f"{amount(graded.grouped, 'open image')} got a group, of {graded.group_classes:.1f} classes on "
        f"average: {share(graded.right_group)} of the groups are right, "
        f"{share(graded.right_label_of_grouped)} of their labels.",
    ]


def name_some(console: PlainConsole, title: str, lines: list[str]) -> None:
    """Name the first few of many."""
    if lines:
        console.say(f"{title}:")
        for line in lines[:MOST_LISTED]:
            console.say(f"  {one_line(line)}")
        if len(lines) > MOST_LISTED:
            console.say(f"  and {len(lines) - MOST_LISTED:,} more")


def say_passed_over(console: PlainConsole, counts: Mapping[str, int]) -> None:
    """Say how many files were passed over because of their suffix, by suffix."""
    from fieldmark.records.predictions import passed_over_in_words

    if said := passed_over_in_words(counts):
        console.say(one_line(said))


def tell_estimate(estimate: "CallEstimate", progress: "TerminalProgress", *, json: bool) -> None:
    """Say what would be asked, in words and, where wanted, as one JSON object."""
    progress.stop()
    show_estimate(estimate, words(json=json))
    if json:
        print_json(estimate)


def show_estimate(estimate: "CallEstimate", console: PlainConsole) -> None:
    """Say what would be asked."""
    first = estimate.first_look
    classes = f", {amount(estimate.classes, 'class', 'classes')}" if estimate.classes else ""
    console.say(f"{amount(estimate.images, 'image')}{classes}.")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in estimate.skipped])
    say_passed_over(console, estimate.passed_over)
    if estimate.vlm is not None:
        console.say(
            f"Images that stay open are shown to {estimate.vlm}: "
            f"never more than {amount(estimate.most_vlm_images, 'image')}, one question each, about "
            f"{up_to(estimate.vlm_tokens, estimate.vlm_cost)}."
        )
    if estimate.model is None:
        console.say(
            "No language model: nothing else is asked."
            if estimate.vlm
            else "No language model: nothing is asked."
        )
        return
    console.say(
        f"First look: {amount(first.questions, 'question')} to {estimate.model}, "
        f"{first.cached:,} in the cache, {first.to_ask:,} to ask, at most {first.tokens:,} tokens, "
        f"{money(first.cost)}."
    )
    if estimate.noun is None and estimate.classes:
        console.say('The generic noun is among them; with another one than "object" the cache may know more.')
    for note in estimate.notes:
        console.say(note)
    console.say(
        f"Follow-up questions: as many as are needed, never more than {estimate.follow_up_most:,}, "
        f"about {up_to(estimate.follow_up_tokens, estimate.follow_up_cost)}."
    )
    if first.cost is None:
        console.say(f"For money, set {PRICES}, per million tokens.")
    console.say("Nothing was asked.")


def up_to(tokens: int, cost: float | None) -> str:
    """A range that begins at nothing: "0 to 1,200 tokens, cost 0 to 0.5"."""
    return f"0 to {tokens:,} tokens, cost " + ("unknown" if cost is None else f"0 to {cost:.4g}")


MOST_ASPECTS = 3
"""The most aspects that are said of an image."""


def on_one_line(prediction: "Prediction") -> str:
    """One image on one line: status, confidence, label, file."""
    label = "none of these" if prediction.status == "rejected" else one_line(prediction.label)
    return f"{prediction.status:8}  {prediction.confidence:.3f}  {label}  {one_line(prediction.image)}"


def aspects_in_words(prediction: "Prediction") -> list[str]:
    """The aspects that did most for or against the label of an image, a line each; none without aspects."""
    seen = [each for each in prediction.contributions if each.probability is not None]
    lines: list[str] = []
    for each in seen[:MOST_ASPECTS]:
        p = each.probability or 0.0
        said = f"{each.seen} {max(p, 1 - p):.2f}: {one_line(each.attribute)}"
        against = f" {each.contribution:+.2f} against {one_line(prediction.runner_up or '')}"
        lines.append(f"            {said}{against if each.contribution else ''}")
    return lines
