"""`fieldmark reword`: searches for better words of the questions about a concept, or about classes."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.classify.output import tell_estimate
from fieldmark.cli.concept.build import going_on
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import (
    DATA,
    MODELS,
    BaseUrl,
    DryRun,
    Json,
    ListedFrom,
    asking,
    encoding,
    option,
    takes_spending,
)
from fieldmark.cli.terminal import amount, one_line, print_json, share, words

if TYPE_CHECKING:
    from fieldmark.cli.terminal import PlainConsole
    from fieldmark.records import Words

_SHOTS = 8


@asking
@encoding
@takes_spending
def reword(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA|CONCEPT",
            help="A concept; or labelled images: a folder with one folder a class, a CSV or JSONL list.",
            show_default=False,
        ),
    ],
    calls: Annotated[
        int | None,
        option(
            "Most questions of the search, those from the cache among them. Else twice what one rewording "
            "takes.",
            min=1,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, option("Decides every draw.", min=0)] = 0,
    out: Annotated[Path, option("File for the words.")] = Path("words.json"),
    images: ListedFrom = None,
    shots: Annotated[
        int | None,
        option(f"Most labelled images of each class. Else {_SHOTS}.", panel=DATA, min=2, show_default=False),
    ] = None,
    noun: Annotated[
        str | None, option('Generic word for all classes, such as "bird". Else it is asked.', panel=DATA)
    ] = None,
    version: Annotated[
        int | None, option("Version of the concept's definition. Else the one in force.", panel=DATA, min=1)
    ] = None,
    clip: Annotated[
        str | None, option("CLIP model for labelled images. Else FIELDMARK_CLIP.", panel=MODELS)
    ] = None,
    llm: Annotated[
        str | None,
        option("Language model that rewords. Else the concept's own, or FIELDMARK_LLM.", panel=MODELS),
    ] = None,
    vlm: Annotated[
        str | None,
        option("Vision-language model that judges a concept's images. Else its own.", panel=MODELS),
    ] = None,
    base_url: BaseUrl = None,
    json: Json = False,
    dry_run: DryRun = False,
    *,
    spending: dict[str, Any],
) -> None:
    """Search for words of questions that do better on labelled images; the shipped ones win within noise.

    Of a concept: the rules and clauses its annotator reads, by your labels outside of the blind test. Of
    labelled images: the rules of the loop's questions. Half of the labels is reflected on, half decides. Use
    what it finds with --words, in concept build or classify.

    Exit codes: 0 done; 2 wrong input; 3 stopped by a limit; 130 Ctrl-C. The same command goes on.
    """
    from fieldmark.app.words.file import check_place, write_words
    from fieldmark.tools.images.given_paths import is_there

    console = words(json=json)
    of_data = {"images": images, "shots": shots, "noun": noun, "clip": clip}
    if is_there(data):
        _refuse({"version": version, "vlm": vlm}, "Labelled images have no such thing.")
    else:
        _refuse(of_data, "A concept has its own images and models.")
    check_place(out)
    with TerminalProgress("Searching") as progress, going_on("The same command goes on where it was."):
        from fieldmark.records import UsageLimits

        chosen: dict[str, Any] = {
            "limits": UsageLimits(**spending["limits"]),
            "cache": spending["cache"] or "use",
            "progress": progress,
        }
        if is_there(data):
            from fieldmark.app.words.questions import QuestionRewording

            searching = QuestionRewording(
                data=data, listed_from=images, shots=shots or _SHOTS, clip=clip, llm=llm, base_url=base_url,
                noun=noun, calls=calls, seed=seed, device=spending["device"], **chosen,
            )  # fmt: skip
            if dry_run:
                tell_estimate(searching.estimate(), progress, json=json)
                return
            found = searching.search()
            use = f"fieldmark classify … --words {shlex.quote(str(out))}"
        else:
            from fieldmark.app.concepts.builder import ConceptBuilder
            from fieldmark.app.concepts.words import estimate_clause_words, search_clause_words

            builder: ConceptBuilder = ConceptBuilder.open(
                data, version=version, llm=llm, vlm=vlm, base_url=base_url, **chosen
            )
            if dry_run:
                tell_estimate(estimate_clause_words(builder, calls=calls), progress, json=json)
                return
            found = search_clause_words(builder, calls=calls, seed=seed)
            use = f"fieldmark concept build {shlex.quote(data)} --words {shlex.quote(str(out))}"
    write_words(found, out)
    _say(found, console)
    console.say(f"In {out}. {f'Use them: {use}' if found.key else 'It changes nothing.'}")
    if json:
        print_json({"schema": "fieldmark.reword/1", "file": str(out), **found.model_dump(mode="json")})


def _refuse(given: dict[str, Any], why: str) -> None:
    """Refuse options that mean nothing for what was named."""
    from fieldmark.errors import InputError

    named = [name for name, value in given.items() if value is not None]
    if named:
        raise InputError(why, hint="Leave these out.", field=", ".join(named))


def _say(found: "Words", console: "PlainConsole") -> None:
    """What was tried, and what came of it."""
    did = found.found
    if did is None:
        return
    kept = sum(each.outcome == "kept" for each in did.tried)
    console.say(
        f"{amount(len(did.tried), 'rewording')} tried, {kept} kept, in {amount(did.calls, 'question')}; "
        f"{amount(did.labels, 'label')} reflected on, {did.held_out} held out."
    )
    for reason, count in did.failed.items():
        console.say(f"{amount(count, 'answer')} could not be used: {reason}.")
    if did.right is None:
        console.say("No other words did better. The shipped words stay.", "bold")
        return
    fixed, other = did.right
    console.say(
        f"Right on the held-out labels: the shipped words {share(fixed)}, the best others {share(other)}."
    )
    if not found.key:
        console.say("That is within noise: the shipped words stay.", "bold")
        return
    for own, text in found.clauses.items():
        console.say(f"- {one_line(own)} → {one_line(text)}")
    for prompt_id in found.instructions:
        console.say(f"- other rules for {prompt_id}")
