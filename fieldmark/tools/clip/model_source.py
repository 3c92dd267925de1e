"""Describes where a CLIP model lies: its weights, configuration and tokenizer files."""

import hashlib
import importlib.util
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from fieldmark.errors import ModelError
from fieldmark.reading import open_regular, read_text
from fieldmark.records import Record

CONFIG_NAME = "open_clip_config.json"
ADAPTER = "adapter.json"
"""The file by which an adapter's folder is known."""
REFERENCE = "reference.safetensors"
"""The file of a reference pool in a model's folder."""
HUB = "hf-hub:"
"""What the name of a repository on the hub begins with."""

_DEFAULT_CONTEXT = 77
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "*.model")
"""Files that a tokenizer of the hub is read from."""


class ModelSource(Record):
    """Where everything of one model lies, and what of it is known without building the network.

    Attributes:
        spec: What the user asked for.
        architecture: The built-in open_clip name, or "" where the configuration came with the weights.
        folder: The folder with configuration and weights, where there is one (also in the hub's cache).
        hub: The repository of an `hf-hub:` model whose tokenizer is one of the hub's.
        weights: The weights file; `None` only for random weights.
        random_seed: Seed of random weights; `None` for real ones.
        model_cfg: open_clip's model configuration, as the network is built from it.
        preprocess_cfg: What differs from open_clip's default preprocessing.
        tokenizer: What determines the tokens, as far as it is known without loading it.
        adapter: The folder of an adapter that changes the model; `None` for the model as it is.
    """

    spec: str
    architecture: str = ""
    folder: str | None = None
    hub: str | None = None
    weights: str | None = None
    random_seed: int | None = None
    model_cfg: dict[str, JsonValue]
    preprocess_cfg: dict[str, JsonValue]
    tokenizer: dict[str, JsonValue]
    adapter: str | None = None

    @property
    def beside(self) -> Path | None:
        """The folder in which more may lie than the network is built from, such as a reference pool."""
        folder = self.adapter or self.folder
        return Path(folder) if folder else None

    @property
    def lasting_spec(self) -> str:
        """`spec` with the full path of the folder or weights file in it: it opens from anywhere."""
        model, _, tag = self.spec.partition(":")
        if self.folder is not None and self.folder == str(Path(self.spec).resolve()):
            return self.folder
        return f"{model}:{self.weights}" if tag and self.weights == str(Path(tag).resolve()) else self.spec

    @property
    def width(self) -> int:
        """Length of a vector."""
        return _whole(self.model_cfg.get("embed_dim"), "embed_dim", self.spec)

    @property
    def context_length(self) -> int:
        """Tokens of a text, its start and end included."""
        text_cfg = self.model_cfg.get("text_cfg")
        length = text_cfg.get("context_length", _DEFAULT_CONTEXT) if isinstance(text_cfg, dict) else None
        return _whole(length, "text_cfg.context_length", self.spec)


def describe_tokenizer(
    model_cfg: Mapping[str, Any], *, folder: Path | None, name: str
) -> dict[str, JsonValue]:
    """What determines a model's tokens, for its identity.

    Args:
        model_cfg: open_clip's model configuration.
        folder: The model's folder, where it is one.
        name: The name of the model or its repository, which decides for some families.
    """
    text_cfg = model_cfg["text_cfg"]
    stated: dict[str, JsonValue] = {
        "kwargs": text_cfg.get("tokenizer_kwargs", {}),
        "mode": text_cfg.get("tokenizer_mode"),
    }
    if text_cfg.get("hf_tokenizer_name"):
        if folder is None:
            return stated | {"hf": text_cfg["hf_tokenizer_name"]}
        files = sorted(
            {path for pattern in TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()}
        )
        stated["files"] = {path.name: file_sha256(path) for path in files}
        return stated
    if folder is None and "siglip" in name.lower():
        return stated | {"siglip": name.lower()}
    return stated | {"bpe": file_sha256(bpe_file(text_cfg, folder))}


def bpe_file(text_cfg: Mapping[str, Any], folder: Path | None) -> Path:
    """The merges of open_clip's own tokenizer: those beside the model, or those that come with open_clip."""
    named = text_cfg.get("tokenizer_kwargs", {}).get("bpe_path")
    if named and folder is not None:
        path = folder / named
    else:
        # Finding a package does not import it.
        package = importlib.util.find_spec("open_clip")
        if package is None or package.origin is None:
            raise ModelError("open_clip is not installed.", hint="Install it: pip install open_clip_torch")
        path = Path(package.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    if not path.is_file():
        raise ModelError(f"The tokenizer file {path} is missing.", hint="Restore it beside the weights.")
    return path


def read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read an open_clip configuration file: the model's part and the preprocessing's.

    Raises:
        ModelError: Missing, no JSON, or without the parts that a model needs.
    """
    try:
        config = json.loads(read_text(path))
    except FileNotFoundError:
        raise ModelError(
            f"{path.parent} is no model folder: it has no {CONFIG_NAME}.",
            hint=f"A model folder holds {CONFIG_NAME} and open_clip_model.safetensors.",
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}).", hint="Fetch it again.") from error
    model_cfg = config.get("model_cfg") if isinstance(config, dict) else None
    if not isinstance(model_cfg, dict) or not all(
        isinstance(model_cfg.get(part), dict) for part in ("text_cfg", "vision_cfg")
    ):
        raise ModelError(
            f'{path} lacks "model_cfg" with its "text_cfg" and "vision_cfg".', hint="Fetch it again."
        )
    preprocess_cfg = config.get("preprocess_cfg") or {}
    if not isinstance(preprocess_cfg, dict):
        raise ModelError(f'"preprocess_cfg" in {path} is no object.', hint="Fetch it again.")
    return model_cfg, preprocess_cfg


def how_to_fetch(spec: str) -> str:
    """The hint for what is not on this machine: the command that fetches it."""
    return f"Fetch it once, where there is a network: fieldmark fetch {shlex.quote(spec)}"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(value: object, name: str, spec: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(
            f'The configuration of "{spec}" has no usable {name} ({value!r}).', hint="Fetch it again."
        )
    return value
