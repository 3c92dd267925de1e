"""The registry of kinds of questions: each has one name, and a spec that does not fit its kind is refused."""

import pytest

from fieldmark.errors import ClassNamesError, InputError
from fieldmark.prompts.question_kind import PlannedQuestion
from fieldmark.prompts.registry import KINDS, kind_of
from fieldmark.records import QuestionSpec


def test_every_kind_is_found_by_its_name() -> None:
    assert [kind_of(kind.name) for kind in KINDS] == list(KINDS)


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"'desribe'.*describe, pair"):
        kind_of("desribe")


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("describe", ()), ("describe", ("x", "y")), ("pair", ("x",)), ("pair", tuple("xyz"))],
)
def test_the_number_of_classes_must_fit_the_kind(kind: str, classes: tuple[str, ...]) -> None:
    planned = PlannedQuestion(spec=QuestionSpec(kind=kind, classes=classes), noun="bird")
    with pytest.raises(ClassNamesError, match=f"not {len(classes)}"):
        kind_of(kind).ask(planned)
