"""Takes in folders of concepts and of runs that come from elsewhere."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from fieldmark.app.concepts.named import concept_home
from fieldmark.app.concepts.setup import read_setup
from fieldmark.app.jobs.job import JOBS
from fieldmark.app.jobs.photographs import TRIAL
from fieldmark.cache.folders import write_whole
from fieldmark.errors import FieldmarkError, InputError, RunError
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.settings import read_settings
from fieldmark.tools.concepts.built import MODELS, SETTINGS
from fieldmark.tools.concepts.folder import POOL, RECORD, SETUP, ConceptFolder, slug_of
from fieldmark.tools.images.given_paths import is_text
from fieldmark.tools.llm.address import normal_url
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.run import LOCK, held_alone

LEFT = (LOCK, JOBS, TRIAL)
"""What stays behind where a folder is taken in: it means nothing elsewhere."""
EXPORTED = "head.safetensors"
"""What an exported classifier has."""
ENDPOINTS = {"base_url", "vlm_base_url"}
"""Where questions go, in whatever a folder keeps of its choices."""
COMING = ".coming-"
"""How the name of a folder begins that is being taken in: a kill leaves no half of one."""


class TakenIn(Record):
    """A folder that was taken in."""

    kind: Literal["concept", "run"]
    name: str
    """What a concept is called, or a run's name."""
    folder: str
    """Where it lies now."""
    missing: int = 0
    """Images of a concept's pool that do not lie where they did."""
    endpoints: tuple[str, ...] = ()
    """Endpoints that it asked, other than that of the settings. They are taken out: nobody else's folder may
    say where questions, pictures and the key go."""


def take_in(source: Path, *, home: Path, runs: Path) -> TakenIn:
    """Copy the folder of a concept or of a run to where others are; it appears whole or not at all.

    Args:
        source: The folder, as it lay under another home or in another folder of runs.
        home: Where concepts are kept.
        runs: Where runs are.

    Raises:
        InputError: It is none of both, or is damaged, or there is one of its name.
        RunError: It cannot be copied, or a process works in it.
    """
    if (source / RECORD).is_file():
        folder = ConceptFolder(source)
        concept, pool = folder.load(), folder.load_pool()
        read_setup(folder)
        target = concept_home(home) / slug_of(concept.name)
        others = _copied(source, target, called=concept.name)
        missing = sum(not image.path.is_file() for image in pool)
        return TakenIn(
            kind="concept", name=concept.name, folder=str(target), missing=missing, endpoints=others
        )
    try:
        run = RunFolder(source)
        run_id = run.config.run_id
    except (FieldmarkError, OSError, ValidationError):
        if (source / EXPORTED).is_file():
            raise InputError(
                f"{source} is an exported classifier: it has neither labels nor pictures to go on with.",
                hint="Use it by `fieldmark concept predict`, or give the concept's own folder.",
            ) from None
        raise InputError(
            f"{source} is the folder of neither a concept nor a run.",
            hint=f"A concept's has the files {RECORD} and {POOL}, a run's has config.json.",
        ) from None
    known = bool(run_id.strip()) and is_text(run_id) and "\0" not in run_id and not run_id.startswith(".")
    if not known or run_id != Path(run_id).name:
        raise InputError(f"{run_id!r} is no name of a run.", hint="Its config.json is damaged.")
    target = runs / run_id
    others = _copied(source, target, called=run_id)
    return TakenIn(kind="run", name=run_id, folder=str(target), endpoints=others)


def _copied(source: Path, target: Path, *, called: str) -> tuple[str, ...]:
    """Copy it, without the endpoints of others; which these are."""
    if target.exists() or source.resolve() == target.resolve():
        raise InputError(f"There is one called {called!r} already.", hint="Rename or move that one first.")
    coming = target.parent / f"{COMING}{secrets.token_hex(4)}"  # deeper than where runs are looked for

    def left(folder: str, names: list[str]) -> list[str]:
        inside = Path(folder) != source
        return [n for n in names if Path(folder, n).is_symlink() or (not inside and n in LEFT)]

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(source):
            shutil.copytree(source, coming / target.name, ignore=left)
        others = _without_others(coming / target.name)
        (coming / target.name).rename(target)
    except (OSError, shutil.Error) as error:
        raise RunError(f"{source} cannot be copied: {error}.", hint="Check the disk.") from error
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return others


@contextmanager
def _held(source: Path) -> Iterator[None]:
    """Hold a folder alone while it is copied, so that no process changes it meanwhile.

    Where nobody ever worked in it there is no lock, and none is made: it stays as it is. Where none can be
    written, as on a disk for reading alone, nothing else can be, either.

    Raises:
        RunError: A process works in it.
    """
    if not (source / LOCK).is_file() or not os.access(source / LOCK, os.W_OK):
        yield
        return
    with held_alone(source, work="what is to be copied", hint="Wait until that process ends, or stop it."):
        yield


def _without_others(folder: Path) -> tuple[str, ...]:
    """Take the endpoints that are not the settings' own out of a copy; which these are."""
    usual = read_settings().base_url
    own = {normal_url(usual)} if usual else set[str]()
    found: dict[str, None] = {}

    def stripped(value: Any) -> Any:
        if isinstance(value, list):
            return [stripped(each) for each in value]
        if not isinstance(value, dict):
            return value
        kept = {key: stripped(each) for key, each in value.items()}
        for key in ENDPOINTS & kept.keys():
            if isinstance(url := kept[key], str) and url not in own:
                found[url] = None
                kept[key] = None
        return kept

    for path in (folder / SETUP, folder / "config.json", *folder.glob(f"{MODELS}/*/{SETTINGS}")):
        if path.is_file():
            try:
                said = json.loads(read_bytes(path))
            except ValueError:
                continue  # whoever reads it says so
            write_whole(path, (json.dumps(stripped(said), ensure_ascii=False).encode(),))
    return tuple(found)
