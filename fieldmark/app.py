"""Puts things together: reads settings, opens stores and models, runs the graphs; holds `Classifier`.

It knows nothing of commands and terminals; the graphs know nothing of it.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import JsonValue, ValidationError

from fieldmark.agents.context import Report as Report
from fieldmark.agents.context import ResolveContext, say_nothing
from fieldmark.agents.estimating import Estimate, first_look, most_follow_ups
from fieldmark.agents.options import ResolveOptions
from fieldmark.agents.running import run_resolve
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.bytestore import ByteStore, DiskByteStore, MemoryByteStore, open_byte_store
from fieldmark.cache.inventory import open_vector_stores
from fieldmark.cache.keys import content_key
from fieldmark.cache.vectorstore import DiskVectorStore, VectorStore, open_vector_store
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
from fieldmark.records import Limits, Prediction, Price, PromptBook, Record, RunManifest, Skipped, Usage
from fieldmark.settings import Settings
from fieldmark.settings import read_settings as read_settings
from fieldmark.tools.clip import ClipEncoder, open_encoder
from fieldmark.tools.images import Found, find_images
from fieldmark.tools.llm import ChatModel
from fieldmark.tools.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from fieldmark.agents.resolve import ResolveGraph

MOST_CLASSES = 10_000
SETTLED = "settled.json"


class Settled(Record):
    """What a run asked before its loop began, kept for when it is resumed."""

    noun: str


class Stores(AbstractContextManager["Stores"]):
    """Everything Fieldmark keeps between runs, under one folder: answers, vectors, aviary pictures.

    Args:
        home: The folder; made on first use.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._closing = ExitStack()
        self._answers: DiskByteStore | None = None

    @property
    def answers(self) -> DiskByteStore:
        """Answers of language models."""
        if self._answers is None:
            self._answers = self._closing.enter_context(open_byte_store(self.home / "answers"))
        return self._answers

    @property
    def aviary(self) -> Path:
        """Rendered pictures of the aviary."""
        return self.home / "aviary"

    def vectors(self, identity: str, width: int) -> VectorStore:
        """The vector store of one encoder."""
        folder = self.home / "vectors" / identity[:32]
        return self._closing.enter_context(open_vector_store(folder, width=width))

    def all_vectors(self) -> list[DiskVectorStore]:
        """The vector stores of all encoders so far."""
        found = open_vector_stores(self.home / "vectors")
        return [self._closing.enter_context(store) for store in found]

    def clear_aviary(self) -> None:
        """Remove the rendered pictures."""
        if self.aviary.exists():
            shutil.rmtree(self.aviary)

    def encoder(self, spec: str, *, device: str = "auto") -> ClipEncoder:
        """Open a CLIP model whose vectors are kept here."""
        return open_encoder(spec, vectors=self.vectors, metadata=self.answers, device=device)

    def __exit__(self, *_: object) -> None:
        self._closing.close()


def open_stores(home: Path | None = None) -> Stores:
    """The stores under `home`, by default where the settings say."""
    return Stores(home or read_settings().home)


def open_llm(
    model: str,
    store: ByteStore,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    limits: Limits | None = None,
    cache: Literal["use", "refresh", "off"] = "use",
    concurrency: int = 16,
) -> ChatModel:
    """A language model; what is not given comes from the settings."""
    settings = read_settings()
    return ChatModel(
        model,
        base_url=base_url or settings.base_url,
        api_key=api_key or (settings.api_key.get_secret_value() if settings.api_key else None),
        store=store,
        limits=limits,
        price=price_of(settings),
        use_cache=cache != "off",
        refresh=cache == "refresh",
        concurrency=concurrency,
    )


def price_of(settings: Settings) -> Price | None:
    """The configured price; None (unknown) unless both halves are set."""
    if settings.price_prompt is None or settings.price_completion is None:
        return None
    return Price(prompt=settings.price_prompt, completion=settings.price_completion)


