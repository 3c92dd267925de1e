"""`fieldmark concept new`: makes a concept from a name, a pool of images and a few words."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.classify.output import name_some, say_passed_over
from fieldmark.cli.concept.progress import Telling
from fieldmark.cli.run_options import Json, encoding, option
from fieldmark.cli.terminal import amount, print_json, words
from fieldmark.errors import NoImagesError

COSTS = "What mistakes cost"


@encoding
def new(
    name: Annotated[str, typer.Argument(help='What it is called: "healthy dish".', show_default=False)],
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[POOL]...", help="The same as --pool.", show_default=False)
    ] = None,
    pool: Annotated[
        list[Path] | None,
        option("Folder or file of images, in and out alike; may be repeated.", show_default=False),
    ] = None,
    about: Annotated[
        str, option("What it is for and what it means, in your words.", show_default=False)
    ] = "",
    clip: Annotated[str | None, option("CLIP model. Else FIELDMARK_CLIP.")] = None,
    llm: Annotated[
        str | None, option("Language model that drafts and asks. Else FIELDMARK_LLM at the time.")
    ] = None,
    vlm: Annotated[
        str | None, option('Vision-language model that judges images; "none" for CLIP. Else as --llm.')
    ] = None,
    base_url: Annotated[str | None, option("The endpoint. Else OPENAI_BASE_URL.")] = None,
    cost_of_false_positive: Annotated[
        float, option("What calling an image in by mistake costs you.", panel=COSTS, min=1e-6)
    ] = 1.0,
    cost_of_false_negative: Annotated[
        float, option("What missing one costs you, in the same unit.", panel=COSTS, min=1e-6)
    ] = 1.0,
    blind: Annotated[int, option("Images of the blind test, for you to label.", min=0, max=10_000)] = 100,
    seed: Annotated[int, option("Decides every draw of images.")] = 0,
    device: Annotated[str | None, option("auto, cpu, cuda, cuda:1 or mps. Else FIELDMARK_DEVICE.")] = None,
    json: Json = False,
) -> None:
    """Make a concept: take in its images and set the blind test aside. Asks no language model."""
    from fieldmark.app.beforehand import Mistakes, check_models
    from fieldmark.app.concepts.named import concept_home, refuse_another
    from fieldmark.app.inputs import check_images_there
    from fieldmark.settings import overridden
    from fieldmark.tools.concepts.folder import ConceptFolder, slug_of

    mistakes, images = Mistakes(), list[Path]()
    with mistakes.noted():
        if (folder := concept_home() / slug_of(name)).exists():
            refuse_another(ConceptFolder(folder))
    with mistakes.noted():
        check_images_there(images := [*(folders or ()), *(pool or ())])
        if not images:
            raise NoImagesError("No images were given.", hint="Give a folder.", field="pool")
    check_models(mistakes, clip=clip, llm=llm, vlm=vlm, base_url=base_url, device=device)
    mistakes.tell()
    with overridden(device=device), Telling("Reading images") as progress:
        from fieldmark.agents.define.options import DefineOptions
        from fieldmark.app.concepts.conversation import ConceptConversation
        from fieldmark.records import Costs

        made = ConceptConversation.new(
            name,
            pool=images,
            about=about,
            clip=clip,
            llm=llm,
            vlm=vlm,
            base_url=base_url,
            costs=Costs(false_positive=cost_of_false_positive, false_negative=cost_of_false_negative),
            seed=seed,
            options=DefineOptions(blind=blind),
            progress=progress,
        )
    concept, taken = made.concept, len(made.images)
    if json:
        print_json(
            {
                "schema": "fieldmark.concept-new/1",
                "concept": concept.name,
                "folder": str(made.folder.path),
                "images": taken,
                "blind": len(concept.blind),
                "skipped": [skipped.model_dump(mode="json") for skipped in made.skipped],
                "passed_over": dict(made.passed_over),
            }
        )
    console = words(json=json)
    console.say(
        f"{concept.name}: {amount(taken, 'image')}, {amount(len(concept.blind), 'image')} of them for the "
        f"blind test. In {made.folder.path}"
    )
    if len(concept.blind) < blind:
        why = "at most half of the pool goes there" if concept.blind else "the pool is too small for one"
        console.say(f"The blind test was to have {amount(blind, 'image')}: {why}.")
    name_some(console, "Skipped", [f"{each.path}: {each.reason}" for each in made.skipped])
    say_passed_over(console, made.passed_over)
    console.say(f"Talk about it: fieldmark concept chat {shlex.quote(concept.name)}")
