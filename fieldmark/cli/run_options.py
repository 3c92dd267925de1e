"""Options that several commands have, in the same words."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fieldmark.cli.resuming import refuse_with_resume
from fieldmark.errors import InputError

DATA, MODELS, RUN, SPENDING = "The data", "The models", "The run", "Spending"
"""Panels of `--help`."""


def option(said: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """An option by what `--help` says of it; `more` is as `typer.Option` takes it.

    A number within bounds is an N in the help: bounds spelled out take the room of long names at 80 columns.
    """
    if "min" in more or "max" in more:
        more = {"metavar": "N", **more}
    return typer.Option(*names, help=said, rich_help_panel=panel, **more)


Json = Annotated[bool, option("Print one JSON object and nothing else.", "--json")]
RunJson = Annotated[bool, option("Print one JSON object and nothing else.", "--json", panel=RUN)]
ListedFrom = Annotated[Path | None, option("Where the paths of a list or split file start.", panel=DATA)]
BaseUrl = Annotated[str | None, option("The endpoint. Else OPENAI_BASE_URL.", panel=MODELS)]
Resume = Annotated[
    str | None, option("Go on with an earlier run; without a name the latest.", panel=RUN, metavar="[RUN]")
]

DryRun = Annotated[bool, option("Say what would be asked, and ask nothing.", "--dry-run", panel=SPENDING)]

Wait = Annotated[
    Literal["batch"] | None,
    option(
        "Ask by batches of the OpenAI form, which cost half where offered, and wait for them. Else: online.",
        panel=SPENDING,
        show_default=False,
    ),
]
"""None asks online."""

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


def _at_once(given: str | None) -> str | None:
    if given is None or given == "auto" or (given.isascii() and given.isdecimal() and int(given) > 0):
        return given
    raise typer.BadParameter("It is a number from 1 on, or auto.")


Concurrency = Annotated[
    str | None,
    option(
        "The most questions at a time, or auto: as many as bring more answers a second. Else "
        "FIELDMARK_LLM_CONCURRENCY.",
        "--concurrency",
        callback=_at_once,
        panel=MODELS,
        metavar="N|auto",
        show_default=False,
    ),
]


def check_wait(wait: str | None, cache: str) -> None:
    """Refuse to wait for batches without the cache, by way of which their answers come.

    Raises:
        InputError: It is off, or everything is to be asked anew.
    """
    if wait and cache != "use":
        raise InputError(
            "--wait batch takes answers by way of the cache.", hint="Leave out --no-cache and --refresh."
        )


def either(typed: Any, given: Any, name: str) -> Any:
    """What was typed as an argument or given as an option; None where neither was.

    Raises:
        InputError: Both were.
    """
    if typed and given:
        raise InputError(f"{name} was given twice: {typed} and {given}.", hint="Give it once.")
    return typed or given


Engine = Annotated[
    Literal["local", "processes", "ray"] | None,
    option(
        "Where images are encoded: here, in a process for each GPU, or by Ray (RAY_ADDRESS). Else "
        "FIELDMARK_ENGINE.",
        panel=RUN,
        show_default=False,
    ),
]


Reference = Annotated[
    Path | None,
    option(
        "Images like those the CLIP model was trained on: a folder, or an .npy file of their vectors. Else "
        "FIELDMARK_REFERENCE, or the model's own.",
        panel=MODELS,
        show_default=False,
    ),
]


def comparing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that scores images the option for a reference pool; a run that goes on has its own."""
    scoring = _with_settings(command, {"reference": Reference})

    @functools.wraps(scoring)
    def scores(*args: Any, **options: Any) -> None:
        if options.get("resume") is not None:
            refuse_with_resume({"reference": options.get("reference")})
        scoring(*args, **options)

    return scores


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that asks a language model the options for how it is asked."""
    added = {"answer_tokens": AnswerTokens, "effort": Effort, "llm_concurrency": Concurrency}
    return _with_settings(command, added)


def encoding(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that may encode many images the option for where."""
    return _with_settings(command, {"engine": Engine})


def _with_settings(command: Callable[..., None], added: dict[str, Any]) -> Callable[..., None]:
    """Give a command options that are settings while it runs: whatever it opens reads them, at any depth."""

    @functools.wraps(command)
    def runs(*args: Any, **options: Any) -> None:
        from fieldmark.settings import overridden

        with overridden(**{name: options.pop(name, None) for name in added}):
            command(*args, **options)

    own = inspect.signature(command)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in added.items()
    ]
    runs.__dict__["__signature__"] = own.replace(parameters=[*own.parameters.values(), *more])
    runs.__annotations__ = {**command.__annotations__, **added}
    return runs


LIMITS = ("max_calls", "max_tokens", "max_cost")
BOTH_CACHES = "--no-cache and --refresh exclude each other."
_SPENDING: dict[str, Any] = {
    "max_calls": Annotated[int | None, option("Most questions asked anew.", panel=SPENDING, min=0)],
    "max_tokens": Annotated[int | None, option("Most tokens, sent and received.", panel=SPENDING, min=0)],
    "max_cost": Annotated[
        float | None,
        option("Most money; needs FIELDMARK_PRICE_PROMPT and …_COMPLETION.", panel=SPENDING, min=0),
    ],
    "no_cache": Annotated[bool, option("Neither read nor keep answers.", "--no-cache", panel=SPENDING)],
    "refresh": Annotated[bool, option("Ask everything anew, and keep that.", "--refresh", panel=SPENDING)],
    "device": Annotated[
        str | None, option("auto, cpu, cuda, cuda:1 or mps. Else FIELDMARK_DEVICE.", panel=RUN)
    ],
}


def takes_spending(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that asks models and encodes the options for what that may take.

    It gets them as one argument, `spending`: `limits` as a dict, `cache` and `device`, None where not given.
    """

    @functools.wraps(command)
    def spends(*args: Any, **options: Any) -> None:
        given = {name: options.pop(name) for name in _SPENDING}
        if given["no_cache"] and given["refresh"]:
            raise InputError(BOTH_CACHES, hint="Give one of them.")
        limits = {name: given[name] for name in LIMITS if given[name] is not None}
        cache = "off" if given["no_cache"] else "refresh" if given["refresh"] else None
        from fieldmark.settings import overridden

        with overridden(device=given["device"]):
            command(*args, spending={"limits": limits, "cache": cache, "device": given["device"]}, **options)

    own = inspect.signature(command)
    before = [each for name, each in own.parameters.items() if name != "spending"]
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name in ("no_cache", "refresh") else None,
            annotation=kind,
        )
        for name, kind in _SPENDING.items()
    ]
    last = [each for each in before if each.kind is each.VAR_KEYWORD]
    spends.__dict__["__signature__"] = own.replace(
        parameters=[*(each for each in before if each not in last), *more, *last]
    )
    kept = {name: kind for name, kind in command.__annotations__.items() if name != "spending"}
    spends.__annotations__ = {**kept, **_SPENDING}
    return spends
