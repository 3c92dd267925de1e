"""The tools that change something or cost something: labels of people, and new classifications."""

from fieldmark.app.classifier import Classifier
from fieldmark.app.review.labelling import give_label
from fieldmark.app.review.review import NONE, UNSURE
from fieldmark.mcp.reach import Reach
from fieldmark.mcp.reading import ReadingTools, in_short
from fieldmark.mcp.records import LabelledImage, RunImages
from fieldmark.records import UsageLimits


class WritingTools:
    """What a model may do, where its user lets it.

    Args:
        reach: What it may reach.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def label_image(self, run: str, image_hash: str, answer: str) -> LabelledImage:
        """Write down what a person said of an image of a run. Never label by your own guess.

        Args:
            run: The run's name.
            image_hash: The image, as read_run says.
            answer: One of the run's classes, "none of these", or "cannot tell".
        """
        review = self._reach.review(run)
        if answer in (NONE, UNSURE) and answer not in review.classes:
            give_label(review, image_hash, answer=answer)
        else:
            give_label(review, image_hash, label=answer)
        now = self._reach.review(run)
        return in_short(now, now.prediction(image_hash))

    async def classify(self, paths: list[str], classes: list[str], noun: str = "") -> RunImages:
        """Classify images with class names alone. It asks a language model, within the limit of this server.

        Args:
            paths: Image files, and folders of them.
            classes: The class names, at least two.
            noun: What all of them are, in one word ("bird"); asked of the language model where not given.
        """
        images = self._reach.images(paths)
        found = await Classifier(
            classes=classes,
            noun=noun or None,
            out=self._reach.runs,
            home=self._reach.home,
            limits=UsageLimits(max_calls=self._reach.max_calls),
        ).aresolve(images)
        return ReadingTools(self._reach).read_run(found.run.name)
