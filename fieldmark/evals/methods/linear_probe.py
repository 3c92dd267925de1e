"""A linear probe on the labelled shots: what a few labels give without any text."""

from fieldmark.evals.table.bench import Bench
from fieldmark.evals.table.method import Method, MethodScores, Need
from fieldmark.tools.scoring.fitting import Support
from fieldmark.tools.scoring.linear_probe import fit_linear_probe


async def by_shots(bench: Bench) -> MethodScores:
    """Logits of a probe; L2 is chosen on held-out shots, where the authors have validation images."""
    support = Support(bench.train_vectors, bench.train_labels)
    probe = fit_linear_probe(support, classes=len(bench.classes))
    return MethodScores(scores=probe.scores(bench.vectors), diagnostics={"l2": probe.l2})


METHODS = (
    Method(
        key="linear-probe",
        title="Linear probe",
        source="Radford et al. 2021",
        needs=frozenset({Need.LABELS}),
        run=by_shots,
        scale="200 float64 tables of classes × width: 10,000 classes at width 512",
    ),
)
