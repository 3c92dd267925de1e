"""Stores verdicts by image and clause, so that none is asked or paid for twice."""

import logging
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError, model_validator

from fieldmark.cache.keys import canonical_json, content_key, digest
from fieldmark.records import Record

if TYPE_CHECKING:
    from fieldmark.cache.bytestore import ByteStore

logger = logging.getLogger(__name__)

VERDICT_SCHEMA = "fieldmark.verdict/1"
"""Tag of a stored verdict, and the version in its key."""


class StoredVerdict(Record):
    """What an annotator itself said of one image and one clause.

    "abstain" is its own "I cannot tell"; what failed for another reason is never stored.
    """

    finding: Literal["yes", "no", "abstain"]
    p: float | None = Field(ge=0, le=1)
    """Probability that the clause holds; None with "abstain"."""
    seen: str = ""
    """What it saw in the image when it was asked."""
    rationale: str = ""
    """What it said of the findings of that question."""

    @model_validator(mode="after")
    def _has_p_or_abstains(self) -> "StoredVerdict":
        if (self.p is None) != (self.finding == "abstain"):
            raise ValueError("a finding has a probability, and an abstention has none")
        return self


class VerdictStore:
    """Verdicts by image, clause and annotator.

    A clause is known by its text alone: a reworded one is another clause, and one that is taken up again,
    under whatever id or in whatever concept, finds its verdicts.
    """

    def __init__(self, store: "ByteStore", *, refresh: bool = False) -> None:
        self._store = store
        self._refresh = refresh
        self._renewed: set[str] = set()

    def put(self, verdict: StoredVerdict, *, image: str, text: str, annotator: str) -> None:
        """Keep a verdict.

        Args:
            verdict: What was said.
            image: The image's content hash.
            text: The clause's text.
            annotator: Identity of who said it.

        Raises:
            CacheError: It cannot be written.
        """
        value = canonical_json(verdict.model_dump(mode="json")).encode("utf-8")
        key = verdict_key(image=image, text=text, annotator=annotator)
        self._store.put(key, value, schema=VERDICT_SCHEMA)
        self._renewed.add(key)

    def get(self, *, image: str, text: str, annotator: str) -> StoredVerdict | None:
        """Read a verdict back; one that is not what it should be is a logged miss.

        Args:
            image: The image's content hash.
            text: The clause's text.
            annotator: Identity of who said it.

        Raises:
            CacheError: The store cannot be read.
        """
        key = verdict_key(image=image, text=text, annotator=annotator)
        if self._refresh and key not in self._renewed:
            return None
        data = self._store.get(key, schema=VERDICT_SCHEMA)
        if data is None:
            return None
        try:
            return StoredVerdict.model_validate_json(data)
        except ValidationError:
            logger.warning("Stored verdict %s cannot be used; asking again.", key)
            return None


def verdict_key(*, image: str, text: str, annotator: str) -> str:
    """The key of a verdict: SHA-256 in hex over all that it may depend on.

    A text that is no valid Unicode has a key as well, though nothing can be asked about it.
    """
    return content_key(
        {
            "schema": VERDICT_SCHEMA,
            "image": image,
            "clause": digest(text.encode("utf-8", "surrogatepass")),
            "annotator": annotator,
        }
    )
