"""`fieldmark concept`: from a conversation to a small classifier; one small file a few commands."""

import typer

from fieldmark.cli.concept import (
    build,
    chat,
    edit,
    evaluate,
    export,
    label,
    manage,
    new,
    predict,
    show,
    simulate,
)


def commands() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Concepts that only you can define: talk over borderline images, then get a small classifier.",
    )
    group.command()(new.new)
    group.command()(chat.chat)
    group.command()(chat.board)
    group.command()(label.label)
    group.command()(build.build)
    group.command()(evaluate.evaluate)
    group.command()(export.export)
    group.command()(predict.predict)
    group.command()(show.show)
    group.command()(show.diff)
    group.command()(show.rollback)
    group.command()(edit.edit)
    group.command("list")(manage.list_)
    group.command()(manage.rename)
    group.command()(manage.delete)
    group.command("import")(manage.import_)
    group.command()(simulate.simulate)
    return group
