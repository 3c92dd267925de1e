"""Options of every command that draws a world of the aviary, defined once."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from fieldmark.evals.worlds.conditions import BOUNDS, CLEAR, Names, WorldConditions

WORLD = "The aviary's world"
"""The panel of `--help` that they stand in."""
PER_CLASS: Mapping[str, tuple[str, str]] = {"images": ("images_per_class", "per_class")}
"""What images of a species are called where images are something else."""
_SAID: Mapping[str, tuple[Any, str]] = {
    "names": (Names, "Has the encoder seen the species' names: none, half (at most 200) or all of them?"),
    "species": (int, "Species that are drawn."),
    "images": (int, "Images of each species."),
    "image_noise": (float, "Noise on image vectors; 1 is as long as the signal."),
    "text_noise": (float, "The same on text vectors."),
    "mistakes": (float, "Share of wrong statements in the guide's answers."),
    "unlisted": (float, "Share of the species that have images but are no classes."),
    "present": (float, "Share of the classes that have images, at least one."),
    "strangers": (int, "Images that show no bird."),
    "blind": (int, "Attributes that the encoder does not see in images."),
    "habitats": (float, "Share of images in the habitat that their species prefers."),
    "burst": (int, "Pictures in a row that are of one bird."),
}
"""Type and help of each field of `WorldConditions`."""


def takes_world(
    *,
    without: tuple[str, ...] = (),
    shown: WorldConditions = CLEAR,
    other_names: Mapping[str, tuple[str, str]] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a world.

    The command takes them as one argument, `world`: those that were given, by their names.

    Args:
        without: Fields of `WorldConditions` that the command has no use for.
        shown: The world whose values the help shows as defaults.
        other_names: Field → its name in `world`, and its option's, where another option has that name.
    """
    renamed = other_names or {}
    fields = {renamed.get(name, (name, name))[1]: name for name in _SAID if name not in without}

    def option(called: str, name: str) -> inspect.Parameter:
        kind, said = _SAID[name]
        least, most = BOUNDS.get(name, (None, None))
        stated = typer.Option(
            help=f"{said} \\[default: {getattr(shown, name)}]",
            min=least,
            max=most,
            show_default=False,
            rich_help_panel=WORLD,
        )
        return inspect.Parameter(
            called, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, stated]
        )

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def taking(*args: Any, **given: Any) -> None:
            world = {
                renamed.get(name, (name, name))[0]: value
                for called, name in fields.items()
                if (value := given.pop(called)) is not None
            }
            command(*args, world=world, **given)

        plain = inspect.signature(command, eval_str=True)
        before = [each for name, each in plain.parameters.items() if name != "world"]
        after = [option(called, name) for called, name in fields.items()]
        vars(taking)["__signature__"] = plain.replace(parameters=[*before, *after])
        return taking

    return give
