"""Scores one run in a process of its own: `python -m fieldmark.studio.score FOLDER`."""

import sys
from contextlib import suppress
from pathlib import Path

from fieldmark.errors import FieldmarkError
from fieldmark.studio.scoring import Scored


def main(folder: str) -> None:
    """Score the run in a folder anew with the labels that are kept there."""
    from fieldmark.app.review.rescoring import score_anew
    from fieldmark.tools.runs.folder import RunFolder

    try:
        score_anew(RunFolder(Path(folder)))
        ended = Scored()
    except FieldmarkError as error:
        ended = Scored(message=error.message, hint=error.hint)
    except OSError as error:
        ended = Scored(message=f"The disk refused: {error.strerror}.", hint="Labels are kept. Make room.")
    with suppress(OSError):  # the server may have gone meanwhile; the run is scored all the same
        print(ended.model_dump_json(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
