"""What annotators with a vision-language model share: the model, the store of verdicts, and the counts."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from fieldmark.cache.keys import content_key
from fieldmark.prompts.loader import load
from fieldmark.tools.annotate.image_asker import ImageAsker
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.llm.answer_schema import strict_schema
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.image_messages import ImageMessages

CONCURRENCY = 16
"""Images under way at a time; the language model may allow fewer calls."""


class StoringAnnotator:
    """What annotators with a vision-language model share: the model, the store, and the counts.

    Use it within one event loop.

    Args:
        llm: The vision-language model.
        model: What its answers depend on: `await ChatModel.identify()`.
        store: Where verdicts are kept.
        images: Makes images ready to be sent.
        concurrency: The most images under way at a time.
    """

    QUESTION: ClassVar[tuple[str, type[BaseModel]]]
    """Id of the prompt that judges an image, and the model of its answer."""

    def __init__(
        self,
        llm: LanguageModel,
        *,
        model: str,
        store: VerdictStore,
        images: ImageMessages | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._llm = llm
        self._asker = ImageAsker(llm, images)
        self._store = store
        self._concurrency = concurrency
        self._model = model
        self._identity = annotator_identity(model, [self.QUESTION], self._asker.images)

    @property
    def identity(self) -> str:
        """Model and endpoint, question, and how images are sent."""
        return self._identity

    @property
    def calls(self) -> int:
        """Questions asked anew so far."""
        return self._asker.calls

    @property
    def failures(self) -> dict[str, int]:
        """Questions without a usable answer so far, by reason; "unreadable" and "incomplete" among them."""
        return dict(self._asker.failures)


def probability(holds: bool, confidence: int) -> float:
    """The probability that something holds, from how sure the model is of its finding."""
    return (confidence if holds else 100 - confidence) / 100


def annotator_identity(
    model: str, questions: Sequence[tuple[str, type[BaseModel]]], images: ImageMessages
) -> str:
    """What an annotator's verdicts depend on.

    Args:
        model: The model and its endpoint.
        questions: Ids of the prompts, each with the model of its answer; the last one gives the findings.
        images: How images are sent.
    """
    asked = [each for prompt_id, form in questions for each in (load(prompt_id).sha256, strict_schema(form))]
    return f"{model}/{questions[-1][0]}/{content_key(asked)[:16]}/{images.identity}"
