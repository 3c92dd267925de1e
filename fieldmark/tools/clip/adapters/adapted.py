"""An encoder whose image vectors pass through an adapter; texts stay as they are."""

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import numpy as np
import torch

from fieldmark.cache.keys import content_key
from fieldmark.cache.vectorstore import VectorStore
from fieldmark.errors import ModelError, NoImagesError
from fieldmark.records import EncoderUsage, Skipped
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.encoder import Encoded, Encoder, Features, Progress, image_key, unit_rows
from fieldmark.tools.clip.last_layers import LastLayers
from fieldmark.tools.images.files import ImageFile

Adapter = LinearAdapter | LowRankAdapter


class TowerEncoder(Encoder, Protocol):
    """An encoder that lets one see its last layers; `ClipEncoder` does."""

    @property
    def last_layers(self) -> LastLayers:
        """The image tower's last layers."""
        ...

    def encode_features(self, images: Sequence[ImageFile], *, progress: Progress | None = None) -> Features:
        """What they are given, for N images."""
        ...


def tower_encoder(encoder: Encoder) -> TowerEncoder:
    """The encoder as one whose last layers can be seen.

    Raises:
        ModelError: It does not show them.
    """
    # Asking the class, as asking the encoder would build its network.
    if not hasattr(type(encoder), "encode_features"):
        raise ModelError(
            f"{encoder.name} does not show its last layers.",
            hint="Adapt its vectors with a linear map instead.",
        )
    return cast("TowerEncoder", encoder)


class AdaptedEncoder:
    """An `Encoder` over another one and an adapter of its image vectors.

    Adapted vectors are stored under an identity of their own, so that no run takes them for the untouched
    ones, or those of one adapter for another's.

    Args:
        base: The encoder that the adapter was tuned for.
        adapter: The adapter.
        vectors: Opens the vector store for an identity and vector length.

    Attributes:
        base: The untouched encoder.
        adapter: The adapter.
        identity: See `Encoder`; of the base's identity and what the adapter does.

    Raises:
        ModelError: The adapter cannot belong to the encoder.
    """

    def __init__(
        self, base: Encoder, adapter: Adapter, *, vectors: Callable[[str, int], VectorStore]
    ) -> None:
        if isinstance(adapter, LowRankAdapter):
            tower_encoder(base)
        elif adapter.width != base.width:
            raise ModelError(
                f"An adapter of width {adapter.width} does not belong to {base.name}, whose vectors have "
                f"{base.width} numbers.",
                hint="Tune it on that encoder's vectors.",
            )
        self.base = base
        self.adapter: Adapter = adapter
        self.identity = content_key(
            {"pipeline": "fieldmark.adapted/1", "encoder": base.identity, "adapter": adapter.digest}
        )
        self._open_vectors = vectors
        self._store: VectorStore | None = None

    @property
    def name(self) -> str:
        """What the user called the base, and the adapter's kind."""
        kind = "linear" if isinstance(self.adapter, LinearAdapter) else "low-rank"
        return f"{self.base.name} + {kind} adapter {self.adapter.digest[:8]}"

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return self.base.width

    @property
    def context_length(self) -> int:
        """Tokens of a text, its start and end included."""
        return self.base.context_length

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with: the base's."""
        return self.base.logit_scale

    @property
    def random_weights(self) -> bool:
        """Whether the base's weights are random."""
        return self.base.random_weights

    @property
    def reference(self) -> torch.Tensor | None:
        """The base's reference vectors, adapted; None for low-rank changes, which need features instead."""
        if isinstance(self.adapter, LowRankAdapter) or self.base.reference is None:
            return None
        return self.adapter(self.base.reference)

    @property
    def usage(self) -> EncoderUsage:
        """What the base encoded so far."""
        return self.base.usage

    @property
    def failures(self) -> tuple[Skipped, ...]:
        """Image files that could not be encoded so far, with the reason."""
        return self.base.failures

    def encode_images(self, images: Sequence[ImageFile], *, progress: Progress | None = None) -> Encoded:
        """See `Encoder`."""
        store = self._vectors()
        keys = [image_key(image.content_hash) for image in images]
        rows, found = store.get_many(keys)
        missing = [at for at, there in enumerate(found) if not there]
        if missing:
            try:
                made = self._computed([images[at] for at in missing], progress)
            except NoImagesError:
                if not found.any():
                    raise
                # Only these could not be read; the caller learns it from `ok` and `failures`.
                return Encoded(unit_rows(rows), torch.from_numpy(found))
            good = [at for at, ok in zip(missing, made.ok.tolist(), strict=True) if ok]
            store.put_many([keys[at] for at in good], made.vectors[made.ok].cpu().numpy().astype(np.float16))
            rows[good], found[good] = store.get_many([keys[at] for at in good])
        return Encoded(unit_rows(rows), torch.from_numpy(found))

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> torch.Tensor:
        """See `Encoder`; the base's vectors."""
        return self.base.encode_texts(texts, progress=progress)

    def _computed(self, images: Sequence[ImageFile], progress: Progress | None) -> Encoded:
        if isinstance(self.adapter, LowRankAdapter):
            features = tower_encoder(self.base).encode_features(images, progress=progress)
            return Encoded(self.adapter(features.rows), features.ok)
        encoded = self.base.encode_images(images, progress=progress)
        return Encoded(self.adapter(encoded.vectors), encoded.ok)

    def _vectors(self) -> VectorStore:
        if self._store is None:
            self._store = self._open_vectors(self.identity, self.width)
        return self._store
