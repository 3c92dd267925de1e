"""Statistics of a store, and the entries that cannot be used."""

from datetime import UTC, datetime

from pydantic import Field

from fieldmark.records import Record


class StoreStats(Record):
    """How much a store holds."""

    entries: int = Field(ge=0)
    bytes: int = Field(ge=0)
    """Size of its files on disk (in memory: of its values)."""
    oldest: str | None = None
    """When its oldest entry was written (ISO 8601, UTC), where the store records it."""
    newest: str | None = None
    width: int | None = None
    """Values per row, for a vector store."""


class BadEntry(Record):
    """An entry that a store cannot return, and why."""

    key: str
    """The entry's key, or the file's name where no key can be read."""
    reason: str


class VerifyReport(Record):
    """What came of reading every entry of a store."""

    checked: int = Field(ge=0)
    bad: tuple[BadEntry, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every entry could be used."""
        return not self.bad


def iso_time(seconds: object) -> str | None:
    """A time in seconds since 1970 as a report has it; None for what is no time."""
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):  # a number that is no time
        return None
