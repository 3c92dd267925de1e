"""One turn of a run that asks by batch files: takes the answers that came, and says what it asks next."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from fieldmark.agents.optimize.search_run import OptimizeResult
from fieldmark.app.classifier import Classifier
from fieldmark.app.event_loop import run_here
from fieldmark.app.models import choose_models
from fieldmark.app.optimizer import Optimizer
from fieldmark.app.resolution import Resolution
from fieldmark.app.stores import open_llm, open_stores, open_vlm
from fieldmark.errors import InputError, LimitReached, RunError
from fieldmark.records import Record
from fieldmark.tools.llm.batches.files import BatchModel, read_replies, write_batch
from fieldmark.tools.llm.budget import Budget
from fieldmark.tools.runs.events import Event, Progress, RunOpened, StepFailed, no_progress
from fieldmark.tools.runs.folder import RunFolder

Work = Classifier | Optimizer
_GOES_ON = {"classify": Classifier, "optimize": Optimizer}
_NO_MODEL = "Classifications and prompt searches that name a language model do."


class BatchTurn(Record):
    """What came of one turn."""

    run: str
    waiting: int = Field(ge=0)
    """Questions that the run waits for; 0 where it has ended."""
    files: tuple[str, ...] = ()
    """Batch files with these questions, each for one model."""
    taken: int = 0
    """Results that gave an answer."""
    bad: dict[str, int] = Field(default_factory=dict)
    """Results that gave none, by the reason; their questions wait again."""
    unused: int = 0
    """Results that answer no question of this turn: answered before, or of another run."""
    unreadable: int = 0
    """Lines that are no results."""


@dataclass(frozen=True, kw_only=True)
class TurnTaken:
    """What came of one turn, before its questions are written.

    Attributes:
        run: The run's folder.
        result: What the run gave; None where a question before its loop waits.
        stopped: What kept that question back: the batch, or a limit.
        asked: The models that were asked, by name: "" is the language model, "vlm" the other.
    """

    run: Path
    result: Resolution | OptimizeResult | None
    stopped: LimitReached | None
    asked: Mapping[str, BatchModel]

    @property
    def waiting(self) -> int:
        """Questions that the run waits for."""
        return sum(len(model.waiting) for model in self.asked.values())

    @property
    def taken(self) -> int:
        """Results that gave an answer."""
        return sum(model.taken for model in self.asked.values())

    @property
    def bad(self) -> Counter[str]:
        """Results that gave none, by the reason."""
        return sum((model.bad for model in self.asked.values()), Counter[str]())

    def write(self, out: Path) -> dict[str, tuple[Path, ...]]:
        """Write the questions that wait as batch files, for each model its own."""
        return {
            name: write_batch(model.lines(), out.with_stem(f"{out.stem}-{name}") if name else out)
            for name, model in self.asked.items()
        }


def batch_turn(
    run: Path | str,
    *,
    out: Path,
    runs: Path = Path("runs"),
    replies: Sequence[Path] = (),
    progress: Progress = no_progress,
) -> BatchTurn:
    """Go on with a run as far as its answers reach, and write what it asks next; see `abatch_turn`."""
    return run_here(abatch_turn(run, out=out, runs=runs, replies=replies, progress=progress), "batch_turn")


async def abatch_turn(
    run: Path | str,
    *,
    out: Path,
    runs: Path = Path("runs"),
    replies: Sequence[Path] = (),
    progress: Progress = no_progress,
) -> BatchTurn:
    """Go on with a run as far as its answers reach, and write what it asks next.

    Nothing is asked: questions without an answer stop the run as a limit would.

    Args:
        run: Id or folder of a classification or a prompt search.
        out: The batch file to write; more beside it where one is too small, or two models are asked.
        runs: Where run folders are.
        replies: Files with results of earlier turns.
        progress: Shows progress.

    Raises:
        RunError: There is no such run, it asks no model, or it is of another kind.
        InputError: A file cannot be read or written.
    """
    answers, unreadable = read_replies(replies)
    folder = RunFolder.open(runs, run)
    kind = folder.config.kind
    if kind not in _GOES_ON or choose_models(folder.config.options).llm is None:
        raise RunError(f"Run {folder.run_id} asks nothing by batch files.", hint=_NO_MODEL)
    turn = await take_turn(_GOES_ON[kind].from_run(folder.path, out=runs, progress=progress), replies=answers)
    files = [each for written in turn.write(out).values() for each in written]
    return BatchTurn(
        run=str(folder.path),
        waiting=turn.waiting,
        files=tuple(map(str, files)),
        taken=turn.taken,
        bad=dict(turn.bad),
        unused=len(answers) - turn.taken - turn.bad.total(),
        unreadable=unreadable,
    )


async def take_turn(
    work: Work,
    *,
    replies: Mapping[str, Any] | None = None,
    tries: Mapping[str, int] | None = None,
    sent: Budget | None = None,
) -> TurnTaken:
    """Begin a run, or go on with one, as far as the answers reach. Nothing is asked.

    Args:
        work: A classification or a prompt search that names its language model.
        replies: Results, by the ids of their requests.
        tries: In how many batches a question was, by its key; see `BatchModel`.
        sent: The budget for what is sent.

    Raises:
        InputError: It names no language model.
    """
    runs: list[Path] = [] if work.earlier is None else [work.earlier.path]

    def tell(event: Event) -> None:
        if isinstance(event, RunOpened):
            runs.append(event.path)
        if not (isinstance(event, StepFailed) and event.code == "limit"):  # it waits, and has not failed
            work.progress(event)

    result, stopped = None, None
    async with batch_models(work, replies=replies, tries=tries, sent=sent) as models:
        given = {name or "llm": model for name, model in models.items()}
        try:
            going = replace(work, **given, progress=tell)
            result = await (going.aresolve() if isinstance(going, Classifier) else going.arun())
        except LimitReached as error:
            if not runs:
                raise
            stopped = error  # a question before the loop waits
    run = Path(result.run) if result is not None else runs[0]
    return TurnTaken(run=run, result=result, stopped=stopped, asked=models)


@asynccontextmanager
async def batch_models(work: Work, **more: Any) -> AsyncIterator[dict[str, BatchModel]]:
    """The models of a run as ones that are asked by batch files, by name; `more` is as `BatchModel` takes it.

    Raises:
        InputError: The run names no language model.
    """
    chosen = choose_models(
        work.earlier.config.options if work.earlier else None, llm=_name(work.llm), base_url=work.base_url
    )
    vlm = work.vlm if isinstance(work, Classifier) else None
    if chosen.llm is None or (isinstance(work, Optimizer) and not isinstance(work.data, str | Path)):
        raise InputError("This run asks nothing by batch files.", hint=_NO_MODEL)
    made: Any = partial(BatchModel, **more)
    with open_stores(work.home) as stores:
        key = work.api_key if isinstance(work, Classifier) else None
        models: dict[str, Any] = {
            "": open_llm(chosen.llm, stores.answers, base_url=chosen.base_url, api_key=key, kind=made)
        }
        if isinstance(work, Classifier) and vlm is not None:
            models["vlm"] = open_vlm(
                _name(vlm) or "",
                stores.answers,
                beside=None,
                llm=(chosen.base_url, key),
                base_url=work.vlm_base_url,
                api_key=work.vlm_api_key,
                kind=made,
            )
        try:
            yield models
        finally:
            for model in models.values():
                await model.aclose()


def _name(model: object) -> str | None:
    """A model's name.

    Raises:
        InputError: It is an object, which no batch service can ask.
    """
    if model is None or isinstance(model, str):
        return model
    raise InputError("A model that is an object is asked by itself, not by batches.", hint="Give its name.")
