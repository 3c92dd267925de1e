"""Runs a simulation of owners: opens stores and encoder, and shares the owners out among processes.

It knows nothing of rules, conversations or statistics.
"""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from fieldmark.agents.context import Report, say_nothing
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import Stores, open_stores
from fieldmark.evals.owners.results import OwnerRun, SimulateResult
from fieldmark.evals.owners.rules import RULE_BY_KEY
from fieldmark.evals.owners.settings import SimulateOptions
from fieldmark.evals.owners.simulating import Simulation, rules_named, simulate, simulated

CLIP = "aviary"


def run_simulation(
    options: SimulateOptions, *, home: Path, workers: int = 1, report: Report = say_nothing
) -> SimulateResult:
    """Simulate the owners that the options name.

    Args:
        options: What is simulated.
        home: A fresh folder for the concepts.
        workers: Processes; each takes one owner at a time. Results do not depend on how many there are.
        report: Shows progress.

    Raises:
        InputError: An owner is unknown.
    """
    began = time.perf_counter()
    keys = [rule.key for rule in rules_named(options.owners)]
    with open_stores() as stores:
        task = opened(options, stores, home, report)
        task.world()  # drawn and encoded once, before several processes want it
        if workers == 1:
            runs = run_to_end(simulate(task, [RULE_BY_KEY[key] for key in keys]))
        else:
            runs = shared_out(options, keys, home, workers, report)
    return simulated(options, runs, seconds=time.perf_counter() - began)


def shared_out(
    options: SimulateOptions, keys: Sequence[str], home: Path, workers: int, report: Report
) -> list[OwnerRun]:
    """Have processes simulate one owner each, until all are done."""
    # Started afresh: a copy of a process that has torch's threads would hang.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(keys)), mp_context=fresh) as pool:
        waiting = [pool.submit(one, options.model_dump_json(), key, str(home)) for key in keys]
        runs: list[OwnerRun] = []
        for done in as_completed(waiting):
            runs.append(OwnerRun.model_validate_json(done.result()))
            report("owner", {"number": len(runs), "of": len(keys), "name": runs[-1].result.rule})
    return runs


def one(options: str, key: str, home: str) -> str:
    """Simulate one owner in a process of its own; records go in and out as JSON."""
    with open_stores() as stores:
        task = opened(SimulateOptions.model_validate_json(options), stores, Path(home), say_nothing)
        (run,) = run_to_end(simulate(task, [RULE_BY_KEY[key]]))
    return run.model_dump_json()


def opened(options: SimulateOptions, stores: Stores, home: Path, report: Report) -> Simulation:
    """A simulation on the stores of this machine."""
    return Simulation(
        options=options,
        encoder=stores.encoder(CLIP),
        answers=stores.answers,
        pictures=stores.aviary,
        home=home,
        report=report,
    )
