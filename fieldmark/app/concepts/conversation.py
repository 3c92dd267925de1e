"""A conversation about a concept as a library or a command uses it: make it, talk, label, roll back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.labelling import label_images
from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.progress import read_progress
from fieldmark.agents.define.run import Owner, Sitting, converse
from fieldmark.agents.define.scope import with_blind_test
from fieldmark.agents.define.waiting import next_batch
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.concepts.editing import put_in_force
from fieldmark.app.concepts.named import concept_home, open_folder, refuse_another
from fieldmark.app.concepts.setup import ConceptSetup, read_setup
from fieldmark.app.concepts.tools import ConceptModels, encoded_pool, open_tools
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import Images, find_given
from fieldmark.app.models import choose_models
from fieldmark.app.stores import CacheUse, checkpoint_server, name_of, open_stores
from fieldmark.errors import InputError
from fieldmark.records import Concept, Costs, Definition, SkippedInput, UsageLimits
from fieldmark.records.conversation import ConversationProgress
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.built import PICTURES
from fieldmark.tools.concepts.changes import DefinitionChange, difference
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder, slug_of
from fieldmark.tools.images.files import ImageFile, with_files
from fieldmark.tools.llm.address import read_address
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import Progress, no_progress


@checked_arguments
@dataclass(kw_only=True)
class ConceptConversation:
    """One concept, and the conversation that finds out what its owner means.

    Args:
        folder: The concept's folder; see `new` and `open`.
        setup: Its models, by name.
        models: Those of them that were given as objects.
        api_key: The endpoint's key; the settings' where not given.
        options: The choices of the conversation.
        limits: The most that one sitting may spend.
        cache: "use" it, "refresh" every answer, or leave it "off".
        home: Where answers and vectors are kept; the settings' where not given.
        progress: Called with progress events.
        skipped: Files that could not be taken in, with the reason; known where the concept was just made.
        passed_over: Files in the pool's folders whose suffix is no image's, by suffix; known likewise.
    """

    folder: ConceptFolder
    setup: ConceptSetup
    models: ConceptModels = field(default_factory=ConceptModels)
    api_key: str | None = field(default=None, repr=False)
    options: DefineOptions = field(default_factory=DefineOptions)
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    home: Path | None = None
    progress: Progress = no_progress
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    @checked_arguments
    def new(
        cls,
        name: str,
        *,
        pool: Images,
        about: str = "",
        clip: Encoder | str | None = None,
        llm: LanguageModel | str | None = None,
        vlm: LanguageModel | str | None = None,
        base_url: str | None = None,
        costs: Costs | None = None,
        seed: int = 0,
        options: DefineOptions | None = None,
        home: Path | None = None,
        progress: Progress = no_progress,
    ) -> Self:
        """Make a concept: take its pool in, encode it, and draw the blind test before anything else.

        Args:
            name: What it is called.
            pool: Files, folders, PIL images or arrays uint8 `[H, W, 3]`, of what is in and of what is not.
                Those in memory are written into the concept's folder.
            about: What it is for and what it means, in the owner's words.
            clip: An `Encoder`, or the name of a CLIP model; the settings' where not given. Models that are
                objects are not kept: give them again to `open`.
            llm: A `LanguageModel`, or the name of one; what the settings say at the time where not given.
            vlm: The vision-language model that judges images: the language model where not given, "none" for
                CLIP alone.
            base_url: Their endpoint.
            costs: What mistakes cost.
            seed: Decides every draw of images.
            options: Choices of the conversation, the size of the blind test among them.
            home: Where concepts, answers and vectors are kept.
            progress: Called with progress events.

        Raises:
            InputError: The name is blank, or there is such a concept already.
            NoImagesError: There is no usable image.
            ModelError: The CLIP model cannot be loaded.
        """
        options = options or DefineOptions()
        path = concept_home(home) / slug_of(name)
        if path.exists():
            refuse_another(ConceptFolder(path))
        found = with_files(find_given(pool), path / PICTURES)
        models = ConceptModels.of(clip=clip, llm=llm, vlm=vlm)
        chosen = choose_models(clip=name_of(clip))
        if base_url:
            read_address(base_url)
        setup = ConceptSetup(clip=chosen.clip, llm=name_of(llm), vlm=name_of(vlm), base_url=base_url)
        with open_stores(home) as stores:
            encoder = stores.encoder_of(models.clip, setup.clip, device=chosen.device)
            encoded = encoded_pool(found.images, encoder, progress)
            skipped = (*found.skipped, *encoder.failures)
            concept = Concept(name=name.strip(), purpose=about.strip(), costs=costs or Costs(), seed=seed)
            concept = with_blind_test(concept, encoded, encoder, count=options.blind)
        folder = ConceptFolder(path)
        with folder.writing():
            refuse_another(folder)  # somebody may have made it while the images were encoded
            folder.save_pool(encoded.images)
            folder.write(SETUP, setup)
            folder.save(concept)
        return cls(
            folder=folder,
            setup=setup,
            models=models,
            options=options,
            home=home,
            progress=progress,
            skipped=skipped,
            passed_over=found.passed_over,
        )

    @classmethod
    @checked_arguments
    def open(
        cls,
        name: str,
        *,
        clip: Encoder | None = None,
        llm: LanguageModel | str | None = None,
        vlm: LanguageModel | str | None = None,
        base_url: str | None = None,
        options: DefineOptions | None = None,
        limits: UsageLimits | None = None,
        cache: CacheUse = "use",
        home: Path | None = None,
        progress: Progress = no_progress,
    ) -> Self:
        """A concept that was made before; what is given wins over the models that it was made with.

        Raises:
            InputError: There is no such concept, or its setup cannot be read.
        """
        folder = open_folder(name, home=home)
        return cls(
            folder=folder,
            setup=read_setup(folder).changed(llm=name_of(llm), vlm=name_of(vlm), base_url=base_url),
            models=ConceptModels.of(clip=clip, llm=llm, vlm=vlm),
            options=options or DefineOptions(),
            limits=limits or UsageLimits(),
            cache=cache,
            home=home,
            progress=progress,
        )

    @property
    def concept(self) -> Concept:
        """The concept as it is now."""
        return self.folder.load()

    @property
    def images(self) -> dict[str, ImageFile]:
        """Images of the pool by content hash."""
        return {image.content_hash: image for image in self.folder.load_pool()}

    @property
    def status(self) -> ConversationProgress | None:
        """How far the conversation was after its latest board; None before there was one."""
        return read_progress(self.folder.path)

    def chat(self, owner: Owner, *, one_board: bool = False, more: bool = False) -> Sitting:
        """See `achat`; not for a running event loop."""
        return run_here(self.achat(owner, one_board=one_board, more=more), "chat")

    async def achat(self, owner: Owner, *, one_board: bool = False, more: bool = False) -> Sitting:
        """Talk until the conversation is over or the owner leaves; goes on where it was left.

        Args:
            owner: Who answers.
            one_board: Leave once one board is done with.
            more: Begin a further conversation where the last one is over.

        Raises:
            RunError: Another process works on the concept.
            EndpointError: A model cannot be asked; everything so far is kept.
        """
        async with open_tools(
            self.folder,
            self.setup,
            models=self.models,
            api_key=self.api_key,
            limits=self.limits,
            cache=self.cache,
            home=self.home,
            progress=self.progress,
        ) as tools:
            context = DefineContext(
                folder=self.folder,
                pool=tools.pool,
                encoder=tools.encoder,
                annotator=tools.annotator,
                gap_finder=tools.vlm,
                llm=CountingModel(tools.llm) if tools.llm else None,
                arrays=tools.arrays,
                options=self.options,
                progress=tools.progress,
                checkpoints=checkpoint_server(),
            )
            sitting = await converse(context, owner, one_board=one_board, anew=more)
            tools.conclude(sitting.state.stop_reason or "left")
            return sitting

    def label_blind(self, owner: Owner) -> int:
        """See `alabel_blind`; not for a running event loop."""
        return run_here(self.alabel_blind(owner), "label_blind")

    async def alabel_blind(self, owner: Owner) -> int:
        """Have the blind test labelled, batch by batch, until it is done or the owner leaves.

        Returns:
            How many of its images have no label yet.

        Raises:
            RunError: Another process works on the concept.
        """
        with self.folder.writing():
            images = self.folder.load_pool()
            size, shown = self.options.blind_batch, set[str]()
            while batch := next_batch(self.concept, images, size=size, without=shown):
                shown |= set(batch.images)
                if not await label_images(self.folder, batch, owner):
                    break
            left = next_batch(self.concept, images, size=1)
            return left.of - left.done if left else 0

    def label(self, images: Images, owner: Owner) -> int:
        """See `alabel`; not for a running event loop."""
        return run_here(self.alabel(images, owner), "label")

    async def alabel(self, images: Images, owner: Owner) -> int:
        """Have images of the pool labelled that the owner names.

        Args:
            images: Files, folders, PIL images or arrays.
            owner: Who labels.

        Returns:
            How many were labelled.

        Raises:
            InputError: An image is not in the pool, or belongs to the blind test.
            RunError: Another process works on the concept.
        """
        with self.folder.writing():
            concept, known = self.concept, self.images
            given = with_files(find_given(images), self.folder.path / PICTURES).images
            found = [image.content_hash for image in given]
            for image in given:
                if image.content_hash not in known:
                    raise InputError(
                        f"{str(image.path)!r} is not in the pool of {concept.name!r}.",
                        hint="Only images of the folder that the concept was made with can be labelled.",
                    )
            if taken := set(found) & set(concept.blind):
                raise InputError(
                    f"{str(known[min(taken)].path)!r} belongs to the blind test.",
                    hint="Label the blind test as a whole: label_blind(owner).",
                    field="blind",
                )
            before = len(concept.labels)
            await label_images(self.folder, tuple(dict.fromkeys(found)), owner)
            return len(self.concept.labels) - before

    def rollback(self, number: int) -> Definition:
        """Put an earlier version in force; nothing is removed.

        Returns:
            The definition now in force.

        Raises:
            InputError: There is no such version.
            RunError: Another process works on the concept.
        """
        return put_in_force(self.folder, number)

    def diff(self, before: int, after: int) -> DefinitionChange:
        """What changed from one version to another.

        Raises:
            InputError: There is no such version.
        """
        concept = self.concept
        for number in (before, after):
            if not 1 <= number <= len(concept.versions):
                raise InputError(
                    f"Concept {concept.name!r} has no version {number}.",
                    hint=f"It has versions 1 to {len(concept.versions)}.",
                )
        return difference(concept.versions[before - 1].definition, concept.versions[after - 1].definition)
