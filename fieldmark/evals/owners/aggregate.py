"""Pools simulated owners: means over owners, paired differences from controls, conversations by stage."""

from collections.abc import Callable, Sequence

import numpy as np

from fieldmark.evals.owners.results import (
    Comparison,
    HeldOutF1,
    OwnerRun,
    Pooled,
    PooledResult,
    PooledStage,
)
from fieldmark.tools.statistics import agreement

TALK, RANDOM = "conversation", "random_boards"
Pair = tuple[HeldOutF1, HeldOutF1]


def pooled_over(measurements: Sequence[HeldOutF1]) -> Pooled:
    """The mean over owners."""
    found = agreement.pooled([m.value for m in measurements], [np.array(m.replicates) for m in measurements])
    return Pooled(value=round(found.value, 4), ci95=found.ci95)


def gap_over(first: Sequence[HeldOutF1], second: Sequence[HeldOutF1]) -> Comparison:
    """The mean paired difference over owners, first minus second."""
    found = agreement.pooled_difference(
        [m.value for m in first],
        [m.value for m in second],
        [np.array(m.replicates) for m in first],
        [np.array(m.replicates) for m in second],
    )
    return Comparison(
        value=round(found.value, 4),
        ci95=found.ci95,
        p=found.printed_p,
        owners=len(first),
    )


def by_owner(runs: Sequence[OwnerRun], found: Callable[[OwnerRun], Pair | None]) -> tuple[Pair, ...]:
    """Two scores of each owner, averaged over worlds; worlds and owners that have none are left out.

    Owners are what is resampled: the same rule in another world is no further owner.
    """
    rows: dict[str, list[Pair]] = {}
    for run in runs:
        pair = found(run)
        if pair is not None:
            rows.setdefault(run.result.rule, []).append(pair)
    return tuple(
        (averaged([a for a, _ in pairs]), averaged([b for _, b in pairs])) for pairs in rows.values()
    )


def averaged(scores: Sequence[HeldOutF1]) -> HeldOutF1:
    """The mean of scores on different pictures, replicate by replicate."""
    replicates = np.mean([score.replicates for score in scores], axis=0)
    return HeldOutF1(value=float(np.mean([s.value for s in scores])), replicates=tuple(replicates.tolist()))


def pooled_stages(runs: Sequence[OwnerRun]) -> tuple[PooledStage, ...]:
    """All owners before the first board and after each."""
    runs = [run for run in runs if TALK in run.stages]
    longest = max((len(stages.place) for run in runs for stages in run.stages.values()), default=0)
    return tuple(_after(boards, runs) for boards in range(longest))


def _after(boards: int, runs: Sequence[OwnerRun]) -> PooledStage:
    def scores(run: OwnerRun, name: str) -> HeldOutF1 | None:
        return run.stages[name].after(boards)[1] if name in run.stages else None

    def both(run: OwnerRun) -> Pair | None:
        mine, other = scores(run, TALK), scores(run, RANDOM)
        return None if mine is None or other is None else (mine, other)

    def alone(run: OwnerRun) -> Pair | None:
        mine = scores(run, TALK)
        return None if mine is None else (mine, mine)

    pairs = by_owner(runs, both)
    return PooledStage(
        boards=boards,
        labels=round(float(np.mean([run.stages[TALK].after(boards)[0] for run in runs])), 1),
        f1=pooled_over([mine for mine, _ in by_owner(runs, alone)]),
        random_boards=pooled_over([other for _, other in pairs]) if pairs else None,
        difference=gap_over([mine for mine, _ in pairs], [other for _, other in pairs]) if pairs else None,
    )


def pooled_result(runs: Sequence[OwnerRun]) -> PooledResult:
    """Pool owners; one whom a control could not serve is left out of its comparison."""
    owners = [run.result for run in runs]
    own = by_owner(runs, lambda run: (run.teacher, run.student))
    teachers, students = [teacher for teacher, _ in own], [student for _, student in own]
    names = dict.fromkeys(name for run in runs for name in run.controls)
    against = {name: by_owner(runs, lambda run, name=name: _beside(run, name)) for name in names}
    gap = gap_over(teachers, students)
    return PooledResult(
        f1=pooled_over(teachers),
        student_f1=pooled_over(students),
        teacher_gap=Pooled(value=gap.value, ci95=gap.ci95),
        kappa_owner_annotator=mean_of([owner.kappa_owner_annotator for owner in owners]),
        kappa_from_instructions=mean_of([owner.kappa_from_instructions for owner in owners]),
        self_kappa=mean_of([owner.self_kappa for owner in owners]),
        labels_used=float(np.mean([owner.labels_used for owner in owners])),
        questions=float(np.mean([owner.questions for owner in owners])),
        vlm_calls=float(np.mean([owner.vlm_calls for owner in owners])),
        boards=float(np.mean([owner.boards for owner in owners])),
        controls={name: pooled_over([other for _, other in pairs]) for name, pairs in against.items()},
        differences={
            name: gap_over([mine for mine, _ in pairs], [other for _, other in pairs])
            for name, pairs in against.items()
        },
        stages=pooled_stages(runs),
    )


def _beside(run: OwnerRun, control: str) -> Pair | None:
    return (run.student, run.controls[control]) if control in run.controls else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
