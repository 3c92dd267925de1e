"""Names the notes that results carry where the scripted guide gave the answers."""

from fieldmark.aviary.guide.guide import MODEL_NAME

NOTE = (
    "The guide that answers here is a script that knows the aviary's species and makes a set share of "
    "mistakes. It is not a language model."
)


def scripted_notes(*models: str | None) -> tuple[str, ...]:
    """What a reader must know of results: the note, if one of the models that answered is the guide.

    Args:
        models: The models' names at their endpoints; None where there was none.
    """
    return (NOTE,) if MODEL_NAME in models else ()
