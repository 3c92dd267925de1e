"""The last layers of an image tower as plain tensors, so that small weight changes can be added."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fieldmark.errors import ModelError

Change = tuple[Tensor, Tensor]
"""Down `[r, in]` and up `[out, r]`: what is added to a matrix `[out, in]` is up @ down."""
Changes = Mapping[str, Change]
"""By the name of the matrix; what is not named stays as it is."""
_INSIDE = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "c_proj"}
"""What open_clip calls the matrices of its attention pool."""
_POOL = tuple(_INSIDE)


class LastLayers(Protocol):
    """The way from features to vectors, split into what no change touches and what is left to do.

    The first part is worth keeping while changes are sought: the large products are in it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image's features."""
        ...

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """The matrices that may be changed: name → (out, in)."""
        ...

    def begin(self, features: Tensor) -> tuple[Tensor, ...]:
        """What no change touches.

        Args:
            features: `[B, *shape]`, any floating type.

        Returns:
            Tensors whose first dimension is B, float32.
        """
        ...

    def finish(self, begun: tuple[Tensor, ...], changes: Changes) -> Tensor:
        """Vectors `[B, D]` float32, not of unit length; changes of zero change no bit."""
        ...


@dataclass(frozen=True)
class Projection:
    """A matrix at the end of a transformer: "projection".

    Attributes:
        weight: `[D, W]` float32.
    """

    weight: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """See `LastLayers`."""
        return (self.weight.shape[1],)

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """See `LastLayers`."""
        return {"projection": (self.weight.shape[0], self.weight.shape[1])}

    def begin(self, features: Tensor) -> tuple[Tensor, ...]:
        """See `LastLayers`."""
        rows = features.float()
        return rows, rows @ self.weight.T

    def finish(self, begun: tuple[Tensor, ...], changes: Changes) -> Tensor:
        """See `LastLayers`."""
        rows, projected = begun
        return _changed(projected, rows, changes.get("projection"))


@dataclass(frozen=True)
class AttentionPool:
    """The attention pool at the end of CLIP's ResNets: "query", "key", "value" and "output".

    The mean over places is a token of its own, and the only one whose output is used.

    Attributes:
        positions: `[1 + places, W]` float32, that of the mean first.
        weights: The matrices by name, `[out, in]` float32.
        biases: Their biases `[out]`.
        heads: Attention heads.
    """

    positions: Tensor
    weights: Mapping[str, Tensor]
    biases: Mapping[str, Tensor]
    heads: int

    @property
    def shape(self) -> tuple[int, ...]:
        """See `LastLayers`."""
        tokens, width = self.positions.shape
        side = math.isqrt(tokens - 1)  # these towers take square images
        return (width, side, side)

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """See `LastLayers`."""
        return {name: (self.weights[name].shape[0], self.weights[name].shape[1]) for name in _POOL}

    def begin(self, features: Tensor) -> tuple[Tensor, ...]:
        """See `LastLayers`."""
        places = features.float().flatten(2).transpose(1, 2)
        tokens = torch.cat([places.mean(1, keepdim=True), places], 1) + self.positions
        return (
            tokens,
            linear(tokens[:, 0], self.weights["query"], self.biases["query"]),
            # As products read them: [B, heads, W / heads, tokens] and [B, heads, tokens, W / heads].
            self._by_head(linear(tokens, self.weights["key"], self.biases["key"]))
            .permute(0, 2, 3, 1)
            .contiguous(),
            self._by_head(linear(tokens, self.weights["value"], self.biases["value"]))
            .transpose(1, 2)
            .contiguous(),
        )

    def finish(self, begun: tuple[Tensor, ...], changes: Changes) -> Tensor:
        """See `LastLayers`."""
        tokens, query, key, value = begun
        query = self._by_head(_changed(query, tokens[:, 0], changes.get("query")))
        # A changed key is never made: its share of a product with the query goes through the few rows of
        # `down`. So does the changed value's share of the mean, and nothing as large as the tokens is new.
        likeness = (query[:, :, None] @ key)[:, :, 0]
        if (change := changes.get("key")) is not None:
            down, up = change
            asked = torch.einsum("bhd,hdr->bhr", query, up.unflatten(0, (self.heads, -1)))
            likeness = likeness + asked @ (tokens @ down.T).transpose(1, 2)
        weight = (likeness / query.shape[-1] ** 0.5).softmax(-1)
        mean = (weight[:, :, None] @ value)[:, :, 0]
        if (change := changes.get("value")) is not None:
            down, up = change
            told = weight @ (tokens @ down.T)
            mean = mean + torch.einsum("bhr,hdr->bhd", told, up.unflatten(0, (self.heads, -1)))
        pooled = mean.flatten(1)
        output = linear(pooled, self.weights["output"], self.biases["output"])
        return _changed(output, pooled, changes.get("output"))

    def _by_head(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (self.heads, -1))


