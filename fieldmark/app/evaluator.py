"""Puts an evaluation of methods together: reads settings, opens stores and models, runs or resumes, joins.

It knows nothing of commands and terminals, or of how any method scores.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue, ValidationError

from fieldmark.agents.context import Report, say_nothing
from fieldmark.app.event_loop import run_here
from fieldmark.app.stores import Stores, open_stores
from fieldmark.errors import InputError, RunError
from fieldmark.evals.aviary.settings import AviaryWorld, settings_named
from fieldmark.evals.demo import NOTE
from fieldmark.evals.manifest import write_manifest
from fieldmark.evals.methods.method import Method
from fieldmark.evals.methods.registry import METHODS, methods_named
from fieldmark.evals.table.aviary import run_setting
from fieldmark.evals.table.joining import earlier_in, joined, setting_runs, table_rows
from fieldmark.evals.table.options import CONTROL, EvalOptions
from fieldmark.evals.table.records import EvalResult
from fieldmark.evals.table.running import Earlier, Evaluation
from fieldmark.records import Limits, Usage
from fieldmark.tools.encoder import Encoder
from fieldmark.tools.run_folder import RunFolder

AVIARY = "aviary"
KIND = "eval"
JOINED = "eval-table"
RESULT = "result.json"


@dataclass(kw_only=True)
class Evaluator:
    """Measures methods on one data set under one protocol.

    Args:
        options: Data, settings, methods, seeds and shots.
        species: Classes of the aviary.
        images: Test images of each of them.
        mistakes: Share of wrong statements in the aviary guide's answers.
        clip: The CLIP model; the bundled one for the aviary.
        limits: The most that may be spent on the language model.
        skip_done: Take what earlier runs in `out` measured of the very same.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        report: Called with progress events.
        earlier: The run to go on with; see `from_run`.
    """

    options: EvalOptions
    species: int = 80
    images: int = 20
    mistakes: float = 0.15
    clip: str | None = None
    limits: Limits = field(default_factory=Limits)
    skip_done: bool = False
    home: Path | None = None
    out: Path = Path("runs")
    report: Report = say_nothing
    earlier: RunFolder | None = None

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
        methods = methods_named(with_controls(self.options))
        settings = settings_named(self.options.settings)
        with open_stores(self.home) as stores:
            encoder = stores.encoder(self.clip or AVIARY)
            run = self._folder(encoder)
            before = earlier_in(self.out) if self.skip_done else lambda identity: None
            tasks, usage = await self._aviary(settings, methods, stores, encoder, run, before)
            result = self._result(tasks, methods, settings, run, seconds=time.perf_counter() - began)
            run.write(RESULT, result)
            write_manifest(
                run,
                encoder,
                images=[image for task in tasks for image in task.test.images],
                language_model={"model": result.llm},
                usage=usage,
                stop_reason="measured",
                counts={"methods": len(methods), "settings": len(settings), "rows": len(result.rows)},
                seed=self.options.seed,
                notes=result.notes,
            )
        return result

    async def _aviary(
        self,
        settings: Sequence[str],
        methods: tuple[Method, ...],
        stores: Stores,
        encoder: Encoder,
        run: RunFolder,
        before: Earlier,
    ) -> tuple[list[Evaluation], Usage]:
        world = AviaryWorld(
            seed=self.options.seed,
            species=self.species,
            images=self.images,
            shots=self.options.shots,
            pictures=stores.aviary,
            report=self.report,
        )
        tasks: list[Evaluation] = []
        usage = Usage()
        for setting in settings:
            task, spent = await run_setting(
                setting,
                world,
                methods,
                self.options,
                encoder=encoder,
                answers=stores.answers,
                folder=run,
                limits=self.limits,
                mistakes=self.mistakes,
                earlier=before,
                report=self.report,
            )
            tasks.append(task)
            usage += spent
        return tasks, usage

    def _result(
        self,
        tasks: Sequence[Evaluation],
        methods: Sequence[Method],
        settings: Sequence[str],
        run: RunFolder,
        *,
        seconds: float,
    ) -> EvalResult:
        self.report("table", {})
        kept = {each.truth.setting: each for each in setting_runs(run)}
        rows = table_rows(
            [kept[setting] for setting in settings],
            methods,
            baseline=self.options.baseline,
            control=CONTROL,
            resamples=self.options.resamples,
        )
        used = tasks[-1].encoder.usage
        return EvalResult(
            data=self.options.data,
            settings=tuple(settings),
            rows=rows,
            baseline=self.options.baseline,
            control=CONTROL,
            clip=tasks[-1].encoder.name,
            llm=tasks[-1].llm.model if tasks[-1].llm else None,
            seeds=self.options.seeds,
            shots=self.options.shots,
            images_encoded=used.images_encoded,
            texts_encoded=used.texts_encoded,
            seconds=round(seconds, 3),
            notes=(NOTE, *dict.fromkeys(note for task in tasks for note in task.test.notes)),
            run=str(run.path),
        )

    def _folder(self, encoder: Encoder) -> RunFolder:
        if self.earlier is not None:
            run = self.earlier
            if run.config.options.get("encoder") != encoder.identity:
                raise RunError(
                    f"The CLIP model is not the one that run {run.run_id} was started with.",
                    hint="Start a new run with --skip-done: what fits is taken over.",
                )
        else:
            run = RunFolder.create(self.out, kind=KIND, options=self._config(encoder))
        self.report("run", {"id": run.run_id, "path": str(run.path)})
        return run

    def _config(self, encoder: Encoder) -> dict[str, JsonValue]:
        return {
            "options": self.options.model_dump(mode="json"),
            "species": self.species,
            "images": self.images,
            "mistakes": self.mistakes,
            "clip": self.clip,
            "limits": self.limits.model_dump(mode="json"),
            "encoder": encoder.identity,
        }

    @classmethod
    def from_options(cls, given: Mapping[str, Any], *, out: Path) -> Self:
        """An evaluator from what a command line gave, by the names of the options.

        Raises:
            InputError: One of them cannot be used.
        """
        left = dict(given)
        fields = {name: left.pop(name) for name in tuple(left) if name in EvalOptions.model_fields}
        try:
            options = EvalOptions.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"--{first['loc'][0]} cannot be {first['input']}: {first['msg']}.") from None
        methods_named((*options.methods, options.baseline))
        if options.data != AVIARY:
            raise InputError(f"There are no data {options.data!r}.", hint="There is: aviary.")
        settings_named(options.settings)
        methods = tuple(str(Path(name).resolve()) if ".py:" in name else name for name in options.methods)
        return cls(options=options.model_copy(update={"methods": methods}), out=out, **left)

    @classmethod
    def from_run(cls, run_id: str, *, out: Path) -> Self:
        """The evaluator of an earlier run, to go on with it.

        Raises:
            RunError: There is no such run, it is no evaluation, or its configuration cannot be read.
        """
        run = RunFolder.open(out, run_id)
        if run.config.kind != KIND:
            raise RunError(f"Run {run_id} is no evaluation but {run.config.kind!r}.")
        kept: dict[str, Any] = {
            name: value for name, value in run.config.options.items() if name != "encoder"
        }
        try:
            kept["options"] = EvalOptions.model_validate(kept["options"])
            kept["limits"] = Limits.model_validate(kept["limits"])
            return cls(**kept, out=run.path.parent, earlier=run)
        except (KeyError, TypeError, ValidationError) as error:
            raise RunError(
                f"The configuration of run {run.run_id} cannot be read.",
                hint="Another version of Fieldmark wrote it: start a new run with --skip-done.",
            ) from error


def with_controls(options: EvalOptions) -> tuple[str, ...]:
    """The methods that were named, with the two that every table carries: baseline and random words."""
    return (*options.methods, options.baseline, CONTROL)


def join_runs(runs: Sequence[str], *, baseline: str, out: Path, report: Report = say_nothing) -> EvalResult:
    """Put several runs into one table, in a folder of its own.

    Args:
        runs: Ids or folders of evaluations.
        baseline: The method that the others are paired with.
        out: Where runs are looked for, and where the new folder goes.
        report: Shows progress.

    Raises:
        RunError: A run is not there, or is no evaluation.
        InputError: They do not fit together.
    """
    began = time.perf_counter()
    folders = [RunFolder.open(out, run_id) for run_id in runs]
    for folder in folders:
        if folder.config.kind != KIND:
            raise RunError(f"Run {folder.run_id} is no evaluation but {folder.config.kind!r}.")
    methods_named([baseline])
    together = joined(folders)
    report("table", {})
    options = [EvalOptions.model_validate(folder.config.options["options"]) for folder in folders]
    made = RunFolder.create(out, kind=JOINED, options={"runs": [str(folder.path) for folder in folders]})
    finished = [folder.read(RESULT, EvalResult) for folder in folders if (folder.path / RESULT).is_file()]
    result = EvalResult(
        data=", ".join(dict.fromkeys(each.truth.data for each in together)),
        settings=tuple(dict.fromkeys(each.truth.setting for each in together)),
        rows=table_rows(
            together, METHODS, baseline=baseline, control=CONTROL, resamples=options[0].resamples
        ),
        baseline=baseline,
        control=CONTROL,
        clip=", ".join(dict.fromkeys(each.clip for each in finished)) or "unknown",
        llm=next((each.llm for each in finished), None),
        seeds=max(each.seeds for each in options),
        shots=max(each.shots for each in options),
        images_encoded=sum(each.images_encoded for each in finished),
        texts_encoded=sum(each.texts_encoded for each in finished),
        seconds=round(time.perf_counter() - began, 3),
        notes=tuple(dict.fromkeys(note for each in finished for note in each.notes)),
        run=str(made.path),
    )
    made.write(RESULT, result)
    return result
