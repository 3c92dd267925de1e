"""Captions of a clause for CLIP: its claim, and the opposite for a clause that denies."""

import re
from dataclasses import dataclass

from fieldmark.records import Definition
from fieldmark.tools.books.wording import class_text, descriptor_text, with_article

_SHOWS = re.compile(
    r"^(?:the |this |an? )?(?:image|photo|photograph|picture|scene)s? (?:clearly |mainly )?"
    r"(?:shows?|depicts?|contains?|includes?|is of|has):? ",
    re.IGNORECASE,
)
_THERE = re.compile(r"^there (?:is|are) ", re.IGNORECASE)
_SUBJECT = r"^(?:(?:the|this|an?|every|each) )?(?P<subject>[\w-]+(?: [\w-]+){0,2}?) "
_HAS = re.compile(_SUBJECT + r"(?:has|have|wears?|with) (?P<what>.+)$", re.IGNORECASE)
_LACKS = re.compile(
    _SUBJECT + r"(?:without|lacks?|does not have|do not have) (?:an? |any )?(?P<what>.+)$", re.IGNORECASE
)
_IS = re.compile(_SUBJECT + r"(?:is|are|sits|stands) (?P<what>.+)$", re.IGNORECASE)
_PLACE = re.compile(
    r"^(?:on|in|at|by|near|under|against|among|behind|beside|inside|outside|over|above|between) ",
    re.IGNORECASE,
)
_NO = re.compile(r"^(?:no|not any|not an?) ", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|its|some) ", re.IGNORECASE)
_JOINED = re.compile(r",|\b(?:and|or|but|nor)\b", re.IGNORECASE)
_VERB = re.compile(r"\b(?:has|have|is|are|does|shows?)\b", re.IGNORECASE)
_OTHER_VERB = re.compile(r"(?:, | or |, or )(?=(?:has|have|is|are|does) )", re.IGNORECASE)
_COMMA_OR = re.compile(r", or | or |, ")
_OPENS = re.compile(r"^(?:an?|no|in|on|at|by|with|against|near)$", re.IGNORECASE)
_PRONOUNS = frozenset({"it", "they", "this", "which", "that"})


@dataclass(frozen=True)
class ClausePrompts:
    """A clause as captions.

    Attributes:
        holds: The caption of a photo for which it holds.
        fails: That of one for which it does not, where the clause denies something; None otherwise. Encoders
            read "no" badly, and know well what is denied; of a clause that affirms, the contrary would only
            blur it.
    """

    holds: str
    fails: str | None = None


def clause_prompts(text: str, *, noun: str = "thing") -> ClausePrompts:
    """Write a clause as captions.

    Args:
        text: One sentence about what an image shows, or a noun phrase.
        noun: What "it" stands for.
    """
    plain = _THERE.sub("", _SHOWS.sub("", " ".join(text.split()).rstrip(" .!;")))
    if found := _LACKS.match(plain):
        return _having(_subject(found, noun), f"no {found['what']}")
    if found := _HAS.match(plain):
        return _having(_subject(found, noun), found["what"])
    if _NO.match(plain):
        return _having(noun, plain)
    if found := _IS.match(plain):
        subject, what = _subject(found, noun), found["what"]
        if _PLACE.match(what):
            return ClausePrompts(class_text(f"{subject} {what}"))
        if len(what.split()) == 1:
            return ClausePrompts(class_text(f"{what} {subject}"))
        return ClausePrompts(class_text(f"{subject} that is {what}"))
    return ClausePrompts(class_text(_ARTICLE.sub("", _lowered(plain))) if plain else class_text(noun))


def alternatives(text: str) -> tuple[str, ...]:
    """A clause taken apart where it leaves a choice: "a red or blue cap" → "a red cap", "a blue cap".

    A guess by the form of the words, for captions alone: what is guessed wrongly is a caption of no use.

    Args:
        text: One sentence about what an image shows.

    Returns:
        The clauses, each once; the clause itself alone where it leaves no choice.
    """
    plain = " ".join(text.split()).rstrip(" .!;")
    verb = _VERB.search(plain)
    whole = [part for part in _OTHER_VERB.split(plain) if part] or [plain]
    subject = plain[: verb.start()] if verb else ""
    clauses = [whole[0], *(f"{subject}{part}" for part in whole[1:])]
    return tuple(dict.fromkeys(each for clause in clauses for each in _listed(clause)))


def captions_of(name: str, definition: Definition) -> list[str]:
    """Every caption of a concept: its name, its active clauses, and what each leaves to choose."""
    texts = [class_text(_lowered(" ".join(name.split())))]
    for clause in definition.active:
        for each in (clause.text, *alternatives(clause.text)):
            prompts = clause_prompts(each)
            texts += [prompts.holds] if prompts.fails is None else [prompts.holds, prompts.fails]
    return list(dict.fromkeys(texts))


def _listed(clause: str) -> list[str]:
    """The items of "x a, b or c y", each in the place of the list."""
    items = [item for item in _COMMA_OR.split(clause) if item]
    if len(items) < 2 or " or " not in clause:
        return [clause]
    opening = items[1].split()[0]
    words = items[0].split()
    alike = [
        n for n, word in enumerate(words) if word == opening or (_OPENS.match(opening) and _OPENS.match(word))
    ]
    if alike:  # "at sunset, at night or in fog" begins alike; "a red, white or blue cap" does not
        at = alike[-1]
        return [" ".join([*words[:at], item]) for item in (" ".join(words[at:]), *items[1:])]
    if len(items[-1].split()) > 1 and all(len(item.split()) == 1 for item in items[1:-1]):
        first, *rest = items[-1].split()
        choices = [words[-1], *items[1:-1], first]
        return [" ".join([*words[:-1], choice, *rest]) for choice in choices]
    at = len(words) - 1
    return [" ".join([*words[:at], item]) for item in (" ".join(words[at:]), *items[1:])]


def _having(subject: str, what: str) -> ClausePrompts:
    if not _NO.match(what):
        return ClausePrompts(descriptor_text(subject, what))
    denied = _ARTICLE.sub("", _NO.sub("", what))
    holds = descriptor_text(subject, f"no {denied}")
    if not denied or _JOINED.search(denied):
        return ClausePrompts(holds)
    there = denied if denied.endswith("s") else with_article(denied)
    return ClausePrompts(holds, descriptor_text(subject, there))


def _subject(found: re.Match[str], noun: str) -> str:
    subject = found["subject"]
    return noun if subject.lower() in _PRONOUNS else _lowered(subject)


def _lowered(text: str) -> str:
    """Without a capital that only begins the sentence."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
