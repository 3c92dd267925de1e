"""Every error is typed, says what to do next, and knows its exit code."""

import inspect

import pytest

from fieldmark import errors
from fieldmark.errors import EndpointError, FieldmarkError, InputError, LimitReached, QuestionFailed

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FieldmarkError)]


def test_the_tree_has_one_root() -> None:
    assert len(ALL) >= 10
    assert all(kind.__doc__ and issubclass(kind, FieldmarkError) for kind in ALL)
    assert {kind.__name__ for kind in ALL if issubclass(kind, InputError)} >= {
        "InputError", "SettingsError", "ClassNamesError", "NoImagesError",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_message_and_the_hint_are_apart_and_together(kind: type[FieldmarkError]) -> None:
    more = {"reason": "refused"} if kind is QuestionFailed else {}
    error = kind("It broke.", hint="Mend it.", **more)
    assert (error.message, error.hint, str(error)) == ("It broke.", "Mend it.", "It broke. Mend it.")
    assert str(kind("It broke.", **more)) == "It broke."
    assert kind.exit_code == (3 if issubclass(kind, LimitReached) else 2)


def test_a_failed_question_has_a_reason_a_program_can_read() -> None:
    assert QuestionFailed("No.", reason="refused").reason == "refused"
    assert not issubclass(QuestionFailed, EndpointError)