def check_classes(names: Sequence[str]) -> tuple[str, ...]:
    """Class names as given, checked.

    Raises:
        ClassNamesError: Fewer than two, more than `MOST_CLASSES`, a blank or a repeated name.
    """
    if len(names) < 2:
        raise ClassNamesError(
            f"{len(names)} class name{'s' * (len(names) != 1)} given; telling apart takes at least two.",
            hint="Give them as --classes 'a,b,c' or as a file with one name a line.",
        )
    if len(names) > MOST_CLASSES:
        raise ClassNamesError(f"{len(names)} class names; at most {MOST_CLASSES} work.")
    if any(not name.strip() for name in names):
        raise ClassNamesError("A class name is blank.", hint="Remove the empty entry.")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ClassNamesError(f"The class {name!r} is listed twice.", hint="Remove one of them.")
        seen.add(name)
    return tuple(names)


@dataclass(frozen=True)
class Resolution(Sequence[Prediction]):
    """What a run found: one prediction per usable image, in the order given.

    Attributes:
        predictions: The predictions.
        manifest: What was run, with what, and why it stopped.
        run: The run's folder.
    """

    predictions: tuple[Prediction, ...]
    manifest: RunManifest
    run: Path

    def __len__(self) -> int:
        return len(self.predictions)

    def __getitem__(self, index: Any) -> Any:
        return self.predictions[index]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    @property
    def usable(self) -> bool:
        """Whether anything came of it: not every image was rejected, nor every question left unanswered."""
        asked = self.manifest.usage
        unanswered = asked.failed > 0 and asked.failed == asked.requests and not asked.cached
        return not unanswered and any(p.status != "rejected" for p in self.predictions)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Image files that were not used, with the reason."""
        return self.manifest.skipped

    def why(self, index: int) -> str:
        """Why an image got its label, in words: the marks that moved it from the runner-up."""
        p = self.predictions[index]
        if not p.marks:
            return f"{p.image}: {p.label} ({p.status}) by the first look alone."
        lines = [f"{p.image}: {p.label} rather than {p.runner_up} ({p.status}, margin {p.margin:+.2f})"]
        for mark in p.marks:
            says = f"{p.label} {mark.label_value}, {p.runner_up} {mark.runner_up_value}; seen: {mark.seen}"
            lines.append(
                f"  {mark.contribution:+.2f}  {mark.attribute}" + (f" ({says})" if mark.seen else "")
            )
        return "\n".join(lines)

    def to_pandas(self) -> "pd.DataFrame":
        """One row an image.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("pandas is not installed.", hint='pip install "fieldmark[pandas]"') from error
        return pd.DataFrame([p.model_dump(exclude={"marks"}) for p in self.predictions])


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
                state = await run_resolve(context)
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
            if self.options.start == "descriptors" or self.options.max_rounds:
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


def images_hash(found: Found) -> str:
    """One hash over the usable images' contents, in order."""
    return content_key([image.content_hash for image in found.images])


def read_class_names(text: str) -> list[str]:
    """Class names from a file with one name a line, or from a comma-separated list.

    Raises:
        ClassNamesError: The file cannot be read.
    """
    path = Path(text)
    is_file = len(text) < 1024 and "\n" not in text and path.is_file()
    if is_file:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ClassNamesError(f"Class names cannot be read from {text!r}: {error}.") from error
        return [line.strip() for line in lines if line.strip()]
    if re.search(r"[\\/]|\.txt$", text) and "," not in text:
        raise ClassNamesError(f"There is no file {text!r} with class names.")
    return [name.strip() for name in text.split(",")]


def read_book(path: Path) -> PromptBook:
    """A prompt book, as a run leaves one behind in `book.json`.

    Raises:
        InputError: The file cannot be read or is no prompt book.
    """
    try:
        return PromptBook.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"The prompt book {str(path)!r} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise InputError(
            f"{str(path)!r} is no prompt book: {error.errors()[0]['msg']}.",
            hint="A run leaves one: book.json.",
        ) from error


def resolve_graph() -> "ResolveGraph":
    """The resolve graph for LangGraph's own tooling; it brings its own checkpointer."""
    from fieldmark.agents.resolve import build_graph

    return build_graph()
