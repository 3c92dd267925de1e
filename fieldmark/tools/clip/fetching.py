"""Fetches a CLIP model's weights from the Hugging Face hub: how large they are first, then checked by hash.

The files lie where open_clip and `find_model` look for them: in the hub's own cache on this machine.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.utils import tqdm

from fieldmark.errors import FetchError
from fieldmark.reading import open_regular
from fieldmark.tools.clip.hub import hub_errors, reach_hub
from fieldmark.tools.clip.known_names import check_fetchable, needs_no_fetching
from fieldmark.tools.clip.model_source import CONFIG_NAME, HUB, TOKENIZER_FILES, ModelSource, file_sha256
from fieldmark.tools.clip.names import read_name, weight_names
from fieldmark.tools.clip.weights import find_model, read_weights

Told = Callable[[int], None]
"""Called with the number of bytes that came since the last call."""

_MERGES = "*.txt.gz"
"""Merges that a configuration may name beside itself."""
_TEXT_MODEL = "config.json"
"""What a text tower of another library is built from."""


@dataclass(frozen=True)
class HubFile:
    """One file of a repository on the hub.

    Attributes:
        repository: "OWNER/NAME".
        name: The file's name in it.
        size: Bytes; 0 where the hub does not say.
        sha256: Hash of its content, where the hub keeps it as a large file.
        git_hash: Hash of its content as git makes it (SHA-1), for small files.
        here: Whether this machine has it already.
    """

    repository: str
    name: str
    size: int
    sha256: str | None
    git_hash: str | None
    here: bool


@dataclass(frozen=True)
class FetchPlan:
    """What has to be fetched for a model.

    Attributes:
        spec: The model's name.
        files: Its files; those that are here are not fetched again, but checked.
        endpoint: The address of the hub.
        folder: Where they go.
    """

    spec: str
    files: tuple[HubFile, ...]
    endpoint: str
    folder: Path

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def missing(self) -> int:
        """Bytes that are to be fetched."""
        return sum(file.size for file in self.files if not file.here)


def plan_fetch(spec: str) -> FetchPlan:
    """Ask the hub which files a model has, and how large they are; nothing is fetched.

    Args:
        spec: "MODEL:TAG" or "hf-hub:OWNER/NAME".

    Raises:
        ModelError: The name is unknown, with near matches.
        HubUnreachable: The hub does not answer.
        FetchError: The model is no one of the hub, or the hub has no such files.
    """
    check_fetchable(spec)
    wanted: list[tuple[str, Sequence[str]]]
    if spec.startswith(HUB):
        repository = spec.removeprefix(HUB)
        wanted = [(repository, (CONFIG_NAME,)), (repository, weight_names({"hf_hub": f"{repository}/"}))]
        tokenizer, text_model = repository, None
    else:
        named = read_name(spec)
        if not named.tag_cfg:
            raise needs_no_fetching(spec)
        repository = named.tag_cfg.get("hf_hub", "").rpartition("/")[0]
        if not repository:
            raise FetchError(
                f'The weights of "{spec}" are not on the hub.',
                hint=f"Download {named.tag_cfg.get('url') or 'them'}, and give the file: "
                f'"{named.architecture}:FILE".',
            )
        wanted = [(repository, weight_names(named.tag_cfg))]
        text_cfg = named.model_cfg["text_cfg"]
        tokenizer, text_model = text_cfg.get("hf_tokenizer_name"), text_cfg.get("hf_model_name")
    reach_hub(spec)
    listed = {name: _listed(name) for name in dict.fromkeys([repository, tokenizer, text_model]) if name}
    files = [_first(spec, listed[name], names) for name, names in wanted]
    files += [
        file for file in listed.get(tokenizer or "", ()) if _matches(file.name, (*TOKENIZER_FILES, _MERGES))
    ]
    files += [file for file in listed.get(text_model or "", ()) if file.name == _TEXT_MODEL]
    return FetchPlan(spec, tuple(dict.fromkeys(files)), constants.ENDPOINT, Path(constants.HF_HUB_CACHE))


def fetch(plan: FetchPlan, *, told: Told = lambda count: None) -> ModelSource:
    """Fetch the files of a plan, check the hash of each, and open the model's weights once.

    A file with another hash than the hub states is removed again.

    Args:
        plan: What is to be fetched.
        told: Called as bytes come.

    Raises:
        FetchError: There is no room, the network fails, or a file has another hash.
        ModelError: The weights are damaged, or hold pickled objects.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(plan.folder).free
    if plan.missing > free:
        raise FetchError(
            f"{plan.folder} has room for {free:,} bytes, and {plan.missing:,} are to be fetched.",
            hint="Make room, or set HF_HOME to a larger disk.",
        )
    for file in plan.files:
        with hub_errors(plan.spec, file.repository):
            path = Path(hf_hub_download(file.repository, file.name, tqdm_class=_counting(told)))
        _check(path, file)
    source = find_model(plan.spec)
    read_weights(source)
    return source


def _first(spec: str, files: Iterable[HubFile], names: Sequence[str]) -> HubFile:
    by_name = {file.name: file for file in files}
    found = next((by_name[name] for name in names if name in by_name), None)
    if found is None:
        raise FetchError(
            f'"{spec}" cannot be fetched: its repository has no {" and no ".join(names)}.',
            hint="Only models in the form of open_clip can be used.",
        )
    return found


def _listed(repository: str) -> list[HubFile]:
    """All files of a repository, as the hub lists them."""
    with hub_errors(repository, repository):
        found = HfApi().model_info(repository, files_metadata=True)
    return [
        HubFile(
            repository=repository,
            name=each.rfilename,
            size=each.size or 0,
            sha256=each.lfs.sha256 if each.lfs else None,
            git_hash=None if each.lfs else each.blob_id,
            here=isinstance(try_to_load_from_cache(repository, each.rfilename, revision=found.sha), str),
        )
        for each in found.siblings or ()
    ]


def _check(path: Path, file: HubFile) -> None:
    if file.sha256 is not None:
        sound = file_sha256(path) == file.sha256
    elif file.git_hash is not None:
        sound = _git_hash(path) == file.git_hash
    else:
        raise FetchError(
            f"The hub states no hash of {file.name}, so that it cannot be checked.",
            hint=f"It lies in {path}, unchecked.",
        )
    if not sound:
        path.resolve().unlink()  # the content; the name in the snapshot is a link to it
        path.unlink(missing_ok=True)
        raise FetchError(
            f"{file.name} of {file.repository} has not the hash that the hub states; it was removed.",
            hint="Fetch it again.",
        )


def _git_hash(path: Path) -> str:
    """The hash that git names a file's content by."""
    with open_regular(path) as content:
        size = os.fstat(content.fileno()).st_size
        made = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        for block in iter(lambda: content.read(1 << 20), b""):
            made.update(block)
    return made.hexdigest()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _counting(told: Told) -> type[Any]:
    """A bar that shows nothing itself and tells how many bytes came."""

    class Counting(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            """Tell of `n` bytes more."""
            told(int(n or 0))
            return super().update(n)

    return Counting
