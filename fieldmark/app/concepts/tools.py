"""Opens what work on a concept needs: its folder, pool, encoder, language model and annotator."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from fieldmark.agents.build.sample import free_rows
from fieldmark.app.concepts.setup import NO_VLM, ConceptSetup
from fieldmark.app.models import choose_models
from fieldmark.app.stores import CacheUse, Stores, asked_model, open_llm, open_stores, open_vlm
from fieldmark.app.words.file import check_about
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError, NoImagesError
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import Concept, Usage, UsageLimits, Words
from fieldmark.tools.annotate.annotator import Annotator
from fieldmark.tools.annotate.clip import LEAST_REFERENCE, ClipAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.pool import ImagePool, open_pool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.images.given_paths import as_text
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.concept_events import PoolImagesMissing
from fieldmark.tools.runs.events import EncodingStarted, ImagesEncoded, ModelsClosed, Progress, no_progress
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import Run


@dataclass(frozen=True)
class ConceptModels:
    """Models that were given as objects; None where a name, or nothing, was given."""

    clip: Encoder | None = None
    llm: LanguageModel | None = None
    vlm: LanguageModel | None = None

    @classmethod
    def of(
        cls,
        *,
        clip: Encoder | str | None = None,
        llm: LanguageModel | str | None = None,
        vlm: LanguageModel | str | None = None,
    ) -> "ConceptModels":
        """The objects among what was given."""
        return cls(
            clip=None if isinstance(clip, str) else clip,
            llm=None if isinstance(llm, str) else llm,
            vlm=None if isinstance(vlm, str) else vlm,
        )


@dataclass(kw_only=True)
class ConceptTools:
    """Everything that is opened for work on one concept.

    Attributes:
        folder: The concept's folder.
        stores: What is kept between runs.
        encoder: The CLIP encoder.
        pool: The concept's images and their vectors.
        llm: The language model; None where none is configured.
        annotator: Judges images.
        vlm: The same where it has words: it names gaps and argues; None where CLIP judges.
        judge: The model that it asks.
        arrays: Where graphs keep what they found.
        progress: Shows progress; what is to be kept of it is kept in the folder.
        conclude: Writes the manifest, with the reason why the work ends; the last thing to be called.
    """

    folder: ConceptFolder
    stores: Stores
    encoder: Encoder
    pool: ImagePool
    llm: AskedModel | None
    annotator: Annotator
    vlm: VlmAnnotator | None
    judge: AskedModel | None
    progress: Progress
    conclude: Callable[[str], object]
    arrays: ArrayStore = field(init=False)

    def __post_init__(self) -> None:
        self.arrays = ArrayStore(self.folder.path / "arrays")


@asynccontextmanager
async def open_tools(
    folder: ConceptFolder,
    setup: ConceptSetup,
    *,
    models: ConceptModels = ConceptModels(),
    api_key: str | None = None,
    limits: UsageLimits | None = None,
    cache: CacheUse = "use",
    home: Path | None = None,
    words: Words | None = None,
    progress: Progress = no_progress,
) -> AsyncIterator[ConceptTools]:
    """Open everything that work on a concept needs, and hold its folder alone meanwhile.

    Args:
        folder: The concept's folder.
        setup: Its models, by name.
        models: Those of them that were given as objects.
        api_key: The endpoint's key; the settings' where not given.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer and verdict, or leave it "off".
        home: Where answers and vectors are kept; the settings' where not given.
        words: Other words for the annotator.
        progress: Shows progress.

    Raises:
        RunError: Another process works on the concept.
        ModelError: The CLIP model cannot be loaded.
        NoImagesError: No image of the pool is left.
        InputError: CLIP alone is to judge, and the pool is too small for that.
    """
    chosen = choose_models(clip=setup.clip, llm=setup.llm, base_url=setup.base_url)
    with folder.writing() as run, open_stores(home) as stores:
        encoder = stores.encoder_of(models.clip, setup.clip, device=chosen.device)
        pool = encoded_pool(folder.load_pool(), encoder, progress)
        asked: list[AskedModel] = []
        run.stopping = partial(_conclude, run, folder, encoder, pool, asked, words)
        async with AsyncExitStack() as closing:
            llm = vlm = None
            name = chosen.llm or (None if setup.vlm == NO_VLM else setup.vlm)
            if name is not None:
                opened = partial(
                    open_llm,
                    name,
                    stores.answers,
                    base_url=chosen.base_url,
                    api_key=api_key,
                    limits=limits,
                    cache=cache,
                )
                llm = await closing.enter_async_context(asked_model(models.llm, limits, opened))
                asked.append(llm)
                closing.callback(lambda: progress(ModelsClosed(usage=sum((m.usage for m in asked), Usage()))))
            if llm is not None and models.vlm is None and setup.vlm in (None, name):
                vlm = llm
            elif llm is not None and name is not None and setup.vlm != NO_VLM:
                opened = partial(
                    open_vlm,
                    setup.vlm or name,
                    stores.answers,
                    beside=llm,
                    llm=(chosen.base_url, api_key),
                    limits=limits,
                    cache=cache,
                )
                vlm = await closing.enter_async_context(asked_model(models.vlm, limits, opened))
                asked.append(vlm)
            with_words = await _with_words(vlm, stores, cache) if vlm else None
            if words is not None and with_words is None:
                raise InputError(
                    "CLIP judges by captions of the clauses: it reads no words.",
                    hint="Have a vision-language model judge, or leave the words out.",
                    field="words",
                )
            if words is not None and with_words is not None:
                check_about(words, folder.load())
                with_words = with_words.worded(words)
            yield ConceptTools(
                folder=folder,
                stores=stores,
                encoder=encoder,
                pool=pool,
                llm=llm,
                annotator=with_words or _without_words(folder, encoder, pool),
                vlm=with_words,
                judge=vlm,
                progress=folder.keeping(progress),
                conclude=run.stopping,
            )


def _conclude(
    run: Run,
    folder: ConceptFolder,
    encoder: Encoder,
    pool: ImagePool,
    asked: list[AskedModel],
    words: Words | None,
    reason: str,
) -> None:
    """Write the manifest; what earlier sittings and builds spent is added."""
    llm, vlm = (*asked, None, None)[:2]
    concept = folder.load()
    write_manifest(
        folder,
        encoder,
        images=pool.images,
        language_model=describe_model(llm),
        usage=llm.usage if llm else Usage(),
        vision_model=describe_model(vlm) if vlm else {},
        vision_usage=vlm.usage if vlm else Usage(),
        prompts=prompt_hashes(words),
        stop_reason=reason,
        counts={"versions": len(concept.versions), "labels": len(concept.labels)},
        seed=concept.seed,
        notes=run.uncounted,
        earlier=run.stopped,
    )


def encoded_pool(
    images: Sequence[ImageFile], encoder: Encoder, progress: Progress = no_progress
) -> ImagePool:
    """A pool of images, encoded where they have no vector yet.

    Raises:
        NoImagesError: Not one is there, or can be read.
    """
    if not images:
        raise NoImagesError("The pool of the concept holds no image.", hint="Make the concept anew.")
    gone = [image.path for image in images if not image.path.is_file()]
    if len(gone) == len(images):
        raise NoImagesError(
            f"None of the pool's {len(images):,} images is there any more, such as {str(gone[0])!r}.",
            hint="Put the folder back where it was when the concept was made; nothing was changed.",
        )
    if gone:
        progress(PoolImagesMissing(gone=len(gone), of=len(images), first=as_text(gone[0])))
    progress(EncodingStarted(images=len(images), texts=0))
    return open_pool(images, encoder, progress=lambda done, of: progress(ImagesEncoded(done=done, of=of)))


def clip_reference(concept: Concept, pool: ImagePool) -> Tensor:
    """What CLIP's scores are compared with `[R, D]`: the pool without the blind test."""
    free = free_rows(concept, pool)
    return pool.vectors[free] if len(free) >= LEAST_REFERENCE else pool.vectors


async def _with_words(vlm: AskedModel, stores: Stores, cache: CacheUse) -> VlmAnnotator:
    # A model that does not say what its answers depend on may be another one tomorrow.
    kept = stores.answers if vlm.lasting and cache != "off" else MemoryByteStore()
    verdicts = VerdictStore(kept, refresh=cache == "refresh")
    return VlmAnnotator(vlm, model=await vlm.identify(), store=verdicts)


def _without_words(folder: ConceptFolder, encoder: Encoder, pool: ImagePool) -> Annotator:
    if len(pool) < LEAST_REFERENCE:
        raise InputError(
            f"The pool holds {len(pool)} usable images; for CLIP to judge them alone it takes "
            f"{LEAST_REFERENCE}.",
            hint="Make the concept anew with more images, or have a vision-language model judge them.",
            field="vlm",
        )
    return ClipAnnotator(encoder, clip_reference(folder.load(), pool))
