"""Has images labelled outside of the graph: the blind test at any time, or images given by name."""

from collections.abc import Sequence

from fieldmark.agents.define.drafts import Drafts
from fieldmark.agents.define.record import check_reply, new_turn, with_blind_labels, with_dev_labels
from fieldmark.agents.define.run import Owner, OwnerLeft
from fieldmark.records.conversation import BlindBatch, BoardToLabel, LabelReply
from fieldmark.tools.concepts.changes import now
from fieldmark.tools.concepts.folder import ConceptFolder

AT_A_TIME = 10
"""Named images shown together."""


async def label_images(folder: ConceptFolder, what: BlindBatch | Sequence[str], owner: Owner) -> bool:
    """Put a batch of the blind test, or named images, before the owner, and note the labels.

    Skipped images stay without a label.

    Args:
        folder: The concept's folder, held by this process.
        what: The batch, or content hashes.
        owner: Who labels.

    Returns:
        Whether the owner wants to go on.

    Raises:
        InputError: The answer does not fit.
    """
    if isinstance(what, BlindBatch):
        return await _label(folder, what, owner)
    for start in range(0, len(what), AT_A_TIME):
        part = tuple(what[start : start + AT_A_TIME])
        if not await _label(folder, BoardToLabel(turn=new_turn(), images=part, number=0), owner):
            return False
    return True


async def _label(folder: ConceptFolder, payload: BlindBatch | BoardToLabel, owner: Owner) -> bool:
    try:
        reply = await owner.answer(payload)
    except OwnerLeft:
        return False
    check_reply(payload, reply)
    if not isinstance(reply, LabelReply):
        return False
    note = with_blind_labels if isinstance(payload, BlindBatch) else with_dev_labels
    folder.save(note(folder.load(), reply.labels, at=now()))
    Drafts(folder.path).clear(payload.images)
    return not (reply.stop or reply.later)
