"""Puts an evaluation of methods together: reads settings, opens stores and models, runs or resumes."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue

from fieldmark.agents.shared.estimate import CallEstimate
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.evaluate.estimate import added, estimated
from fieldmark.app.evaluate.inputs import SETTING, OwnData, own_test_set, with_noun
from fieldmark.app.evaluate.record import asked_of, left_of, result_of, spent_by
from fieldmark.app.event_loop import run_here
from fieldmark.app.models import ASKED, ChosenModels, choose_models, lacks_vlm
from fieldmark.app.stores import (
    CacheUse,
    Stores,
    answers_for,
    asked_by_name,
    asked_vlm,
    name_of,
    open_stores,
)
from fieldmark.errors import InputError, RunError
from fieldmark.evals.methods.registry import methods_named
from fieldmark.evals.table.chosen_names import names_book, refuse_beside, whole_path
from fieldmark.evals.table.join import earlier_in
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.records import EvalResult
from fieldmark.evals.table.run import Earlier, Evaluation, run_methods
from fieldmark.evals.table.sources.source import DataSource, TestData, Workplace, source_again
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import UsageLimits
from fieldmark.tools.clip.encoder import Encoder, scoring_identity
from fieldmark.tools.clip.weakened import weakened
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import Progress, TableStarted, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import open_run

KIND = "eval"
RESULT = "result.json"
UNPACKED = "datasets"
"""Folder, among what is kept, of pictures out of archives."""


@checked_arguments
@dataclass(kw_only=True)
class Evaluator:
    """Measures methods on one data set under one protocol.

    Args:
        data: A folder, a list or another name that `read_test_set` reads; `OwnData`, which also says where a
            pool, captions or a tree are; or a `DataSource`, such as `Aviary`.
        options: Methods, seeds and shots.
        noun: The generic word for all of one's own classes, asked for where a method asks; a published set
            has one.
        clip: An `Encoder`, or the name of a CLIP model; the settings' where not given, that of a data source.
        llm: A `LanguageModel` or the name of one, for one's own data; the settings' where not given. Without
            one, methods that ask are left out.
        base_url: Its endpoint.
        vlm: The same, for methods that show the images to a vision-language model.
        vlm_base_url: Its endpoint; that of the language model where not given.
        limits: The most that may be spent on the language model.
        cache: "use" it, "refresh" every answer, or leave it "off".
        device: "auto", "cpu", "cuda", "mps"; the run's or the settings' where not given.
        skip_done: Take what earlier runs in `out` measured of the very same.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Whether the run is to have a report. None is written here, but a resumed run keeps the choice.
        progress: Called with progress events.
        earlier: The run to go on with; see `from_run`.
    """

    data: DataSource | OwnData | Path | str
    options: EvalOptions = field(default_factory=EvalOptions)
    noun: str | None = None
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    vlm: LanguageModel | str | None = None
    vlm_base_url: str | None = None
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    device: str | None = None
    skip_done: bool = False
    home: Path | None = None
    out: Path = Path("runs")
    report: bool = True
    progress: Progress = no_progress
    earlier: RunFolder | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, str | Path):
            self.data = OwnData(source=str(self.data))
        elif isinstance(self.data, DataSource):
            refuse_beside(self.data.kind, [name for name in ("noun", *ASKED) if getattr(self, name)])
        elif not isinstance(self.data, OwnData):
            what = f"data is neither a path nor a data source but {self.data!r}."
            raise InputError(what, hint="Give a folder, a list, or an object such as Aviary().", field="data")
        if self.vlm_base_url and not self.vlm:
            raise lacks_vlm()

    @property
    def _own(self) -> OwnData | None:
        return self.data if isinstance(self.data, OwnData) else None

    @property
    def _source(self) -> DataSource | None:
        return self.data if isinstance(self.data, DataSource) else None

    def run(self) -> EvalResult:
        """Measure, or go on measuring; see `arun`. Not to be called from a running event loop."""
        return run_here(self.arun(), "run")

    async def arun(self) -> EvalResult:
        """Measure every method, or go on with those that are left, and make the table.

        Returns:
            The table; the folder that `run` names holds a file for each method and seed.

        Raises:
            InputError: What was given cannot be used.
            ModelError: The CLIP model is unknown, missing or damaged.
            EndpointError: The language model cannot be asked; what was measured is kept.
            LimitReached: A limit stopped the run; `from_run` goes on with it.
        """
        began = time.perf_counter()
        methods = methods_named(self.options.with_controls)
        with open_stores(self.home) as stores:
            chosen = self._chosen()
            test = self._own_test_set(self._own, stores) if self._own else None
            encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device, kept=chosen)
            self._check_encoder(encoder)
            tasks: list[Evaluation] = []
            with open_run(
                self.earlier,
                parent=self.out,
                kind=KIND,
                options=self._config(encoder, chosen),
                progress=self.progress,
            ) as run:

                def conclude(stop_reason: str, counts: dict[str, int], notes: Sequence[str] = ()) -> None:
                    write_manifest(
                        run.folder,
                        encoder,
                        images=[image for task in tasks for image in task.test.images],
                        language_model=asked_of(tasks),
                        prompts=prompt_hashes(),
                        usage=spent_by(tasks),
                        vision_model=describe_model(tasks[-1].vlm) if tasks and tasks[-1].vlm else {},
                        vision_usage=spent_by(tasks, vision=True),
                        stop_reason=stop_reason,
                        counts=counts,
                        seed=self.options.seed,
                        notes=(*run.uncounted, *notes),
                        earlier=run.stopped,
                    )

                run.stopping = lambda reason: conclude(reason, {})
                before = earlier_in(self.out) if self.skip_done else lambda identity: None
                for setting in self._settings():
                    async with self._data(setting, test, stores, chosen, methods, tasks) as made:
                        test_set, own = self._fitted(setting, made.test, methods)
                        made = replace(made, test=test_set)
                        task = await self._task(made, own, encoder, run.folder, before)
                        tasks.append(task)  # before anything is asked: what it spends is known then
                        await run_methods(task)
                self.progress(TableStarted())
                result = result_of(
                    tasks,
                    methods,
                    run.folder,
                    options=self.options,
                    notes=self._source.notes if self._source else None,
                    seconds=time.perf_counter() - began,
                )
                run.folder.write(RESULT, result)
                counts = {"methods": len(methods), "settings": len(tasks), "rows": len(result.rows)}
                conclude("measured", counts, result.notes)
        return result

    def estimate(self) -> CallEstimate:
        """What the methods would ask; see `aestimate`. Not to be called from a running event loop."""
        return run_here(self.aestimate(), "estimate")

    async def aestimate(self) -> CallEstimate:
        """What the methods would ask; asks and encodes nothing and leaves no run behind.

        Images of a data source are drawn as for a run, and kept for it.

        Raises:
            FieldmarkError: What was given cannot be used.
        """
        methods = methods_named(self.options.with_controls)
        with open_stores(self.home) as stores:
            chosen = self._chosen()
            encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device, kept=chosen)
            look = partial(estimated, methods=methods, options=self.options, encoder=encoder)
            test = self._own_test_set(self._own, stores) if self._own else None
            found: list[CallEstimate] = []
            for setting in self._settings():
                async with self._data(setting, test, stores, chosen, methods, ()) as made:
                    found.append(await look(made.test, llm=made.llm, vlm=made.vlm))
            return added(found)

    def _fitted(
        self, setting: str, test: TestSet, methods: tuple[EvalMethod, ...]
    ) -> tuple[TestSet, tuple[EvalMethod, ...]]:
        """What is run on which test set in a setting; another kind of evaluation may change both."""
        return test, methods

    def _settings(self) -> tuple[str, ...]:
        return self._source.settings_named() if self._source else (SETTING,)

    @asynccontextmanager
    async def _data(
        self,
        setting: str,
        own: TestSet | None,
        stores: Stores,
        chosen: ChosenModels,
        methods: Sequence[EvalMethod],
        tasks: Sequence[Evaluation],
    ) -> AsyncIterator[TestData]:
        """A test set with its models: those of the source, or those that were given beside one's own data."""
        if own is None and self._source is not None:
            async with self._source.test_data(setting, self._work(stores, tasks, methods)) as made:
                yield made
        elif own is not None:
            async with self._model(stores, chosen) as llm, self._vlm(stores, chosen, llm) as vlm:
                yield TestData(test=own, llm=llm, vlm=vlm)

    def _work(self, stores: Stores, tasks: Sequence[Evaluation], methods: Sequence[EvalMethod]) -> Workplace:
        return Workplace(
            seed=self.options.seed,
            shots=self.options.shots,
            folder=stores.aviary,
            answers=answers_for(self.cache, stores),
            limits=left_of(self.limits, [llm for task in tasks for llm in (task.llm, task.vlm) if llm]),
            progress=self.progress,
            # A question an image: not for a table of everything, unless it is named.
            looks=set(self.options.methods) != {"all"}
            and any(MethodNeed.VLM in method.needs for method in methods),
        )

    def _chosen(self) -> ChosenModels:
        """The models; a run that is resumed keeps its own, whatever the environment says by now."""
        kept = self.earlier.config.options if self.earlier else None
        return choose_models(
            kept,
            clip=name_of(self.clip) or (self._source.clip if self._source else None),
            device=self.device,
            llm=name_of(self.llm),
            base_url=self.base_url,
        )

    def _own_test_set(self, own: OwnData, stores: Stores) -> TestSet:
        return own_test_set(
            own,
            shots=self.options.shots,
            seed=self.options.seed,
            noun=self.noun,
            cache=stores.home / UNPACKED,
        )

    def _model(self, stores: Stores, chosen: ChosenModels) -> AbstractAsyncContextManager[AskedModel | None]:
        return asked_by_name(
            self.llm, chosen.llm, stores, base_url=chosen.base_url, limits=self.limits, cache=self.cache
        )

    def _vlm(
        self, stores: Stores, chosen: ChosenModels, llm: AskedModel | None
    ) -> AbstractAsyncContextManager[AskedModel | None]:
        given = {"base_url": self.vlm_base_url, "limits": self.limits, "cache": self.cache}
        return asked_vlm(self.vlm, stores, beside=llm, llm=(chosen.base_url, None), **given)

    async def _task(
        self,
        made: TestData,
        methods: tuple[EvalMethod, ...],
        encoder: Encoder,
        run: RunFolder,
        before: Earlier,
    ) -> Evaluation:
        test = made.test
        if self._own:
            for model in filter(None, (made.llm, made.vlm)):
                await model.identify()
            asks = any(method.needs & {MethodNeed.LLM, MethodNeed.VLM} for method in methods)
            test = await with_noun(test, llm=made.llm if asks else None, run=run, progress=self.progress)
        return Evaluation(
            test=test,
            methods=methods,
            encoder=weakened(encoder, test.weakness),
            llm=made.llm,
            vlm=made.vlm,
            folder=run,
            options=self.options,
            earlier=before,
            progress=self.progress,
        )

    def _check_encoder(self, encoder: Encoder) -> None:
        """Refuse to go on with another encoder."""
        run = self.earlier
        if run is not None and run.config.options.get("encoder") != scoring_identity(encoder):
            raise RunError(
                f"The CLIP model or its reference pool is not that of run {run.run_id}.",
                hint="Start a new run with skip_done: what fits is taken over.",
                field="skip_done",
            )

    def _config(self, encoder: Encoder, chosen: ChosenModels) -> dict[str, JsonValue]:
        own, source = self._own, self._source
        return {
            "options": self.options.model_dump(mode="json"),
            "data": source.kind if source else None,
            "source": source.stated() if source else None,
            "own": own.stated() if own else None,
            "noun": self.noun,
            **chosen.encoder_kept(),
            "llm": chosen.llm if own else None,
            # In normal form, which holds no password.
            "base_url": normal_url(chosen.base_url) if own and chosen.base_url else None,
            "vlm": name_of(self.vlm),
            "vlm_base_url": normal_url(self.vlm_base_url) if self.vlm_base_url else None,
            "limits": self.limits.model_dump(mode="json"),
            "encoder": scoring_identity(encoder),
            "report": self.report,
        }

    @classmethod
    def from_options(cls, given: Mapping[str, Any], *, out: Path) -> Self:
        """An evaluator from what a command line gave, by the names of the options.

        Raises:
            InputError: One of them cannot be used.
        """
        left = dict(given)
        chosen = {name: left.pop(name) for name in tuple(left) if name in EvalOptions.model_fields}
        options = EvalOptions.model_validate(chosen)
        if "methods" in chosen and not options.methods:
            raise InputError("methods is empty.", hint="Name some, or leave it out.", field="methods")
        methods_named((*options.methods, options.baseline))
        names = [name.name for name in fields(OwnData) if name.name in left]
        data = left.pop("data")
        if isinstance(data, DataSource):
            refuse_beside(data.kind, names)
        else:
            data = OwnData(source=data, **{name: left.pop(name) for name in names})
        files = [".py:" in name or names_book(name) for name in options.methods]
        methods = tuple(
            whole_path(name) if file else name for name, file in zip(options.methods, files, strict=True)
        )
        return cls(data=data, options=options.model_copy(update={"methods": methods}), out=out, **left)

    @classmethod
    @checked_arguments
    def from_run(cls, run_id: Path | str, *, out: Path | str = Path("runs"), **changed: Any) -> Self:
        """The evaluator of an earlier run, to go on with it: `run` and `arun` do.

        Args:
            run_id: The run's id, or its folder.
            out: Where run folders are.
            changed: Arguments that differ from then, e.g. `limits`.

        Raises:
            RunError: There is no such run, it is no evaluation, or its configuration cannot be read.
        """
        run = RunFolder.open(out, run_id, kind=KIND)
        kept: dict[str, Any] = {
            name: value
            for name, value in run.config.options.items()
            if name not in ("encoder", "device", "reference")
        }
        try:
            own, source = kept.pop("own"), kept.pop("source")
            if "data" not in changed:  # a source of the caller's cannot be made again
                kept["data"] = OwnData.read(own) if own else source_again(kept["data"], source)
            kept["options"] = EvalOptions.model_validate(kept["options"])
            kept["limits"] = UsageLimits.model_validate(kept["limits"])
        except (KeyError, TypeError, InputError) as error:
            raise RunError(
                f"The configuration of run {run.run_id} cannot be read.",
                hint="Another version of Fieldmark wrote it: start a new run with skip_done.",
                field="skip_done",
            ) from error
        return cls(**{**kept, **changed}, out=run.path.parent, earlier=run)
