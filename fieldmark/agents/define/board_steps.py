"""The nodes around boards and the blind test: find and judge images, lay them out, note the labels."""

from collections import Counter
from collections.abc import Callable

from fieldmark.agents.define.boards import layout as boards
from fieldmark.agents.define.context import DefineContext, rng_for
from fieldmark.agents.define.ending import what_hinders
from fieldmark.agents.define.progress import progress_so_far
from fieldmark.agents.define.record import (
    new_turn,
    unanswered,
    with_blind_labels,
    with_board,
    with_dev_labels,
)
from fieldmark.agents.define.scores import calls, clause_verdicts
from fieldmark.agents.define.state import Context, DefineState, Update, ask_again, expected, put
from fieldmark.agents.define.waiting import next_batch
from fieldmark.errors import RunError
from fieldmark.records import Board, Concept, Definition, LabelValue, Verdict
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ImageLabel,
    LabelReply,
    RevealedImage,
    VerdictReveal,
)
from fieldmark.tools.annotate.confidence import Confidence, calibrated
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.runs.concept_events import BoardReady, ImagesJudged, ImagesMined, VerdictsReady


async def mine(state: DefineState, runtime: Context) -> Update:
    """Find images worth a look for the definition in force."""
    context = runtime.context
    concept = context.concept
    found, answered = await boards.mine(concept, context, before=unverified(state, concept))
    context.progress(ImagesMined(images=len(found.images), near_misses=len(found.near_miss)))
    return {
        "mined": context.arrays.put_json(found.model_dump(mode="json")),
        "failures": state.failures + (not answered),
    }


async def judge(state: DefineState, runtime: Context) -> Update:
    """Have the annotator label what was mined; its verdicts stay in its store."""
    context = runtime.context
    files = context.files(mined(state, context).images)
    concept = context.concept
    both = boards.together(concept.definition, unverified(state, concept))
    found = clause_verdicts(await context.annotator.judge(files, both, progress=judging(context)))
    counts = Counter(calls(concept.definition, found).values())
    context.progress(VerdictsReady(images=len(files), calls=dict(counts)))
    return {}


async def board(state: DefineState, runtime: Context) -> Update:
    """Lay out a board, with some labelled images that come back unannounced."""
    context = runtime.context
    concept, options = context.concept, context.options
    number = state.boards + 1
    laid = await boards.lay_out(
        mined(state, context),
        concept,
        context,
        number=number,
        asked=state.ambiguities,
        before=unverified(state, concept),
    )
    if laid is None:
        return {"stop_reason": "no_images"}
    left = max(0, options.repeats - sum(label.repeat for label in concept.labels))
    back = boards.returning(concept, left, number=number, count=options.repeats_a_board)
    images = [*laid.images, *(image for image in back if image not in laid.images)]
    rng_for(concept, "order", number, len(concept.labels)).shuffle(images)
    context.progress(BoardReady(number=number, images=len(images)))
    laid = laid.model_copy(update={"images": tuple(images)})
    so_far = progress_so_far(state, context.folder.path, concept, options)
    hinders = what_hinders(so_far.model_copy(update={"stop_reason": None}))
    payload = BoardToLabel(turn=new_turn(), images=laid.images, number=number, hinders=hinders)
    return put(payload) | {
        "board": laid,
        "boards": number,
        "ambiguities": (*state.ambiguities, laid.ambiguity) if laid.ambiguity else state.ambiguities,
        "unverified": 0,
        "offers": 0,
        "accepted": 0,
        "candidates": (),
    }


async def labelled(state: DefineState, runtime: Context) -> Update:
    """Note the labels; skipped images are shown once more, then taken as unsure."""
    context = runtime.context
    payload, heard = expected(state, BoardToLabel)
    if not isinstance(heard.reply, LabelReply):
        raise RunError("A board was answered with something else.")
    said = heard.reply.labels
    missing = unanswered(payload, heard.reply)
    if missing and state.again:
        said = (*said, *(ImageLabel(image=image, value="unsure", reason="no answer") for image in missing))
    context.folder.save(with_dev_labels(context.concept, said, at=heard.at, unannounced=True))
    if missing and not state.again:
        return ask_again(payload.model_copy(update={"images": missing}))
    return {"again": False, "leaving": state.leaving or heard.reply.stop}


