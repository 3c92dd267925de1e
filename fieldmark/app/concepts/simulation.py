"""Runs a simulation of owners: opens stores and encoder, and shares the owners out among processes."""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import Stores, open_stores
from fieldmark.errors import InputError, RunError
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.results import OwnerRun, SimulateResult
from fieldmark.evals.owners.rules import RULE_BY_KEY, rules_named
from fieldmark.evals.owners.simulate import NOTE, Simulation, simulate, simulated
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import Usage
from fieldmark.tools.runs.events import OwnerFinished, Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import open_run

KIND = "simulate"
CLIP = "aviary"
RESULT = "result.json"
CONCEPTS = "concepts"
"""Folder of a run's concepts, in it one for each world."""
OWNERS = "owners"
"""Folder of the owners' runs."""


def simulation_options(chosen: Mapping[str, Any]) -> SimulateOptions:
    """The options of a new simulation.

    Raises:
        InputError: An owner is unknown.
    """
    options = SimulateOptions.model_validate(chosen)
    rules_named(options.owners)
    return options


def earlier_simulation(run_id: str, out: Path) -> tuple[SimulateOptions, RunFolder]:
    """Options and folder of an earlier run.

    Raises:
        RunError: There is none of this id, it is of another kind, or its options cannot be read.
    """
    folder = RunFolder.open(out, run_id, kind=KIND)
    try:
        return SimulateOptions.model_validate(folder.config.options), folder
    except InputError as error:
        raise RunError(
            f"The options of {str(folder.path)!r} cannot be read: {str(error).splitlines()[0]}.",
            hint="Start a new run.",
        ) from error


def run_simulation(
    options: SimulateOptions,
    *,
    earlier: RunFolder | None = None,
    out: Path = Path("runs"),
    workers: int = 1,
    progress: Progress = no_progress,
) -> SimulateResult:
    """Simulate the owners that the options name, but for those whose run an earlier process kept.

    Args:
        options: What is simulated.
        earlier: The run to go on with; None begins a new one.
        out: Where the folder of a new run goes; each owner's run is written into it when it is finished.
        workers: Processes; each takes one owner at a time. Results do not depend on how many there are.
        progress: Shows progress.

    Raises:
        InputError: An owner is unknown.
        RunError: The folder holds an owner's run that cannot be read, or another process works in it.
    """
    kept = options.model_dump(mode="json")
    with (
        open_run(earlier, parent=out, kind=KIND, options=kept, progress=progress) as run,
        open_stores() as stores,
    ):
        runs: list[OwnerRun] = []
        encoder = stores.encoder(CLIP)

        def conclude(stop_reason: str) -> None:
            write_manifest(
                run.folder,
                encoder,
                images=(),
                language_model=describe_model(None),
                usage=Usage(requests=sum(each.result.vlm_calls for each in runs)),
                prompts=prompt_hashes(),
                stop_reason=stop_reason,
                counts={"owners": len(runs)},
                seed=options.seed,
                notes=(*run.uncounted, NOTE),
            )

        run.stopping = conclude
        result = _simulated(options, run.folder, stores, runs, workers, progress)
        run.folder.write(RESULT, result)
        conclude("simulated")
    return result


def _simulated(
    options: SimulateOptions,
    folder: RunFolder,
    stores: Stores,
    runs: list[OwnerRun],
    workers: int,
    progress: Progress,
) -> SimulateResult:
    """Simulate the owners that are left; `runs` takes each run in."""
    began = time.perf_counter()
    turns = [Turn(rule.key, seed) for seed in options.seeds for rule in rules_named(options.owners)]
    runs += [folder.read(turn.file, OwnerRun) for turn in turns if (folder.path / turn.file).is_file()]
    done = {Turn(run.result.rule, run.result.seed) for run in runs}
    left = [turn for turn in turns if turn not in done]
    if done:
        progress(OwnerFinished(number=len(runs), of=len(turns), name=runs[-1].result.rule))

    def finished(run: OwnerRun) -> None:
        runs.append(run)
        progress(OwnerFinished(number=len(runs), of=len(turns), name=run.result.rule))

    tasks = {seed: opened(options.in_world(seed), stores, folder, progress) for seed in options.seeds}
    for seed in dict.fromkeys(turn.seed for turn in left):
        tasks[seed].world()  # drawn and encoded once, before several processes want it
    if workers == 1 or len(left) < 2:
        for turn in left:
            finished(keep_one(tasks[turn.seed], turn, folder))
    else:
        shared_out(options, left, folder, workers, finished)
    return simulated(options, runs, seconds=time.perf_counter() - began)


@dataclass(frozen=True)
class Turn:
    """One owner in one world.

    Attributes:
        rule: Key of the owner's rule.
        seed: Of the world.
    """

    rule: str
    seed: int

    @property
    def file(self) -> str:
        """Where its run is kept in the run's folder."""
        return f"{OWNERS}/{self.rule}-{self.seed}.json"


def keep_one(task: Simulation, turn: Turn, folder: RunFolder) -> OwnerRun:
    """Simulate one owner, and write the run before anything else happens."""

    def keep(run: OwnerRun) -> None:
        (folder.path / OWNERS).mkdir(exist_ok=True)
        folder.write(turn.file, run)

    (run,) = run_to_end(simulate(task, [RULE_BY_KEY[turn.rule]], keep=keep))
    return run


def shared_out(
    options: SimulateOptions,
    turns: Sequence[Turn],
    folder: RunFolder,
    workers: int,
    finished: Callable[[OwnerRun], None],
) -> None:
    """Have processes simulate one owner each, until all are done."""
    # Started afresh: a copy of a process that has torch's threads would hang.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(turns)), mp_context=fresh) as pool:
        waiting = [
            pool.submit(one, options.in_world(turn.seed).model_dump_json(), turn.rule, str(folder.path))
            for turn in turns
        ]
        try:
            for done in as_completed(waiting):
                finished(OwnerRun.model_validate_json(done.result()))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # owners in work end; no further one is begun
            raise


def one(options: str, rule: str, path: str) -> str:
    """Simulate one owner in a process of its own; records go in and out as JSON."""
    folder, chosen = RunFolder(Path(path)), SimulateOptions.model_validate_json(options)
    with open_stores() as stores:
        task = opened(chosen, stores, folder, no_progress)
        return keep_one(task, Turn(rule, chosen.seed), folder).model_dump_json()


def opened(options: SimulateOptions, stores: Stores, folder: RunFolder, progress: Progress) -> Simulation:
    """A simulation in one world, on the stores of this machine."""
    return Simulation(
        options=options,
        encoder=stores.encoder(CLIP),
        answers=stores.answers,
        pictures=stores.aviary,
        home=folder.path / CONCEPTS / str(options.seed),
        progress=progress,
    )
