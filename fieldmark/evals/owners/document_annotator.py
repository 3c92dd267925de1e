"""Labels images with a vision-language model by an instruction document alone."""

from collections.abc import Sequence

from fieldmark.prompts.judge_by_document import PROMPT_ID as BY_DOCUMENT
from fieldmark.prompts.judge_by_document import DocumentLabel, ask_judge_by_document
from fieldmark.records import Call, Verdict
from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.annotate.concurrency import map_distinct_images
from fieldmark.tools.annotate.image_asker import ImageAsker
from fieldmark.tools.annotate.verdict_store import StoredVerdict, VerdictStore
from fieldmark.tools.annotate.vlm import CONCURRENCY, annotator_identity, probability
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.image_messages import ImageMessages


class DocumentAnnotator:
    """Labels images by an instruction document alone, without the concept or its labels.

    Use it within one event loop.

    Args:
        llm: The vision-language model.
        document: The whole text of the document.
        model: What its answers depend on: `await ChatModel.identify()`.
        store: Where labels are kept.
        images: Makes images ready to be sent.
        concurrency: The most images under way at a time.
    """

    def __init__(
        self,
        llm: LanguageModel,
        document: str,
        *,
        model: str,
        store: VerdictStore,
        images: ImageMessages | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._asker = ImageAsker(llm, images)
        self._document = document
        self._store = store
        self._concurrency = concurrency
        self._identity = annotator_identity(model, BY_DOCUMENT, DocumentLabel, self._asker.images)

    @property
    def identity(self) -> str:
        """Model and endpoint, question, and how images are sent; the document is no part of it."""
        return self._identity

    @property
    def calls(self) -> int:
        """Questions asked anew so far."""
        return self._asker.calls

    @property
    def failures(self) -> dict[str, int]:
        """Questions without a usable answer so far, by reason."""
        return dict(self._asker.failures)

    async def judge(
        self, images: Sequence[ImageFile], *, progress: AnnotationProgress | None = None
    ) -> tuple[Verdict, ...]:
        """Label images by the document.

        Args:
            images: N files that were found.
            progress: Told how many of the distinct images are labelled.

        Returns:
            N verdicts, in order, without clauses. The model's own "unsure" is the call "abstain" with a
            rationale; one without is an image that could not be judged.

        Raises:
            InputError: The document is blank.
            EndpointError: See `VlmAnnotator.judge`.
            LimitReached: See `VlmAnnotator.judge`.
            CacheError: See `VlmAnnotator.judge`.
        """
        return await map_distinct_images(
            images, self._label, concurrency=self._concurrency, progress=progress
        )

    async def _label(self, image: ImageFile) -> Verdict:
        stored = self._store.get(image=image.content_hash, text=self._document, annotator=self._identity)
        if stored is None:
            said = await self._asker.ask(image, lambda part: ask_judge_by_document(part, self._document))
            if isinstance(said, str):
                return Verdict(image=image.content_hash, call=said, annotator=self._identity)
            unsure = said.label == "unsure"
            stored = StoredVerdict(
                finding="abstain" if unsure else "yes" if said.label == "in" else "no",
                p=None if unsure else probability(said.label == "in", said.confidence),
                rationale=said.rationale,
            )
            self._store.put(stored, image=image.content_hash, text=self._document, annotator=self._identity)
        calls: dict[str, Call] = {"yes": "in", "no": "out", "abstain": "abstain"}
        return Verdict(
            image=image.content_hash,
            call=calls[stored.finding],
            p=stored.p,
            rationale=stored.rationale,
            annotator=self._identity,
        )
