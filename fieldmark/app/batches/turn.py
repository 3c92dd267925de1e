"""One turn of a run that asks by batch files: takes the answers that came, and says what it asks next."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from fieldmark.app.classifier import Classifier
from fieldmark.app.event_loop import run_here
from fieldmark.app.models import choose_models
from fieldmark.app.optimizer import Optimizer
from fieldmark.app.stores import open_llm, open_stores, open_vlm
from fieldmark.errors import LimitReached, RunError
from fieldmark.records import Record
from fieldmark.tools.llm.batch import BatchModel, read_replies, write_batch
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder

_GOES_ON = {"classify": Classifier, "optimize": Optimizer}


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
    kept = folder.config.options
    kind, chosen = folder.config.kind, choose_models(kept)
    if kind not in _GOES_ON or chosen.llm is None:
        raise RunError(
            f"Run {folder.run_id} asks nothing by batch files.",
            hint="Classifications and prompt searches that have a language model do.",
        )
    made = partial(BatchModel, replies=answers)
    with open_stores() as stores:
        store = stores.answers
        models = {"": open_llm(chosen.llm, store, base_url=chosen.base_url, kind=made)}
        given: dict[str, Any] = {"llm": models[""]}
        if vlm := kept.get("vlm"):
            url = str(kept["vlm_base_url"]) if kept.get("vlm_base_url") else None
            llm = (chosen.base_url, None)
            models["vlm"] = open_vlm(str(vlm), store, beside=None, llm=llm, base_url=url, kind=made)
            given["vlm"] = models["vlm"]
        asked: dict[str, BatchModel] = {each: m for each, m in models.items() if isinstance(m, BatchModel)}
        try:
            going = _GOES_ON[kind].from_run(folder.path, out=runs, progress=progress, **given)
            await (going.aresolve() if isinstance(going, Classifier) else going.arun())
        except LimitReached:
            pass  # a question before the loop waits
        finally:
            for model in models.values():
                await model.aclose()
    files: list[Path] = []
    for name, model in asked.items():
        files += write_batch(model.lines(), out.with_stem(f"{out.stem}-{name}") if name else out)
    bad = sum((model.bad for model in asked.values()), Counter[str]())
    taken = sum(model.taken for model in asked.values())
    return BatchTurn(
        run=str(folder.path),
        waiting=sum(len(model.waiting) for model in asked.values()),
        files=tuple(map(str, files)),
        taken=taken,
        bad=dict(bad),
        unused=len(answers) - taken - bad.total(),
        unreadable=unreadable,
    )
