"""Reads and writes words files, and says of a classifier that it was made with one."""

from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.prompts.reword import CLAUSE_CHARACTERS
from fieldmark.prompts.rules import rules_of, unusable
from fieldmark.records import Concept, Words
from fieldmark.tools.books.files import read_json


def read_words(path: Path | str) -> Words:
    """Words as a search wrote them, or a person: every text is checked.

    Raises:
        InputError: The file cannot be read, is no words file, names a prompt that there is not, or holds a
            text that cannot be used.
    """
    path = Path(path)
    try:
        words = Words.model_validate(read_json(path, what="The words file"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise _refused(path, f"{where}: {first['msg']}") from None
    for prompt_id, rules in words.instructions.items():
        rules_of(prompt_id)  # is there such a prompt?
        if why := unusable(rules):
            raise _refused(path, f"the rules of {prompt_id}: {why}")
    for text in words.clauses.values():
        if not text.strip() or len(text) > CLAUSE_CHARACTERS:
            raise _refused(path, f"a clause takes 1 to {CLAUSE_CHARACTERS} characters")
    return words


def write_words(words: Words, path: Path) -> None:
    """Write words, whole or not at all.

    Raises:
        InputError: It cannot be written.
    """
    try:
        write_whole(path, ((words.model_dump_json(indent=2) + "\n").encode(),))
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.",
            hint="Name another file.",
            field="out",
        ) from error


def check_about(words: Words, concept: Concept) -> None:
    """Refuse words that say nothing of a concept: they are another one's, or of the loop's questions.

    Raises:
        InputError: They name neither the annotator's question nor a clause that the concept has or had.
    """
    texts = {clause.text for version in concept.versions for clause in version.definition.clauses}
    if words.key and JUDGE not in words.instructions and not texts & set(words.clauses):
        raise InputError(
            f"The words say nothing of the concept {concept.name!r}.",
            hint="Are they another concept's? Search for this one's own.",
            field="words",
        )


def words_note(words: Words | None) -> tuple[str, ...]:
    """What readers of a classifier must know of its annotator's words; nothing of the shipped ones."""
    if words is None or not words.key:
        return ()
    read = "; ".join(f"{own!r} as {other!r}" for own, other in words.clauses.items())
    rules = "Its rules were reworded. " if words.instructions else ""
    clauses = f"It read {read}." if read else ""
    return (f"Its annotator went by other words ({words.key}). {rules}{clauses}".strip(),)


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"{str(path)!r} cannot be used: {why}.",
        hint="Is it what `fieldmark reword` wrote? Search again, or correct it.",
        field="words",
    )
