"""Asks what groups of images are called, and keeps what was answered where a limit ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldmark.errors import EndpointError, LimitReached, QuestionFailed
from fieldmark.prompts.name_group import GroupHints, ask_name_group, ask_name_group_seen
from fieldmark.records import ImagePart, Question
from fieldmark.records.names import plain_name
from fieldmark.tools.annotate.concurrency import map_concurrently
from fieldmark.tools.images.decode import UnusableImageError
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import concurrency_of
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.image_messages import ImageMessages
from fieldmark.tools.runs.events import Progress, QuestionAnswered, StepFailed

KIND = "name_group"


@dataclass(frozen=True)
class AskedGroup:
    """A group as it is asked about.

    Attributes:
        hints: What the question says of it.
        images: The images to show; none where the model is to go by what is said.
    """

    hints: GroupHints
    images: tuple[ImageFile, ...] = ()


@dataclass
class GroupAnswers:
    """What was answered, by the number of the group.

    Attributes:
        names: Names, the likeliest first.
        captions: What the model wrote of the images that it was shown.
        failed: Questions without a usable answer.
        fault: What was wrong with the first of these.
        stopped: "budget" or "endpoint" where not all could be asked.
        why: The reason.
    """

    names: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    captions: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    failed: int = 0
    fault: str = ""
    stopped: str = ""
    why: str = ""


async def ask_groups(groups: Sequence[AskedGroup], model: AskedModel, progress: Progress) -> GroupAnswers:
    """Ask about each group once.

    A question that fails is counted. What a limit or a dead endpoint keeps back is not asked, and nothing
    that was answered is lost.
    """
    found, messages = GroupAnswers(), ImageMessages()

    async def ask(number: int) -> None:
        if found.stopped:
            return
        group = groups[number]
        photos = await parts_of(group.images, messages)
        try:
            if photos:
                seen = await model.ask(ask_name_group_seen(photos, group.hints))
                found.captions[number] = tuple(seen.value.photo_captions)
                found.names[number] = _distinct(seen.value.group_names)
                cached = seen.cached
            else:
                said = await model.ask(ask_name_group(group.hints))
                found.names[number] = _distinct(said.value.group_names)
                cached = said.cached
        except LimitReached as error:
            found.stopped, found.why = found.stopped or "budget", error.message
        except EndpointError as error:
            found.stopped, found.why = found.stopped or "endpoint", error.message
        except QuestionFailed as error:
            found.failed += 1
            found.fault = found.fault or f"A question had no usable answer: {error.message}"
            progress(StepFailed(kind=KIND, reason=error.message, code=error.code))
        else:
            progress(QuestionAnswered(kind=KIND, classes=(), cached=cached))

    await map_concurrently(range(len(groups)), ask, concurrency=concurrency_of(model))
    return found


async def questions_of(groups: Sequence[AskedGroup]) -> list[Question[Any]]:
    """The questions that `ask_groups` would ask."""
    messages = ImageMessages()
    made: list[Question[Any]] = []
    for group in groups:
        photos = await parts_of(group.images, messages)
        made.append(ask_name_group_seen(photos, group.hints) if photos else ask_name_group(group.hints))
    return made


async def parts_of(images: Sequence[ImageFile], messages: ImageMessages) -> list[ImagePart]:
    """Images as they are sent; one that cannot be read is left out."""
    parts: list[ImagePart] = []
    for image in images:
        try:
            parts.append(await messages.part(image))
        except UnusableImageError:  # it could be read when it was encoded: it went or changed since
            continue
    return parts


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(plain_name(name), name)
    return tuple(found.values())
