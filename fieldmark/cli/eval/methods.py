"""`fieldmark eval methods`: lists the methods, and what each needs."""

from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import print_json, row, table, words


def methods(
    json: Json = False,
) -> None:
    """List all methods: their names for --methods, where they come from, what they need.

    The last column says whether fieldmark classify --method can label a folder with it, and what that takes.
    """
    from fieldmark.app.by_method.choice import options_for
    from fieldmark.evals.methods.registry import METHODS

    heads = ("method", "title", "source", "needs", "classify")
    made = table(*heads, words=heads)
    for method in METHODS:
        needs = ", ".join(sorted(need.value for need in method.needs))
        row(made, method.key, method.title, method.source, needs, _labels(options_for(method.key)))
    words(json=json).print(made)
    if json:
        listed = [
            {
                "method": method.key,
                "title": method.title,
                "source": method.source,
                "needs": sorted(need.value for need in method.needs),
                "seeded": method.seeded,
                "transductive": method.transductive,
                "scale": method.scale,
                "classify": options_for(method.key),
            }
            for method in METHODS
        ]
        print_json({"schema": "fieldmark.eval-methods/1", "methods": listed})


def _labels(options: tuple[str, ...] | None) -> str:
    """What `fieldmark classify --method` needs."""
    if options is None:
        return "no"
    return ", ".join(f"--{name}" for name in options) or "yes"
