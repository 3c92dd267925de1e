"""`fieldmark instructions`: labelling instructions for a set or a concept, and how well they work."""

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
    from fieldmark.app.instructions.concept import ConceptInstructions
    from fieldmark.app.instructions.written import WrittenInstructions
    from fieldmark.cli.terminal import PlainConsole

_SHOWN = {
    "names": "the names alone",
    "instructions": "the instructions alone",
    "shuffled": "the instructions under other classes' names (control)",
}


@asking
@encoding
@takes_spending
def instructions(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with one folder a class, a CSV or JSONL list of labelled images, or the name of a "
            "concept.",
            show_default=False,
        ),
    ] = None,
    images: ListedFrom = None,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.', panel=DATA)
    ] = None,
    score: Annotated[
        bool,
        option("Have a vision-language model label held-out images by the instructions alone.", "--score"),
    ] = False,
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.", panel=MODELS)] = None,
    llm: Annotated[
        str | None, option("Language model that says what to look for. Else FIELDMARK_LLM.", panel=MODELS)
    ] = None,
    base_url: BaseUrl = None,
    vlm: Annotated[
        str | None,
        option(
            "Vision-language model for --score. Else the language model, or the concept's own.", panel=MODELS
        ),
    ] = None,
    vlm_base_url: Annotated[
        str | None, option("Its endpoint. Else that of the language model.", panel=MODELS)
    ] = None,
    out: Out = Path("runs"),
    json: RunJson = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Write labelling instructions for DATA: a document in Markdown and a page with pictures.

    A language model says what to look for, and up to 16 labelled images a class correct it. With --score
    somebody who sees only the document labels other images, against the class names alone.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. A stopped run goes on with --resume.
    """
    from fieldmark.app.beforehand import check_evaluation
    from fieldmark.errors import InputError, SeveralMistakes
    from fieldmark.tools.runs.folder import RunFolder

    chosen = {
        "data": data, "images": images, "noun": noun, "score": score or None, "clip": clip, "llm": llm,
        "base_url": base_url, "vlm": vlm, "vlm_base_url": vlm_base_url,
    }  # fmt: skip
    given = {name: value for name, value in chosen.items() if value is not None}
    concept = None
    if resume is not None:
        refuse_with_resume(given)
        RunFolder.open(out, resume, kind="eval")
    elif data is None:
        raise InputError("No data were given.", hint="Try: fieldmark instructions photos/")
    elif (concept := _concept(data, {**given, "device": spending["device"]}, out)) is None:
        try:
            check_evaluation({**given, **spending["limits"], "device": spending["device"]})
        except InputError as error:
            more = _no_concept(data)
            if not more or isinstance(error, SeveralMistakes):
                raise
            raise InputError(error.message, hint=f"{error.hint} {more}", field=error.field) from error
    with TerminalProgress("Loading") as progress:
        if concept is not None:
            concept.limits = concept.limits.model_copy(update=spending["limits"])
            concept.cache = spending["cache"] or concept.cache
            concept.progress = progress
            if dry_run:
                tell_estimate(concept.estimate(score=score), progress, json=json)
                return
            written = concept.write(score=score)
        else:
            from fieldmark.app.instructions.writer import InstructionWriter
            from fieldmark.settings import read_settings

            if score and vlm is None:
                given["vlm"] = llm or read_settings().llm
            writer = (
                InstructionWriter.from_run(resume, out=out)
                if resume is not None
                else InstructionWriter.from_options(given, out=out)
            )
            spend(writer, spending)
            writer.progress = progress
            if dry_run:
                tell_estimate(writer.estimate(), progress, json=json)
                return
            with resumable(progress, "fieldmark instructions"):
                written = writer.write()
    console = words(json=json)
    _say(written, console)
    if concept is None:
        say_spent(Path(written.run), console)
    if json:
        print_json(written)


def _concept(data: str, given: dict[str, Any], out: Path) -> "ConceptInstructions | None":
    """The concept of that name; None where it is a path, or there is no such concept."""
    from fieldmark.app.beforehand import check_device
    from fieldmark.app.concepts.named import open_folder
    from fieldmark.errors import InputError
    from fieldmark.tools.images.given_paths import is_there

    if is_there(data):
        return None
    try:
        open_folder(data)
    except InputError:
        return None
    check_device(given.pop("device", None) or "auto")
    beside = sorted(set(given) - {"data", "score", "vlm", "vlm_base_url"})
    if beside:
        raise InputError(
            "A concept has its own images and models.", hint="Leave these out.", field=", ".join(beside)
        )
    from fieldmark.app.instructions.concept import ConceptInstructions

    return ConceptInstructions.open(data, vlm=given.get("vlm"), base_url=given.get("vlm_base_url"), out=out)


def _no_concept(data: str) -> str:
    """What else may have been meant: a concept, where it is no path."""
    from fieldmark.app.concepts.named import concept_names
    from fieldmark.errors import close_to
    from fieldmark.tools.images.given_paths import is_there

    names = concept_names()
    if is_there(data) or not names:
        return ""
    return f"It is no concept either. {close_to(data, names)}There are: {', '.join(names[:8])}."


def _say(written: "WrittenInstructions", console: "PlainConsole") -> None:
    """What was written, and how well somebody labels by it."""
    name = one_line(written.data)
    of = amount(written.classes, "class", "classes") if written.classes > 2 else "in or out"
    said = f"Instructions for {name} ({of}): {amount(written.marks, 'mark')}"
    console.say(f"{said}, from {amount(written.labels, 'labelled image')}.", "bold")
    if written.corrected:
        console.say(f"Labelled images overruled the language model in {amount(written.corrected, 'mark')}.")
    if written.readers:
        console.say(f"{amount(written.scored, 'other labelled image')}, labelled by somebody who sees only:")
    for reader in written.readers:
        low, high = reader.ci95
        ahead = ""
        if reader.shown != "names":
            least, most = reader.ahead_ci95
            ahead = f"; {100 * reader.ahead:+.1f} points ({100 * least:+.1f} to {100 * most:+.1f})"
        agreed = "" if reader.kappa is None else f", kappa {reader.kappa:.2f}"
        if reader.unjudged:
            agreed += f" ({reader.unjudged} not judged)"
        right = f"{share(reader.right)} right ({share(low)} to {share(high)})"
        console.say(f"- {_SHOWN[reader.shown]}: {right}{agreed}{ahead}")
    for note in written.notes:
        console.say(note)
    for file, what in (("instructions.md", "Document"), ("instructions.html", "Page")):
        console.say(f"{what}: {Path(written.run) / file}")
