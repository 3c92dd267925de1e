"""A worker whose jobs do what `script.txt` in their folder says, without any model: `sleep`, `fail`, …"""

import os
import signal
import sys
import time
from pathlib import Path

from fieldmark.app.jobs.tasks import BuildTask, EvaluateTask, PredictTask, ScoreTask, TalkTask
from fieldmark.app.jobs.worker import main
from fieldmark.errors import InputError, LimitReached
from fieldmark.tools.runs.concept_events import ImagesJudged, SampleGrown
from fieldmark.tools.runs.events import Progress

PATIENCE_S = 60


def work(self: object, folder: Path, progress: Progress) -> object:
    """Leave a line for each time that it is done, then do as the name says."""
    script = (folder / "script.txt").read_text()
    with (folder / "done.txt").open("a") as file:
        file.write(f"{script} {os.environ['FIELDMARK_HOME']}\n")
    for done in range(1, 11):
        progress(ImagesJudged(done=done, of=10))
    progress(SampleGrown(round=1, images=5))
    match script:
        case "fail":
            raise InputError("There is no such thing.", hint="Choose another.")
        case "limit":
            raise LimitReached("No call is left.", hint="Allow more.")
        case "break":
            raise ValueError("a fault of ours with a <secret>")
        case "stubborn":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            time.sleep(PATIENCE_S)
        case "sleep":
            time.sleep(PATIENCE_S)
        case _:
            print("a library says something")
    return {"version": 1}


if __name__ == "__main__":
    for task in (BuildTask, EvaluateTask, PredictTask, ScoreTask, TalkTask):
        task.work = work  # pyright: ignore[reportAttributeAccessIssue]
    main(Path(sys.argv[1]))
