"""Encodes images and texts with a CLIP model, each distinct one once, ever, per model and precision."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from fieldmark.cache.bytestore import ByteStore
from fieldmark.cache.keys import content_key
from fieldmark.cache.vectorstore import VectorStore
from fieldmark.errors import ModelError, NoImagesError
from fieldmark.records import EncoderUsage, SkippedInput
from fieldmark.tools.clip.batches import BatchSize, store_in_batches
from fieldmark.tools.clip.decoded_ahead import by_content, decoded_ahead
from fieldmark.tools.clip.devices import Precision, choose_device, choose_precision, free_memory
from fieldmark.tools.clip.encoder import EncodedImages, Encoder, Features, Progress, image_key, unit_rows
from fieldmark.tools.clip.model_source import ModelSource
from fieldmark.tools.clip.reference import reference_of
from fieldmark.tools.clip.texts import mended
from fieldmark.tools.clip.weights import WeightsFacts, find_model, model_identity, read_weights
from fieldmark.tools.images.decode import quiet_about_size
from fieldmark.tools.images.files import ImageFile

if TYPE_CHECKING:
    from fieldmark.tools.clip.last_layers import LastLayers
    from fieldmark.tools.clip.network import ClipNetwork
    from fieldmark.tools.clip.preprocessing import Preprocessing

__all__ = ["ClipEncoder", "EncodedImages", "Encoder", "open_encoder"]

logger = logging.getLogger(__name__)

Elsewhere = Callable[[VectorStore, Sequence[ImageFile], Progress | None], int]
"""Stores vectors of files that have none yet, and says of how many."""


def open_encoder(
    spec: str,
    *,
    vectors: Callable[[str, int], VectorStore],
    metadata: ByteStore | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    workers: int | Literal["auto"] = "auto",
) -> "ClipEncoder":
    """Open a CLIP model; its network is built when the first vector must be computed.

    Args:
        spec: "aviary", a model folder, an adapter's folder, "MODEL:PRETRAINED", "hf-hub:OWNER/NAME", or
            "MODEL:random".
        vectors: Opens the vector store for a model's identity and vector length.
        metadata: Remembers where models lie and the hashes of large weights, so that a later run need neither
            import open_clip nor read gigabytes to know that everything is stored.
        device: "auto" (CUDA, else MPS, else CPU) or a torch device.
        precision: "auto" (bfloat16 on CUDA, else float32), "fp32", "bf16" or "fp16".
        batch_size: Inputs per batch; "auto" grows it on CUDA while it fits. Halved where memory runs out.
        workers: Threads that read and decode images; "auto" is one per CPU core, 16 at most.

    Returns:
        The encoder.

    Raises:
        ModelError: Unknown model, weights that are missing, damaged or pickled, or no such device.
    """
    chosen_device = choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device)
    source = find_model(spec, metadata=metadata)
    facts = read_weights(source, metadata=metadata)
    return ClipEncoder(
        source,
        facts,
        vectors=vectors,
        device=chosen_device,
        precision=chosen_precision,
        batch_size=None if batch_size == "auto" else _at_least_one(batch_size, "batch size"),
        workers=min(16, os.cpu_count() or 1)
        if workers == "auto"
        else _at_least_one(workers, "number of workers"),
    )


class ClipEncoder:
    """An `Encoder` over open_clip, from `open_encoder`. Threads may share it; one at a time encodes.

    Attributes:
        source: Where everything of the model lies.
        device: Where it runs.
        precision: "fp32", "bf16" or "fp16".
        identity: See `Encoder`.
        elsewhere: Encodes images that have no vector yet by an engine; None does it here.
        adapters: Opens the store of the adapters tuned to it, see `tuned_once`; None keeps none.
        reference_from: A reference pool of the user's own, see `reference_of`; None takes the model's.
    """

    def __init__(
        self,
        source: ModelSource,
        facts: WeightsFacts,
        *,
        vectors: Callable[[str, int], VectorStore],
        device: torch.device,
        precision: Precision,
        batch_size: int | None,
        workers: int,
    ) -> None:
        self.source = source
        self.device = device
        self.precision: Precision = precision
        self.identity = model_identity(source, facts, precision=precision)
        self._facts = facts
        self._open_vectors = vectors
        self._workers = workers
        large = device.type == "cuda"
        self._image_batch = BatchSize(batch_size or 64, most=1024 if large and not batch_size else None)
        self._text_batch = BatchSize(batch_size or 256, most=4096 if large and not batch_size else None)
        self._lock = threading.RLock()
        self._store: VectorStore | None = None
        self._network: ClipNetwork | None = None
        self._reference: torch.Tensor | None = None
        self._images_encoded = self._texts_encoded = 0
        self._seen_images: set[str] = set()
        self._seen_texts: set[str] = set()
        self._long_texts: set[str] = set()
        self._failures: dict[str, SkippedInput] = {}
        self._seconds = 0.0
        self.elsewhere: Elsewhere | None = None
        self.adapters: Callable[[], ByteStore] | None = None
        self.reference_from: Path | None = None
        if self.random_weights:
            logger.warning(
                "%s has random weights: nothing that it says of an image means anything.", self.name
            )

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.source.spec

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return self.source.width

    @property
    def context_length(self) -> int:
        """Tokens of a text, its start and end included."""
        return self.source.context_length

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with; builds the network only where the weights file lacks it."""
        return self._facts.logit_scale if self._facts.logit_scale is not None else self._loaded().logit_scale

    @property
    def random_weights(self) -> bool:
        """Whether the weights are random."""
        return self.source.random_seed is not None

    @property
    def reference(self) -> torch.Tensor | None:
        """float32 `[R, D]` unit vectors of `reference_from`, else of the model folder's file, if any."""
        if self._reference is None:
            self._reference = reference_of(self, own=self.reference_from, beside=self.source.beside)
        return self._reference

    @property
    def usage(self) -> EncoderUsage:
        """What was encoded so far; seconds are those spent in this object, loading included."""
        return EncoderUsage(
            images_encoded=self._images_encoded,
            texts_encoded=self._texts_encoded,
            distinct_images=len(self._seen_images),
            distinct_texts=len(self._seen_texts),
            texts_too_long=len(self._long_texts),
            seconds=self._seconds,
        )

    @property
    def failures(self) -> tuple[SkippedInput, ...]:
        """Image files that could not be encoded so far, with the reason."""
        return tuple(self._failures.values())

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Progress | None = None
    ) -> EncodedImages:
        """See `Encoder`."""
        with self._lock, self._timed():
            if self.elsewhere is not None:
                self._images_encoded += self.elsewhere(self._vectors(), images, progress)
            rows, found, order = self._image_rows(
                images, self._vectors(), lambda batch: self._loaded().images(batch), progress
            )
            return EncodedImages(vectors=unit_rows(rows)[order], ok=torch.from_numpy(found[order]))

    def begin_images(self, images: Sequence[ImageFile], store: VectorStore) -> Callable[[], None]:
        """Begin to decode images, and return what stores their vectors; a caller may begin the next before.

        Args:
            images: Files that were found; those of the same content are encoded once.
            store: Takes the vectors; what has one there is encoded again.
        """
        inputs = self._decoded(list(by_content(images).values()))
        return lambda: self.encode_inputs(inputs, store)

    def encode_inputs(self, inputs: Iterable[tuple[str, torch.Tensor]], store: VectorStore) -> None:
        """Store the vectors of what `Preprocessing` made of pictures, each with its key for the store."""
        with self._lock, self._timed():
            self._images_encoded += self._run(
                inputs, self._loaded().images, self._image_batch, store, total=0, progress=None
            )

    @property
    def preprocessing(self) -> "Preprocessing":
        """What makes an input of a picture; builds the network."""
        return self._loaded().prepare_image

    @property
    def last_layers(self) -> "LastLayers":
        """What the image tower does to the features of `encode_features`; builds the network."""
        return self._loaded().last_layers

    def encode_features(self, images: Sequence[ImageFile], *, progress: Progress | None = None) -> Features:
        """What the image tower's last layers are given, computed once per image, ever, as vectors are.

        Args:
            images: N files that were found.
            progress: Called with how far the images without stored features are.

        Returns:
            Features for `last_layers`. They are large where the tower ends in an attention pool.

        Raises:
            NoImagesError: Not one of the images could be read.
            ModelError: The model cannot be loaded or run, or its tower ends in a way that is not known.
        """
        with self._lock, self._timed():
            shape = self.last_layers.shape
            identity = content_key({"features": 1, "encoder": self.identity})
            rows, found, order = self._image_rows(
                images,
                self._open_vectors(identity, math.prod(shape)),
                lambda batch: self._loaded().features(batch),
                progress,
            )
            return Features(torch.from_numpy(rows)[order].unflatten(1, shape), torch.from_numpy(found[order]))

    def _image_rows(
        self,
        images: Sequence[ImageFile],
        store: VectorStore,
        forward: Callable[[Sequence[torch.Tensor]], torch.Tensor],
        progress: Progress | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stored rows of distinct images, which are there, and the row of each image asked for."""
        files = by_content(images)
        self._seen_images.update(files)
        keys = {content_hash: image_key(content_hash) for content_hash in files}
        rows, found = store.get_many(list(keys.values()))
        missing = [at for at, there in enumerate(found) if not there]
        if missing:
            hashes = list(files)
            with quiet_about_size():
                inputs = self._decoded([files[hashes[at]] for at in missing])
                self._images_encoded += self._run(
                    inputs, forward, self._image_batch, store, total=len(missing), progress=progress
                )
            rows[missing], found[missing] = store.get_many([keys[hashes[at]] for at in missing])
        place = {content_hash: at for at, content_hash in enumerate(files)}
        order = np.array([place[image.content_hash] for image in images], dtype=np.int64)
        if len(images) and not found.any():
            reasons = "; ".join(f"{each.path}: {each.reason}" for each in self.failures[:3])
            raise NoImagesError(
                f"Not one of {len(images)} images could be read ({reasons}).", hint="Check the files."
            )
        return rows, found, order

    def encode_texts(self, texts: Sequence[str], *, progress: Progress | None = None) -> torch.Tensor:
        """See `Encoder`. Halves of surrogate pairs, which no tokenizer reads, become U+FFFD."""
        with self._lock, self._timed():
            whole = [mended(text) for text in texts]
            place = {text: at for at, text in enumerate(dict.fromkeys(whole))}
            distinct = list(place)
            self._seen_texts.update(distinct)
            store = self._vectors()
            rows, found = store.get_many([_text_key(text) for text in distinct])
            missing = [at for at, there in enumerate(found) if not there]
            if missing:
                # Texts that were too long are stored under keys of their own, so that a run that finds all
                # of its texts stored can still count them.
                long_keys = [_text_key(distinct[at], shortened=True) for at in missing]
                rows[missing], found[missing] = store.get_many(long_keys)
                self._long_texts.update(distinct[at] for at in missing if found[at])
                missing = [at for at in missing if not found[at]]
            if missing:
                long = self._encode_texts([distinct[at] for at in missing], progress)
                keys = [_text_key(distinct[at], shortened=distinct[at] in long) for at in missing]
                rows[missing], found[missing] = store.get_many(keys)
            if not found.all():
                raise ModelError(
                    "The vector store lost rows that were just stored.", hint="Check the cache folder."
                )
            return unit_rows(rows)[[place[text] for text in whole]]

    def _decoded(self, groups: Sequence[Sequence[ImageFile]]) -> Iterator[tuple[str, torch.Tensor]]:
        return decoded_ahead(
            groups,
            self._loaded().prepare_image,
            workers=self._workers,
            ahead=lambda: 2 * self._image_batch.size + self._workers,
            failed=lambda each: self._failures.update({each.path: each}),
        )

    def _encode_texts(self, texts: Sequence[str], progress: Progress | None) -> set[str]:
        """Encode and store; returns which texts were too long."""
        network = self._loaded()
        read = [(text, network.tokens.read(text)) for text in texts]
        long = {text for text, tokenized in read if tokenized.shortened_to is not None}
        if long:
            self._long_texts.update(long)
            example = next(text for text in texts if text in long)
            logger.warning(
                '%d text(s) are longer than the %d tokens that %s reads and were shortened, such as "%s".',
                len(long), self.context_length, self.name, example[:80] + "…" * (len(example) > 80),
            )  # fmt: skip
        # Alike lengths share a batch, as a batch is as long as its longest text; the longest come first.
        read.sort(key=lambda each: -int(torch.count_nonzero(each[1].tokens)))
        rows = ((_text_key(text, shortened=text in long), tokenized.tokens) for text, tokenized in read)
        self._texts_encoded += self._run(
            rows, network.texts, self._text_batch, self._vectors(), total=len(texts), progress=progress
        )
        return long

    def _run(
        self,
        inputs: Iterable[tuple[str, torch.Tensor]],
        forward: Callable[[Sequence[torch.Tensor]], torch.Tensor],
        batch_size: BatchSize,
        store: VectorStore,
        *,
        total: int,
        progress: Progress | None,
    ) -> int:
        return store_in_batches(
            inputs,
            forward,
            batch_size,
            store,
            free_memory=lambda: free_memory(self.device),
            progress=(lambda done: progress(done, total)) if progress is not None else None,
            name=self.name,
        )

    def _vectors(self) -> VectorStore:
        if self._store is None:
            store = self._open_vectors(self.identity, self.width)
            if store.width != self.width:
                raise ModelError(f"The vector store holds rows of {store.width} for a model of {self.width}.")
            self._store = store
        return self._store

    def _loaded(self) -> "ClipNetwork":
        if self._network is not None:
            return self._network  # without the lock, so that decoding begins while another thread encodes
        with self._lock:
            if self._network is None:
                from fieldmark.tools.clip.network import ClipNetwork  # imports open_clip, which takes seconds

                self._network = ClipNetwork(self.source, device=self.device, precision=self.precision)
            return self._network

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - started


def _text_key(text: str, *, shortened: bool = False) -> str:
    return content_key({"text-shortened" if shortened else "text": text})


def _at_least_one(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"The {what} must be at least 1, not {value!r}.", hint='Leave it at "auto".')
    return value
