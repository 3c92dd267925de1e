"""The kinds of questions that graphs and methods may plan, by name.

To add a kind, write two files and one line:

1. `season.v1.md`: the text, with front matter and a `<data>` block (see `loader.parse`).
2. `season.py`: the answer model, a function that renders the question, and `KIND`, a `QuestionKind` that says
   how a spec becomes the question and how its answer becomes `Statements`.
3. `season.KIND` in `KINDS` below, with the import of its module.

Then `QuestionSpec(kind="season", classes=(...))` can be planned and asked.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fieldmark.errors import InputError
from fieldmark.prompts import (
    contexts,
    describe,
    differentiate,
    differentiate_again,
    differentiate_group,
    domain_words,
    family,
    portray,
    reflect,
    subclasses,
    synonyms,
    tabulate,
    task_questions,
)
from fieldmark.prompts.question_kind import QuestionKind

KINDS: tuple[QuestionKind[Any], ...] = (
    describe.KIND,
    differentiate.KIND,
    differentiate_group.KIND,
    differentiate_again.KIND,
    tabulate.KIND,
    reflect.KIND,
    synonyms.KIND,
    domain_words.KIND,
    portray.KIND,
    task_questions.KIND,
    subclasses.KIND,
    contexts.KIND,
    family.KIND,
)
_BY_NAME: Mapping[str, QuestionKind[Any]] = MappingProxyType({kind.name: kind for kind in KINDS})


def kind_of(name: str) -> QuestionKind[Any]:
    """The kind of question of that name.

    Raises:
        InputError: If there is none.
    """
    if name not in _BY_NAME:
        raise InputError(
            f"there is no kind of question {name!r}.", hint=f"Known kinds: {', '.join(_BY_NAME)}."
        )
    return _BY_NAME[name]
