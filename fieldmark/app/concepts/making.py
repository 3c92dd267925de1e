"""A concept that is wished: what it may cost, and the wish checked and written down at once."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from fieldmark.agents.build.options import BuildOptions
from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.shared.estimate import times, total
from fieldmark.app.beforehand import Mistakes, check_models
from fieldmark.app.concepts.named import concept_home, refuse_another
from fieldmark.app.concepts.setup import NO_VLM
from fieldmark.app.concepts.uploads import keep_uploads
from fieldmark.app.inputs import check_images_there
from fieldmark.app.models import choose_models
from fieldmark.app.stores import price_of, vlm_price_of
from fieldmark.errors import NoImagesError
from fieldmark.prompts.gap import ask_gap
from fieldmark.prompts.judge import ask_judge
from fieldmark.prompts.queries import ask_queries
from fieldmark.prompts.refine import RefineExample, ask_refine
from fieldmark.prompts.scope import ask_scope
from fieldmark.reading import read_bytes
from fieldmark.records import Clause, Costs, Definition, Price, Question, Record, UsageLimits
from fieldmark.settings import read_settings
from fieldmark.tools.annotate.debate import debate_foretold
from fieldmark.tools.annotate.image_asker import PICTURE, WORDS
from fieldmark.tools.concepts.built import PICTURES
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.llm.budget import Budget, TokenCount, room_of

WISH = "new.json"


class WishedConcept(Record):
    """A concept that is to be made."""

    name: str
    about: str = ""
    pool: tuple[str, ...]
    """Folders and files, as absolute paths."""
    costs: Costs = Costs()
    blind: int = DefineOptions().blind
    clip: str | None = None
    llm: str | None = None
    vlm: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Files that could not be taken in, each with the reason; known once it is made."""


def wish(
    concept: WishedConcept, *, home: Path | None = None, uploads: Sequence[tuple[str, IO[bytes]]] = ()
) -> ConceptFolder:
    """Check what is wished, and write it down.

    Args:
        concept: What is wished.
        home: Where concepts are kept.
        uploads: Pictures that were sent, each with its name; they are kept in the concept's folder.

    Raises:
        InputError: The name is blank or taken, or no image is there; several mistakes are told at once.
    """
    mistakes = Mistakes()
    with mistakes.noted():
        path = concept_home(home) / slug_of(concept.name)
        if path.exists():
            refuse_another(ConceptFolder(path), hint="Choose another name.")
    with mistakes.noted():
        if not concept.pool and not uploads:
            raise NoImagesError("No pictures were given.", hint="Name a folder, or send some.", field="pool")
        if concept.pool:
            check_images_there(list(concept.pool))
    check_models(mistakes, clip=concept.clip, llm=concept.llm, vlm=concept.vlm)
    mistakes.tell()
    folder = ConceptFolder(concept_home(home) / slug_of(concept.name))
    if uploads:
        own = folder.path / PICTURES
        refused = keep_uploads(uploads, own)
        pool = (*concept.pool, str(own.absolute()))
        concept = concept.model_copy(update={"pool": pool, "skipped": refused})
    folder.write(WISH, concept)
    return folder


def read_wish(folder: Path) -> WishedConcept | None:
    """What was wished in a folder; None where nothing was, or nothing readable."""
    try:
        return WishedConcept.model_validate_json(read_bytes(folder / WISH))
    except (OSError, ValidationError):
        return None


def unmade(home: Path | None = None) -> tuple[ConceptFolder, ...]:
    """Concepts that were wished and are not made."""
    root = concept_home(home)
    if not root.is_dir():
        return ()
    found = [ConceptFolder(path.parent) for path in sorted(root.glob(f"*/{WISH}"))]
    return tuple(each for each in found if not each.exists and not each.path.name.startswith("."))


class MostAsked(Record):
    """The most that models may be asked, before there is a definition or a picture: about, not a limit."""

    questions: int = 0
    tokens: int = 0
    cost: float | None = None
    """What those tokens cost; None where the price of one model is not set."""


def most_of_a_talk(options: DefineOptions | None = None, *, vlm: str | None = None) -> MostAsked:
    """What a conversation may ask, with a definition of usual length.

    Args:
        options: The choices of the conversation.
        vlm: The model that judges pictures; the settings' language model where not given, "none" for CLIP.
    """
    options = options or DefineOptions()
    judging = options.boards * options.mined
    gaps = ask_gap(PICTURE, _USUAL, concept=WORDS, purpose=WORDS, call="in", seen=WORDS)
    example = RefineExample(seen=WORDS, owner="in", call="in")
    refining = ask_refine(
        WORDS, purpose=WORDS, clauses=_USUAL.clauses, answers=(), examples=[example] * options.labels
    )
    return _most(
        by_words=[(ask_scope(WORDS, purpose=WORDS), 1 + options.questions), (refining, options.boards)],
        by_pictures=[
            (ask_judge(PICTURE, _USUAL.clauses), judging),
            (gaps, options.boards * options.doubted),
        ],
        vlm=vlm,
    )


def most_of_a_build(
    options: BuildOptions, *, images: int, labels: int = 0, vlm: str | None = None
) -> MostAsked:
    """What a build may ask about a pool of so many images, some of them labelled; see `most_of_a_talk`."""
    judged = min(options.annotate + labels, images)
    debates = min(options.debates, judged)
    argued = [(each, debates) for each in debate_foretold(_USUAL, concept=WORDS, purpose=WORDS)]
    return _most(
        by_words=[(ask_queries(WORDS, purpose=WORDS, clauses=_USUAL.clauses), 1)],
        by_pictures=[(ask_judge(PICTURE, _USUAL.clauses), judged), *argued],
        vlm=vlm,
    )


_USUAL = Definition(
    clauses=tuple(Clause(id=f"c{n}", role="necessary", text=WORDS[:80], state="agreed") for n in range(5))
)
_Asked = Iterable[tuple[Question[Any], int]]
"""Questions, each with how often one like it may be asked."""


def _most(*, by_words: _Asked, by_pictures: _Asked, vlm: str | None) -> MostAsked:
    settings = read_settings()
    llm = choose_models(settings=settings).llm or (None if vlm == NO_VLM else vlm)
    if llm is None:
        return MostAsked(cost=0.0)
    judge = None if vlm == NO_VLM else vlm or llm
    parts = [(by_words, price_of(settings))]
    parts += [(by_pictures, vlm_price_of(settings, same=judge == llm))] if judge else []
    rooms = [(total(times(room_of(each), count) for each, count in asked), price) for asked, price in parts]
    costs = [_cost_of(room, price) for room, price in rooms]
    return MostAsked(
        questions=sum(count for asked, _ in parts for _, count in asked),
        tokens=sum(room.total for room, _ in rooms),
        cost=None if None in costs else sum(filter(None, costs)),
    )


def _cost_of(room: TokenCount, price: Price | None) -> float | None:
    return Budget(UsageLimits(), price).cost_of(room)
