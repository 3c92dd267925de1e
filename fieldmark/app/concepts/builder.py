"""A concept's classifier as a library or a command makes it: build it, measure it once, export it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.estimate import estimated, estimated_look
from fieldmark.agents.build.look import check_before_look
from fieldmark.agents.build.looks import ComparedLooks, annotator_looking, with_choosing
from fieldmark.agents.build.measure import measure, note_look
from fieldmark.agents.build.options import BuildOptions
from fieldmark.agents.build.run import run_build
from fieldmark.agents.build.sample import taught_labels
from fieldmark.agents.build.threshold import keep_threshold
from fieldmark.agents.shared.estimate import CallEstimate
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.concepts.export import ExportedClassifier, export_version
from fieldmark.app.concepts.named import open_folder
from fieldmark.app.concepts.setup import ConceptSetup, read_setup
from fieldmark.app.concepts.tools import ConceptModels, ConceptTools, clip_reference, open_tools
from fieldmark.app.event_loop import run_here
from fieldmark.app.stores import CacheUse, checkpoint_server, name_of
from fieldmark.app.words.file import check_look, words_note
from fieldmark.errors import InputError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records import Concept, Record, UsageLimits
from fieldmark.records.building import BuildResult, Measurement
from fieldmark.tools.annotate.annotator import Annotator
from fieldmark.tools.annotate.clip import ClipAnnotator, Labelled
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.built import MODELS, SETTINGS, read_built, read_measurement
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.heads.config import HeadConfig, read_config
from fieldmark.tools.concepts.heads.export import add_onnx
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder


class BuildSettings(Record):
    """The models and choices of a build; measuring takes the same."""

    setup: ConceptSetup
    options: BuildOptions


@checked_arguments
@dataclass(kw_only=True)
class ConceptBuilder:
    """Makes, measures and exports the classifier of one version of a concept.

    Args:
        folder: The concept's folder; see `open`.
        setup: Its models.
        version: The version of the definition that the classifier is for.
        models: Those of its models that were given as objects.
        api_key: The endpoint's key; the settings' where not given.
        options: The choices of the build.
        limits: The most that one build or one measurement may spend.
        cache: "use" it, "refresh" every answer, or leave it "off".
        home: Where answers and vectors are kept; the settings' where not given.
        progress: Called with progress events.
    """

    folder: ConceptFolder
    setup: ConceptSetup
    version: int
    models: ConceptModels = field(default_factory=ConceptModels)
    api_key: str | None = field(default=None, repr=False)
    options: BuildOptions = field(default_factory=BuildOptions)
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    home: Path | None = None
    progress: Progress = no_progress

    @classmethod
    @checked_arguments
    def open(
        cls,
        name: str,
        *,
        version: int | None = None,
        clip: Encoder | None = None,
        llm: LanguageModel | str | None = None,
        vlm: LanguageModel | str | None = None,
        base_url: str | None = None,
        options: BuildOptions | None = None,
        limits: UsageLimits | None = None,
        cache: CacheUse = "use",
        home: Path | None = None,
        progress: Progress = no_progress,
    ) -> Self:
        """A concept that was talked about; what is given wins over the models that it was made with.

        Args:
            name: What it is called.
            version: A version of its definition; the one in force where not given.
            clip: The `Encoder`, where the concept was made with an object.
            llm: A `LanguageModel`, or the name of one, which writes queries.
            vlm: The vision-language model that judges images: the language model where not given, "none" for
                CLIP alone.
            base_url: Their endpoint.
            options: The choices of the build.
            limits: The most that may be spent.
            cache: "use" it, "refresh" every answer, or leave it "off".
            home: Where concepts, answers and vectors are kept.
            progress: Called with progress events.

        Raises:
            InputError: There is no such concept or version, or its setup cannot be read.
        """
        folder = open_folder(name, home=home)
        return cls(
            folder=folder,
            setup=read_setup(folder).changed(llm=name_of(llm), vlm=name_of(vlm), base_url=base_url),
            models=ConceptModels.of(clip=clip, llm=llm, vlm=vlm),
            version=_existing(folder.load(), version),
            options=options or BuildOptions(),
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
    def out(self) -> Path:
        """Where this version's classifier lies."""
        return self.folder.path / MODELS / f"v{self.version}"

    @property
    def built(self) -> BuildResult | None:
        """What was built for this version; None before anything was.

        Raises:
            RunError: What was written down of it is damaged.
        """
        return read_built(self.out)

    @property
    def measured(self) -> Measurement | None:
        """How this version was measured; None before it was. Reading it is no look at the blind test.

        Where the process ended between the result and the note that there was a look, it is noted now.

        Raises:
            RunError: What was written down of it is damaged, or the look is to be noted while another process
                works on the concept.
        """
        found = read_measurement(self.out)
        if found is not None and self.version not in self.concept.blind_looks:
            with self.folder.writing():
                note_look(self.folder, self.version)
        return found

    def build(self) -> BuildResult:
        """See `abuild`; not for a running event loop."""
        return run_here(self.abuild(), "build")

    async def abuild(self) -> BuildResult:
        """Build the classifier, or go on with a build that was stopped; a finished one is not built again.

        Raises:
            RunError: Another process works on the concept, or this version was measured and something that
                decides what comes of a build has changed since.
            InputError: There is too little to learn from.
            EndpointError: A model cannot be asked; what was judged is kept.
            LimitReached: A limit was reached; what was judged is kept.
        """
        async with self._tools() as tools:
            kept = BuildSettings(setup=self.setup.settled(), options=self.options)
            RunFolder(self.out).write(SETTINGS, kept)
            built = await run_build(self._context(tools, await self._looking(tools)))
            tools.conclude("built")
            return built

    def estimate(self) -> CallEstimate:
        """See `aestimate`; not for a running event loop."""
        return run_here(self.aestimate(), "estimate")

    async def aestimate(self) -> CallEstimate:
        """What the build would ask; asks nothing and writes nothing down.

        Raises:
            RunError: Another process works on the concept.
            FieldmarkError: A model or the pool cannot be used.
        """
        async with self._tools() as tools:
            context = self._context(tools, await self._looking(tools, asking=False))
            found = await estimated(context, llm=tools.llm, judge=tools.judge)
            return with_choosing(found, context, judge=tools.judge)

    def check_before_look(self) -> None:
        """Say now, and without loading a model, why the blind test cannot be looked at.

        Raises:
            RunError: Nothing is built, or the test was looked at for this version and its result is gone.
            InputError: Too few blind labels.
        """
        if self.measured is None:
            check_before_look(self.concept, self.version, self.out)

    def evaluate(self, *, base_url: str | None = None) -> Measurement:
        """See `aevaluate`; not for a running event loop."""
        return run_here(self.aevaluate(base_url=base_url), "evaluate")

    async def aevaluate(self, *, base_url: str | None = None) -> Measurement:
        """Measure the classifier on the blind test, once; what was measured before is read.

        The models and options are those of its build. Beside it stand its annotator, the concept's name alone
        and a head on the owner's labels alone.

        Args:
            base_url: The endpoint, where it is another by now.

        Raises:
            RunError: Nothing is built, or labels, costs, options or models changed since, or the test was
                looked at for this version and its result is gone, or another process works on the concept.
            InputError: Too few blind labels.
            EndpointError: The annotator cannot be asked; the test was not looked at.
            LimitReached: A limit was reached; the test was not looked at.
        """
        if (known := self.measured) is not None:
            return known
        self.check_before_look()
        as_built = self._as_built(base_url)
        async with as_built._tools() as tools:
            measured = await measure(as_built._context(tools, await as_built._looking(tools)))
            tools.conclude("measured")
            return measured

    def estimate_look(self, *, base_url: str | None = None) -> CallEstimate:
        """See `aestimate_look`; not for a running event loop."""
        return run_here(self.aestimate_look(base_url=base_url), "estimate_look")

    async def aestimate_look(self, *, base_url: str | None = None) -> CallEstimate:
        """What `evaluate` would ask; asks nothing, and is no look at the blind test.

        Raises:
            RunError: Nothing is built, or another process works on the concept.
            FieldmarkError: A model or the pool cannot be used, or there are too few blind labels.
        """
        self.check_before_look()
        as_built = self._as_built(base_url)
        async with as_built._tools() as tools:
            context = as_built._context(tools, await as_built._looking(tools, asking=False))
            found = estimated_look(context, judge=tools.judge)
            return with_choosing(found, context, judge=tools.judge)

    def _as_built(self, base_url: str | None) -> Self:
        """This version with the models and options of its build."""
        kept = self._kept()
        setup = kept.setup.changed(llm=None, vlm=None, base_url=base_url)
        return replace(self, setup=setup, options=kept.options)

    def export(self, out: Path | str) -> ExportedClassifier:
        """Copy the classifier into a folder that stands alone, and check every file of the copy.

        Without the package `onnx` the copy has no `head.onnx`; its model card says so.

        Args:
            out: A folder that is not there, is empty, or holds an export of this concept, which is replaced.

        Raises:
            RunError: Nothing is built, or a file of it is damaged.
            InputError: The folder holds something else, or cannot be written.
        """
        if self.built is not None:
            self._config(with_onnx=True)
        return export_version(self.folder, self.version, Path(out), measured=self.measured)

    def keep_threshold(self, threshold: float, *, why: str = "") -> BuildResult:
        """Have it call images in from another probability on; see `agents.build.threshold.keep_threshold`."""
        return keep_threshold(self.folder, self.version, threshold, why=why)

    async def aexport(self, out: Path | str) -> ExportedClassifier:
        """See `export`; for a running event loop."""
        return await asyncio.to_thread(self.export, out)

    def _config(self, *, with_onnx: bool = False) -> HeadConfig:
        try:
            return add_onnx(self.out) if with_onnx else read_config(self.out)
        except InputError as error:
            raise RunError(
                error.message, hint="Build it again: `ConceptBuilder.build`, or `fieldmark concept build`."
            ) from error

    def _kept(self) -> BuildSettings:
        try:
            return BuildSettings.model_validate_json(read_bytes(self.out / SETTINGS))
        except (OSError, ValidationError) as error:
            raise RunError(
                f"{self.out / SETTINGS} cannot be read.",
                hint="Build it again: `ConceptBuilder.build`, or `fieldmark concept build`.",
            ) from error

    def _tools(self) -> AbstractAsyncContextManager[ConceptTools]:
        return open_tools(
            self.folder,
            self.setup,
            models=self.models,
            api_key=self.api_key,
            limits=self.limits,
            cache=self.cache,
            home=self.home,
            words=self.options.words,
            progress=self.progress,
        )

    async def _looking(self, tools: ConceptTools, *, asking: bool = True) -> ComparedLooks | None:
        """The annotator as the options want it to look; the dearest way where that is not to be asked now."""
        looks = self.options.looks
        if looks == "once":
            return None
        if tools.vlm is None:
            raise InputError(
                "CLIP judges by captions of the clauses: it cannot look otherwise.",
                hint="Have a vision-language model judge, or leave this out.",
                field="looks",
            )
        check_look(self.options.words, looks)
        looks = "samples" if looks == "choose" and not asking else looks
        definition = self.concept.versions[self.version - 1].definition
        return await annotator_looking(tools.vlm, looks, self.concept, definition, tools.pool)

    def _context(self, tools: ConceptTools, looking: ComparedLooks | None = None) -> BuildContext:
        return BuildContext(
            folder=self.folder,
            version=self.version,
            out=self.out,
            pool=tools.pool,
            encoder=tools.encoder,
            annotator=looking.annotator if looking else tools.vlm or _calibrated(tools, self.concept),
            debater=looking.annotator if looking else tools.vlm,
            llm=tools.llm,
            arrays=tools.arrays,
            options=self.options,
            progress=tools.progress,
            checkpoints=checkpoint_server(),
            notes=(*_notes(tools, self.setup.settled(), self.options), *(looking.notes if looking else ())),
        )


