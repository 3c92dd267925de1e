"""How a concept's clauses are written into the data of a question."""

from collections.abc import Sequence

from fieldmark.errors import InputError
from fieldmark.records.concepts import Clause, Definition


def clauses_alone(clauses: Sequence[Clause]) -> list[dict[str, str]]:
    """Clauses as ids and texts: each is judged by its words, whatever its role.

    Raises:
        InputError: If there is none, or an id is repeated.
    """
    if not clauses:
        raise InputError("there is no clause to judge.", hint="Give at least one.")
    if len({clause.id for clause in clauses}) < len(clauses):
        raise InputError("the id of a clause is repeated.", hint="Give every clause its own.")
    return [{"id": clause.id, "text": clause.text} for clause in clauses]


def definition_data(definition: Definition) -> list[dict[str, str]]:
    """The active clauses of a definition, with their roles."""
    return [{"id": clause.id, "role": clause.role, "text": clause.text} for clause in definition.active]
