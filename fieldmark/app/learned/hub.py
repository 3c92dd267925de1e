"""Brings exported classifiers to a model hub and back, by the mixin of the hub's own library."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError

from fieldmark.errors import FetchError
from fieldmark.reading import read_bytes
from fieldmark.tools.clip.hub import hub_errors, reach_hub
from fieldmark.tools.exports.folder import MOST_BYTES, read_verified
from fieldmark.tools.learned.card import CARD, INSTRUCTIONS
from fieldmark.tools.learned.guide_table import CSV_FILE, JSON_FILE
from fieldmark.tools.learned.onnx_student import ONNX
from fieldmark.tools.learned.stored import ARRAYS, CONFIG, read_learned

README = "README.md"
FOR_PEOPLE = (JSON_FILE, CSV_FILE, CARD, INSTRUCTIONS, ONNX)
"""Files that nothing is loaded from; not all need be there."""
_FRONT = "---\nlibrary_name: fieldmark\npipeline_tag: image-classification\ntags:\n- fieldmark\n---\n\n"


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of an exported classifier, checked, `config.json` first.

    Raises:
        InputError: The folder holds none, or a file of it is damaged.
    """
    config = read_learned(folder)
    files = {CONFIG: read_bytes(folder / CONFIG, most=MOST_BYTES)}
    files[ARRAYS] = read_verified(folder / ARRAYS, config.files.get(ARRAYS))
    there = [name for name in FOR_PEOPLE if (folder / name).is_file()]
    return files | {name: read_bytes(folder / name, most=MOST_BYTES) for name in there}


class HubExport(ModelHubMixin, library_name="fieldmark"):
    """An exported classifier as the hub's mixin keeps it: the same files, with the model card as `README.md`.

    Args:
        folder: The folder of the export.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def push(self, repo_id: str, *, private: bool, token: str | None, revision: str | None) -> str:
        """Upload it, and return the address of the commit; see `LearnedClassifier.push_to_hub`."""
        there = files_of(self.folder)
        reach_hub(repo_id, done="pushed to")
        with hub_errors(repo_id, repo_id, done="pushed to"):
            return str(
                self.push_to_hub(
                    repo_id,
                    private=private,
                    token=token,
                    branch=revision,
                    commit_message="Upload a classifier exported by Fieldmark",
                    # A file of an earlier export that this one lacks must not stand beside the new weights.
                    delete_patterns=[name for name in FOR_PEOPLE if name not in there],
                )
            )

    @classmethod
    def fetched(cls, repo_id: str, *, revision: str | None, token: str | None) -> Self:
        """Fetch it, or take it from the hub library's cache; see `LearnedClassifier.from_hub`."""
        gone: FetchError | None = None
        try:
            reach_hub(repo_id)
        except FetchError as error:
            gone = error
        try:
            with hub_errors(repo_id, repo_id):
                # `from_pretrained` reads `config.json` itself, and takes a damaged one for no hub.
                return cls._from_pretrained(
                    model_id=repo_id,
                    revision=revision,
                    cache_dir=None,
                    force_download=False,
                    local_files_only=gone is not None,
                    token=token,
                )
        except FetchError as error:
            raise gone or error from error

    def _save_pretrained(self, save_directory: Path) -> None:
        files = files_of(self.folder)
        for name, data in (files | {README: _FRONT.encode() + files.get(CARD, b"")}).items():
            (save_directory / name).write_bytes(data)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **more: Any,
    ) -> Self:
        if Path(model_id).is_dir():
            return cls(Path(model_id))

        def download(name: str) -> str:
            return hf_hub_download(
                model_id,
                name,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )

        folder = Path(download(CONFIG)).parent
        download(ARRAYS)
        for name in FOR_PEOPLE:
            with suppress(EntryNotFoundError):
                download(name)
        return cls(folder)
