"""Options that several commands have, in the same words."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DATA, MODELS, RUN = "The data", "The models", "The run"
"""Panels of `--help`."""


def option(said: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """An option by what `--help` says of it; `more` is as `typer.Option` takes it."""
    return typer.Option(*names, help=said, rich_help_panel=panel, **more)


Json = Annotated[bool, option("Print one JSON object and nothing else.", "--json")]
RunJson = Annotated[bool, option("Print one JSON object and nothing else.", "--json", panel=RUN)]
ListedFrom = Annotated[Path | None, option("Where the paths of a list or split file start.", panel=DATA)]
BaseUrl = Annotated[str | None, option("The endpoint. Else OPENAI_BASE_URL.", panel=MODELS)]
MaxCalls = Annotated[int | None, option("The most questions asked anew.", panel=MODELS, min=0)]
Resume = Annotated[
    str | None, option("Go on with an earlier run; without a name the latest.", panel=RUN, metavar="[RUN]")
]

Out = Annotated[Path, option("Folder for the run's folder.", panel=RUN)]
Report = Annotated[
    bool | None,
    option(
        "Write a report, report.html, into the run's folder. \\[default: report]",
        "--report/--no-report",
        panel=RUN,
        show_default=False,
    ),
]
"""None where it was not given: a resumed run then keeps its choice."""

AnswerTokens = Annotated[
    int | None,
    option(
        "The least tokens an answer may take, thinking included. Else FIELDMARK_ANSWER_TOKENS.",
        panel=MODELS,
        min=1,
        show_default=False,
    ),
]
Effort = Annotated[
    Literal["low", "medium", "high"] | None,
    option(
        "How long a model that thinks may think. Else FIELDMARK_EFFORT.", panel=MODELS, show_default=False
    ),
]


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that asks a language model the options for how it is asked.

    They are settings while the command runs: every model that it opens reads them, at whatever depth.
    """
    added = {"answer_tokens": AnswerTokens, "effort": Effort}

    @functools.wraps(command)
    def asks(*args: Any, answer_tokens: int | None = None, effort: str | None = None, **options: Any) -> None:
        from fieldmark.settings import overridden

        with overridden(answer_tokens=answer_tokens, effort=effort):
            command(*args, **options)

    own = inspect.signature(command)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in added.items()
    ]
    asks.__dict__["__signature__"] = own.replace(parameters=[*own.parameters.values(), *more])
    asks.__annotations__ = {**command.__annotations__, **added}
    return asks
