"""`fieldmark advise`: whether a set needs names, descriptions or labels, and the command that follows."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.optimize import spend
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.resuming import refuse_with_resume, resumable
from fieldmark.cli.run_options import (
    DATA,
    MODELS,
    BaseUrl,
    DryRun,
    ListedFrom,
    Out,
    Report,
    Resume,
    RunJson,
    asking,
    encoding,
    option,
    takes_spending,
)
from fieldmark.cli.spending import say_spent
from fieldmark.cli.terminal import amount, one_line, print_json, share, words

if TYPE_CHECKING:
    from fieldmark.app.advice.advice import Advice
    from fieldmark.cli.terminal import PlainConsole

PLOT = "advice.svg"
_MOST = 8
"""Names and attributes that are listed."""
_BLIND = 0.6
"""An attribute that speaks for the true class less often is called hardly seen; 0.5 is chance."""


@asking
@encoding
@takes_spending
def advise(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with one folder a class, or a CSV or JSONL list of labelled images.",
            show_default=False,
        ),
    ] = None,
    images: ListedFrom = None,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.', panel=DATA)
    ] = None,
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.", panel=MODELS)] = None,
    llm: Annotated[
        str | None,
        option("Language model. Else FIELDMARK_LLM; without one, descriptions are not tried.", panel=MODELS),
    ] = None,
    base_url: BaseUrl = None,
    report: Report = None,
    out: Out = Path("runs"),
    json: RunJson = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Say what DATA need: the class names, a language model's descriptions, or labels, and how many.

    Each way labels the same held-out images of DATA. The cheapest that is not clearly worse than the best is
    advised, with the command that follows. What is asked here is not asked again there.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. A stopped run goes on with --resume.
    """
    from fieldmark.app.beforehand import check_evaluation
    from fieldmark.errors import InputError
    from fieldmark.tools.runs.folder import RunFolder

    chosen = {"data": data, "images": images, "noun": noun, "clip": clip, "llm": llm, "base_url": base_url}
    given = {name: value for name, value in chosen.items() if value is not None}
    if resume is not None:
        refuse_with_resume(given)
        RunFolder.open(out, resume, kind="eval")
    elif data is None:
        raise InputError("No data were given.", hint="Try: fieldmark advise photos/")
    else:
        check_evaluation({**given, **spending["limits"], "device": spending["device"]})
    with TerminalProgress("Loading") as progress:
        from fieldmark.app.advice.adviser import Adviser

        adviser = (
            Adviser.from_run(resume, out=out) if resume is not None else Adviser.from_options(given, out=out)
        )
        spend(adviser, spending)
        adviser.report = adviser.report if report is None else report
        adviser.progress = progress
        if dry_run:
            tell_estimate(adviser.estimate(), progress, json=json)
            return
        with resumable(progress, "fieldmark advise"):
            advice = adviser.advise()
        if adviser.report:
            _write_report(advice, progress)
    console = words(json=json)
    _say(advice, console, data=shlex.quote(adviser.own_source))
    say_spent(Path(advice.run), console)
    if json:
        print_json(advice)


def _write_report(advice: "Advice", progress: TerminalProgress) -> None:
    from fieldmark.cli.eval.show import write_report
    from fieldmark.evals.report.advice import advice_plot
    from fieldmark.evals.table.records import EvalResult
    from fieldmark.tools.runs.folder import RunFolder

    run = RunFolder(Path(advice.run))
    write_report(run.read("result.json", EvalResult), progress)
    rows = [(each.in_words, each.top1, each.ci95) for each in advice.ways]
    run.write_text(PLOT, advice_plot(rows))


def _say(advice: "Advice", console: "PlainConsole", *, data: str) -> None:
    """The figures, a paragraph, and the command that follows."""
    console.say(
        f"Measured on {amount(advice.images, 'image')} of {amount(advice.classes, 'class', 'classes')}:"
    )
    for way in advice.ways:
        low, high = way.ci95
        asked = f"; {amount(way.questions, 'question')}" if way.questions else ""
        mark = "*" if way == advice.chosen else " "
        console.say(f"{mark} {way.in_words}: {share(way.top1)} right ({share(low)} to {share(high)}){asked}")
    unknown, blind = advice.unknown, [each for each in advice.attributes if each.right < _BLIND]
    of = len(advice.names)
    listed = ", ".join(f"{one_line(each.class_name)} ({share(each.right)})" for each in unknown[:_MOST])
    more = f", and {len(unknown) - _MOST} more" if len(unknown) > _MOST else ""
    known = f"The encoder tells {of - len(unknown)} of {of} classes by their names"
    console.say(f"{known}; hardly {listed}{more}." if unknown else f"{known}.")
    if advice.attributes:
        seen = f"It sees {len(advice.attributes) - len(blind)} of {len(advice.attributes)} attributes"
        names = ", ".join(f"{one_line(each.attribute)} ({share(each.right)})" for each in blind[:_MOST])
        console.say(f"{seen}; hardly {names} (50% is chance)." if blind else f"{seen}.")
    console.say(_reason(advice), "bold")
    for note in advice.notes:
        console.say(note)
    console.say(f"Next: {_command(advice, data)}")
    for name, what in (("report.html", "Report"), (PLOT, "Plot")):
        if (path := Path(advice.run) / name).is_file():
            console.say(f"{what}: {path}")


def _reason(advice: "Advice") -> str:
    best, way = max(advice.ways, key=lambda each: each.top1), advice.chosen
    if way == best:
        dearer = advice.ways[advice.ways.index(way) + 1 :]
        return f"Advised: {way.in_words}. " + (
            "Nothing dearer does better here." if dearer else "It is clearly better than all that costs less."
        )
    low, high = way.behind_ci95
    return (
        f"Advised: {way.in_words}. The best way, {best.in_words}, is {100 * way.behind:+.1f} points ahead "
        f"({100 * low:+.1f} to {100 * high:+.1f}): within what {amount(advice.images, 'image')} can tell."
    )


def _command(advice: "Advice", data: str) -> str:
    way = advice.chosen
    beside = {
        "names": " --method clip",
        "answers": "",
        "labels": f" --method {way.method} --labels {data} --shots {way.shots}",
    }
    return f"fieldmark classify NEW-IMAGES --classes classes.txt{beside[way.means]}"
