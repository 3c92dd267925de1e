"""An adapter as one safetensors file, which says what encoder it belongs to.

Nothing it reads is executed.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from fieldmark.cache.folders import write_whole
from fieldmark.errors import InputError, ModelError
from fieldmark.tools.clip.adapters.adapted import Adapter, tower_encoder
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.last_layers import LastLayers

FORMAT = "fieldmark.adapter/1"


def save_adapter(path: Path, adapter: Adapter, encoder: Encoder) -> None:
    """Write an adapter, whole or not at all.

    Args:
        path: The file; one that is there is written over.
        adapter: The adapter; the losses of its tuning are not kept.
        encoder: The encoder it was tuned for.

    Raises:
        InputError: The file cannot be written.
    """
    linear = isinstance(adapter, LinearAdapter)
    facts = {
        "format": FORMAT,
        "kind": "linear" if linear else "low-rank",
        "encoder": encoder.name,
        "identity": encoder.identity,
    }
    tensors = {"change": adapter.change} if linear else _parts(adapter)
    data = save_tensors({name: each.contiguous() for name, each in tensors.items()}, metadata=facts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (data,))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}.", hint="Give another path.") from error


def load_adapter(path: Path, encoder: Encoder) -> Adapter:
    """Read an adapter for use with an encoder.

    Args:
        path: A file that `save_adapter` wrote.
        encoder: The encoder; for low-rank changes it must show its last layers.

    Raises:
        InputError: It is no such file, or damaged.
        ModelError: It was tuned for another encoder, or another preprocessing or precision of the same.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as an adapter ({error}).", hint="Give a file that save_adapter wrote."
        ) from error
    if facts.get("format") != FORMAT:
        raise InputError(f"{path} holds no adapter.", hint="Give a file that save_adapter wrote.")
    if facts.get("identity") != encoder.identity:
        raise ModelError(
            f"{path} was tuned for {facts.get('encoder')} ({str(facts.get('identity'))[:12]}), not for "
            f"{encoder.name} as it is here ({encoder.identity[:12]}).",
            hint="Use the encoder it was tuned for, with the same precision, or tune it again.",
        )
    if not all(bool(torch.isfinite(each).all()) and each.dtype == torch.float32 for each in tensors.values()):
        raise _damaged(path)
    if facts.get("kind") == "linear":
        change = tensors.get("change")
        if change is None or tuple(change.shape) != (encoder.width, encoder.width):
            raise _damaged(path)
        return LinearAdapter(change)
    return _low_rank(path, tensors, tower_encoder(encoder).last_layers)


def _parts(adapter: LowRankAdapter) -> dict[str, Tensor]:
    return {
        f"{name}.{part}": each
        for name, change in adapter.changes.items()
        for part, each in zip(("down", "up"), change, strict=True)
    }


def _low_rank(path: Path, tensors: dict[str, Tensor], layers: LastLayers) -> LowRankAdapter:
    names = sorted({name.rpartition(".")[0] for name in tensors})
    changes: dict[str, tuple[Tensor, Tensor]] = {}
    for name in names:
        down, up = tensors.get(f"{name}.down"), tensors.get(f"{name}.up")
        if name not in layers.sizes or down is None or up is None or down.ndim != 2 or up.ndim != 2:
            raise _damaged(path)
        if (len(up), down.shape[1]) != layers.sizes[name] or up.shape[1] != len(down):
            raise _damaged(path)
        changes[name] = (down, up)
    if not changes or 2 * len(changes) != len(tensors):
        raise _damaged(path)
    return LowRankAdapter(layers, changes)


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} is damaged: its numbers do not fit the encoder.", hint="Tune the adapter again."
    )
