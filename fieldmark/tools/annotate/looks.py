"""How an annotator looks at an image: with labelled ones before it, in steps, several times; how it votes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError
from fieldmark.tools.annotate.verdict_store import StoredVerdict
from fieldmark.tools.images.files import ImageFile

EXEMPLAR_SIDE = 256
"""Longest side of an example in pixels: eight of them cost about as much as two images to judge."""


@dataclass(frozen=True)
class WayOfLooking:
    """How an annotator looks at an image.

    Attributes:
        examples: Images that the owner labelled, shown before the one to judge; never that one itself.
        samples: How often each image is asked about; findings are then voted on, and probabilities averaged.
        steps: Whether it is judged in steps (see `steps`), rather than in one question. No examples then.
        log_probs: Whether the probability of a finding is that of its word, where the endpoint tells it; else
            it is the stated confidence.
    """

    examples: tuple[tuple[ImageFile, Literal["in", "out"]], ...] = ()
    samples: int = 1
    steps: bool = False
    log_probs: bool = False

    def __post_init__(self) -> None:
        """Check that the choices go together."""
        if self.steps and self.examples:
            raise InputError(
                "An image that is judged in steps is shown alone.",
                hint="Leave out the examples, or the steps.",
            )

    @property
    def name(self) -> str:
        """What verdicts depend on beside model and question; empty for one look without examples."""
        shown = content_key([[image.content_hash, label] for image, label in self.examples])[:16]
        return "".join(
            (
                f"/examples={shown}" if self.examples else "",
                f"/samples={self.samples}" if self.samples > 1 else "",
                "/log-probs" if self.log_probs else "",
            )
        )


def voted(opinions: Sequence[Mapping[str, StoredVerdict]]) -> dict[str, StoredVerdict]:
    """One verdict of several on each clause, by its text: the finding that most gave, the first on a tie.

    Its probability is the mean of all that could tell, held to the side of the finding.
    """
    found: dict[str, StoredVerdict] = {}
    for text in dict.fromkeys(text for each in opinions for text in each):
        own = [each[text] for each in opinions if text in each]
        finding = Counter(each.finding for each in own).most_common(1)[0][0]
        sure = [each.p for each in own if each.p is not None]
        first = next(each for each in own if each.finding == finding)
        p = None
        if finding != "abstain":
            mean = sum(sure) / len(sure)
            p = max(mean, 0.5) if finding == "yes" else min(mean, 0.5)
        found[text] = first.model_copy(update={"p": p})
    return found
