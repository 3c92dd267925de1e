"""Options that several commands have, in the same words."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DATA, MODELS, RUN = "The data", "The models", "The run"
"""Panels of `--help`."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
RunJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else.", rich_help_panel=RUN)
]
ListedFrom = Annotated[
    Path | None, typer.Option(help="Where the paths of a list or split file start.", rich_help_panel=DATA)
]
BaseUrl = Annotated[
    str | None, typer.Option(help="The endpoint. Else OPENAI_BASE_URL.", rich_help_panel=MODELS)
]
MaxCalls = Annotated[
    int | None, typer.Option(min=0, help="The most questions asked anew.", rich_help_panel=MODELS)
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="[RUN]", help="Go on with an earlier run; without a name the latest.", rich_help_panel=RUN
    ),
]

Out = Annotated[Path, typer.Option(help="Folder for the run's folder.", rich_help_panel=RUN)]
Report = Annotated[
    bool | None,
    typer.Option(
        "--report/--no-report",
        help="Write a report, report.html, into the run's folder. \\[default: report]",
        show_default=False,
        rich_help_panel=RUN,
    ),
]
"""None where it was not given: a resumed run then keeps its choice."""

AnswerTokens = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The least tokens an answer may take, thinking included. Else FIELDMARK_ANSWER_TOKENS.",
        show_default=False,
        rich_help_panel=MODELS,
    ),
]
Effort = Annotated[
    Literal["low", "medium", "high"] | None,
    typer.Option(
        help="How long a model that thinks may think. Else FIELDMARK_EFFORT.",
        show_default=False,
        rich_help_panel=MODELS,
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
