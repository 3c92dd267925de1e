"""Keeps tuned adapters by what they were tuned on, so that none is tuned twice."""

import logging
from collections.abc import Callable, Mapping, Sequence

import torch
from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fieldmark.cache.bytestore import ByteStore
from fieldmark.cache.keys import content_key, digest
from fieldmark.tools.clip.adapters.bags import Bags
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.adapters.stored import EncoderChange
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.last_layers import Changes, LastLayers

logger = logging.getLogger(__name__)

TUNING = "fieldmark.tuning/1"
"""Raised whenever the same images, texts and recipe come to be tuned to something else."""
_SCHEMA = "fieldmark.tuned-adapter/1"
_LOSSES = "losses"
Adapter = LinearAdapter | LowRankAdapter


def tuned_once(encoder: Encoder, key: str, onto: LastLayers | int, tune: Callable[[], Adapter]) -> Adapter:
    """The adapter that is kept under a key, to the bit; else the one that is tuned now, which is then kept.

    What is kept and does not fit is logged, counts as absent, and is replaced.

    Args:
        encoder: Its `adapters` opens the byte store; one without it keeps none.
        key: See `tuning_key`.
        onto: The layers to change, or the width of a linear map.
        tune: Tunes it.
    """
    opened: Callable[[], ByteStore] | None = getattr(encoder, "adapters", None)
    if opened is None:
        return tune()
    store = opened()
    data = store.get(key, schema=_SCHEMA)
    if data is not None:
        try:
            return _unpacked(data, onto)
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            logger.warning("A kept adapter cannot be used (%s); it is tuned anew.", error)
    adapter = tune()
    losses = torch.tensor(adapter.losses, dtype=torch.float64)
    store.put(key, save({**EncoderChange.of(adapter).tensors(), _LOSSES: losses}), schema=_SCHEMA)
    return adapter


def tuning_key(
    encoder: Encoder, images: Sequence[str], labels: Tensor, bags: Bags, how: Mapping[str, JsonValue]
) -> str:
    """SHA-256 over all that a tuned adapter depends on.

    Args:
        encoder: What it is tuned for.
        images: Content hashes of the N images tuned on.
        labels: Their classes `[N]` int64.
        bags: The texts of each class.
        how: The recipe, the seed, and whatever else decides.
    """
    texts = [digest(part.contiguous().numpy().tobytes()) for part in (bags.vectors, bags.member)]
    return content_key(
        {
            "tuning": TUNING,
            "encoder": encoder.identity,
            "images": list(images),
            "labels": labels.tolist(),
            "texts": [*texts, *bags.member.shape],
            "how": how,
        }
    )


def _unpacked(data: bytes, onto: LastLayers | int) -> Adapter:
    tensors = load(data)
    if not all(bool(torch.isfinite(each).all()) for each in tensors.values()):
        raise ValueError("its numbers are not finite")
    told = tensors.pop(_LOSSES)
    if told.ndim != 1 or not all(each.is_floating_point() for each in (told, *tensors.values())):
        raise ValueError("its tensors have other shapes or types")
    losses: tuple[float, ...] = tuple(told.tolist())
    change = EncoderChange.of_tensors(tensors)
    if isinstance(onto, int):
        if change.linear is None or change.linear.shape != (onto, onto) or change.low_rank:
            raise ValueError("it is no map of this width")
        return LinearAdapter(change.linear, losses, change.logit_scale)
    if change.linear is not None or not change.low_rank or not _fit(change.low_rank, onto):
        raise ValueError("it does not fit the last layers")
    return LowRankAdapter(onto, change.low_rank, losses, change.logit_scale)


def _fit(changes: Changes, layers: LastLayers) -> bool:
    return changes.keys() <= layers.sizes.keys() and all(
        (up.shape, down.shape) == ((layers.sizes[name][0], len(down)), (len(down), layers.sizes[name][1]))
        for name, (down, up) in changes.items()
    )
