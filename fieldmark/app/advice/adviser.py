"""Measures what class names, a language model and a few labels are worth on a labelled set, and advises."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fieldmark.agents.shared.estimate import CallEstimate
from fieldmark.app.advice.advice import Advice
from fieldmark.app.advice.conclude import LABELS, conclude, setting_of
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.evaluate.evaluator import Evaluator
from fieldmark.app.evaluate.inputs import OwnData
from fieldmark.app.event_loop import run_here
from fieldmark.app.stores import Stores, open_stores
from fieldmark.errors import InputError, RunError
from fieldmark.evals.table.join import setting_runs
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.options import BASELINE, CONTROL, EvalOptions
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.tools.datasets.shots import draw_shots, first
from fieldmark.tools.runs.folder import RunFolder

ADVICE = "advice.json"
STEPS = (1, 4, 16)
"""Labelled images a class that are tried."""
LEAST_TESTED = 2
"""Images of each class that must be left to measure on; and as many as are labels."""
_ASKING = ("resolve",)
_METHODS = (BASELINE, *_ASKING, LABELS)


@checked_arguments
@dataclass(kw_only=True)
class Adviser(Evaluator):
    """Measures names, answers and 1, 4 or 16 labels a class on the same held-out images of a labelled set.

    It is an evaluation with a conclusion: its run has the table and the page of one and goes on after a kill.
    What it asks is kept for the classification that follows. How many labels can be tried depends on the
    class with the fewest images.

    Args:
        data: A folder with one folder a class, a list, or another set of one's own, see `read_test_set`.
        options: The seed; methods and shots are the adviser's own affair.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.data, OwnData):
            raise InputError(
                "Advice is about one's own images.", hint="Name a folder or a list.", field="data"
            )
        if self.earlier is None:
            chosen = EvalOptions(methods=_METHODS, seeds=1, shots=STEPS[-1])
            self.options = chosen.model_copy(update={"seed": self.options.seed})
        elif self.options.methods != _METHODS:
            raise RunError(f"Run {self.earlier.run_id} is no advice but a table.", hint="Resume it as one.")

    @property
    def own_source(self) -> str:
        """Where the labelled images lie, as it was given."""
        return self.data.source if isinstance(self.data, OwnData) else ""

    def advise(self) -> Advice:
        """Measure and conclude; see `aadvise`. Not to be called from a running event loop."""
        return run_here(self.aadvise(), "advise")

    async def aadvise(self) -> Advice:
        """Measure, or go on measuring, and conclude.

        Returns:
            The advice; the folder that `run` names holds it as `advice.json`, beside the table.

        Raises:
            InputError: What was given cannot be used, or a class has too few images to measure on.
            EndpointError: The language model cannot be asked; what was measured is kept.
            LimitReached: A limit stopped the run; `from_run` goes on with it.
        """
        result = await self.arun()
        run = RunFolder(Path(result.run))
        advice = conclude(setting_runs(run), result, run)
        run.write(ADVICE, advice)
        return advice

    async def aestimate(self) -> CallEstimate:
        """What the language model would be asked; see `Evaluator.aestimate`."""
        if isinstance(self.data, OwnData):
            with open_stores(self.home) as stores:
                self._own_test_set(self.data, stores)  # what becomes a label is not tested
        own: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Evaluator)}
        options = self.options.model_copy(update={"methods": _ASKING})
        return await Evaluator(**{**own, "options": options}).aestimate()

    def _settings(self) -> tuple[str, ...]:
        return tuple(setting_of(shots) for shots in (0, *STEPS) if shots <= self.options.shots)

    def _own_test_set(self, own: OwnData, stores: Stores) -> TestSet:
        for shots in reversed(STEPS):
            self.options = self.options.model_copy(update={"shots": shots})
            with suppress(InputError):  # as there are too few images; what else is wrong is told below
                test = super()._own_test_set(own, stores)
                if _enough(test, shots):
                    return test
        self.options = self.options.model_copy(update={"shots": 0})
        return super()._own_test_set(own, stores)

    def _fitted(
        self, setting: str, test: TestSet, methods: tuple[EvalMethod, ...]
    ) -> tuple[TestSet, tuple[EvalMethod, ...]]:
        """The same test images with as many labels as the setting says, and the methods that go by them."""
        shots = next(each for each in (0, *STEPS) if setting_of(each) == setting)
        labels = [image.label for image in test.train]
        few = tuple(test.train[place] for place in sorted(draw_shots(labels, shots=shots, draw=first)))
        always = (BASELINE, CONTROL)
        fit = [m for m in methods if m.key in always or (MethodNeed.LABELS in m.needs) == (shots > 0)]
        return replace(test, setting=setting, train=few), tuple(fit)


def _enough(test: TestSet, shots: int) -> bool:
    """Whether every class has so many labelled images, and no fewer to measure on."""
    trained = Counter(image.label for image in test.train)
    tested = Counter(image.label for image in test.images)
    least = max(LEAST_TESTED, shots)
    return all(trained[name] >= shots and tested[name] >= least for name in test.classes)
