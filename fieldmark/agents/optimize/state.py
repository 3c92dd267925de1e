"""How far a prompt search is: what its checkpoints hold."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class OptimizeState(BaseModel):
    """What a checkpoint holds: hashes, counts and names; never arrays, images or clients."""

    model_config = ConfigDict(frozen=True)

    notebook: str = ""
    """Hash of all answers."""
    templates: tuple[str, ...] = ()
    """The templates that were found best."""
    template_generation: int = 0
    pool: str = ""
    """Hash of the pool of units."""
    fold: int = 0
    """Folds of the cross-validation done."""
    folds: str = ""
    """Hash of their curves."""
    start: str = ""
    """Hash of the book that the search starts from, with its fitness."""
    book: str = ""
    """Hash of the fittest book so far."""
    survivors: str = ""
    """Hash of the parents of the next generation, of templates or of the group's units."""
    groups: str = ""
    """Hash of this pass's groups of classes."""
    group: int = 0
    groups_left: int = 0
    generation: int = 0
    """Generations done in this group."""
    passes: int = 0
    """Passes begun."""
    reflected: int = 0
    """Passes that were reflected on before."""
    reflections: str = ""
    """Hash of what came of that."""
    generations: int = 0
    """Generations done in all."""
    candidates: int = 0
    """Candidates scored in all."""
    history_size: int = 0
    """Bytes of the history that this state knows of."""
    curve_size: int = 0
    stop_reason: Literal["searched"] | None = None
