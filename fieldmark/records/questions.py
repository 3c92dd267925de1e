"""What is asked of a language model, and what is read out of its answers."""

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from fieldmark.records._base import Record

Role = Literal["system", "user", "assistant"]
T = TypeVar("T", bound=BaseModel)


class ImagePart(Record):
    """An image inside a message, as a data URL."""

    data_url: str


class ChatMessage(Record):
    """One chat message; `images` follow its text."""

    role: Role
    content: str
    images: tuple[ImagePart, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Question(Generic[T]):
    """A rendered question with its answer model.

    Attributes:
        prompt_id: Id and version of the prompt file, e.g. "describe.v1".
        messages: The chat messages, rendered.
        answer_model: The pydantic model that the answer must satisfy; its JSON schema is sent along.
        temperature: Sampling temperature.
        max_tokens: The most tokens the answer may take.
        sample: 0 for the first answer to these messages, 1 for a second opinion, and so on. Sent as
            the sampling seed where it is not 0, and part of the cache key.
    """

    prompt_id: str
    messages: tuple[ChatMessage, ...]
    answer_model: type[T]
    temperature: float = 0.0
    max_tokens: int = 1024
    sample: int = 0
    about: tuple[str, ...] = field(default=())
    """The classes it asks about: for progress and reports only, no part of the cache key."""
    weigh: str = ""
    """Field of the answer whose words are wanted with their probabilities, where the endpoint tells them."""


class AttributeVote(Record):
    """One statement of an answer: this class has this value for this attribute."""

    class_name: str
    attribute: str
    value: str
    """A noun phrase that fits "which has ..."."""
    caption: str | None = None
    """A photo caption of the class with that value, where the answer gave one."""
    source: str
    """Key of the answer it was read from, so that a vote can be traced."""


class DescriptorEdit(Record):
    """A change of a class's description that an answer proposed."""

    class_name: str
    add: tuple[str, ...] = ()
    """Descriptors that it lacks: noun phrases that fit "which has ..."."""
    drop: tuple[str, ...] = ()
    """Present descriptors that do not tell it from others."""


class ContextValue(Record):
    """One of the things that a context factor can be: the background "water"."""

    name: str
    phrases: tuple[str, ...]
    """Wordings that follow a class name in a caption and mean the same: "on the water", "by a lake"."""


class ContextFactor(Record):
    """Something that varies from photo to photo and says nothing of the class: background, light, pose."""

    name: str
    values: tuple[ContextValue, ...]


class Family(Record):
    """Classes of one kind, under its name: one branch of a tree of depth two."""

    name: str
    classes: tuple[str, ...]


class QuestionSpec(Record):
    """A planned question: enough to ask it, and to recognise it later."""

    kind: str
    """Name of the kind of question (`fieldmark.prompts.registry`): "describe"."""
    classes: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    """The attributes that the question names: to fill in (tabulate), or tried in vain (again)."""
    material: str = ""
    """Hash of a JSON record that the question quotes: values seen so far (tabulate), confusions (reflect)."""
    text: str = ""
    """The question to answer about the class (portray), or what the task is (task_questions)."""
    sample: int = 0
    need: float = 0.0
    """How many open images the answer could help (expected number, for ordering)."""

    @property
    def key(self) -> tuple[str, tuple[str, ...], tuple[str, ...], str, int]:
        """What makes two specs the same question."""
        return (self.kind, self.classes, self.attributes, self.text, self.sample)


class AnswerStatements(Record):
    """What an answer states, checked against its question; each kind of question fills some of the fields."""

    descriptors: tuple[str, ...] = ()
    """Attribute values of the class asked about: noun phrases that fit "which has ..."."""
    votes: tuple[AttributeVote, ...] = ()
    edits: tuple[DescriptorEdit, ...] = ()
    words: tuple[str, ...] = ()
    """Other words for a class, words for what the images are, sentences about a class, questions for the
    task, or kinds of a class: what the question was for."""
    contexts: tuple[ContextFactor, ...] = ()
    families: tuple[Family, ...] = ()
    """Every class of the question in exactly one."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """Number of statements that could not be used, by reason."""
