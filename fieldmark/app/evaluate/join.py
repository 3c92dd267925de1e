"""Puts several evaluations into one table, in a folder of its own."""

import time
from collections.abc import Sequence
from pathlib import Path

from fieldmark.app.evaluate.evaluator import KIND, RESULT
from fieldmark.evals.methods.registry import methods_named
from fieldmark.evals.table.chosen_names import names_book
from fieldmark.evals.table.join import joined, table_rows
from fieldmark.evals.table.options import CONTROL, EvalOptions
from fieldmark.evals.table.records import EvalResult
from fieldmark.tools.runs.events import Progress, TableStarted, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.search.own_code import names_own_code

JOINED = "eval-table"
MANY_MODELS = "The runs asked different language models: rows of methods that ask may differ for that reason."


def join_runs(
    runs: Sequence[str], *, baseline: str, out: Path, progress: Progress = no_progress
) -> EvalResult:
    """Put several runs into one table, in a folder of its own.

    Args:
        runs: Ids or folders of evaluations.
        baseline: The method that the others are paired with.
        out: Where runs are looked for, and where the new folder goes.
        progress: Shows progress.

    Raises:
        RunError: A run is not there, or is no evaluation.
        InputError: They do not fit together.
    """
    began = time.perf_counter()
    folders = [RunFolder.open(out, run_id, kind=KIND) for run_id in runs]
    options = [EvalOptions.model_validate(folder.config.options["options"]) for folder in folders]
    own = [name for each in options for name in each.methods if names_own_code(name) or names_book(name)]
    methods = methods_named(["all", baseline, *own])
    together = joined(folders)
    progress(TableStarted())
    made = RunFolder.create(out, kind=JOINED, options={"runs": [str(folder.path) for folder in folders]})
    finished = [folder.read(RESULT, EvalResult) for folder in folders if (folder.path / RESULT).is_file()]
    asked = list(dict.fromkeys(each.llm for each in finished if each.llm))
    result = EvalResult(
        data=", ".join(dict.fromkeys(each.truth.data for each in together)),
        settings=tuple(dict.fromkeys(each.truth.setting for each in together)),
        rows=table_rows(
            together, methods, baseline=baseline, control=CONTROL, resamples=options[0].resamples
        ),
        baseline=baseline,
        control=CONTROL,
        clip=", ".join(dict.fromkeys(each.clip for each in finished)) or "unknown",
        llm=", ".join(asked) or None,
        seeds=max(each.seeds for each in options),
        shots=max(each.shots for each in options),
        images_encoded=sum(each.images_encoded for each in finished),
        texts_encoded=sum(each.texts_encoded for each in finished),
        seconds=round(time.perf_counter() - began, 3),
        notes=(
            *((MANY_MODELS,) if len(asked) > 1 else ()),
            *dict.fromkeys(note for each in finished for note in each.notes),
        ),
        run=str(made.path),
    )
    made.write(RESULT, result)
    return result
