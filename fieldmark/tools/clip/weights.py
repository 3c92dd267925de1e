"""Finds a CLIP model's weights, configuration and tokenizer on this machine, and names their identity."""

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, ValidationError

from fieldmark.cache.bytestore import ByteStore
from fieldmark.cache.keys import content_key
from fieldmark.errors import ModelError
from fieldmark.records import Record
from fieldmark.tools.images.given_paths import is_there

logger = logging.getLogger(__name__)

PIPELINE = "fieldmark.vectors/1"
"""Raised whenever our own part of the way from a file to a vector changes what comes out."""

BUNDLED = Path(__file__).parent / "bundled"
CONFIG_NAME = "open_clip_config.json"

_SOURCE_SCHEMA = "fieldmark.encoder/1"
_WEIGHTS_SCHEMA = "fieldmark.weights/1"
# Smaller files are hashed each time they are opened; of larger ones path, size and time are trusted.
_HASH_AGAIN_BELOW = 64 * 2**20
_DEFAULT_CONTEXT = 77
_R = TypeVar("_R", bound=Record)
# open_clip's own order of preference: the file that is hashed must be the file that is loaded.
_WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "*.model")


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
        tokenizer: What determines the tokens, as far as it can be told without loading it.
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


class WeightsFacts(Record):
    """What is told of a weights file by reading it.

    Attributes:
        sha256: Hash of the file.
        logit_scale: Exponential of its `logit_scale`; `None` where it holds none under that name.
    """

    sha256: str
    logit_scale: float | None


def find_model(spec: str, *, metadata: ByteStore | None = None) -> ModelSource:
    """Find a model on this machine.

    Args:
        spec: "aviary", a folder, "MODEL:PRETRAINED" (a tag or a file), "hf-hub:OWNER/NAME", "MODEL:random".
        metadata: Remembers where a name led last time, so that open_clip need not be imported to ask again.

    Returns:
        Where everything lies.

    Raises:
        ModelError: Unknown name or tag, weights that are not here, or a broken configuration; never are
            random weights taken instead.
    """
    if not spec.strip():
        raise ModelError("No CLIP model was named.", hint='Name one, such as "ViT-B-32:laion2b_s34b_b79k".')
    if spec == "aviary":
        return _from_folder(BUNDLED / "aviary", spec)
    # Before any other reading: a folder may well be named like a model.
    if is_there(spec) and Path(spec).is_dir():
        return _from_folder(Path(spec), spec)
    # A file's name leads elsewhere from each folder.
    tag = spec.partition(":")[2]
    file = str(Path(tag).resolve()) if tag and is_there(tag) else None
    version = importlib.metadata.version("open_clip_torch")
    key = content_key({"spec": spec, "file": file, "open_clip": version})
    remembered = _recall(metadata, key, ModelSource, _SOURCE_SCHEMA)
    if remembered is not None and _still_there(remembered):
        return remembered
    # Imported here, as it takes seconds and a second run needs it for nothing.
    from fieldmark.tools.clip.names import find_named_model

    source = find_named_model(spec)
    _remember(metadata, key, source, _SOURCE_SCHEMA)
    return source


def read_weights(source: ModelSource, *, metadata: ByteStore | None = None) -> WeightsFacts:
    """Hash a weights file and read its logit scale, without building a network.

    Files of 64 MiB and more are hashed once for a given path, size and modification time.

    Args:
        source: The model.
        metadata: Remembers the facts of large files.

    Returns:
        The facts.

    Raises:
        ModelError: Damaged, or it holds pickled objects.
    """
    if source.weights is None:
        import torch

        # torch does not promise the same random numbers across versions.
        return WeightsFacts(
            sha256=f"random seed {source.random_seed}, torch {torch.__version__}", logit_scale=None
        )
    path = Path(source.weights)
    try:
        status = path.stat()
        if status.st_size < _HASH_AGAIN_BELOW or metadata is None:
            return _facts(path)
        key = content_key({"weights": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns})
        facts = _recall(metadata, key, WeightsFacts, _WEIGHTS_SCHEMA)
        if facts is None:
            facts = _facts(path)
            _remember(metadata, key, facts, _WEIGHTS_SCHEMA)
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read ({error.strerror or error}).") from error
    return facts


def model_identity(source: ModelSource, facts: WeightsFacts, *, precision: str) -> str:
    """SHA-256 over all that makes a vector: weights, configuration, preprocessing, tokenizer, precision."""
    return content_key(
        {
            "pipeline": PIPELINE,
            "weights": facts.sha256,
            "model": source.model_cfg,
            "preprocess": source.preprocess_cfg,
            "tokenizer": source.tokenizer,
            "precision": precision,
        }
    )


