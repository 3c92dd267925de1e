"""Runs a classification or a prompt search by batches alone: sends what it asks, waits, and goes on.

What was sent is kept in the run's folder, in `batches/sent.json`, before and after each step. So a process
that is killed anywhere sends nothing twice: another one goes on with the batch that is under way.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from pydantic import Field

from fieldmark.agents.optimize.search_run import OptimizeResult
from fieldmark.app.batches.turn import TurnTaken, Work, batch_models, take_turn
from fieldmark.app.classifier import Classifier
from fieldmark.app.event_loop import run_here
from fieldmark.app.optimizer import Optimizer
from fieldmark.app.resolution import Resolution
from fieldmark.app.stores import price_of
from fieldmark.cache.folders import write_whole
from fieldmark.errors import EndpointBusy, EndpointError, InputError, QuestionFailed
from fieldmark.reading import read_bytes, read_lines
from fieldmark.records import Record
from fieldmark.settings import read_settings
from fieldmark.tools.llm.batches.files import read_replies
from fieldmark.tools.llm.batches.service import (
    OVER,
    BatchGone,
    BatchService,
    ServiceBatch,
    may_pass,
    never_asked,
)
from fieldmark.tools.llm.budget import Budget
from fieldmark.tools.runs.events import BatchResults, BatchStatus, Event, Progress, RunOpened
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import HELD, held_alone

FOLDER, SENT = "batches", "sent.json"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
"""How long to wait before looking at a batch again: twice as long each time, at most the second."""
_MOST_IN_VAIN = 30
"""Looks in a row that may fail, half an hour of them, before the wait ends."""
GONE = "gone"
"""The status of a batch that the service forgot."""
_WORDS = {
    "expired": "was not finished in its 24 hours",
    "cancelled": "was cancelled",
    "failed": "was refused by the service",
    GONE: "is not known to the service any more",
}

Sleep = Callable[[float], Awaitable[object]]


class SentBatch(Record):
    """One batch file, and how far it is."""

    file: str
    """Its name beside the record."""
    model: str
    """Whom it asks: "" is the language model, "vlm" the other."""
    questions: int
    file_id: str = ""
    """Its name at the service, once it is there."""
    batch_id: str = ""
    status: str = "waiting"
    results: tuple[str, ...] = ()
    """Files with what came back."""
    complaint: str = ""
    over: bool = False
    """Whether its results were taken."""


class SentBatches(Record):
    """All batches of a run."""

    batches: tuple[SentBatch, ...] = ()
    turns: int = Field(default=0, ge=0)
    tries: dict[str, int] = Field(default_factory=dict)
    """In how many batches each question was."""

    @property
    def open(self) -> tuple[SentBatch, ...]:
        """Batches whose results were not taken yet."""
        return tuple(batch for batch in self.batches if not batch.over)


@overload
def by_batches(work: Classifier) -> Resolution: ...
@overload
def by_batches(work: Optimizer) -> OptimizeResult: ...
def by_batches(work: Work) -> Resolution | OptimizeResult:
    """Run by batches alone; see `aby_batches`. Not to be called from a running event loop."""
    return run_here(aby_batches(work), "by_batches")


async def aby_batches(work: Work, *, sleep: Sleep = asyncio.sleep) -> Resolution | OptimizeResult:
    """Run a classification or a prompt search, every question of which is asked by batches.

    Args:
        work: What is run; begun before, or new. Its limits hold for what is sent from now on.
        sleep: Waits so many seconds.

    Returns:
        What it gives when it asks online.

    Raises:
        InputError: It leaves the cache off, which has the answers, or names no language model.
        EndpointBusy: A batch ended before it was answered; what was answered is kept.
        EndpointError: The endpoint answers no batches, or refused one; its error says why.
        LimitReached: A limit kept back a question that the run needs.
    """
    if work.cache != "use":
        raise InputError(
            "Answers of batches come by way of the cache, which is off or asked anew here.",
            hint="Leave the cache on.",
        )
    budget = Budget(work.limits, price_of(read_settings()))
    work, turn, run = replace(work, progress=_once(work.progress)), None, work.earlier
    if run is None:
        turn = await take_turn(work, sent=budget)
        run = RunFolder(turn.run)
    folder = RunFolder(run.path / FOLDER)
    with held_alone(folder.path, work="the batches of the run", hint=HELD):
        work.progress(RunOpened(path=run.path))
        return await _Waiting(replace(work, earlier=run), folder, budget, sleep).until_answered(turn)


def _once(progress: Progress) -> Progress:
    """Has a run that is opened turn by turn say so once."""
    opened: list[Event] = []

    def tell(event: Event) -> None:
        if isinstance(event, RunOpened):
            opened.append(event)
        if not isinstance(event, RunOpened) or len(opened) == 1:
            progress(event)

    return tell


class _Waiting:
    """The batches of one run while somebody waits for them."""

    def __init__(self, work: Work, folder: RunFolder, budget: Budget, sleep: Sleep) -> None:
        self._work = work
        self._folder = folder
        self._budget = budget
        self._sleep = sleep
        there = (folder.path / SENT).is_file()
        self._sent = folder.read(SENT, SentBatches) if there else SentBatches()

    async def until_answered(self, turn: TurnTaken | None) -> Resolution | OptimizeResult:
        """Go on until no question is left."""
        while True:
            if self._sent.open:
                async with batch_models(self._work) as models:
                    services = {name: BatchService(model.endpoint) for name, model in models.items()}
                    await self._answered(services)
                turn = await self._take()
            elif turn is None:
                turn = await take_turn(self._work, tries=self._sent.tries, sent=self._budget)
            if not turn.waiting:
                if turn.result is None:
                    raise turn.stopped or TypeError("a turn without a result was stopped")
                return turn.result
            self._add(turn)
            turn = None

    def _add(self, turn: TurnTaken) -> None:
        """Write the questions that wait, and note that they are to be sent."""
        number = self._sent.turns + 1
        added = [
            SentBatch(file=file.name, model=name, questions=_lines(file))
            for name, files in turn.write(self._folder.path / f"{number:03}.jsonl").items()
            for file in files
        ]
        tries = Counter(self._sent.tries)
        tries.update(key for model in turn.asked.values() for key in model.waiting)
        self._keep(batches=(*self._sent.batches, *added), turns=number, tries=dict(tries))

    async def _answered(self, services: Mapping[str, BatchService]) -> None:
        """Send what was not sent, and wait until all that is under way is over and its results are here."""
        for batch in self._sent.open:
            if not batch.batch_id:
                await self._send(batch, services[batch.model])
        pause, vain = _FIRST_PAUSE_S, 0
        while left := [batch for batch in self._sent.open if batch.status not in OVER or not batch.results]:
            waits = False
            for batch in left:
                try:
                    waits |= not await self._look(batch, services[batch.model])
                    vain = 0
                except QuestionFailed as error:
                    waits, vain = True, vain + 1
                    if not may_pass(error) or vain >= _MOST_IN_VAIN:
                        raise EndpointBusy(
                            f"Batch {batch.batch_id} cannot be looked at: {error.message}",
                            hint="Nothing is lost. Go on with the run.",
                        ) from None
            if waits:
                await self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                break

    async def _send(self, batch: SentBatch, service: BatchService) -> None:
        try:
            # Without an id it may have been sent all the same, by a process that was killed then.
            made = await service.of_file(batch.file_id) if batch.file_id else None
            if made is None:
                file_id = batch.file_id or await service.upload(self._folder.path / batch.file)
                batch = self._change(batch, file_id=file_id)
                made = await service.create(file_id)
        except QuestionFailed as error:
            raise EndpointBusy(
                f"The batch cannot be sent now: {error.message}", hint="Nothing is lost. Go on with the run."
            ) from None
        self._note(self._change(batch, batch_id=made.id), made)

    async def _look(self, batch: SentBatch, service: BatchService) -> bool:
        """See how far a batch is, and fetch what came back once it is over; whether it is."""
        names: list[str] = []
        try:
            said = await service.look(batch.batch_id)
            if said.status not in OVER:
                self._note(batch, said)
                return False
            for kind, file_id in (("results", said.output_file_id), ("errors", said.error_file_id)):
                if file_id:
                    name = f"{Path(batch.file).stem}-{kind}.jsonl"
                    write_whole(self._folder.path / name, (await service.fetch(file_id),))
                    names.append(name)
        except BatchGone as error:
            self._change(batch, results=tuple(names), status=GONE, complaint=error.message)
            return True
        self._note(self._change(batch, results=tuple(names), complaint=said.complaint), said)
        return True

    def _note(self, batch: SentBatch, said: ServiceBatch) -> None:
        if said.status != batch.status:
            batch = self._change(batch, status=said.status)
        self._work.progress(
            BatchStatus(batch=batch.batch_id, status=said.status, done=said.done, of=batch.questions)
        )

    async def _take(self) -> TurnTaken:
        """Take what came back, and go on with the run.

        Raises:
            EndpointBusy: A batch ended early.
            EndpointError: A batch was refused.
        """
        batches = self._sent.open
        replies, unreadable = read_replies(
            self._folder.path / name for batch in batches for name in batch.results
        )
        replies = {key: reply for key, reply in replies.items() if not never_asked(reply)}
        tries = Counter(self._sent.tries)
        early = [batch for batch in batches if batch.status != "completed"]
        for batch in early:  # what was not asked may be sent as often as before
            tries.subtract(set(_keys(self._folder.path / batch.file)) - replies.keys())
        turn = await take_turn(self._work, replies=replies, tries=tries, sent=self._budget)
        self._work.progress(BatchResults(taken=turn.taken, bad=dict(turn.bad), unreadable=unreadable))
        over = tuple(batch.model_copy(update={"over": True}) for batch in self._sent.batches)
        self._keep(batches=over, tries=dict(+tries))
        if early and turn.waiting:
            raise _ended(early[0], turn)
        return turn

    def _change(self, batch: SentBatch, **changes: Any) -> SentBatch:
        changed = batch.model_copy(update=changes)
        known = (changed if each.file == batch.file else each for each in self._sent.batches)
        self._keep(batches=tuple(known))
        return changed

    def _keep(self, **changes: Any) -> None:
        self._sent = self._sent.model_copy(update=changes)
        self._folder.write(SENT, self._sent)


def _ended(batch: SentBatch, turn: TurnTaken) -> Exception:
    why = f": {batch.complaint.rstrip('.')}" if batch.complaint else ""
    said = f"Batch {batch.batch_id} {_WORDS[batch.status]}{why}."
    if batch.status == "failed":
        return EndpointError(
            said, hint="Correct that, then go on with the run: its questions are sent again. Or ask online."
        )
    return EndpointBusy(
        f"{said} {turn.taken:,} answers are kept, {turn.waiting:,} questions wait.",
        hint="Go on with the run: they are sent in another batch. Or ask them online.",
    )


def _keys(file: Path) -> list[str]:
    return [json.loads(line)["custom_id"] for line in read_lines(file)]


def _lines(file: Path) -> int:
    return read_bytes(file).count(b"\n")
