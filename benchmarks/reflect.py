"""Compares the prompt search with and without reflecting between passes, at equal numbers of questions.

Both run on the aviary, each with a store of answers of its own, so that every question is counted. The plain
search gets more deals of look-alikes, so many that it asks at least as many questions as the other did; then
more edits a generation as well, so that it scores about as many candidates. It measures and asserts nothing.
Run: python benchmarks/reflect.py [--seeds 1 2 3 --shots 1 --reflections 8]
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from fieldmark.agents.optimize.options import OptimizeOptions
from fieldmark.agents.optimize.search_run import OptimizeResult, Optimizing, optimize
from fieldmark.app.stores import Stores, open_stores
from fieldmark.cache.bytestore import open_byte_store
from fieldmark.evals.table.sources.aviary_source import Aviary
from fieldmark.evals.table.sources.source import Workplace
from fieldmark.records import UsageLimits
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import Run

MOST_DEALS = 16


def searched(options: OptimizeOptions, shots: int, stores: Stores) -> OptimizeResult:
    """One search with an empty store of answers."""
    with tempfile.TemporaryDirectory() as folder, open_byte_store(Path(folder) / "answers") as answers:
        run = RunFolder.create(Path(folder) / "runs", kind="optimize", options={})
        work = Workplace(
            seed=options.seed,
            shots=shots,
            folder=stores.aviary,
            answers=answers,
            limits=UsageLimits(),
            progress=no_progress,
        )

        async def search() -> OptimizeResult:
            async with Aviary().training_data(work) as made:
                task = Optimizing(
                    data=Aviary.kind,
                    images=made.images,
                    encoder=stores.encoder("aviary"),
                    llm=made.llm,
                    run=Run(folder=run),
                    options=options.model_copy(update={"noun": Aviary.noun}),
                    shots=shots,
                )
                return (await optimize(task))[0]

        return asyncio.run(search())


def said(name: str, result: OptimizeResult) -> str:
    """One line about a search."""
    return (
        f"{name:22} {result.questions:4} questions, {result.candidates:6,} candidates, "
        f"test {100 * (result.best.test_top1 or 0):5.2f}, fitness {result.best.fitness:.3f}"
    )


def interval(differences: list[float]) -> str:
    """Mean and 95% interval (Student's t over the seeds)."""
    values = 100 * np.array(differences)
    if len(values) < 2:
        return f"{values.mean():+.2f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():+.2f} ({values.mean() - half:+.2f} to {values.mean() + half:+.2f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--reflections", type=int, default=OptimizeOptions().reflections)
    parser.add_argument("--edits", action="store_true", help="also list the accepted edits")
    given = parser.parse_args()
    gaps: dict[str, list[float]] = {
        "plain": [],
        "plain, as many questions": [],
        "plain, as many questions and candidates": [],
    }
    removed: list[float] = []
    with open_stores() as stores:
        for seed in given.seeds:
            plain = OptimizeOptions(seed=seed)
            options = plain.model_copy(update={"operators": ("reflect",), "reflections": given.reflections})
            ours = searched(options, given.shots, stores)
            print(f"seed {seed}, {given.shots} shot(s)\n  {said('reflect', ours)}")
            same = other = searched(plain, given.shots, stores)
            print(f"  {said('plain', same)}")
            deals = plain.contrasts
            while other.questions < ours.questions and deals < MOST_DEALS:
                # A deal asks about every class once; groups that came up before are not asked again.
                deals += max(1, (ours.questions - other.questions) // (other.questions // deals))
                other = searched(plain.model_copy(update={"contrasts": deals}), given.shots, stores)
            print(f"  {said(f'plain, {deals} deals', other)}")
            more = {"contrasts": deals, "operators": ("add", "replace")}
            both = searched(plain.model_copy(update=more), given.shots, stores)
            print(f"  {said('… and more edits', both)}", flush=True)
            done = ours.reflect
            if done is not None:
                print(
                    f"  {done.questions} reflected on, {done.failed} failed, "
                    f"{done.descriptors} new descriptors, {done.units} units; "
                    f"{done.edits_scored} edits scored, {len(done.accepted)} accepted, "
                    f"{done.units_in_best} units in the best book; improving {done.improving}, harming "
                    f"{done.harming}; without all of them {100 * (done.test_without or 0):.2f}"
                )
                if given.edits:
                    for edit in done.accepted:
                        if edit.in_best:
                            print(
                                f"    {edit.class_name}: +{edit.added} -{edit.removed} without it "
                                f"{edit.test_without}, without the class's {edit.test_without_class}"
                            )
                removed.append((done.test_best or 0) - (done.test_without or 0))
            best = ours.best.test_top1 or 0.0
            for values, result in zip(gaps.values(), (same, other, both), strict=True):
                values.append(best - (result.best.test_top1 or 0.0))
    for name, values in gaps.items():
        print(f"reflect minus {name}: {interval(values)} points")
    print(f"best book minus the same without what reflecting brought: {interval(removed)} points")


if __name__ == "__main__":
    main()
