"""Puts a prompt search together: settings, stores, models and images; runs or resumes it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue, ValidationError

from fieldmark.agents.optimize.estimate import estimated
from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.search_run import OptimizeResult, Optimizing, optimize
from fieldmark.agents.shared.estimate import CallEstimate
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.checks import check_folds_fit, check_operators
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import check_classes, read_book, read_class_names
from fieldmark.app.models import ChosenModels, choose_models
from fieldmark.app.noun import Settled, settle_noun
from fieldmark.app.optimize_inputs import read_inputs, read_texts
from fieldmark.app.stores import (
    CacheUse,
    Stores,
    answers_for,
    asked_by_name,
    checkpoint_server,
    name_of,
    open_stores,
)
from fieldmark.cache.keys import content_key
from fieldmark.errors import InputError, RunError
from fieldmark.evals.table.chosen_names import refuse_beside
from fieldmark.evals.table.sources.source import DataSource, Workplace, source_again
from fieldmark.records import PromptBook, UsageLimits
from fieldmark.tools.books.descriptions import GivenTexts
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.datasets.labelled import LabelledImages
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import Run, open_run
from fieldmark.tools.runs.unchanged import UNCHANGED, check_unchanged
from fieldmark.tools.search.folds import check_folds

KIND = "optimize"


@checked_arguments
@dataclass(kw_only=True)
class Optimizer:
    """Finds the prompts that classify best, by a few labelled images a class.

    Args:
        data: The path of a folder with one folder a class, of a list, of a split file, or of a ProAPO dataset
            folder, see `read_inputs`; or a `DataSource`, such as `Aviary`.
        images: Where relative paths of a list start; its own folder where not given.
        classes: The class names; those with images where not given.
        shots: Training images a class; the others are for testing where no split says otherwise.
        book: Prompts to start from instead of asking for descriptors.
        descriptions: Files of descriptions that join the pool; any format that `import_book` reads.
        options: The choices of the search, its seed among them.
        noun: The generic word for all classes; asked, else "object", where not given.
        clip: An `Encoder`, or the name of a CLIP model; the settings' where not given, that of a data source.
        llm: A `LanguageModel`, or the name of one; the settings' where not given. Without one nothing is
            asked.
        base_url: Its endpoint.
        also_clip: Other encoders to measure the book on, as `clip` takes them.
        ceiling: Also search with the test images shown, for a bound to print beside the result.
        limits: The most that may be spent on the language model.
        cache: "use" it, "refresh" every answer, or leave it "off".
        device: "auto", "cpu", "cuda", "mps"; the run's or the settings' where not given.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Whether the run is to have a report. None is written here, but a resumed run keeps the choice.
        progress: Called with progress events.
        earlier: The run to go on with; see `from_run`.
    """

    data: DataSource | Path | str
    images: Path | None = None
    classes: Sequence[str] = ()
    shots: int = 1
    book: PromptBook | None = None
    descriptions: tuple[Path, ...] = ()
    options: OptimizeOptions = field(default_factory=OptimizeOptions)
    noun: str | None = None
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    also_clip: Sequence[Encoder | str] = ()
    ceiling: bool = False
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    device: str | None = None
    home: Path | None = None
    out: Path = Path("runs")
    report: bool = True
    progress: Progress = no_progress
    earlier: RunFolder | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.data, str | Path | DataSource):
            raise InputError(
                f"data is neither a path nor a data source but {self.data!r}.",
                hint="Give a folder, a list, or an object such as Aviary().",
                field="data",
            )
        self.also_clip = tuple(self.also_clip)
        self.classes = check_classes(self.classes) if self.classes else ()

    def run(self) -> OptimizeResult:
        """Search, or go on searching; see `arun`. Not to be called from a running event loop."""
        return run_here(self.arun(), "run")

    async def arun(self) -> OptimizeResult:
        """Search, or go on searching, and measure what was found on the test images, once.

        Returns:
            What was found; the prompt book, `book.json`, lies in the folder that `run` names.

        Raises:
            InputError: What was given cannot be used.
            ModelError: A CLIP model is unknown, missing or damaged; those of `also_clip` are tried first.
            NoImagesError: No training image is usable.
            FieldmarkError: A limit or the endpoint stopped the run; `from_run` goes on with it.
        """
        check_folds_fit(self.options.folds, self.shots)
        with open_stores(self.home) as stores:
            await stores.try_checkpoints(new=self.earlier is None)
            if isinstance(self.data, str | Path):
                return await self._own(Path(self.data), stores)
            return await self._made(self.data, stores)

    def estimate(self) -> CallEstimate:
        """What the search would ask; see `aestimate`. Not to be called from a running event loop."""
        return run_here(self.aestimate(), "estimate")

    async def aestimate(self) -> CallEstimate:
        """What the search would ask; asks and encodes nothing. A data source draws its images.

        Raises:
            FieldmarkError: What was given cannot be used.
        """
        check_folds_fit(self.options.folds, self.shots)
        with open_stores(self.home) as stores:
            if isinstance(self.data, str | Path):
                found, given = self._inputs(Path(self.data))
                chosen = self._chosen()
                self._encoders(stores, chosen)
                noun = self.noun or (self.book.noun if self.book else None)
                async with self._model(stores, chosen) as llm:
                    return await estimated(found, noun=noun, options=self.options, given=given, llm=llm)
            source = self.data
            given, chosen = self._made_inputs(source)
            self._encoders(stores, chosen)
            async with source.training_data(self._work(stores)) as made:
                return await estimated(
                    made.images, noun=source.noun, options=self.options, given=given, llm=made.llm
                )

    def _made_inputs(self, source: DataSource) -> tuple[GivenTexts, ChosenModels]:
        unused = ("images", "classes", "noun", "llm", "base_url")
        refuse_beside(source.kind, [name for name in unused if getattr(self, name)])
        source.check_shots(self.shots)
        given = read_texts(self.descriptions, source.class_names(self.options.seed))
        return given, self._chosen(clip=source.clip)

    def _work(self, stores: Stores) -> Workplace:
        return Workplace(
            seed=self.options.seed,
            shots=self.shots,
            folder=stores.aviary,
            answers=answers_for(self.cache, stores),
            limits=self.limits,
            progress=self.progress,
        )

    def _encoders(self, stores: Stores, chosen: ChosenModels) -> tuple[Encoder, ...]:
        """The encoder of the search, and those to measure on; no network is built."""
        given = [(self.clip, chosen.clip), *((clip, name_of(clip) or "") for clip in self.also_clip)]
        return tuple(stores.encoder_of(clip, name, device=chosen.device) for clip, name in given)

    async def _made(self, source: DataSource, stores: Stores) -> OptimizeResult:
        given, chosen = self._made_inputs(source)
        encoder, *others = self._tried(stores, chosen)
        with self._opened(None, given, encoder, chosen) as run:
            async with source.training_data(self._work(stores)) as made:
                result, _ = await optimize(
                    Optimizing(
                        data=source.kind,
                        images=made.images,
                        encoder=weakened(encoder, made.weakness),
                        llm=made.llm,
                        run=run,
                        options=self.options.model_copy(update={"noun": source.noun}),
                        shots=self.shots,
                        book=self.book,
                        given=given,
                        render=made.render,
                        notes=source.notes,
                        also=tuple(others),
                        ceiling=self.ceiling,
                        progress=self.progress,
                        checkpoints=checkpoint_server(),
                    )
                )
        return result

    def _chosen(self, *, clip: str | None = None) -> ChosenModels:
        """The models; a run that is resumed keeps its own, whatever the environment says by now."""
        kept = self.earlier.config.options if self.earlier else None
        return choose_models(
            kept,
            clip=name_of(self.clip) or clip,
            device=self.device,
            llm=name_of(self.llm),
            base_url=self.base_url,
        )

    def _tried(self, stores: Stores, chosen: ChosenModels) -> tuple[Encoder, ...]:
        """The same, those to measure on tried now: no fault shall be found after the search."""
        found = self._encoders(stores, chosen)
        for encoder in found[1:]:
            encoder.encode_texts(["a photo"])
        return found

    def _inputs(self, data: Path) -> tuple[LabelledImages, GivenTexts]:
        found, given = read_inputs(
            data,
            images=self.images,
            shots=self.shots,
            seed=self.options.seed,
            classes=self.classes,
            book=self.book,
            descriptions=self.descriptions,
        )
        check_folds([str(image.label) for image in found.train], self.options.folds)
        return found, given

    async def _own(self, data: Path, stores: Stores) -> OptimizeResult:
        found, given = self._inputs(data)
        chosen = self._chosen()
        encoder, *others = self._tried(stores, chosen)
        with self._opened(found, given, encoder, chosen) as run:
            async with self._model(stores, chosen) as llm:
                return await self._search(found, given, encoder, llm, run, tuple(others))

    def _model(self, stores: Stores, chosen: ChosenModels) -> AbstractAsyncContextManager[AskedModel | None]:
        return asked_by_name(
            self.llm, chosen.llm, stores, base_url=chosen.base_url, limits=self.limits, cache=self.cache
        )

    async def _search(
        self,
        found: LabelledImages,
        given: GivenTexts,
        encoder: Encoder,
        llm: AskedModel | None,
        run: Run,
        others: tuple[Encoder, ...],
    ) -> OptimizeResult:
        said = ""
        if llm is None and self.book is None and not given.prompts:
            said = "No language model: only names, templates and the noun could be tried."
        task = Optimizing(
            data=str(self.data),
            images=found,
            encoder=encoder,
            llm=llm,
            run=run,
            options=self.options,
            shots=self.shots,
            book=self.book,
            given=given,
            also=others,
            ceiling=self.ceiling,
            progress=self.progress,
            checkpoints=checkpoint_server(),
        )
        noun = await self._noun(found.classes, llm, run.folder)
        task.options = self.options.model_copy(update={"noun": noun.noun})
        scripted = scripted_notes(llm.model if llm else None)
        task.notes = (*filter(None, (noun.note, said)), *scripted)
        return (await optimize(task))[0]

    async def _noun(self, classes: Sequence[str], llm: AskedModel | None, run: RunFolder) -> Settled:
        return await settle_noun(
            classes,
            given=self.noun or (self.book.noun if self.book else None),
            plain=self.options.noun,
            llm=llm,
            run=run,
            progress=self.progress,
        )

    @contextmanager
    def _opened(
        self, found: LabelledImages | None, given: GivenTexts, encoder: Encoder, chosen: ChosenModels
    ) -> Iterator[Run]:
        """A new run, or the earlier one if all that decides its result is the same."""
        kept = content_key([image.content_hash for image in (*found.train, *found.test)]) if found else None
        now: dict[str, JsonValue] = {
            **self._config(chosen),
            "images_hash": kept,
            "texts_hash": given.key,
            "encoder": encoder.identity,
        }
        if self.earlier is not None:
            check_unchanged(self.earlier, now)
        with open_run(self.earlier, parent=self.out, kind=KIND, options=now, progress=self.progress) as run:
            yield run

    def _config(self, chosen: ChosenModels) -> dict[str, JsonValue]:
        source = None if isinstance(self.data, str | Path) else self.data
        own = source is None
        return {
            "data": source.kind if source else str(Path(str(self.data)).resolve()),
            "source": source.stated() if source else None,
            "images": str(self.images.resolve()) if self.images else None,
            "classes": list(self.classes),
            "shots": self.shots,
            "book": self.book.model_dump(mode="json") if self.book else None,
            "options": self.options.model_dump(mode="json"),
            "noun": self.noun,
            "clip": chosen.clip,
            "device": chosen.device,
            "llm": chosen.llm if own else None,
            # In normal form, which holds no password.
            "base_url": normal_url(chosen.base_url) if own and chosen.base_url else None,
            "also_clip": [name_of(clip) for clip in self.also_clip],
            "ceiling": self.ceiling,
            "limits": self.limits.model_dump(mode="json"),
            "descriptions": [str(path.resolve()) for path in self.descriptions],
            "report": self.report,
        }

    @classmethod
    def from_options(cls, given: Mapping[str, Any], *, out: Path) -> Self:
        """An optimizer from what a command line gave, by the names of the options.

        Raises:
            InputError: One of them cannot be used.
        """
        left = dict(given)
        fields = {name: left.pop(name) for name in tuple(left) if name in OptimizeOptions.model_fields}
        noun = fields.pop("noun", None)
        if fields.get("operators"):
            strategy = fields.get("strategy", "proapo")
            fields["operators"] = check_operators(fields["operators"], strategy=strategy)
        options = OptimizeOptions.model_validate(fields)
        if "book" in left:
            left["book"] = read_book(left["book"])
        if "classes" in left:
            left["classes"] = tuple(read_class_names(left["classes"]))
        return cls(options=options, noun=noun, out=out, **left)

    @classmethod
    @checked_arguments
    def from_run(cls, run_id: Path | str, *, out: Path | str = Path("runs"), **changed: Any) -> Self:
        """The optimizer of an earlier run, to go on with it: `run` and `arun` do.

        Args:
            run_id: The run's id, or its folder.
            out: Where run folders are.
            changed: Arguments that differ from then, e.g. `limits`.

        Raises:
            RunError: There is no such run, it is no prompt search, or its configuration cannot be read.
        """
        run = RunFolder.open(out, run_id, kind=KIND)
        kept: dict[str, Any] = {
            name: value
            for name, value in run.config.options.items()
            if name not in UNCHANGED and name != "device"
        }
        try:
            source = kept.pop("source")
            kept |= {
                "data": source_again(kept["data"], source)
                if source and "data" not in changed
                else kept["data"],
                "images": Path(kept["images"]) if kept["images"] else None,
                "classes": tuple(kept["classes"]),
                "also_clip": tuple(kept["also_clip"]),
                "descriptions": tuple(Path(path) for path in kept["descriptions"]),
                "book": PromptBook.model_validate(kept["book"]) if kept["book"] else None,
                "options": OptimizeOptions.model_validate(kept["options"]),
                "limits": UsageLimits.model_validate(kept["limits"]),
            }
        except (KeyError, TypeError, ValidationError, InputError) as error:
            raise RunError(
                f"The configuration of run {run.run_id} cannot be read.",
                hint="Another version of Fieldmark wrote it: start a new run, answers come from the cache.",
            ) from error
        return cls(**{**kept, **changed}, out=run.path.parent, earlier=run)
