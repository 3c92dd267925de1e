"""The classifier: opens stores and models, runs the resolve graph on images, and resumes runs."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import JsonValue

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.estimate import CallEstimate, estimated
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.resolve.rescoring import load_notebook
from fieldmark.agents.resolve.run import run_resolve
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.beforehand import check_asks
from fieldmark.app.book_labels import book_labels
from fieldmark.app.by_method.choice import MethodChoice
from fieldmark.app.by_method.folder import asks_questions, check_estimate, images_beside, label_by_method
from fieldmark.app.checks import check_book, check_calibration, check_ended, check_labels, check_loop
from fieldmark.app.circumstances.given import Circumstanced
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import Images, check_classes, find_given, images_hash, names_given, names_of
from fieldmark.app.labels import Labels, label_counts, label_numbers, read_labels
from fieldmark.app.models import ChosenModels, choose_models, lacks_vlm
from fieldmark.app.noun import Settled, settle_noun
from fieldmark.app.resolution import UNANSWERED, Resolution, run_counts
from fieldmark.app.resuming import arguments_of
from fieldmark.app.stores import Stores, asked_model, asked_vlm, name_of, open_llm, open_stores
from fieldmark.app.tree import ASK, GivenTree, check_tree, settle_tree
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import PromptBook, RunManifest, Usage, UsageLimits
from fieldmark.tools.clip.encoder import Encoder, scoring_identity
from fieldmark.tools.images.files import FoundImages, ImageFile, given_list
from fieldmark.tools.images.given_paths import as_text
from fieldmark.tools.images.in_memory import COPIES, keep_copies
from fieldmark.tools.llm.chat import ChatModel, LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import append_labels, labels_hash, read_given
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import open_run
from fieldmark.tools.runs.unchanged import check_unchanged

KIND = "classify"


@checked_arguments
@dataclass(kw_only=True)
class Classifier(Circumstanced, MethodChoice):
    """Tells look-alike classes apart, by the loop or by another method (see `MethodChoice`).

    What no pixel shows it can be told, too: see `Circumstanced`.

    Args:
        classes: The class names.
        clip: An `Encoder`; or the name of a CLIP model: "MODEL:PRETRAINED", "hf-hub:…", a folder, "aviary".
        llm: A `LanguageModel`; or the name of one at the endpoint. None asks nothing (names or book only).
        base_url: The endpoint; `OPENAI_BASE_URL` where not given.
        api_key: Its key; `OPENAI_API_KEY` where not given.
        vlm: A vision-language model, or its name, for the images that the loop leaves open; None for none.
        vlm_base_url: Its endpoint; that of the language model where not given.
        vlm_api_key: Its key; `FIELDMARK_VLM_API_KEY`, or at the same endpoint the language model's.
        noun: The generic word for all classes; asked of the language model where not given.
        book: Prompts to start from instead of asking for descriptors.
        tree: Child → parent, a file of such rows, or "ask" for the language model's groups: for open images.
        options: The choices of the loop.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer, or leave it "off".
        calibration: A folder of labelled images, one folder per class, for conformal candidates.
        labels: What people said of images, for the evidence rule: a CSV file, a folder per class, a mapping.
        asks: False asks no model anything: an earlier run is scored anew with what it knows.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Whether the run is to have a report. None is written here, but a resumed run keeps the choice.
        progress: Called with progress events.
        images: The images that `resolve` and `estimate` look at where they are given none.
        earlier: The run to go on with; see `from_run`.
    """

    classes: Sequence[str]
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    vlm: LanguageModel | str | None = None
    vlm_base_url: str | None = None
    vlm_api_key: str | None = field(default=None, repr=False)
    noun: str | None = None
    book: PromptBook | None = None
    tree: GivenTree = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: Literal["use", "refresh", "off"] = "use"
    calibration: Path | str | None = None
    labels: Labels | None = None
    asks: bool = True
    device: str | None = None
    home: Path | None = None
    out: Path = Path("runs")
    report: bool = True
    progress: Progress = no_progress
    images: Images | None = field(default=None, repr=False)
    earlier: RunFolder | None = None

    def __post_init__(self) -> None:
        self.classes = check_classes(self.classes)
        self.tree = check_tree(self.tree, self.classes)
        self.check_method(asks=self.asks)
        if self.earlier is None:  # the run that is gone on with keeps what it was told
            self.check_circumstances(self.method, self.options, self.classes)
        if not self.by_method:
            check_loop(self.options, has_book=self.book is not None, calibrated=self.calibration is not None)
            check_labels(self.options, labelled=self.labels is not None)
        if self.vlm_base_url and not self.vlm:
            raise lacks_vlm()
        # Told here, not after an hour of encoding, by which time the graph would tell it.
        if self.book and self._started_options().start == "book":
            check_book(self.book, self.classes)

    def resolve(self, images: Images | None = None, *, resume: str | None = None) -> Resolution:
        """Classify images; see `aresolve`. Not to be called from a running event loop."""
        return run_here(self.aresolve(images, resume=resume), "resolve")

    async def aresolve(self, images: Images | None = None, *, resume: str | None = None) -> Resolution:
        """Classify images until each is resolved or honestly left open.

        Args:
            images: Files, folders, PIL images, arrays uint8 `[H, W, 3]` in RGB, or any mix of them in a list.
                The classifier's own where not given; that of `from_run` knows those of its run.
            resume: Id of an earlier run to go on with, in the same `out`, of the same images and arguments
                that decide. It keeps its models; those named here win. Else the run of `from_run`.

        Returns:
            One result for each image given, a folder's by name, with the run's manifest and folder. An image
            in memory is called by its place, `images[2]`.

        Raises:
            NoImagesError: No usable image.
            RunError: The run to go on with is not there, or was started with something else.
            EndpointError: The language model could not be asked anything at all.
            FieldmarkError: Anything else that was wrong; its message says what to do.
        """
        images = given_list(self._images(images))  # once: a generator can be read only once
        found, calibration = self._find(images)
        names, beside = names_of(found), images_beside(self, found.images)
        calibration = (*calibration, *beside.images)
        earlier = RunFolder.open(self.out, resume, kind=KIND) if resume else self.earlier
        if earlier:
            now = {**self._hashes(found, calibration), **self._deciding()}
            check_unchanged(earlier, now, images=found.images)
        check_ended(earlier, asks=self.asks)
        known = self.settle_circumstances(found.images, self.classes, earlier)
        own, notes = None if self.by_method else self.labels, list(beside.notes)
        labels = read_labels(own, found.images, self.classes, notes=notes)
        of_book = book_labels(None if self.by_method else self.book, found.images, self._started_options())
        chosen = self._chosen(earlier)
        with open_stores(self.home) as stores:
            async with self._model(stores, chosen) as llm, self._vlm(stores, chosen, llm) as vlm:
                encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device, kept=chosen)
                now = {**self._hashes(found, calibration), "encoder": scoring_identity(encoder)}
                if earlier:
                    check_unchanged(earlier, now)
                await stores.try_checkpoints(new=earlier is None and not self.by_method)
                # Only now: what is missing is said before a folder is made for a run that cannot be.
                with open_run(
                    earlier,
                    parent=self.out,
                    kind=KIND,
                    options={**self._config(images, chosen, llm, vlm), **now},
                    progress=self.progress,
                ) as opened:
                    run, stopped = opened.folder, opened.stopped
                    keep_copies(found.images, run.path / COPIES)
                    known.keep(run)
                    append_labels(run, labels)
                    labels = read_given(run, self.classes)
                    said = labels_hash(labels)
                    scripted = scripted_notes(llm.model if llm else None, name_of(self.vlm))
                    before = stopped.language_model if stopped and not llm else None

                    def conclude(stop_reason: str, counts: dict[str, int]) -> RunManifest:
                        return write_manifest(
                            run,
                            encoder,
                            images=found.images,
                            language_model=describe_model(llm) if before is None else before,
                            prompts=prompt_hashes(self.options.words),
                            usage=llm.usage if llm else Usage(),
                            vision_model=describe_model(vlm) if vlm else {},
                            vision_usage=vlm.usage if vlm else Usage(),
                            stop_reason=stop_reason,
                            counts=counts,
                            labels_hash=said,
                            skipped=found.skipped,
                            passed_over=found.passed_over,
                            earlier=stopped,
                            notes=(*opened.uncounted, *notes, *scripted),
                        )

                    if self.asks:  # scoring an ended run anew that fails leaves it as it had ended
                        opened.stopping = lambda reason: conclude(reason, {})
                    noun = await self._noun(llm, run)
                    if self.by_method:
                        made = await label_by_method(
                            self,
                            found.images,
                            beside,
                            noun=noun.noun,
                            encoder=encoder,
                            llm=llm,
                            vlm=vlm,
                            run=run,
                        )
                        notes += filter(None, (noun.note, *made.notes))
                        manifest = conclude("labelled", made.counts)
                        return Resolution(tuple(run.read_predictions()), manifest, run.path, names)
                    tree, lost = await settle_tree(self.tree, self.classes, noun=noun.noun, llm=llm, run=run)
                    notes += filter(None, (noun.note, lost, of_book.note))
                    context = ResolveContext(
                        classes=tuple(self.classes),
                        images=found.images,
                        encoder=encoder,
                        llm=llm,
                        vlm=vlm,
                        arrays=ArrayStore(run.path / "arrays"),
                        run=run,
                        options=self._started_options().model_copy(update={"noun": noun.noun}),
                        book=self.book,
                        tree=tree,
                        labels={**of_book.pool, **label_numbers(labels, self.classes)},
                        calibration=calibration or of_book.beside,
                        judges=of_book.judges,
                        **known.for_loop,
                        progress=self.progress,
                        memory=stores.pool_memory,
                        checkpoints=stores.checkpoints,
                    )
                    state = await run_resolve(context)
                    reason = state.stop_reason or "no_progress"
                    complaint = load_notebook(state.notebook, context).complaint
                    if complaint and reason not in ("budget", "endpoint"):
                        reason = "unanswered"
                        notes.append(f"{UNANSWERED} The first complaint: {complaint}")
                    notes += known.notes(context.rule, state.history[-1].views)
                    asked_vlm = vlm is not None and (vlm.usage.requests > 0 or vlm.usage.cached > 0)
                    predictions = tuple(run.read_predictions())
                    counts = (
                        run_counts(state, predictions) | label_counts(labels) | of_book.counts | known.counts
                    )
                    ended = stopped and (stopped.stop_reason, stopped.counts, stopped.labels_hash)
                    as_it_was = ended == (reason, counts, said)
                    if stopped and as_it_was and not asked_vlm and not encoder.usage.distinct_texts:
                        return Resolution(predictions, stopped, run.path, names)
                    manifest = conclude(reason, counts)
        return Resolution(predictions, manifest, run.path, names)

    def estimate(self, images: Images | None = None) -> CallEstimate:
        """What classifying these images would ask; see `aestimate`. Not for a running event loop."""
        return run_here(self.aestimate(images), "estimate")

    async def aestimate(self, images: Images | None = None) -> CallEstimate:
        """What classifying these images would ask; asks nothing and leaves no run behind. See `aresolve`."""
        found, _ = self._find(self._images(images))
        self.settle_circumstances(found.images, self.classes, self.earlier)
        chosen, options = self._chosen(None), self._started_options()
        if self.by_method:
            options = check_estimate(self)
        with open_stores(self.home) as stores:
            async with self._model(stores, chosen) as llm, self._vlm(stores, chosen, llm) as vlm:
                stores.encoder_of(self.clip, chosen.clip, device=chosen.device, kept=chosen)  # is it there?
                noun = self.noun or (self.book.noun if self.book else None)
                told = await estimated(
                    tuple(self.classes), len(found.images), noun=noun, options=options, llm=llm, vlm=vlm,
                    groups=self.tree == ASK, limits=self.limits,
                )  # fmt: skip
        beside = {"skipped": found.skipped, "passed_over": dict(found.passed_over)}
        return told.model_copy(update=beside)

    def _model(self, stores: Stores, chosen: ChosenModels) -> AbstractAsyncContextManager[AskedModel | None]:
        options = self._started_options()
        by_loop = options.start == "descriptors" or options.max_rounds > 0 or self.tree == ASK
        asks = self.asks and (asks_questions(self) if self.by_method else by_loop)
        check_asks(chosen, asks=asks, by=self.method)
        if not asks or chosen.llm is None:
            return nullcontext()
        opened = partial(
            open_llm,
            chosen.llm,
            stores.answers,
            base_url=chosen.base_url,
            api_key=self.api_key,
            limits=self.limits,
            cache=self.cache,
        )
        return asked_model(self.llm, self.limits, opened)

    def _vlm(
        self, stores: Stores, chosen: ChosenModels, llm: AskedModel | None
    ) -> AbstractAsyncContextManager[AskedModel | None]:
        return asked_vlm(
            self.vlm if self.asks else None,
            stores,
            beside=llm,
            llm=(chosen.base_url, self.api_key),
            base_url=self.vlm_base_url,
            api_key=self.vlm_api_key,
            limits=self.limits,
            cache=self.cache,
        )

    async def _noun(self, llm: AskedModel | None, run: RunFolder) -> Settled:
        given, plain = self.noun or (self.book.noun if self.book else None), self.options.noun
        return await settle_noun(
            tuple(self.classes), given=given, plain=plain, llm=llm, run=run, progress=self.progress
        )

    def _started_options(self) -> ResolveOptions:
        if self.book is not None and self.options.start == "descriptors":
            return self.options.model_copy(update={"start": "book"})
        return self.options

    def _images(self, given: Images | None) -> Images:
        images = self.images if given is None else given
        if images is None:
            raise InputError("No images were given.", hint="Give paths, folders, or images.", field="images")
        return images

    def _find(self, images: Images) -> tuple[FoundImages, tuple[ImageFile, ...]]:
        """The images, and the calibration images with their labels, checked."""
        found = find_given(images)
        given = find_given(self.calibration, labelled=True).images if self.calibration else ()
        check_calibration(given, found.images, classes=self.classes, options=self.options)
        return found, given

    def _chosen(self, earlier: RunFolder | None) -> ChosenModels:
        return choose_models(
            earlier.config.options if earlier else None,
            clip=name_of(self.clip),
            device=self.device,
            llm=name_of(self.llm),
            base_url=self.base_url,
        )

    def _hashes(self, found: FoundImages, calibration: Sequence[ImageFile]) -> dict[str, JsonValue]:
        return {"images_hash": images_hash(found.images), "calibration_hash": images_hash(calibration)}

    def _deciding(self) -> dict[str, JsonValue]:
        """The arguments that decide what a run answers, as its configuration holds them."""
        return {
            "classes": list(self.classes),
            "noun": self.noun,
            "book": self.book.model_dump(mode="json") if self.book else None,
            "options": self.options.model_dump(mode="json"),
            "tree": check_tree(self.tree, self.classes),
            "method": self.method,
            **self.stated_circumstances(),
        }

    def _config(
        self, images: Images, chosen: ChosenModels, llm: AskedModel | None, vlm: AskedModel | None
    ) -> dict[str, JsonValue]:
        return {
            "images": list(names_given(images)),
            "folder": as_text(Path.cwd()),
            **self._deciding(),
            **self.stated_method(),
            **chosen.encoder_kept(),
            "llm": chosen.llm,
            # In normal form, which holds no password.
            "base_url": llm.endpoint.url if isinstance(llm, ChatModel) else None,
            "vlm": name_of(self.vlm),
            "vlm_base_url": vlm.endpoint.url if isinstance(vlm, ChatModel) else None,
            "limits": self.limits.model_dump(mode="json"),
            "cache": self.cache,
            "calibration": str(Path(self.calibration).resolve()) if self.calibration else None,
            "report": self.report,
        }

    @classmethod
    @checked_arguments
    def from_run(cls, run_id: Path | str, *, out: Path | str = Path("runs"), **changed: Any) -> Self:
        """The classifier of an earlier run, to go on with it: `resolve()` and `aresolve()` do.

        Args:
            run_id: The run's id, or its folder.
            out: Where run folders are.
            changed: Arguments that differ from then, e.g. `limits`.
        """
        run = RunFolder.open(out, run_id, kind=KIND)
        return cls(**{**arguments_of(run), **changed}, out=run.path.parent, earlier=run)
