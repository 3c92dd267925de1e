"""Reads from a language model's own files what a server must know: whether it sees, its context, its size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fieldmark.errors import InputError
from fieldmark.reading import read_text

_CONFIG = "config.json"
_MOST_BYTES = 16 << 20
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
"""Endings of files that hold weights, best first: a model that comes in two kinds is loaded once."""
_EYES = ("vision_config", "visual", "vision_tower", "mm_vision_tower", "img_processor", "image_token_id")
"""Keys of a configuration that only a model has which sees images."""


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is served; None where it is not.

    Attributes:
        sees: Whether it takes images.
        context: The most tokens of question and answer together.
        heads: Attention heads: a number of GPUs that share the model divides it.
        weights: Bytes of its weights.
    """

    sees: bool | None = None
    context: int | None = None
    heads: int | None = None
    weights: int | None = None


def read_model_facts(model: str) -> ModelFacts:
    """Reads a model's configuration: in its folder, in the cache of the hub's files, or at the hub.

    Of a hub nothing but the configuration and the list of files is fetched. Where that cannot be had, nothing
    is known, and the server will say what is wrong.

    Args:
        model: Hub name or folder.

    Raises:
        InputError: It is a path, and no model lies there.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / _CONFIG).is_file():
            raise InputError(
                f"The folder {model} holds no {_CONFIG}, so it is no model that can be served.",
                hint="Give the folder that the model was saved to, or a hub name such as Qwen/Qwen3-8B.",
            )
        return _facts(folder / _CONFIG, _bytes_of_weights(_files(folder)))
    if model.startswith((".", "/", "~")):
        raise InputError(
            f"There is no folder {model}.", hint="Correct the path, or give a hub name such as Qwen/Qwen3-8B."
        )
    return _from_hub(model)


def _from_hub(model: str) -> ModelFacts:
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:  # this call first: offline it fails at once, where a download is tried again for half a minute
        listed = HfApi().model_info(model, files_metadata=True, timeout=5).siblings or ()
        sizes = {each.rfilename: each.size or 0 for each in listed}
        config = Path(hf_hub_download(model, _CONFIG, etag_timeout=5))
    except HFValidationError:  # no name of the hub: what is wrong with it the server says
        return ModelFacts()
    except Exception:  # offline, gated, not there: what the cache holds; the server tells them apart
        held = try_to_load_from_cache(model, _CONFIG)
        if not isinstance(held, str):
            return ModelFacts()
        config = Path(held)
        sizes = _files(config.parent)
    return _facts(config, _bytes_of_weights(sizes))


def _files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _bytes_of_weights(sizes: Mapping[str, int]) -> int | None:
    for ending in _WEIGHTS:
        of_kind = [size for name, size in sizes.items() if name.endswith(ending) and "/" not in name]
        if of_kind:
            return sum(of_kind)
    return None


def _facts(path: Path, weights: int | None) -> ModelFacts:
    try:
        read = json.loads(read_text(path, most=_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}).", hint="Restore it.") from error
    if not isinstance(read, dict):
        raise InputError(f"{path} holds no configuration of a model.", hint="Restore it.")
    config = cast("dict[str, Any]", read)
    # Models that see keep what concerns words in a part of its own.
    words = next((part for name in ("text_config", "llm_config") if (part := config.get(name))), config)

    def number(name: str) -> int | None:
        value = words.get(name, config.get(name))
        return value if isinstance(value, int) and value > 0 else None

    return ModelFacts(
        sees=any(config.get(name) is not None for name in _EYES),
        context=number("max_position_embeddings"),
        heads=number("num_attention_heads"),
        weights=weights,
    )
