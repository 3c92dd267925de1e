"""Reads and writes words files, and says of a classifier that it was made with one."""

from pathlib import Path

from pydantic import ValidationError

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError
from fieldmark.prompts import describe, differentiate, differentiate_again, differentiate_group, tabulate
from fieldmark.prompts.judge import PROMPT_ID as JUDGE
from fieldmark.prompts.reword import CLAUSE_CHARACTERS
from fieldmark.prompts.rules import rules_of, unusable
from fieldmark.records import Concept, Words
from fieldmark.tools.books.files import read_json

OF_LOOP = frozenset(
    each.PROMPT_ID for each in (describe, differentiate, differentiate_again, differentiate_group, tabulate)
)
"""The questions that the loop asks."""


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
        try:
            rules_of(prompt_id)
        except InputError:
            raise _refused(path, f"there is no question {prompt_id!r} with rules") from None
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


def check_place(path: Path) -> None:
    """Refuse a place for words before anything is asked.

    Raises:
        InputError: A folder is there, or a file that holds no words.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder.", hint="Name a file in it.", field="out")
    if path.exists():
        try:
            read_words(path)
        except InputError:
            raise InputError(
                f"{str(path)!r} is there already, and holds no words.", hint="Name another file.", field="out"
            ) from None


def check_of_loop(words: Words) -> None:
    """Refuse words that say nothing of the questions that the loop asks.

    Raises:
        InputError: They are a concept's, or of other questions.
    """
    if words.key and not OF_LOOP & set(words.instructions):
        raise InputError(
            "The words reword no question of the loop.",
            hint="Search for words of questions with labelled images of these classes.",
            field="words",
        )


def check_look(words: Words | None, looks: str) -> None:
    """Refuse new rules of a question that the annotator will not ask.

    Raises:
        InputError: It looks otherwise than once, and by other questions.
    """
    if words is not None and JUDGE in words.instructions and looks not in ("once", "samples"):
        raise InputError(
            "The words reword rules of the question of a single look: another look asks others.",
            hint="Have it look once or answer several times, or leave the rules out of the words.",
            field="looks",
        )


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
