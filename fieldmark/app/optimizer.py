"""Puts a prompt search together: reads settings, opens stores and models, finds the images, runs or resumes.

It knows nothing of commands and terminals, or of how a book is searched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue, ValidationError

from fieldmark.agents.context import Report, say_nothing
from fieldmark.agents.optimize_options import OptimizeOptions
from fieldmark.agents.optimize_search import RANDOM_BY
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import check_classes, read_book, read_class_names
from fieldmark.app.optimize_inputs import read_inputs, read_texts
from fieldmark.app.stores import Stores, open_llm, open_stores
from fieldmark.cache.keys import content_key
from fieldmark.errors import FieldmarkError, InputError, RunError
from fieldmark.evals.optimize_demo import AviarySettings, aviary_classes, optimize_aviary
from fieldmark.evals.optimizing import OptimizeResult, Optimizing, optimize
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Limits, PromptBook
from fieldmark.settings import read_settings
from fieldmark.tools.descriptions import GivenTexts
from fieldmark.tools.encoder import Encoder
from fieldmark.tools.labelled import LabelledImages
from fieldmark.tools.llm import ChatModel
from fieldmark.tools.run_folder import RunFolder
from fieldmark.tools.search.folds import check_folds
from fieldmark.tools.search.named import operators_named

AVIARY = "aviary"
KIND = "optimize"


@dataclass(kw_only=True)
class Optimizer:
    """Finds the prompts that classify best, by a few labelled images a class.

    Args:
        data: "aviary", or the path of a folder with one folder a class, of a list, of a split file, or of a
            ProAPO dataset folder; see `read_inputs`.
        images: Where relative paths of a list start; its own folder where not given.
        classes: The class names; those with images where not given.
        shots: Training images a class; the others are for testing where no split says otherwise.
        book: Prompts to start from instead of asking for descriptors.
        descriptions: Files of descriptions that join the pool; any format that `import_book` reads.
        options: The choices of the search, its seed among them.
        noun: The generic word for all classes; asked, else "object", where not given.
        clip: The CLIP model; the settings' where not given, the bundled one for the aviary.
        llm: The language model; the settings' where not given; without one nothing is asked.
        base_url: Its endpoint.
        species: Species of the aviary.
        also_clip: Other CLIP models to measure the book on, by the names that `clip` takes.
        ceiling: Also search with the test images shown, for a bound to print beside the result.
        limits: The most that may be spent on the language model.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Called with progress events.
        earlier: The run to go on with; see `from_run`.
    """

    data: Path | str
    images: Path | None = None
    classes: Sequence[str] = ()
    shots: int = 1
    book: PromptBook | None = None
    descriptions: tuple[Path, ...] = ()
    options: OptimizeOptions = field(default_factory=OptimizeOptions)
    noun: str | None = None
    clip: str | None = None
    llm: str | None = None
    base_url: str | None = None
    species: int = 80
    also_clip: Sequence[str] = ()
    ceiling: bool = False
    limits: Limits = field(default_factory=Limits)
    home: Path | None = None
    out: Path = Path("runs")
    report: Report = say_nothing
    earlier: RunFolder | None = None

    def __post_init__(self) -> None:
        self.data = str(self.data)
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
        if self.options.folds > self.shots:
            raise InputError(
                f"{self.options.folds} folds need {self.options.folds} training images a class, "
                f"and --shots draws {self.shots}.",
                hint="Give more --shots or fewer --folds.",
            )
        with open_stores(self.home) as stores:
            if self.data == AVIARY:
                return await self._aviary(stores)
            return await self._own(stores)

    async def _aviary(self, stores: Stores) -> OptimizeResult:
        if not 1 <= self.shots <= 16:
            raise InputError(f"The aviary has 1 to 16 shots, not {self.shots}.")
        world = AviarySettings(seed=self.options.seed, shots=self.shots, species=self.species)
        given = read_texts(self.descriptions, aviary_classes(world))
        encoder = stores.encoder(self.clip or AVIARY)
        others = self._others(stores)
        run = self._folder(None, given)
        return await optimize_aviary(
            world,
            self.options,
            encoder=encoder,
            answers=stores.answers,
            pictures=stores.aviary,
            run=run,
            report=self.report,
            book=self.book,
            given=given,
            resumed=self.earlier is not None,
            also=others,
            ceiling=self.ceiling,
        )

    def _others(self, stores: Stores, *, device: str = "auto") -> tuple[Encoder, ...]:
        """The encoders to measure on, each tried now: no fault shall be found after the search."""
        others = tuple(stores.encoder(clip, device=device) for clip in self.also_clip)
        for encoder in others:
            encoder.encode_texts(["a photo"])
        return others

    async def _own(self, stores: Stores) -> OptimizeResult:
        settings = read_settings()
        found, given = read_inputs(
            Path(self.data),
            images=self.images,
            shots=self.shots,
            seed=self.options.seed,
            classes=self.classes,
            book=self.book,
            descriptions=self.descriptions,
        )
        check_folds([str(image.label) for image in found.train], self.options.folds)
        encoder = stores.encoder(self.clip or settings.clip, device=settings.device)
        others = self._others(stores, device=settings.device)
        run = self._folder(found, given)
        name = self.llm or settings.llm
        if name is None:
            return await self._search(found, given, encoder, None, run, others)
        async with open_llm(name, stores.answers, base_url=self.base_url, limits=self.limits) as llm:
            return await self._search(found, given, encoder, llm, run, others)

    async def _search(
        self,
        found: LabelledImages,
        given: GivenTexts,
        encoder: Encoder,
        llm: ChatModel | None,
        run: RunFolder,
        others: tuple[Encoder, ...],
    ) -> OptimizeResult:
        noun = self.noun or (self.book.noun if self.book else None)
        if noun is None and llm is not None:
            try:
                noun = (await llm.ask(ask_noun(found.classes[:50]))).value.noun
            except FieldmarkError as error:
                self.report("noun", {"failed": str(error)})
        if noun is not None:
            run.event("noun", noun=noun)
        result, _ = await optimize(
            Optimizing(
                data=str(self.data),
                images=found,
                encoder=encoder,
                llm=llm,
                run=run,
                options=self.options.model_copy(update={"noun": noun or self.options.noun}),
                shots=self.shots,
                book=self.book,
                given=given,
                resumed=self.earlier is not None,
                also=others,
                ceiling=self.ceiling,
                notes=()
                if llm is not None or self.book is not None or given.prompts
                else ("No language model: only class names, templates and synonyms could be tried.",),
                report=self.report,
            )
        )
        return result

    def _folder(self, found: LabelledImages | None, given: GivenTexts) -> RunFolder:
        """The run's folder: a new one, or the earlier one if it was made from these images and texts."""
        kept = content_key([image.content_hash for image in (*found.train, *found.test)]) if found else None
        if self.earlier is not None:
            if self.earlier.config.options.get("images_hash") != kept:
                raise RunError(
                    f"The images are not those that run {self.earlier.run_id} was started with.",
                    hint="Restore them, or start a new run: what was paid for comes from the cache.",
                )
            if self.earlier.config.options.get("texts_hash") != given.key:
                raise RunError(
                    f"The descriptions are not those that run {self.earlier.run_id} was started with.",
                    hint="Restore the files, or start a new run.",
                )
            run = self.earlier
        else:
            run = RunFolder.create(self.out, kind=KIND, options=self._config(kept, given.key))
        self.report("run", {"id": run.run_id, "path": str(run.path)})
        return run

    def _config(self, images_hash: str | None, texts_hash: str) -> dict[str, JsonValue]:
        own = self.data != AVIARY
        return {
            "data": str(Path(self.data).resolve()) if own else AVIARY,
            "images": str(self.images.resolve()) if self.images else None,
            "classes": list(self.classes),
            "shots": self.shots,
            "book": self.book.model_dump(mode="json") if self.book else None,
            "options": self.options.model_dump(mode="json"),
            "noun": self.noun,
            "clip": self.clip,
            "llm": self.llm,
            "base_url": self.base_url,
            "species": self.species,
            "also_clip": list(self.also_clip),
            "ceiling": self.ceiling,
            "limits": self.limits.model_dump(mode="json"),
            "descriptions": [str(path.resolve()) for path in self.descriptions],
            "images_hash": images_hash,
            "texts_hash": texts_hash,
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
        try:
            options = OptimizeOptions.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            why = first["msg"].removeprefix("Value error, ")
            raise InputError(f"--{first['loc'][0]} cannot be {first['input']}: {why}.") from None
        if "book" in left:
            left["book"] = read_book(left["book"])
        if "classes" in left:
            left["classes"] = tuple(read_class_names(left["classes"]))
        return cls(options=options, noun=noun, out=out, **left)

    @classmethod
    def from_run(cls, run_id: str, *, out: Path) -> Self:
        """The optimizer of an earlier run, to go on with it.

        Args:
            run_id: The run's id, or its folder.
            out: Where run folders are.

        Raises:
            RunError: There is no such run, or it is no prompt search.
        """
        run = RunFolder.open(out, run_id)
        if run.config.kind != KIND:
            raise RunError(f"Run {run_id} is no prompt search but {run.config.kind!r}.")
        kept: dict[str, Any] = dict(run.config.options)
        kept.pop("images_hash")
        kept.pop("texts_hash")
        return cls(
            **{
                **kept,
                "images": Path(kept["images"]) if kept["images"] else None,
                "classes": tuple(kept["classes"]),
                "also_clip": tuple(kept["also_clip"]),
                "descriptions": tuple(Path(path) for path in kept["descriptions"]),
                "book": PromptBook.model_validate(kept["book"]) if kept["book"] else None,
                "options": OptimizeOptions.model_validate(kept["options"]),
                "limits": Limits.model_validate(kept["limits"]),
            },
            out=run.path.parent,
            earlier=run,
        )


def check_operators(names: Sequence[str], *, strategy: str) -> tuple[str, ...]:
    """Refuse operators that cannot be run, before anything is paid for.

    Returns:
        The names, files by their absolute path, so that a run can be resumed from any folder.

    Raises:
        InputError: There is none of that name, or the strategy runs no operators.
    """
    if strategy == RANDOM_BY:
        raise InputError(
            "--strategy random runs no operators: every one of its books is random.",
            hint="Leave --operator or --strategy out.",
        )
    operators_named(names)
    return tuple(str(Path(name).resolve()) if ".py:" in name else name for name in names)
