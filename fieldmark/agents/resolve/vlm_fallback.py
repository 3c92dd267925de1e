"""Asks a vision-language model about the images that the loop left open."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.finish import RunOutcome, predict, table_of
from fieldmark.agents.resolve.rescoring import ScoredTable
from fieldmark.agents.resolve.state import Look, LookFailure, Looks
from fieldmark.errors import EndpointBusy, EndpointError, LimitReached
from fieldmark.prompts.choose import DisputedAttribute, ask_choose, chosen
from fieldmark.tools.annotate.concurrency import map_concurrently
from fieldmark.tools.annotate.image_asker import ImageAsker
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.events import LookingStopped, OpenImagesSeen

CONCURRENCY = 16
"""Images under way at a time."""
MOST_ATTRIBUTES = 8
"""The most disputed attributes named with an image: the field guide's most voted attributes first."""
KEPT_BACK = frozenset({"limit", "endpoint"})
"""Failures that a resumed run asks about again."""


@dataclass(frozen=True)
class Undecided:
    """An image that the loop left open.

    Attributes:
        image: The file.
        candidates: The likeliest classes left, best first.
        attributes: Attributes in which the field guide tells them apart.
    """

    image: ImageFile
    candidates: tuple[str, ...]
    attributes: tuple[DisputedAttribute, ...]


def undecided(outcome: RunOutcome, context: ResolveContext) -> tuple[Undecided, ...]:
    """The open images, with what there is to choose from; resolved and rejected ones are not shown.

    Of images that share a label the first is shown.
    """
    table = table_of(outcome, context)
    found: list[Undecided] = []
    shown: set[str] = set()
    for image, prediction in zip(context.usable, predict(outcome, context), strict=True):
        names = tuple(candidate.class_name for candidate in prediction.candidates)
        if prediction.group in shown:
            continue
        if prediction.status == "open" and len(names) > 1:
            shown |= {prediction.group} if prediction.group else set()
            found.append(Undecided(image, names, disputed_attributes(names, table) if table else ()))
    return tuple(found)


def disputed_attributes(names: Sequence[str], table: ScoredTable) -> tuple[DisputedAttribute, ...]:
    """The attributes of which the field guide has different values for these classes.

    Args:
        names: Class names.
        table: The field guide; a class without a vote on an attribute has no value there.
    """
    guide = table.guide
    rows = [guide.classes.index(name) for name in names]
    voted = (guide.counts[rows].sum(-1) > 0).tolist()
    likeliest = table.result.q[rows].argmax(-1).tolist()
    disputed: list[DisputedAttribute] = []
    for t, attribute in enumerate(guide.attributes):
        values = {name: guide.values[t][likeliest[row][t]] for row, name in enumerate(names) if voted[row][t]}
        if len(set(values.values())) > 1:
            disputed.append(DisputedAttribute(attribute, values))
    return tuple(disputed[:MOST_ATTRIBUTES])


async def look_at(
    images: Sequence[Undecided], vlm: LanguageModel, context: ResolveContext
) -> tuple[Look, ...]:
    """Ask about each image which of its candidates it shows.

    Nothing here ends a run: a refusal or a fault leaves the image open and is counted, and what a limit or a
    dead endpoint keeps back can be asked when the run is resumed.
    """
    asker = ImageAsker(vlm)
    stopped: LookFailure | None = None

    async def look(item: Undecided) -> Look:
        nonlocal stopped
        if stopped is not None:
            return Look(image=item.image.content_hash, failure=stopped)
        try:
            return await _look(item, asker, context.options.noun)
        except (EndpointBusy, EndpointError) as error:
            stopped = "endpoint"
            context.progress(LookingStopped(reason=error.message))
        except LimitReached:
            stopped = "limit"
        return Look(image=item.image.content_hash, failure=stopped)

    def tell(done: int, of: int) -> None:
        context.progress(OpenImagesSeen(done=done, of=of))

    return tuple(await map_concurrently(images, look, concurrency=CONCURRENCY, progress=tell))


async def _look(item: Undecided, asker: ImageAsker, noun: str) -> Look:
    name = item.image.content_hash
    said = await asker.ask(
        item.image, lambda part: ask_choose(part, item.candidates, noun=noun, attributes=item.attributes)
    )
    if isinstance(said, str):
        return Look(image=name, failure="refused" if said == "refused" else "unanswered")
    try:
        label = chosen(said, item.candidates)
    except ValueError:
        return Look(image=name, rationale=said.rationale, failure="unlisted")
    return Look(image=name, label=label, confidence=said.confidence / 100, rationale=said.rationale)


def load_looks(looks: str, context: ResolveContext) -> tuple[Look, ...]:
    """All looks so far, by their hash; none for ""."""
    return Looks.model_validate(context.arrays.get_json(looks)).looks if looks else ()
