"""Opens what work on a concept needs: its folder, pool, encoder, language model and annotator."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError, field_serializer
from torch import Tensor

from fieldmark.agents.build.sample import free_rows
from fieldmark.app.models import choose_models
from fieldmark.app.stores import Stores, asked_model, open_llm, open_stores, open_vlm
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError, NoImagesError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records import Concept, Record, Usage, UsageLimits
from fieldmark.settings import read_settings
from fieldmark.tools.annotate.annotator import Annotator
from fieldmark.tools.annotate.clip import LEAST_REFERENCE, ClipAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.folder import ConceptFolder, concept_folders, slug_of
from fieldmark.tools.concepts.pool import ImagePool, open_pool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.images.given_paths import as_text
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import (
    EncodingStarted,
    ImagesEncoded,
    ModelsClosed,
    PoolImagesMissing,
    Progress,
    no_progress,
)

SETUP = "setup.json"
NO_VLM = "none"
"""Given as the vision-language model, it has CLIP alone judge images."""


class ConceptSetup(Record):
    """The models that a concept was made with; None takes what the settings say at the time."""

    clip: str
    llm: str | None = None
    """The settings' where not given, else the vision-language model where that is given."""
    vlm: str | None = None
    """The language model where not given; `NO_VLM` for none."""
    base_url: str | None = None
    """Their endpoint; a user and password in it are not kept."""

    @field_serializer("base_url")
    def _without_password(self, url: str | None) -> str | None:
        return url and normal_url(url)

    def changed(self, *, llm: str | None, vlm: str | None, base_url: str | None) -> "ConceptSetup":
        """The setup with what was given now in the place of what was kept."""
        return self.model_copy(
            update={"llm": llm or self.llm, "vlm": vlm or self.vlm, "base_url": base_url or self.base_url}
        )

    def settled(self) -> "ConceptSetup":
        """The setup in which the settings have no say any more in who drafts and who judges."""
        llm = choose_models(llm=self.llm).llm
        return self.model_copy(update={"llm": llm, "vlm": self.vlm or llm or NO_VLM})


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
        arrays: Where graphs keep what they found.
    """

    folder: ConceptFolder
    stores: Stores
    encoder: Encoder
    pool: ImagePool
    llm: AskedModel | None
    annotator: Annotator
    vlm: VlmAnnotator | None = None
    arrays: ArrayStore = field(init=False)

    def __post_init__(self) -> None:
        self.arrays = ArrayStore(self.folder.path / "arrays")


def concept_home(home: Path | None = None) -> Path:
    """Where concepts are kept; under what the settings say where not given."""
    return (home or read_settings().home) / "concepts"


def open_folder(name: str, *, home: Path | None = None) -> ConceptFolder:
    """The folder of a concept by its name.

    Raises:
        InputError: There is no such concept.
    """
    root = concept_home(home)
    if (root / slug_of(name)).is_dir():
        folder = ConceptFolder(root / slug_of(name))
        if folder.exists:
            return folder
    known = list(filter(None, map(_name_of, concept_folders(root))))
    raise InputError(
        f"There is no concept {name!r}.",
        hint=f"There are: {', '.join(known[:8])}."
        if known
        else "Make one: `ConceptConversation.new`, or `fieldmark concept new`.",
    )


def _name_of(folder: ConceptFolder) -> str | None:
    """What a concept is called; None where its record is damaged, which opening it says."""
    try:
        return folder.load().name
    except InputError:
        return None


def write_setup(folder: ConceptFolder, setup: ConceptSetup) -> None:
    """Keep the models of a concept in its folder."""
    try:
        write_whole(folder.path / SETUP, (setup.model_dump_json(indent=1).encode("utf-8"),))
    except OSError as error:
        raise RunError(f"{folder.path / SETUP} could not be written: {error}.") from error


def read_setup(folder: ConceptFolder) -> ConceptSetup:
    """The models of a concept.

    Raises:
        InputError: The file is missing or not well formed.
    """
    try:
        return ConceptSetup.model_validate_json(read_bytes(folder.path / SETUP))
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{folder.path / SETUP} cannot be read.", hint="Restore it, or make the concept anew."
        ) from error


@asynccontextmanager
async def open_tools(
    folder: ConceptFolder,
    setup: ConceptSetup,
    *,
    models: ConceptModels = ConceptModels(),
    api_key: str | None = None,
    limits: UsageLimits | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> AsyncIterator[ConceptTools]:
    """Open everything that work on a concept needs, and hold its folder alone meanwhile.

    Args:
        folder: The concept's folder.
        setup: Its models, by name.
        models: Those of them that were given as objects.
        api_key: The endpoint's key; the settings' where not given.
        limits: The most that may be spent.
        home: Where answers and vectors are kept; the settings' where not given.
        progress: Shows progress.

    Raises:
        RunError: Another process works on the concept.
        ModelError: The CLIP model cannot be loaded.
        NoImagesError: No image of the pool is left.
        InputError: CLIP alone is to judge, and the pool is too small for that.
    """
    chosen = choose_models(clip=setup.clip, llm=setup.llm, base_url=setup.base_url)
    with folder.writing(), open_stores(home) as stores:
        encoder = stores.encoder_of(models.clip, setup.clip, device=chosen.device)
        pool = encoded_pool(folder.load_pool(), encoder, progress)
        name = chosen.llm or (None if setup.vlm == NO_VLM else setup.vlm)
        if name is None:
            yield _without_words(folder, stores, encoder, pool, None)
            return
        opened = partial(
            open_llm, name, stores.answers, base_url=chosen.base_url, api_key=api_key, limits=limits
        )
        async with asked_model(models.llm, limits, opened) as llm, _telling(llm, progress) as asked:
            if setup.vlm == NO_VLM:
                yield _without_words(folder, stores, encoder, pool, llm)
                return
            if models.vlm is None and setup.vlm in (None, name):
                yield await _with_words(folder, stores, encoder, pool, llm, llm)
                return
            opened = partial(
                open_vlm,
                setup.vlm or name,
                stores.answers,
                beside=llm,
                llm=(chosen.base_url, api_key),
                limits=limits,
            )
            async with asked_model(models.vlm, limits, opened) as vlm:
                asked.append(vlm)
                yield await _with_words(folder, stores, encoder, pool, llm, vlm)


@asynccontextmanager
async def _telling(llm: AskedModel, progress: Progress) -> AsyncIterator[list[AskedModel]]:
    """Tell in the end, however it ends, what was spent on the models in the list."""
    asked = [llm]
    try:
        yield asked
    finally:
        progress(ModelsClosed(usage=sum((model.usage for model in asked), Usage())))


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


async def _with_words(
    folder: ConceptFolder, stores: Stores, encoder: Encoder, pool: ImagePool, llm: AskedModel, vlm: AskedModel
) -> ConceptTools:
    # A model that does not say what its answers depend on may be another one tomorrow.
    kept = stores.answers if vlm.lasting else MemoryByteStore()
    annotator = VlmAnnotator(vlm, model=await vlm.identify(), store=VerdictStore(kept))
    return ConceptTools(
        folder=folder,
        stores=stores,
        encoder=encoder,
        pool=pool,
        llm=llm,
        annotator=annotator,
        vlm=annotator,
    )


def _without_words(
    folder: ConceptFolder, stores: Stores, encoder: Encoder, pool: ImagePool, llm: AskedModel | None
) -> ConceptTools:
    if len(pool) < LEAST_REFERENCE:
        raise InputError(
            f"The pool holds {len(pool)} usable images; for CLIP to judge them alone it takes "
            f"{LEAST_REFERENCE}.",
            hint="Make the concept anew with more images, or have a vision-language model judge them.",
            field="vlm",
        )
    annotator = ClipAnnotator(encoder, clip_reference(folder.load(), pool))
    return ConceptTools(
        folder=folder, stores=stores, encoder=encoder, pool=pool, llm=llm, annotator=annotator
    )