def _existing(concept: Concept, version: int | None) -> int:
    """The number of a version that there is.

    Raises:
        InputError: There is none, or none of this number.
    """
    count = len(concept.versions)
    if not count:
        raise InputError(
            f"Concept {concept.name!r} has no definition yet.",
            hint="Talk about it first: `ConceptConversation.chat`, or `fieldmark concept chat`.",
        )
    number = concept.current if version is None else version
    if not 1 <= number <= count:
        raise InputError(
            f"Concept {concept.name!r} has no version {number}.", hint=f"It has versions 1 to {count}."
        )
    return number


def _calibrated(tools: ConceptTools, concept: Concept) -> Annotator:
    """CLIP as annotator, fitted to the owner's labels; the blind test has no part in it."""
    pool = tools.pool
    dev = [
        Labelled(pool.images[pool.row_of[image]], label.value == "in")
        for image, label in sorted(taught_labels(concept, pool).items())
    ]
    return ClipAnnotator(tools.encoder, clip_reference(concept, pool), dev=dev)


def _notes(tools: ConceptTools, setup: ConceptSetup, options: BuildOptions) -> tuple[str, ...]:
    """Who judged the images, and by which words, for whoever reads the card."""
    scripted = (*words_note(options.words), *scripted_notes(setup.llm, setup.vlm))
    if tools.vlm is not None:
        judge = "" if scripted_notes(setup.vlm) else ", a vision-language model"
        return (f"Its training images were judged by `{setup.vlm}`{judge}.", *scripted)
    return (
        f"Its training images were judged by CLIP alone (`{tools.encoder.name}`), which compares them with "
        "captions of the clauses: no vision-language model saw them, nothing was argued about, and the "
        "pictures of instructions.md have no description.",
        *scripted,
    )
