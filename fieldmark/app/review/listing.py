"""Lists the classifications in a folder: how far each is, what came of it, and what to do next."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fieldmark.app.by_method.choice import LOOP
from fieldmark.cache.folders import GOING
from fieldmark.errors import FieldmarkError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records import GivenLabel, ImageToLabel, Record, RunConfig, RunManifest
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.labels import labels_hash, read_ask, read_given
from fieldmark.tools.runs.run import held_alone, manifest_of_stop

KIND = "classify"
LABELLED_RULE = "evidence"
"""The scoring rule that labels of a run's own images can be used by."""
UNFINISHED = ("failed", "interrupted")
"""Stop reasons of a run that has no result yet, or only that of before."""
RESUMABLE = ("budget", "endpoint")
"""Stop reasons of a run that has a result and could go on."""

State = Literal["at work", "cut short", "stopped", "finished", "damaged"]
NextStep = Literal["wait", "resume", "score", "label", "look", "take"]


NAME = "name.json"


class RunName(Record):
    """What people call a run; its folder keeps its name, by which other runs and commands know it."""

    name: str


class RunSummary(Record):
    """One classification at a glance; a damaged one has its name and `damage`, and its numbers are 0."""

    run_id: str
    name: str = ""
    """What it is called; empty where nobody named it."""
    created: str = ""
    """ISO 8601, UTC."""
    state: State
    stop_reason: str = ""
    step: NextStep = "look"
    """What helps most: wait for another process; resume; score anew with labels that were given since; label
    images; look at those that are open; take the results along."""
    images_from: tuple[str, ...] = ()
    """Paths that it was given."""
    classes: int = 0
    resolved: int = 0
    open: int = 0
    rejected: int = 0
    labels: int = 0
    """Images that people said something of."""
    asks: int = 0
    """Images whose labels would help most and that nobody said anything of."""
    damage: str = ""

    @property
    def images(self) -> int:
        """Images with a prediction."""
        return self.resolved + self.open + self.rejected

    @property
    def has_predictions(self) -> bool:
        """Whether there are images to look at."""
        return self.state in ("finished", "stopped") and self.images > 0


def run_folders(parent: Path) -> dict[str, Path]:
    """Folders of classifications by their name, the latest first."""
    if not parent.is_dir():
        return {}
    return {path.name: path for path in all_folders(parent) if kind_of(path) == KIND}


def all_folders(parent: Path) -> list[Path]:
    """Folders of runs of any kind, the latest first; one that is being deleted is none."""
    found = (path.parent for path in parent.glob("*/config.json"))
    return sorted((path for path in found if not path.name.startswith(GOING)), reverse=True)


def list_runs(parent: Path) -> tuple[RunSummary, ...]:
    """The classifications in a folder, the latest first."""
    return tuple(summary_of_run(RunFolder(path)) for path in run_folders(parent).values())


def summary_of_run(run: RunFolder) -> RunSummary:
    """One of them; no model is loaded, and no prediction is read."""
    try:
        config = run.config
        manifest = manifest_of_stop(run)
        given = read_given(run, classes_of(config))
        asked = read_ask(run)
    except FieldmarkError as error:
        return RunSummary(run_id=run.run_id, name=name_of(run), state="damaged", damage=error.message)
    counts = manifest.counts if manifest else {}
    said = {each.image_hash for each in given}
    waiting = unlabelled(asked, said)
    state = state_of(run, manifest)
    stale = scored_with_others(manifest, given) and takes_labels(config)
    paths = config.options.get("images")
    return RunSummary(
        run_id=run.run_id,
        name=name_of(run),
        created=config.created,
        state=state,
        stop_reason=manifest.stop_reason if manifest else "",
        step=_step(state, manifest, stale=stale, asks=len(waiting), open_=counts.get("open", 0)),
        images_from=tuple(str(each) for each in paths) if isinstance(paths, list) else (),
        classes=len(classes_of(config)),
        resolved=counts.get("resolved", 0),
        open=counts.get("open", 0),
        rejected=counts.get("rejected", 0),
        labels=len(given),
        asks=len(waiting),
    )


def name_of(run: RunFolder) -> str:
    """What a run is called; empty where nobody named it, or the file of its name is damaged."""
    try:
        return run.read(NAME, RunName).name if (run.path / NAME).is_file() else ""
    except RunError:
        return ""


def classes_of(config: RunConfig) -> tuple[str, ...]:
    """The classes that a run tells apart."""
    classes = config.options.get("classes")
    return tuple(str(each) for each in classes) if isinstance(classes, list) else ()


def takes_labels(config: RunConfig) -> bool:
    """Whether the run's rule can use labels of its own images; no other method than the loop does."""
    options = config.options.get("options")
    by_loop = config.options.get("method", LOOP) == LOOP
    return by_loop and isinstance(options, dict) and options.get("rule") == LABELLED_RULE


def scored_with_others(manifest: RunManifest | None, given: list[GivenLabel]) -> bool:
    """Whether labels were given, or changed, since the run was scored."""
    return manifest is not None and manifest.labels_hash != labels_hash(given)


def unlabelled(asked: list[ImageToLabel], said: set[str]) -> list[ImageToLabel]:
    """The images that a run asks about and nobody said anything of yet."""
    return [each for each in asked if each.image_hash not in said]


def state_of(run: RunFolder, manifest: RunManifest | None) -> State:
    """How far a run is, by how it stopped, if it did."""
    if manifest is None:
        # Only here: whoever looks holds the folder for a moment, which nobody else needs of a run cut short.
        try:
            with held_alone(run.path, work="the run", hint=""):
                return "cut short"
        except RunError:
            return "at work"
    if manifest.stop_reason in UNFINISHED:
        return "cut short"
    return "stopped" if manifest.stop_reason in RESUMABLE else "finished"


def _step(state: State, manifest: RunManifest | None, *, stale: bool, asks: int, open_: int) -> NextStep:
    if state == "at work":
        return "wait"
    if state in ("cut short", "stopped") or manifest is None:
        return "resume"
    if stale:
        return "score"
    if asks:
        return "label"
    return "look" if open_ else "take"


def kind_of(folder: Path) -> str | None:
    """The kind of a run; that of a damaged one is read from its name."""
    try:
        return RunConfig.model_validate_json(read_bytes(folder / "config.json")).kind
    except (OSError, ValidationError):
        return KIND if f"-{KIND}-" in folder.name else None
