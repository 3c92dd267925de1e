"""Tells scripts from language models, by name, so that every result says who answered."""

GUIDE_MODEL = "aviary-guide (scripted)"
"""Name of the aviary's scripted guide at its endpoint."""
NOTE = (
    "The guide that answers here is a script that knows the aviary's species and makes a set share of "
    "mistakes. It is not a language model."
)
SCRIPTED = "scripted-"
"""Names of all other scripts begin so."""
SCRIPTED_NOTE = "What answers here is a script. It is not a language model."


def scripted_notes(*models: str | None) -> tuple[str, ...]:
    """What a reader must know of results: a note, if one of the models that answered is a script.

    Args:
        models: The models' names at their endpoints; None where there was none.
    """
    guide = (NOTE,) if GUIDE_MODEL in models else ()
    return (*guide, *((SCRIPTED_NOTE,) if any((name or "").startswith(SCRIPTED) for name in models) else ()))