async def verdicts(state: DefineState, runtime: Context) -> Update:
    """Have the board judged, to be shown beside the labels."""
    context = runtime.context
    laid, concept = state.board or Board(images=(), ambiguity=""), context.concept
    labels = dev_labels(concept)
    found = await context.annotator.judge(context.files(list(labels)), concept.definition)
    shown = [verdict for verdict in found if verdict.image in laid.images]
    shown.sort(key=lambda verdict: laid.images.index(verdict.image))
    # What the board's own labels say of its verdicts must not make up how sure they seem.
    others = {image: label for image, label in labels.items() if image not in laid.images}
    confidence = calibrated(found, others)
    return put(
        VerdictReveal(
            turn=new_turn(),
            number=state.boards,
            ambiguity=laid.ambiguity,
            images=tuple(revealed_image(each, labels[each.image].value, confidence) for each in shown),
            clauses=concept.definition.active,
        )
    )


async def revealed(state: DefineState, runtime: Context) -> Update:
    """Note what the owner says to the verdicts."""
    payload, heard = expected(state, VerdictReveal)
    runtime.context.folder.save(with_board(runtime.context.concept, payload, heard))
    return {"leaving": state.leaving or heard.reply.stop}


async def test(state: DefineState, runtime: Context) -> Update:
    """Take the next images of the blind test that have no label."""
    context = runtime.context
    asks = context.options.ask_blind and not state.later and state.stop_reason != "no_conversation"
    images, size = context.pool.images, context.options.blind_batch
    batch = next_batch(context.concept, images, size=size) if asks else None
    return {"payload": None, "heard": None} if batch is None else put(batch)


async def tested(state: DefineState, runtime: Context) -> Update:
    """Note blind labels; skipped images are shown once more, then taken as unsure."""
    context = runtime.context
    payload, heard = expected(state, BlindBatch)
    if not isinstance(heard.reply, LabelReply):
        raise RunError("A blind batch was answered with something else.")
    said, missing = heard.reply.labels, unanswered(payload, heard.reply)
    # A batch without any label: the owner has none at hand. The test waits, and nothing is unsure.
    later = heard.reply.later or heard.reply.stop or not said
    if later:
        missing = ()
    if missing and state.again:
        said = (*said, *(ImageLabel(image=image, value="unsure", reason="no answer") for image in missing))
    context.folder.save(with_blind_labels(context.concept, said, at=heard.at))
    if missing and not state.again:
        return ask_again(payload.model_copy(update={"images": missing}))
    return {"again": False, "later": later}


def unverified(state: DefineState, concept: Concept) -> Definition | None:
    """The definition before the edits that no board has put to the test yet; None where there are none."""
    return concept.versions[state.unverified - 1].definition if state.unverified else None


def mined(state: DefineState, context: DefineContext) -> boards.Mined:
    """The images that the state names by their hash."""
    return (
        boards.Mined.model_validate(context.arrays.get_json(state.mined)) if state.mined else boards.Mined()
    )


def judging(context: DefineContext) -> Callable[[int, int], None]:
    """Shows how far the annotator is."""
    return lambda done, of: context.progress(ImagesJudged(done=done, of=of))


def revealed_image(verdict: Verdict, owner: LabelValue, confidence: Confidence) -> RevealedImage:
    """A verdict beside the owner's label."""
    return RevealedImage(
        image=verdict.image,
        owner=owner,
        call=verdict.call,
        p=verdict.p,
        right=confidence.right(verdict),
        right_by=confidence.labels,
        seen=verdict.seen,
        rationale=verdict.rationale,
        clauses=verdict.clauses,
    )
