"""Reads what was built of a concept and how it was measured, from the small files that say so."""

from pathlib import Path

from pydantic import TypeAdapter

from fieldmark.errors import RunError
from fieldmark.reading import read_bytes
from fieldmark.records import Verdict
from fieldmark.records.building import BuildResult, CalibrationImages, Measurement

PICTURES = "pictures"
"""Folder, within a concept's, of the images that were given in memory or sent from a page."""
MODELS = "models"
"""Folder, within a concept's, with one for each version that was built."""
SETTINGS = "settings.json"
"""The models and choices of a build, in its folder."""
BUILD = "build.json"
CALIBRATION = "calibration.json"
"""The images that the threshold was chosen by, with what was said of them: others can be tried on them."""
MEASUREMENT = "measurement.json"
INSTRUCTIONS = "instructions.md"
JUDGED = "judged.json"
"""The annotator's verdicts on the images that the owner had labelled: exports say what it saw in them."""
CARD = "README.md"
EXEMPLARS = "exemplars"


def read_built(out: Path) -> BuildResult | None:
    """What the build in a folder made; None before there is one.

    Raises:
        RunError: What was written down of it is damaged.
    """
    try:
        return BuildResult.model_validate_json(read_bytes(out / BUILD))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{out / BUILD} is damaged.",
            hint="Build it again: `ConceptBuilder.build`, or `fieldmark concept build`.",
        ) from error


def read_measurement(out: Path) -> Measurement | None:
    """How the classifier in a folder was measured; None where it was not.

    Raises:
        RunError: What was written down of it is damaged.
    """
    try:
        return Measurement.model_validate_json(read_bytes(out / MEASUREMENT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{out / MEASUREMENT} is damaged.",
            hint="A version is measured once. Restore the file, or continue with a new version.",
        ) from error


def read_calibration(out: Path) -> CalibrationImages | None:
    """What a threshold can be tried on; None where an earlier Fieldmark built, or the file is damaged."""
    try:
        return CalibrationImages.model_validate_json(read_bytes(out / CALIBRATION))
    except (OSError, ValueError):
        return None


def read_judged(out: Path) -> dict[str, Verdict] | None:
    """What the annotator said of the images that the owner had labelled, by content hash.

    None where an earlier Fieldmark built, nothing is built, or the file is damaged.
    """
    try:
        verdicts = TypeAdapter(tuple[Verdict, ...]).validate_json(read_bytes(out / JUDGED))
    except (OSError, ValueError):
        return None
    return {verdict.image: verdict for verdict in verdicts}
