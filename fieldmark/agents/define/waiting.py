"""What waits for a concept's owner: the question put last, its answer before it is taken in, blind images.

It reads small files alone: fronts that show a question load no model and no graph.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from fieldmark.agents.define.drafts import Drafts
from fieldmark.agents.define.record import check_reply, new_turn, shown_in
from fieldmark.cache.keys import content_key
from fieldmark.records import Concept, Record
from fieldmark.records.conversation import (
    BlindBatch,
    ConversationQuestion,
    ConversationReply,
    DefineStop,
    Heard,
)
from fieldmark.tools.concepts.changes import blind_labels
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.images.image_file import ImageFile

HEARD = "heard.json"
"""The latest answer, in the concept's folder: written before anything else happens to it."""
WAITING = "waiting.json"
"""Where the conversation stopped last; written again at each stop, from the checkpoint."""


class Waiting(Record):
    """Where a conversation stopped."""

    question: Annotated[ConversationQuestion | None, Field(discriminator="kind")] = None
    """The question that was put; None where the conversation is over."""
    version: int = 0
    """Number of the version in force, as the conversation left it."""
    stop_reason: DefineStop | None = None
    hinders: tuple[str, ...] = ()
    """What still hinders the end, the budget last; see `what_hinders`."""


def read_waiting(folder: ConceptFolder) -> Waiting | None:
    """Where a conversation stopped; None where it never did.

    Raises:
        RunError: What was written down of it is damaged.
    """
    return folder.read(WAITING, Waiting) if (folder.path / WAITING).exists() else None


def read_heard(folder: ConceptFolder) -> Heard | None:
    """The latest answer; None where there is none.

    Raises:
        RunError: It is damaged.
    """
    return folder.read(HEARD, Heard) if (folder.path / HEARD).exists() else None


def keep_reply(folder: ConceptFolder, question: ConversationQuestion, reply: ConversationReply) -> Heard:
    """Keep an answer before anything else happens to it; a conversation that is begun takes it in first.

    Raises:
        InputError: The answer does not fit the question; nothing was noted.
    """
    check_reply(question, reply)
    heard = Heard(turn=question.turn, reply=reply, at=moment(read_heard(folder)))
    folder.write(HEARD, heard)
    Drafts(folder.path).clear(shown_in(question))
    return heard


def moved_on(concept: Concept, *, version: int, question: ConversationQuestion | None) -> bool:
    """Whether another version was put in force since a conversation stopped at this one."""
    if isinstance(question, BlindBatch) or version in (0, concept.current):
        return False
    # A new name or another answer puts no version in force.
    last = next((d for d in reversed(concept.decisions) if d.kind not in ("rename", "answer")), None)
    return last is not None and last.kind in ("rollback", "hand")


def moment(last: Heard | None) -> str:
    """The time of an answer, ISO 8601, UTC: always later than that of the answer before."""
    now = datetime.now(UTC)
    if last is not None:
        now = max(now, datetime.fromisoformat(last.at) + timedelta(microseconds=1))
    return now.isoformat(timespec="microseconds")


def next_batch(
    concept: Concept, images: Sequence[ImageFile], *, size: int, without: Collection[str] = ()
) -> BlindBatch | None:
    """The next images of the blind test without a label whose files are there; None where there is none.

    Args:
        concept: The concept.
        images: The pool.
        size: How many at a time.
        without: Images to leave out, as the owner skipped them a moment ago.
    """
    known = blind_labels(concept)
    left = [i for i in images if i.content_hash in concept.blind and i.content_hash not in known]
    # A fixed order that tells nothing: neither the strata nor the folders come one after the other.
    left.sort(key=lambda image: content_key([concept.seed, image.content_hash]))
    left = [image.content_hash for image in left if image.path.is_file()]
    batch = [image for image in left if image not in without][:size]
    if not batch:
        return None
    return BlindBatch(turn=new_turn(), images=tuple(batch), done=len(known), of=len(known) + len(left))
