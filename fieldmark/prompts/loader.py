"""Prompt files: read from the package, filled in strictly, hashed for the run's manifest."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import TypeVar

from pydantic import BaseModel

from fieldmark.errors import InputError
from fieldmark.prompts.answer_fields import temperature_of
from fieldmark.records.questions import ChatMessage, ImagePart, Question
from fieldmark.records.words import Words

T = TypeVar("T", bound=BaseModel)

_PACKAGE = "fieldmark.prompts"
_ID = re.compile(r"[a-z][a-z_]*\.v[1-9][0-9]*")
_FILE = re.compile(
    r"\A---\n(?P<head>.*?)\n---\n+(?:## system\n(?P<system>.*?)\n)?## user\n(?P<user>.*)\Z", re.DOTALL
)
_DATA_BLOCK = re.compile(r"^<data>\n.*?\n</data>$", re.DOTALL | re.MULTILINE)
# "<" and ">" could close the data block; lone surrogates cannot be sent as UTF-8; line separators and
# direction marks could make a name look like something outside of its quotes.
_UNSAFE = re.compile("[<>\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """One version of one prompt, as shipped.

    Attributes:
        id: Name and version, e.g. "describe.v1"; also the file's name.
        version: The version alone.
        variables: The names of the holes; all of them lie inside data blocks of the user part.
        system: Text of the system message; empty where it is the next turn of a chat.
        user: Text of the user message, with `$variable` holes.
        sha256: Hash of the file's text (hex, line ends normalised).
    """

    id: str
    version: int
    variables: tuple[str, ...]
    system: str
    user: str
    sha256: str

    def render(self, **variables: object) -> tuple[ChatMessage, ...]:
        """Fill the holes; every value is put in as JSON, so that it can only ever be data.

        Args:
            **variables: Exactly the file's variables: strings, or lists and mappings of strings.

        Returns:
            The system message, if there is one, and the user message.

        Raises:
            InputError: If a variable is missing or unknown.
        """
        given, wanted = set(variables), set(self.variables)
        if given != wanted:
            missing = ", ".join(sorted(wanted - given)) or "none"
            extra = ", ".join(sorted(given - wanted)) or "none"
            raise InputError(
                f"prompt {self.id} cannot be filled in: missing variables: {missing}; unknown: {extra}.",
                hint=f"It takes exactly: {', '.join(self.variables)}.",
            )
        filled = Template(self.user).substitute({name: as_data(value) for name, value in variables.items()})
        system = (ChatMessage(role="system", content=self.system),) if self.system else ()
        return (*system, ChatMessage(role="user", content=filled))


def as_data(value: object) -> str:
    """Write a value as JSON on one line that cannot leave the data block it is put in.

    Letters of every script stay readable; only what could be mistaken for structure is escaped.
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def question_from(
    prompt_id: str,
    answer_model: type[T],
    *,
    max_tokens: int,
    about: tuple[str, ...] = (),
    sample: int = 0,
    images: Sequence[ImagePart] = (),
    before: Sequence[ChatMessage] = (),
    **variables: object,
) -> Question[T]:
    """Make a question from a prompt file.

    Args:
        prompt_id: Name and version of the file, e.g. "describe.v1".
        answer_model: The model of the answer.
        max_tokens: The most tokens of the answer.
        about: The classes that it asks about.
        sample: 0 for the first answer, 1 for a second opinion, and so on.
        images: Images that follow the text, in this order.
        before: The chat that it goes on with.
        **variables: Exactly the file's variables; see `PromptFile.render`.

    Raises:
        InputError: If a variable is missing or unknown.
    """
    messages = load(prompt_id).render(**variables)
    if images:
        messages = (*messages[:-1], messages[-1].model_copy(update={"images": tuple(images)}))
    return Question(
        prompt_id=prompt_id,
        messages=(*before, *messages),
        answer_model=answer_model,
        temperature=temperature_of(sample),
        max_tokens=max_tokens,
        sample=sample,
        about=about,
    )


@cache
def load(prompt_id: str) -> PromptFile:
    """Read a prompt file of the package, once: thousands of questions are made from the same few files.

    Args:
        prompt_id: Name and version, e.g. "describe.v1".

    Raises:
        InputError: If there is no such prompt, or its file is not well formed.
    """
    known = prompt_ids()
    if prompt_id not in known:
        raise InputError(f"there is no prompt {prompt_id!r}.", hint=f"Known prompts: {', '.join(known)}.")
    return parse(prompt_id, files(_PACKAGE).joinpath(f"{prompt_id}.md").read_text(encoding="utf-8"))


def parse(prompt_id: str, text: str) -> PromptFile:
    """Read the text of a prompt file.

    Args:
        prompt_id: The id that the text must carry.
        text: Front matter (id, version, variables), then the parts `## system`, which the next turn of a
            chat lacks, and `## user`.

    Raises:
        InputError: If the text is not well formed; the message says where.
    """
    text = text.replace("\r\n", "\n")
    match = _FILE.match(text)
    if match is None:
        raise _malformed(prompt_id, "it needs front matter, then the parts '## system' and '## user'")
    head = _front_matter(prompt_id, match["head"])
    version = head["version"]
    if head["id"] != prompt_id or not prompt_id.endswith(f".v{version}"):
        raise _malformed(prompt_id, f"its front matter says id {head['id']!r}, version {version!r}")
    system, user = (match["system"] or "").strip(), match["user"].strip()
    variables = tuple(name for part in head["variables"].split(",") if (name := part.strip()))
    template = Template(user)
    if not template.is_valid() or set(template.get_identifiers()) != set(variables):
        raise _malformed(prompt_id, "the $holes of its user part and its list of variables differ")
    if Template(_DATA_BLOCK.sub("", user)).get_identifiers() or Template(system).get_identifiers():
        raise _malformed(prompt_id, "a $hole lies outside of <data> ... </data>")
    return PromptFile(
        id=prompt_id,
        version=int(version),
        variables=variables,
        system=system,
        user=user,
        sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
    )


def prompt_ids() -> tuple[str, ...]:
    """Ids of all shipped prompts, sorted."""
    stems = (item.name.removesuffix(".md") for item in files(_PACKAGE).iterdir() if item.name.endswith(".md"))
    return tuple(sorted(stem for stem in stems if _ID.fullmatch(stem)))


def prompt_hashes(words: Words | None = None) -> dict[str, str]:
    """SHA-256 (hex) of every shipped prompt file by id, for the run's manifest; "words" names other words."""
    shipped = {prompt_id: load(prompt_id).sha256 for prompt_id in prompt_ids()}
    return {**shipped, "words": words.key} if words and words.key else shipped


def _front_matter(prompt_id: str, head: str) -> Mapping[str, str]:
    pairs = [line.partition(":") for line in head.split("\n")]
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    if set(fields) != {"id", "version", "variables"} or len(pairs) != len(fields):
        raise _malformed(prompt_id, "its front matter must give id, version and variables, once each")
    return fields


def _malformed(prompt_id: str, why: str) -> InputError:
    return InputError(f"prompt file {prompt_id}.md is not well formed: {why}.", hint="Correct the file.")
