"""The options of a world are the same in every command that draws one."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, get_args

import pytest

from fieldmark.cli.demo import demo
from fieldmark.cli.eval.measure import measure
from fieldmark.cli.optimize import optimize
from fieldmark.cli.world_options import takes_world
from fieldmark.evals.worlds.conditions import BOUNDS, CLEAR, DEFAULT, MIDDLE, WorldConditions

FIELDS = {each.name for each in fields(WorldConditions)}


@pytest.mark.parametrize(
    ("command", "lacking"),
    [(demo, set[str]()), (measure, set[str]()), (optimize, {"unlisted", "present", "strangers"})],
)
def test_every_field_is_an_option_with_its_bounds_and_its_default(
    command: Callable[..., None], lacking: set[str]
) -> None:
    options = inspect.signature(command).parameters
    called = {"images": "images" if command is demo else "per_class"}
    for name in FIELDS - lacking:
        said = get_args(options[called.get(name, name)].annotation)[1]
        shown = DEFAULT if command is demo else CLEAR
        assert f"[default: {getattr(shown, name)}]" in said.help
        assert (said.min, said.max) == BOUNDS.get(name, (None, None))
    assert not {*lacking, "world"} & set(options)


def test_a_command_gets_what_was_given_and_nothing_else() -> None:
    got: dict[str, Any] = {}

    @takes_world(without=("blind",), shown=MIDDLE, other_names={"images": ("images_per_class", "per_class")})
    def command(seed: Annotated[int, "kept"] = 3, *, world: dict[str, Any]) -> None:
        got.update(world, seed=seed)

    options = inspect.signature(command).parameters
    assert "blind" not in options and "images" not in options
    assert "[default: mixed]" in get_args(options["names"].annotation)[1].help
    command(seed=4, **{name: None for name in options if name != "seed"} | {"per_class": 5, "unlisted": 0.0})
    assert got == {"seed": 4, "images_per_class": 5, "unlisted": 0.0}
