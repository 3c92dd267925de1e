"""The bases of all records: frozen, strict about unknown fields, plain JSON; options raise our error."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from fieldmark.errors import InputError, close_to


class Record(BaseModel):
    """A frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Options(Record):
    """A record that a person fills in: a wrong value raises an `InputError` that names the field."""

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_words(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            raise wrong_value(cls, error) from None


def wrong_value(record: type[BaseModel], error: ValidationError) -> InputError:
    """The first complaint about a record as an error that names the field."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        names = tuple(record.model_fields)
        hint = close_to(where, names).rstrip() or f"There are: {', '.join(names)}."
        return InputError(f"{record.__name__} has no field {where!r}.", hint=hint, field=where)
    if first["type"] == "missing":
        return InputError(f"{record.__name__} needs {where}.", hint=f"Give {where}=….", field=where)
    says = first["msg"].removeprefix("Value error, ").rstrip(".")
    value = first["input"]
    what = where or record.__name__
    said = f"{what} cannot be {value!r}: {says[:1].lower()}{says[1:]}."
    return InputError(said, field=where.split(".")[0])


def path_of(value: object, field: str) -> Path:
    """A path given as text or `Path`.

    Raises:
        InputError: It is neither; with the argument's name.
    """
    if not isinstance(value, str | Path):
        raise InputError(f"{field} is not a path but {value!r}.", hint="Give a text or a Path.", field=field)
    return Path(value)
