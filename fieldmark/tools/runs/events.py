"""What a run reports while it goes on."""

from collections.abc import Callable, Mapping

Report = Callable[[str, Mapping[str, object]], None]
"""Called with the name of an event and its fields; shows progress, never decides anything."""


def say_nothing(event: str, fields: Mapping[str, object]) -> None:
    """A `Report` that drops every event."""
