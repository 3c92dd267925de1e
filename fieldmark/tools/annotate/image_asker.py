"""Asks a vision-language model about one image at a time, and counts the outcomes.

A question that fails is an outcome here, not an error.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel

from fieldmark.errors import EndpointError, QuestionFailed
from fieldmark.records import ImagePart, Question
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel, ModelAnswer
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.llm.image_messages import ImageMessages

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)
Unanswered = Literal["refused", "abstain"]

PICTURE = ImagePart(data_url="data:,")
"""Stands for any picture in a question that is only counted."""
WORDS = "a sentence or two of usual length, which says what is seen in the picture and why it decides. " * 3
"""Stands for what a model or a person wrote."""
HOPELESS = 8
"""So many questions without any answer at all, and the model is taken to see no images."""
_REFUSALS = frozenset({"refused", "filtered"})


class ImageAsker:
    """Shows images to a vision-language model.

    Attributes:
        images: Makes images ready to be sent.
        failures: Questions without a usable answer so far, by reason; "unreadable" where an image could not
            be shown.
    """

    def __init__(self, llm: LanguageModel, images: ImageMessages | None = None) -> None:
        self.images = images or ImageMessages()
        self.failures: Counter[str] = Counter()
        self._llm = CountingModel(llm)
        self._answered = False

    @property
    def calls(self) -> int:
        """Questions asked anew so far."""
        return self._llm.calls

    async def ask(self, image: ImageFile, question: Callable[[ImagePart], Question[T]]) -> T | Unanswered:
        """Ask about one image; see `answer`, whose value this is."""
        return _value(await self.answer(image, question))

    async def answer(
        self, image: ImageFile, question: Callable[[ImagePart], Question[T]]
    ) -> ModelAnswer[T] | Unanswered:
        """Ask about one image.

        Args:
            image: A file that was found.
            question: Renders the question with the image in it.

        Returns:
            The answer; "refused" where the model refuses, "abstain" where there is none for another reason.

        Raises:
            EndpointError: No question can be answered, or not one of the first `HOPELESS` was.
            LimitReached: Before a call that would pass a limit.
        """
        part = await self.shown(image)
        return "abstain" if part is None else await self._heard(image, question(part))

    async def shown(self, image: ImageFile) -> ImagePart | None:
        """An image ready to be put into a question; None where it cannot be shown, which is counted."""
        try:
            return await self.images.part(image)
        except UnusableImageError as error:
            logger.warning("%s: not shown to the model: %s.", error.path, error.reason)
            self.failures["unreadable"] += 1
            return None

    async def ask_in_words(self, image: ImageFile, question: Question[T]) -> T | Unanswered:
        """As `ask`, where the question is rendered already; it may show other images, or none."""
        return _value(await self._heard(image, question))

    async def _heard(self, image: ImageFile, question: Question[T]) -> ModelAnswer[T] | Unanswered:
        try:
            answer = await self._llm.ask(question)
        except QuestionFailed as error:
            self.failures[error.code] += 1
            logger.info("%s: %s", image.path, error.message)
            if error.reason in _REFUSALS:
                self._answered = True
                return "refused"
            self._give_up_on_the_blind(error)
            return "abstain"
        self._answered = True
        return answer

    def _give_up_on_the_blind(self, error: QuestionFailed) -> None:
        failed = self.failures.total() - self.failures["unreadable"]
        if not self._answered and failed >= HOPELESS:
            raise EndpointError(
                f"The model answered none of {failed} questions about images: {error.message}",
                hint="`fieldmark doctor` (`probe_endpoint` in Python) tells whether it sees images.",
            ) from error


def _value(said: ModelAnswer[T] | Unanswered) -> T | Unanswered:
    return said if isinstance(said, str) else said.value
