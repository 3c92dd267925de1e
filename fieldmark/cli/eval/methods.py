"""`fieldmark eval methods`: lists the methods, and what each needs."""

from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import print_json, row, table, words


def methods(
    json: Json = False,
) -> None:
    """List all methods: their names for --methods, where they come from, what they need."""
    from fieldmark.evals.methods.registry import METHODS

    made = table("method", "title", "source", "needs", words=("method", "title", "source", "needs"))
    for method in METHODS:
        needs = ", ".join(sorted(need.value for need in method.needs))
        row(made, method.key, method.title, method.source, needs)
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
            }
            for method in METHODS
        ]
        print_json({"schema": "fieldmark.eval-methods/1", "methods": listed})