def describe_tokenizer(
    model_cfg: Mapping[str, Any], *, folder: Path | None, name: str
) -> dict[str, JsonValue]:
    """Tell what determines a model's tokens, for its identity.

    Args:
        model_cfg: open_clip's model configuration.
        folder: The model's folder, where it is one.
        name: The name of the model or its repository, which decides for some families.
    """
    text_cfg = model_cfg["text_cfg"]
    told: dict[str, JsonValue] = {
        "kwargs": text_cfg.get("tokenizer_kwargs", {}),
        "mode": text_cfg.get("tokenizer_mode"),
    }
    if text_cfg.get("hf_tokenizer_name"):
        if folder is None:
            return told | {"hf": text_cfg["hf_tokenizer_name"]}
        files = sorted(
            {path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()}
        )
        told["files"] = {path.name: _sha256(path) for path in files}
        return told
    if folder is None and "siglip" in name.lower():
        return told | {"siglip": name.lower()}
    return told | {"bpe": _sha256(bpe_file(text_cfg, folder))}


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
        config = json.loads(path.read_text(encoding="utf-8"))
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


def _from_folder(folder: Path, spec: str) -> ModelSource:
    folder = folder.resolve()
    model_cfg, preprocess_cfg = read_config(folder / CONFIG_NAME)
    weights = next((folder / name for name in _WEIGHT_NAMES if (folder / name).is_file()), None)
    if weights is None:
        raise ModelError(
            f"The model folder {folder} holds no weights.",
            hint=f"Put {_WEIGHT_NAMES[0]} beside {CONFIG_NAME}.",
        )
    source = ModelSource(
        spec=spec,
        folder=str(folder),
        weights=str(weights),
        model_cfg=model_cfg,
        preprocess_cfg=preprocess_cfg,
        tokenizer=describe_tokenizer(model_cfg, folder=folder, name=spec),
    )
    if source.width < 1 or source.context_length < 1:
        raise ModelError(f"{folder / CONFIG_NAME} gives no usable embed_dim or context_length.")
    return source


def _still_there(source: ModelSource) -> bool:
    if source.weights is None:
        return True
    path = Path(source.weights)
    if not path.is_file():
        return False
    # In the hub's cache a repository's newest revision is named in refs/main.
    if path.parent.parent.name == "snapshots":
        newest = path.parent.parent.parent / "refs" / "main"
        return newest.is_file() and newest.read_text(encoding="utf-8").strip() == path.parent.name
    return True


def _facts(path: Path) -> WeightsFacts:
    scale = _safetensors_scale(path) if path.suffix == ".safetensors" else _torch_scale(path)
    return WeightsFacts(sha256=_sha256(path), logit_scale=scale)


def _safetensors_scale(path: Path) -> float | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as tensors:
            if "logit_scale" not in tensors.keys():  # noqa: SIM118 - not a dict
                return None
            return _exp(float(tensors.get_tensor("logit_scale").float().reshape(-1)[0]), path)
    except (SafetensorError, IndexError) as error:
        raise ModelError(f"The weights {path} are damaged ({error}).", hint="Fetch them again.") from error


def _torch_scale(path: Path) -> float | None:
    import pickle  # for the name of its error only

    import torch

    try:
        # Refuses everything but tensors and plain containers; nothing in the file is run.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"The weights {path} hold pickled objects, which can run code when they are loaded: refused.",
            hint="Convert them to safetensors where you trust them, or take a safetensors version.",
        ) from error
    except (RuntimeError, ValueError, TypeError, EOFError, KeyError) as error:
        raise ModelError(
            f"The weights {path} are damaged, or of a kind that is not loaded here ({str(error)[:200]}).",
            hint="Fetch them again, as safetensors where there is a choice.",
        ) from error
    tensors = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    for name in ("logit_scale", "module.logit_scale"):
        if isinstance(tensors, dict) and isinstance(tensors.get(name), torch.Tensor):
            return _exp(float(tensors[name].float().reshape(-1)[0]), path)
    return None


def _exp(log_scale: float, path: Path) -> float:
    scale = math.exp(min(log_scale, 700.0)) if math.isfinite(log_scale) else math.inf
    if not 0 < scale < 1e6:
        raise ModelError(f"The weights {path} have a logit scale of {scale:g}.", hint="Fetch them again.")
    return scale


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(value: object, name: str, spec: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(
            f'The configuration of "{spec}" has no usable {name} ({value!r}).', hint="Fetch it again."
        )
    return value


def _recall(metadata: ByteStore | None, key: str, kind: type[_R], schema: str) -> _R | None:
    value = metadata.get(key, schema=schema) if metadata is not None else None
    if value is None:
        return None
    try:
        return kind.model_validate_json(value)
    except ValidationError:
        logger.warning("A stored record of an encoder does not fit %s; it is made anew.", schema)
        return None


def _remember(metadata: ByteStore | None, key: str, record: Record, schema: str) -> None:
    if metadata is not None:
        metadata.put(key, record.model_dump_json().encode("utf-8"), schema=schema)
