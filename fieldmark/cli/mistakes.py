"""Tells every mistake of a command line's options at once, each with what may have been meant."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from fieldmark.errors import nearest

USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""What every mistake of the options is; where it is defined differs between versions of typer."""
MOST_UNKNOWN = 50


class CheckedCommand(TyperCommand):
    """A command that tells all mistakes of its options at once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        try:
            return super().parse_args(ctx, list(args))
        except USAGE_ERROR:
            tell_all(self, ctx, args)
            raise


class CheckedGroup(TyperGroup):
    """The same for a group that has options of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        try:
            return super().parse_args(ctx, list(args))
        except USAGE_ERROR:
            if args and any(each.startswith("-") for each in args):
                tell_all(self, ctx, args, extra=True)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a folder in its place is told how it is given."""
        takes_data = any("--data" in each.opts for each in self.get_params(ctx))
        if takes_data and args and args[0] not in self.commands and Path(args[0]).exists():
            raise USAGE_ERROR(
                f"Data stand behind --data: {ctx.command_path} --data {shlex.quote(args[0])}", ctx
            )
        return super().resolve_command(ctx, args)


def tell_all(command: Any, ctx: Any, args: Sequence[str], *, extra: bool = False) -> None:
    """Raise one error with all mistakes, where there are several or one can be told better.

    Args:
        command: The command.
        ctx: Its context, which is of no use behind this.
        args: Its arguments.
        extra: Whether arguments may be left over.
    """
    params = command.get_params(ctx)
    takes_value = {
        name: not getattr(each, "is_flag", False)
        for each in params
        if each.param_type_name == "option"
        for name in (*each.opts, *each.secondary_opts)
    }
    said: list[str] = []
    rest, read = list(args), None
    while read is None and len(said) < MOST_UNKNOWN:
        try:
            read = command.make_parser(ctx).parse_args(args=list(rest))
        except USAGE_ERROR as error:
            said.append(in_words(error, takes_value))
            before, rest = rest, without(rest, error, takes_value)
            if rest == before:
                break
    if read is not None:
        given, left, _ = read
        for each in params:
            try:
                _, left = each.handle_parse_result(ctx, given, left)
            except USAGE_ERROR as error:
                said.append(in_words(error, takes_value))
        if left and not extra:
            said.append(f"Got unexpected extra argument(s): {' '.join(map(str, left))}")
    if said:
        raise USAGE_ERROR("\n".join(dict.fromkeys(said)), ctx)


def in_words(error: Any, options: Sequence[str] | dict[str, bool]) -> str:
    """One mistake in words; of an unknown option, what may have been meant."""
    name = getattr(error, "option_name", "")
    if name and name not in options:
        close = meant(name, options)
        return f"No such option: {name}." + (f" Did you mean {close}?" if close else "")
    error.message = error.message.removeprefix("Value error, ")
    return error.format_message()


def meant(name: str, options: Iterable[str]) -> str:
    """The option that may have been meant; empty where none is close.

    That is the only one that begins so ("--dry"), else the closest, dashes left out: `--sede` is none of
    `--tree`. A single letter is close to nothing.
    """
    known = {each.lstrip("-"): each for each in options if each.startswith("--")}
    begun = [each for rest, each in known.items() if rest.startswith(name.lstrip("-"))]
    if len(begun) == 1 or name.lstrip("-") in known:
        return known.get(name.lstrip("-"), begun[0])
    return nearest(f"--{name.lstrip('-')}", known.values(), prefix="--")


def without(args: Sequence[str], error: Any, takes_value: dict[str, bool]) -> list[str]:
    """The arguments without an option that is unknown or lacks its value, and without its value."""
    name = getattr(error, "option_name", "")
    for at, each in enumerate(args):
        if each == "--":
            break
        if name and (
            each == name or each.startswith(f"{name}=") or (len(name) == 2 and each.startswith(name))
        ):
            valued = each == name and takes_value.get(meant(name, takes_value), False)
            behind = at + 1 < len(args) and not args[at + 1].startswith("-")
            return [*args[:at], *args[at + 1 + (valued and behind) :]]
    return list(args)
