"""The tools that change nothing and ask no model: runs, why, exported classifiers, concepts."""

from typing import Literal

from fieldmark.app.concepts.catalogue import ConceptSummary, list_concepts
from fieldmark.app.concepts.classifier import ConceptClassifier
from fieldmark.app.concepts.named import open_folder
from fieldmark.app.learned.classifier import LearnedClassifier
from fieldmark.app.review.listing import list_runs
from fieldmark.app.review.review import RunReview, Selection
from fieldmark.mcp.reach import Reach
from fieldmark.mcp.records import (
    ConceptCall,
    ConceptCalls,
    ConceptText,
    LabelledImage,
    Labels,
    Mark,
    Marks,
    Pair,
    RunImages,
    Runs,
)
from fieldmark.records import Prediction, Record, SkippedInput
from fieldmark.tools.concepts.heads.config import FORMAT as HEAD
from fieldmark.tools.exports.folder import format_of

MOST_LISTED = 100
"""The most images that one answer lists."""
MOST_MARKS = 12
MOST_NAMES = 200


class Concepts(Record):
    """The concepts on this machine."""

    concepts: tuple[ConceptSummary, ...]


class ReadingTools:
    """What a model may look at.

    Args:
        reach: What it may reach.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def list_runs(self) -> Runs:
        """List the classifications: how far each is, what came of it, and what to do next."""
        runs = list_runs(self._reach.runs)
        return Runs(runs=runs[:MOST_LISTED], more=max(0, len(runs) - MOST_LISTED))

    def read_run(
        self,
        run: str,
        label: str = "",
        status: Literal["", "resolved", "open", "rejected"] = "",
        within: Literal["", "asked", "labelled"] = "",
        order: Literal["doubt", "sure", "name"] = "doubt",
        page: int = 1,
    ) -> RunImages:
        """Read a run: counts, classes that are confused, and a page of its images.

        Args:
            run: Its name, as list_runs says.
            label: Only images that this class, "none of these" or "cannot tell" counts for.
            status: Only images of this status.
            within: Only images that the run asks a person about, or that a person labelled.
            order: The least certain first, the most certain first, or by name.
            page: Number of the page, from 1.
        """
        review = self._reach.review(run)
        selection = Selection(label=label, status=status, within=within, order=order, page=page)
        found = review.page(selection)
        counts = sorted(review.counts.items(), key=lambda each: -each[1])[:MOST_NAMES]
        return RunImages(
            run=run,
            classes=review.classes[:MOST_NAMES],
            counts=dict(counts),
            statuses=dict(review.statuses),
            confused=tuple(Pair(first=p.first, second=p.second, images=p.images) for p in review.pairs),
            asks=tuple(each.image_hash for each in review.waiting),
            images=tuple(in_short(review, review.images.whole(row)) for row in found.images),
            page=found.page,
            pages=found.pages,
        )

    def explain(self, run: str, image: str) -> Marks:
        """Say why an image of a run has its label: the marks, each with its part of the margin.

        Args:
            run: Its name.
            image: The image's hash, or its path as the run has it.
        """
        review = self._reach.review(run)
        hashes = {p.image: p.image_hash for p in review.predictions}
        p = review.prediction(hashes.get(image, image))
        by_weight = sorted(p.contributions, key=lambda each: -abs(each.contribution))
        return Marks(
            image=in_short(review, p),
            candidates={each.class_name: round(each.probability, 4) for each in p.candidates},
            margin=p.margin,
            marks=tuple(
                Mark(
                    attribute=each.attribute,
                    weight=round(each.contribution, 4),
                    label_has=each.label_value,
                    runner_up_has=each.runner_up_value,
                    picture_shows=each.seen,
                )
                for each in by_weight[:MOST_MARKS]
            ),
            rest=round(sum(each.contribution for each in by_weight[MOST_MARKS:]), 4),
        )

    def predict(self, export: str, paths: list[str]) -> Labels | ConceptCalls:
        """Label images with an exported classifier, of a run or of a concept; asks no language model.

        Args:
            export: Folder that `fieldmark export` or `fieldmark concept export` wrote.
            paths: Image files, and folders of them.
        """
        folder, images = self._reach.inside(export), self._reach.images(paths)
        if format_of(folder) == HEAD:
            with ConceptClassifier(folder, home=self._reach.home) as concept:
                found = concept.predict(images)
            calls = tuple(
                ConceptCall(
                    image=each.image,
                    label=each.label,
                    probability=round(each.probability, 4),
                    decided_by=each.decided_by.text if each.decided_by else "",
                )
                for each in found.predictions[:MOST_LISTED]
            )
            return ConceptCalls(
                concept=found.concept,
                images=calls,
                unread=_unread(found.skipped),
                more=len(found.predictions) - len(calls),
            )
        with LearnedClassifier(folder, home=self._reach.home) as classifier:
            labelled = classifier.predict(images)
        return Labels(
            images=tuple(LabelledImage.of(p) for p in labelled.predictions[:MOST_LISTED]),
            unread=_unread(labelled.skipped),
            more=max(0, len(labelled.predictions) - MOST_LISTED),
        )

    def list_concepts(self) -> Concepts:
        """List the concepts: subjective classes that their owners defined in a conversation."""
        return Concepts(concepts=list_concepts(home=self._reach.home)[:MOST_LISTED])

    def read_concept(self, name: str) -> ConceptText:
        """Read what a concept means by now: its clauses, and what its owner decided.

        Args:
            name: What it is called, as list_concepts says.
        """
        concept = open_folder(name, home=self._reach.home).load()
        clauses: dict[str, list[str]] = {}
        for clause in concept.definition.clauses:
            if clause.state != "dropped":
                clauses.setdefault(clause.role, []).append(clause.text)
        return ConceptText(
            name=concept.name,
            about=concept.purpose,
            version=concept.current,
            clauses={role: tuple(texts) for role, texts in clauses.items()},
            labels=len({each.image for each in concept.labels}),
            decided=tuple(f"{each.question} {each.answer}" for each in concept.decisions[-MOST_LISTED:]),
        )


def in_short(review: RunReview, p: Prediction) -> LabelledImage:
    """An image of a run, with what a person said of it."""
    given = review.given.get(p.image_hash)
    return LabelledImage.of(p, "" if given is None else given.label or given.answer)


def _unread(skipped: tuple[SkippedInput, ...]) -> dict[str, str]:
    return {each.path: each.reason for each in skipped[:MOST_LISTED]}
