"""`fieldmark eval methods`: lists the methods, and what each needs."""

from fieldmark.cli.run_options import Json
from fieldmark.cli.terminal import print_json, row, table, words


def methods(
    json: Json = False,
) -> None:
    """List all methods: their names for --methods, where they come from, what they need.

    Needs other than names are options of fieldmark classify --method, too: llm is --llm, labels is --labels.
    What is for tables alone cannot label a folder.
    """
    from fieldmark.app.by_method.choice import options_for
    from fieldmark.evals.methods.registry import METHODS

    made = table("method", "title", "source", "needs", words=("method", "title", "source", "needs"))
    made.columns[0].min_width = max(len(method.key) for method in METHODS)  # names are there to be typed
    for method in METHODS:
        needs = ", ".join(sorted(need.value for need in method.needs))
        only = "" if options_for(method.key) is not None else "; for tables alone"
        row(made, method.key, method.title, method.source, needs + only)
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
