"""Labels images with a vision-language model by an instruction document alone."""

from collections.abc import Sequence

from fieldmark.prompts.judge_by_document import PROMPT_ID as BY_DOCUMENT
from fieldmark.prompts.judge_by_document import DocumentLabel, ask_judge_by_document
from fieldmark.records import Call, Verdict
from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.annotate.concurrency import map_distinct_images
from fieldmark.tools.annotate.storing import StoringAnnotator, probability
from fieldmark.tools.annotate.verdict_store import StoredVerdict, VerdictStore
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel


class DocumentAnnotator(StoringAnnotator):
    """Labels images by an instruction document alone, without the concept or its labels.

    Its identity does not name the document: a verdict is stored under the document's text.

    Args:
        llm: The vision-language model.
        document: The whole text of the document.
        model: What its answers depend on: `await ChatModel.identify()`.
        store: Where labels are kept.
    """

    QUESTION = (BY_DOCUMENT, DocumentLabel)

    def __init__(self, llm: LanguageModel, document: str, *, model: str, store: VerdictStore) -> None:
        super().__init__(llm, model=model, store=store)
        self._document = document

    async def judge(
        self, images: Sequence[ImageFile], *, progress: AnnotationProgress | None = None
    ) -> tuple[Verdict, ...]:
        """Label images by the document.

        Args:
            images: N files that were found.
            progress: Called with how many of the distinct images are labelled.

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
