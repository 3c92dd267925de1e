"""The choices of a conversation about a concept."""

from typing import Literal

from pydantic import Field

from fieldmark.records import Options

LEAST_REPEATS = 6
"""Images that must have come back before the owner's own consistency is taken to be known."""


class DefineOptions(Options):
    """Everything about a conversation that may be chosen."""

    questions: int = Field(default=6, ge=0)
    """The most scope questions."""
    question_images: int = Field(default=4, ge=0)
    """Images shown with each of them."""
    boards: int = Field(default=12, ge=0)
    """The most boards."""
    board_size: int = Field(default=5, ge=1)
    drawn: int = Field(default=1, ge=0)
    """Images of a board that are drawn from the whole pool, whatever the annotator makes of them."""
    disputed: int = Field(default=2, ge=0)
    """Images of a board that the annotator and a classifier of the owner's own labels call differently."""
    labels: int = Field(default=80, ge=0)
    """The most labels outside of the blind test, repeats included; reached with the board that passes it."""
    calls: int | None = Field(default=None, ge=0)
    """The most questions to the models, counted at the end of each board."""
    repeats: int = Field(default=20, ge=0)
    """The most images that come back unannounced."""
    repeats_a_board: int = Field(default=2, ge=0)
    offers: int = Field(default=2, ge=0)
    """The most edits offered after one board."""
    quiet_boards: int = Field(default=2, ge=1)
    """Boards in a row without an accepted edit before the conversation may end by agreement."""
    agreement_labels: int = Field(default=50, ge=0)
    """Labels that the annotator must be compared on before that: on thirty, one standard error excuses a
    kappa of 0.85 where the owner's own is 1."""
    mined: int = Field(default=60, ge=1)
    """Images judged before each board."""
    doubted: int = Field(default=24, ge=1)
    """Of them, those that the annotator is asked to doubt."""
    kind: Literal["borderline", "random"] = "borderline"
    """How boards are chosen; "random" is a control."""
    conversation: bool = True
    """False drafts clauses from name and purpose, and asks nothing: a control."""
    blind: int = Field(default=100, ge=0)
    """Images of the blind test."""
    blind_batch: int = Field(default=10, ge=1)
    ask_blind: bool = True
    """Whether the conversation asks for missing blind labels at its end."""
