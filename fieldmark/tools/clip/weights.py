"""Finds a CLIP model on this machine, reads its weights file, and computes the model's identity."""

import importlib.metadata
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from fieldmark.cache.bytestore import ByteStore
from fieldmark.cache.keys import content_key
from fieldmark.errors import ModelError
from fieldmark.reading import check_regular, read_text
from fieldmark.records import Record
from fieldmark.tools.clip.known_names import check_spec
from fieldmark.tools.clip.model_source import (
    ADAPTER,
    CONFIG_NAME,
    ModelSource,
    describe_tokenizer,
    file_sha256,
    read_config,
)
from fieldmark.tools.images.given_paths import is_there

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

PIPELINE = "fieldmark.vectors/1"
"""Raised whenever our own part of the way from a file to a vector changes what comes out."""

BUNDLED = Path(__file__).parent / "bundled"

_SOURCE_SCHEMA = "fieldmark.encoder/1"
_WEIGHTS_SCHEMA = "fieldmark.weights/1"
# Smaller files are hashed each time they are opened; of larger ones path, size and time are trusted.
_HASH_AGAIN_BELOW = 64 * 2**20
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


class WeightsFacts(Record):
    """What is read from a weights file.

    Attributes:
        sha256: Hash of the file.
        logit_scale: Exponential of its `logit_scale`; `None` where it holds none under that name.
    """

    sha256: str
    logit_scale: float | None


def find_model(spec: str, *, metadata: ByteStore | None = None) -> ModelSource:
    """Find a model on this machine.

    Args:
        spec: "aviary", a folder of a model or an adapter, "MODEL:PRETRAINED" (a tag or a file),
            "hf-hub:OWNER/NAME", "MODEL:random".
        metadata: Remembers where a name led last time, so that open_clip need not be imported to ask again.

    Returns:
        Where everything lies.

    Raises:
        ModelError: Unknown name or tag, weights that are not here, or a broken configuration; never are
            random weights taken instead.
    """
    check_spec(spec)
    if spec == "aviary":
        return _from_folder(BUNDLED / "aviary", spec)
    # Before any other reading: a folder may well be named like a model.
    if is_there(spec) and Path(spec).is_dir():
        if (Path(spec) / ADAPTER).is_file():
            return _from_adapter(Path(spec), spec, metadata)
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

    Returns:
        The facts.

    Raises:
        ModelError: Damaged, or it holds pickled objects.
    """
    if source.adapter is not None:
        return _adapted_facts(source, metadata)
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


def base_identity(source: ModelSource, facts: WeightsFacts) -> str:
    """As `model_identity`, whatever the precision: what must be the same of the model under an adapter."""
    return model_identity(source, facts, precision="any")


def read_reference(path: Path, *, width: int) -> "torch.Tensor":
    """Read the image vectors of a reference pool that a model folder may bring along.

    Args:
        path: A safetensors file with `image_vectors` `[R, width]`.
        width: Length of the model's vectors.

    Returns:
        float32 `[R, width]`, brought to unit length.

    Raises:
        ModelError: Damaged, or vectors of another model.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        check_regular(path)
        with safe_open(path, framework="pt") as tensors:
            vectors = tensors.get_tensor("image_vectors").float()
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({error}).", hint="Restore it, or remove it.") from error
    if vectors.ndim != 2 or vectors.shape[1] != width or not torch.isfinite(vectors).all():
        raise ModelError(f"{path} does not hold vectors of length {width}.", hint="Restore it, or remove it.")
    return torch.nn.functional.normalize(vectors, dim=-1)


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


def _from_adapter(folder: Path, spec: str, metadata: ByteStore | None) -> ModelSource:
    """The base model of an adapter, with the adapter.

    Raises:
        ModelError: The adapter is damaged, or the base is not on this machine or is another one.
    """
    from fieldmark.tools.clip.adapters.stored import read_card  # imports torch

    card = read_card(folder)
    if is_there(card.base) and (Path(card.base) / ADAPTER).is_file():
        raise ModelError(f"The adapter {spec} changes another adapter.", hint="Adapt a model instead.")
    try:
        base = find_model(card.base, metadata=metadata)
    except ModelError as error:
        raise ModelError(
            f"The adapter {spec} changes {card.base}, which cannot be opened: {error.message}",
            hint=f"Bring that model back, or adapt again. {error.hint or ''}".rstrip(),
        ) from error
    found = base_identity(base, read_weights(base, metadata=metadata))
    if found != card.base_identity:
        raise ModelError(
            f"The adapter {spec} changes {card.base} ({card.base_identity[:12]}); what goes by that name "
            f"here is another model ({found[:12]}).",
            hint="Restore that model, or adapt this one: fieldmark adapt.",
        )
    return base.model_copy(update={"spec": spec, "adapter": str(folder.resolve())})


def _adapted_facts(source: ModelSource, metadata: ByteStore | None) -> WeightsFacts:
    from fieldmark.tools.clip.adapters.stored import check_reference, read_card, read_change

    folder = Path(str(source.adapter))
    card = read_card(folder)
    check_reference(folder, card)
    scale = read_change(folder, card).logit_scale  # under the hash; the card says it for readers
    base = read_weights(source.model_copy(update={"adapter": None}), metadata=metadata)
    adapted = content_key({"weights": base.sha256, "adapter": card.sha256})
    return WeightsFacts(sha256=adapted, logit_scale=scale)


def _still_there(source: ModelSource) -> bool:
    if source.weights is None:
        return True
    path = Path(source.weights)
    if not path.is_file():
        return False
    # In the hub's cache a repository's newest revision is named in refs/main.
    if path.parent.parent.name == "snapshots":
        newest = path.parent.parent.parent / "refs" / "main"
        return newest.is_file() and read_text(newest).strip() == path.parent.name
    return True


def _facts(path: Path) -> WeightsFacts:
    try:
        check_regular(path)
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error
    scale = _safetensors_scale(path) if path.suffix == ".safetensors" else _torch_scale(path)
    return WeightsFacts(sha256=file_sha256(path), logit_scale=scale)


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
