"""The classifier: opens stores and models, runs the resolve graph on images, and resumes runs.

It knows nothing of commands and terminals; the graphs know nothing of it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import JsonValue

from fieldmark.agents.context import Report, ResolveContext, say_nothing
from fieldmark.agents.estimating import Estimate, first_look, most_follow_ups
from fieldmark.agents.options import ResolveOptions
from fieldmark.agents.running import run_resolve
from fieldmark.app.inputs import check_classes, images_hash
from fieldmark.app.resolution import Resolution
from fieldmark.app.stores import Stores, open_llm, open_stores
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import ByteStore, MemoryByteStore
from fieldmark.errors import (
    ClassNamesError,
    FieldmarkError,
    InputError,
    QuestionFailed,
    RunError,
    SettingsError,
)
from fieldmark.evals.manifest import describe_model, write_manifest
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Limits, PromptBook, Record, RunManifest, Usage
from fieldmark.settings import read_settings
from fieldmark.tools.images import Found, find_images
from fieldmark.tools.llm import ChatModel
from fieldmark.tools.run_folder import RunFolder

SETTLED = "settled.json"
RESUMED = "Resumed after a kill: the usage counts the last process alone."


class Settled(Record):
    """What a run asked before its loop began, kept for when it is resumed."""

    noun: str


@dataclass(kw_only=True)
class Classifier:
    """Tells look-alike classes apart.

    Args:
        classes: The class names.
        clip: The CLIP model: "MODEL:PRETRAINED", "hf-hub:…", a folder, or "aviary".
        llm: The language model's name at the endpoint; None asks nothing (names or book only).
        base_url: The endpoint; `OPENAI_BASE_URL` where not given.
        api_key: Its key; `OPENAI_API_KEY` where not given.
        noun: The generic word for all classes; asked of the language model where not given.
        book: Prompts to start from instead of asking for descriptors.
        options: The choices of the loop.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer, or leave it "off".
        calibration: A folder of labelled images, one folder per class, for conformal candidates.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Called with progress events.
    """

    classes: Sequence[str]
    clip: str | None = None
    llm: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    noun: str | None = None
    book: PromptBook | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    limits: Limits = field(default_factory=Limits)
    cache: Literal["use", "refresh", "off"] = "use"
    calibration: Path | str | None = None
    device: str | None = None
    home: Path | None = None
    out: Path = Path("runs")
    report: Report = say_nothing

    def __post_init__(self) -> None:
        self.classes = check_classes(self.classes)
        if self.options.start == "book" and self.book is None:
            raise InputError(
                "A run that starts from a prompt book needs one.", hint="Give it with --book FILE."
            )
        # Told here, not after an hour of encoding, by which time the graph would tell it.
        if self.book and self._started_options().start == "book" and self.book.classes != self.classes:
            raise ClassNamesError(
                f"The prompt book does not fit the classes: {_misfit(self.book.classes, self.classes)}.",
                hint="Leave --classes out to take them from the book.",
            )

    def resolve(self, images: Sequence[Path | str] | Path | str, *, resume: str | None = None) -> Resolution:
        """Classify images; see `aresolve`. Not to be called from a running event loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.aresolve(images, resume=resume))
        raise InputError(
            "resolve() was called inside a running event loop.", hint="Use `await aresolve(…)` there."
        )

    async def aresolve(
        self, images: Sequence[Path | str] | Path | str, *, resume: str | None = None
    ) -> Resolution:
        """Classify images until each is resolved or honestly left open.

        Args:
            images: Files and folders.
            resume: Id of an earlier run to go on with, in the same `out`.

        Returns:
            The predictions, with the run's manifest and folder.

        Raises:
            NoImagesError: No usable image.
            EndpointError: The language model could not be asked anything at all.
            FieldmarkError: Anything else that was wrong; its message says what to do.
        """
        found = find_images(images)
        earlier = RunFolder.open(self.out, resume) if resume else None
        if earlier:
            self._check_same_images(earlier, found)
        settings = read_settings()
        with open_stores(self.home) as stores:
            async with self._model(stores) as llm:
                encoder = stores.encoder(self.clip or settings.clip, device=self.device or settings.device)
                calibration = self._calibration_images()
                # Only now: whatever is missing is told before a folder is made for a run that cannot be.
                run = earlier or RunFolder.create(
                    self.out, kind="classify", options=self._config(images, found)
                )
                self.report("run", {"id": run.run_id, "path": str(run.path)})
                context = ResolveContext(
                    classes=tuple(self.classes),
                    images=found.images,
                    encoder=encoder,
                    llm=llm,
                    arrays=ArrayStore(run.path / "arrays"),
                    run=run,
                    options=await self._settled_options(llm, run),
                    book=self.book,
                    calibration=calibration,
                    report=self.report,
                )
                stopped = earlier_manifest(run)
                state = await run_resolve(context)
                if stopped and stopped.stop_reason == state.stop_reason and not encoder.usage.distinct_texts:
                    return Resolution(tuple(run.read_predictions()), stopped, run.path)
                last = state.history[-1]
                manifest = write_manifest(
                    run,
                    context.encoder,
                    images=found.images,
                    language_model=describe_model(llm),
                    usage=llm.usage if llm else Usage(),
                    stop_reason=state.stop_reason or "no_progress",
                    counts={
                        "resolved": last.resolved,
                        "open": last.open,
                        "rejected": last.rejected,
                        "rounds": state.round,
                        "questions": last.questions,
                    },
                    skipped=found.skipped,
                    earlier=stopped,
                    notes=(RESUMED,) if earlier and not stopped else (),
                )
        return Resolution(tuple(run.read_predictions()), manifest, run.path)

    def estimate(self, images: Sequence[Path | str] | Path | str) -> Estimate:
        """What classifying these images would ask; asks nothing and leaves no run behind.

        Raises:
            FieldmarkError: What was given cannot be used.
        """
        found = find_images(images)

        async def look() -> Estimate:
            with open_stores(self.home) as stores:
                async with self._model(stores) as llm:
                    options = self._started_options()
                    noun = self.noun or (self.book.noun if self.book else None)
                    counts, known = await first_look(self.classes, noun=noun, options=options, llm=llm)
            return Estimate(
                images=len(found.images),
                classes=len(self.classes),
                model=llm.model if llm else None,
                noun=known,
                first_look=counts,
                follow_up_most=most_follow_ups(len(self.classes), options, images=len(found.images)),
                skipped=found.skipped,
            )

        return asyncio.run(look())

    @asynccontextmanager
    async def _model(self, stores: Stores) -> AsyncIterator[ChatModel | None]:
        answers: ByteStore = MemoryByteStore() if self.cache == "off" else stores.answers
        name = self.llm or read_settings().llm
        if name is None:
            if self._started_options().start == "descriptors" or self.options.max_rounds:
                raise SettingsError(
                    "No language model is named.",
                    hint="Give --llm MODEL (or FIELDMARK_LLM); or ask nothing: --start names --max-rounds 0.",
                )
            yield None
            return
        async with open_llm(
            name,
            answers,
            base_url=self.base_url,
            api_key=self.api_key,
            limits=self.limits,
            cache=self.cache,
        ) as llm:
            yield llm

    async def _settled_options(self, llm: ChatModel | None, run: RunFolder) -> ResolveOptions:
        """The options with the generic noun: as given, from the book, asked, or "object".

        What was asked is settled for the run: another noun after a resume would ask everything anew.
        """
        options = self._started_options()
        noun = self.noun or (self.book.noun if self.book else None)
        if noun is None and (run.path / SETTLED).is_file():
            noun = run.read(SETTLED, Settled).noun
        elif noun is None and llm is not None:
            try:
                noun = (await llm.ask(ask_noun(tuple(self.classes)[:50]))).value.noun
            except QuestionFailed as error:
                noun = options.noun
                self.report("noun", {"failed": str(error)})
            except FieldmarkError as error:
                self.report("noun", {"failed": str(error)})
            if noun is not None:
                run.write(SETTLED, Settled(noun=noun))
        return options.model_copy(update={"noun": noun or options.noun})

    def _started_options(self) -> ResolveOptions:
        if self.book is not None and self.options.start == "descriptors":
            return self.options.model_copy(update={"start": "book"})
        return self.options

    def _calibration_images(self) -> tuple[Any, ...]:
        if self.calibration is None:
            return ()
        return find_images(self.calibration, labels_from_folders=True).images

    def _config(self, images: Sequence[Path | str] | Path | str, found: Found) -> dict[str, JsonValue]:
        paths = [images] if isinstance(images, str | Path) else list(images)
        return {
            "images": [str(path) for path in paths],
            "folder": str(Path.cwd()),
            "images_hash": images_hash(found),
            "classes": list(self.classes),
            "clip": self.clip,
            "llm": self.llm,
            "base_url": self.base_url,
            "noun": self.noun,
            "book": self.book.model_dump(mode="json") if self.book else None,
            "options": self.options.model_dump(mode="json"),
            "limits": self.limits.model_dump(mode="json"),
            "cache": self.cache,
            "calibration": str(Path(self.calibration).resolve()) if self.calibration else None,
            "device": self.device,
        }

    def _check_same_images(self, run: RunFolder, found: Found) -> None:
        if run.config.options.get("images_hash") != images_hash(found):
            raise RunError(
                f"The images are not those that run {run.run_id} was started with.",
                hint="Restore them, or start a new run: what was paid for comes from the cache.",
            )

    @classmethod
    def from_run(cls, run_id: str, *, out: Path = Path("runs"), **changed: Any) -> tuple[Self, list[str]]:
        """The classifier and the image paths of an earlier run, to go on with it.

        Args:
            run_id: The run's id, or its folder.
            out: Where run folders are.
            changed: Arguments that differ from then, e.g. `limits`.
        """
        run = RunFolder.open(out, run_id)
        if run.config.kind != "classify":
            raise RunError(f"Run {run_id} is no classification but {run.config.kind!r}.")
        kept = dict(run.config.options)
        images = [str(path) for path in kept.pop("images")]  # pyright: ignore
        folder = Path(str(kept.pop("folder")))
        if folder != Path.cwd():
            images = [str(folder / path) for path in images]
        kept.pop("images_hash")
        book = kept.pop("book")
        arguments: dict[str, Any] = {
            **kept,
            "book": PromptBook.model_validate(book) if book else None,
            "options": ResolveOptions.model_validate(kept["options"]),
            "limits": Limits.model_validate(kept["limits"]),
            "out": run.path.parent,
            **changed,
        }
        return cls(**arguments), images


def earlier_manifest(run: RunFolder) -> RunManifest | None:
    """The manifest of a run that stopped before; None where it is new or was killed."""
    return run.read("manifest.json", RunManifest) if (run.path / "manifest.json").is_file() else None


def _misfit(book: Sequence[str], classes: Sequence[str]) -> str:
    """In what a book's classes differ from the run's."""
    listed, asked = set(book), set(classes)
    parts = [
        f"{word} {', '.join(map(repr, names[:3]))}{' and others' if len(names) > 3 else ''}"
        for word, names in (
            ("it lacks", [name for name in classes if name not in listed]),
            ("it has besides", [name for name in book if name not in asked]),
        )
        if names
    ]
    return "; ".join(parts) or "they come in another order"