def read_last_layers(visual: Any) -> LastLayers:
    """The last layers of an open_clip image tower: attention pool of a ResNet, projection of a transformer.

    Returns:
        Copies of its tensors, float32 on the CPU.

    Raises:
        ModelError: It ends in another way.
    """
    if _ends_in_pool(visual):
        pool = visual.attnpool
        layers = {name: getattr(pool, inside) for name, inside in _INSIDE.items()}
        return AttentionPool(
            positions=_plain(pool.positional_embedding),
            weights={name: _plain(layer.weight) for name, layer in layers.items()},
            biases={name: _plain(layer.bias) for name, layer in layers.items()},
            heads=pool.num_heads,
        )
    if _ends_in_projection(visual):
        return Projection(_plain(visual.proj).T.contiguous())
    raise ModelError(
        f"The image tower of this model ({type(visual).__name__}) ends in a way that is not known here.",
        hint="Adapt its vectors with a linear map instead, which needs no look inside.",
    )


def without_last_layers(visual: Any) -> Any:
    """The tower up to what `read_last_layers` read; it shares all weights with the whole one.

    Raises:
        ModelError: As `read_last_layers`.
    """
    tower = copy.copy(visual)
    # A shallow copy shares the dictionaries of its parts as well: the whole tower must keep its own.
    if _ends_in_pool(visual):
        tower._modules = {**visual._modules, "attnpool": nn.Identity()}
    elif _ends_in_projection(visual):
        tower._parameters = {**visual._parameters, "proj": None}
    else:
        read_last_layers(visual)
    return tower


def change_last_layers(visual: Any, changes: Changes) -> None:
    """Add changes to the matrices of an image tower itself, in place.

    Raises:
        ModelError: It has no such matrices, or ends in a way that is not known.
    """
    sizes = read_last_layers(visual).sizes
    fits = all(
        name in sizes and (up.shape[0], down.shape[1]) == sizes[name] and up.shape[1] == down.shape[0]
        for name, (down, up) in changes.items()
    )
    if not fits:
        raise ModelError(
            f"The changes to {', '.join(changes)} do not fit this model's last layers.",
            hint="Use the model that they were tuned for.",
        )
    with torch.no_grad():
        for name, (down, up) in changes.items():
            more = (up @ down).to(next(visual.parameters()))
            if _ends_in_pool(visual):
                getattr(visual.attnpool, _INSIDE[name]).weight.add_(more)
            else:
                visual.proj.add_(more.T)


def _ends_in_pool(visual: Any) -> bool:
    from open_clip.modified_resnet import ModifiedResNet  # open_clip takes seconds to import

    return type(visual) is ModifiedResNet


def _ends_in_projection(visual: Any) -> bool:
    from open_clip.transformer import VisionTransformer

    return type(visual) is VisionTransformer and visual.proj is not None and not visual.output_tokens


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().float().cpu().clone()


def _changed(product: Tensor, rows: Tensor, change: Change | None) -> Tensor:
    if change is None:
        return product
    down, up = change
    return product + (rows @ down.T) @ up.T
