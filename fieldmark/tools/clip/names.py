"""Finds open_clip models and hub repositories that were downloaded to this machine before."""

import difflib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.pretrained import get_pretrained_cfg

from fieldmark.errors import ModelError
from fieldmark.tools.clip.known_names import unknown_model
from fieldmark.tools.clip.model_source import (
    CONFIG_NAME,
    HUB,
    ModelSource,
    describe_tokenizer,
    how_to_fetch,
    read_config,
)
from fieldmark.tools.images.given_paths import is_there

RANDOM = "random"
_PREPROCESS = ("mean", "std", "interpolation", "resize_mode", "fill_color", "mode")


@dataclass(frozen=True)
class NamedWeights:
    """A name that was taken apart: "MODEL:TAG", "MODEL:FILE" or "MODEL:random".

    Attributes:
        architecture: The model, as open_clip calls it.
        model_cfg: open_clip's configuration of it; a copy.
        tag: What stood behind the colon.
        tag_cfg: What open_clip knows of a tag; empty where it is none.
    """

    architecture: str
    model_cfg: dict[str, Any]
    tag: str
    tag_cfg: dict[str, Any]


def read_name(spec: str) -> NamedWeights:
    """Take a name apart, and refuse one that leads nowhere.

    Raises:
        ModelError: Unknown model, or weights that are neither a tag nor a file; with near matches.
    """
    architecture, _, tag = spec.partition(":")
    architecture = architecture.replace("/", "-")
    model_cfg: Any = open_clip.get_model_config(architecture)
    if model_cfg is None:
        raise unknown_model(spec, architecture, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag:
        raise ModelError(
            f'"{spec}" names no weights.',
            hint=f'Give one of its tags, as "{architecture}:{tags[0] if tags else "TAG"}" ({_listed(tags)}).',
        )
    tag_cfg = get_pretrained_cfg(architecture, tag)
    random = tag.partition("=")[0] == RANDOM
    if not tag_cfg and not random and not (is_there(tag) and Path(tag).is_file()):
        near = difflib.get_close_matches(tag, tags, n=5, cutoff=0.3) or tags
        raise ModelError(
            f'"{architecture}" has no weights named "{tag}".',
            hint=f"Its tags: {_listed(near)}." if tags else 'It has no tags; give a file: "MODEL:FILE".',
        )
    return NamedWeights(architecture, deepcopy(model_cfg), tag, {} if random else tag_cfg)


def find_named_model(spec: str) -> ModelSource:
    """Find "MODEL:PRETRAINED", "MODEL:random" or "hf-hub:OWNER/NAME".

    Raises:
        ModelError: Unknown, with near matches; or not on this machine, with the command that fetches it.
    """
    if spec.startswith(HUB):
        return _from_hub(spec)
    named = read_name(spec)
    architecture, model_cfg, tag_cfg = named.architecture, named.model_cfg, named.tag_cfg
    name, _, seed = named.tag.partition("=")
    if name == RANDOM:
        return _random(spec, architecture, model_cfg, seed)
    if tag_cfg:
        weights = _fetched(tag_cfg)
        if weights is None:
            raise ModelError(f'The weights of "{spec}" are not on this machine.', hint=how_to_fetch(spec))
        # open_clip only warns when a tag was trained with the other activation; here the tag decides.
        if tag_cfg.get("quick_gelu"):
            model_cfg["quick_gelu"] = True
    else:
        weights = Path(named.tag).resolve()
    return ModelSource(
        spec=spec,
        architecture=architecture,
        weights=str(weights),
        model_cfg=model_cfg,
        preprocess_cfg={
            # open_clip keeps tuples here, which are lists in JSON.
            key: list(tag_cfg[key]) if isinstance(tag_cfg[key], tuple) else tag_cfg[key]
            for key in _PREPROCESS
            if tag_cfg.get(key) is not None
        },
        tokenizer=describe_tokenizer(model_cfg, folder=None, name=architecture),
    )


def _random(spec: str, architecture: str, model_cfg: dict[str, Any], seed: str) -> ModelSource:
    if seed and not seed.isdecimal():
        raise ModelError(
            f'"{seed}" is no seed.', hint=f'Write "{architecture}:random" or "{architecture}:random=7".'
        )
    return ModelSource(
        spec=spec,
        architecture=architecture,
        random_seed=int(seed or 0),
        model_cfg=model_cfg,
        preprocess_cfg={},
        tokenizer=describe_tokenizer(model_cfg, folder=None, name=architecture),
    )


def _from_hub(spec: str) -> ModelSource:
    repository = spec.removeprefix(HUB)
    try:
        config = _cached(repository, CONFIG_NAME)
        weights = _cached(repository, HF_SAFE_WEIGHTS_NAME) or _cached(repository, HF_WEIGHTS_NAME)
    except HFValidationError as error:
        raise ModelError(
            f'"{repository}" is no repository name.', hint='Write "hf-hub:OWNER/NAME".'
        ) from error
    if config is None or weights is None:
        raise ModelError(f'The model "{spec}" is not on this machine.', hint=how_to_fetch(spec))
    model_cfg, preprocess_cfg = read_config(config)
    # Its folder in the hub's cache is a model folder like any other, but for a tokenizer of the hub's.
    hub_tokenizer = bool(model_cfg["text_cfg"].get("hf_tokenizer_name"))
    return ModelSource(
        spec=spec,
        hub=repository if hub_tokenizer else None,
        folder=str(config.parent),
        weights=str(weights),
        model_cfg=model_cfg,
        preprocess_cfg=preprocess_cfg,
        tokenizer=describe_tokenizer(model_cfg, folder=None if hub_tokenizer else config.parent, name=""),
    )


def weight_names(tag_cfg: Mapping[str, Any]) -> tuple[str, str]:
    """The names that a tag's weights may have in its repository, safetensors first, as open_clip looks."""
    file = tag_cfg["hf_hub"].rpartition("/")[2] or HF_WEIGHTS_NAME
    safe = HF_SAFE_WEIGHTS_NAME if file == HF_WEIGHTS_NAME else str(Path(file).with_suffix(".safetensors"))
    return safe, file


def _fetched(tag_cfg: dict[str, Any]) -> Path | None:
    """The weights of a tag where open_clip would have put them, safetensors first; `None` if not there."""
    if tag_cfg.get("file"):
        return Path(tag_cfg["file"])
    if tag_cfg.get("hf_hub"):
        repository = tag_cfg["hf_hub"].rpartition("/")[0]
        return next(filter(None, (_cached(repository, file) for file in weight_names(tag_cfg))), None)
    if tag_cfg.get("url"):
        path = Path.home() / ".cache" / "clip" / tag_cfg["url"].rpartition("/")[2]
        return path if path.is_file() else None
    return None


def _cached(repository: str, file: str) -> Path | None:
    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def _listed(names: list[str]) -> str:
    return (
        ", ".join(names[:8]) + (f", and {len(names) - 8} more" if len(names) > 8 else "") if names else "none"
    )
