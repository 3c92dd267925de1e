"""Builds a CLIP network from its source and runs it on batches of pixels or tokens."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import open_clip
import torch

from fieldmark.errors import ModelError
from fieldmark.tools.clip.adapters.stored import read_card, read_change
from fieldmark.tools.clip.devices import Precision
from fieldmark.tools.clip.hub import hub_left_alone, lacks_a_file
from fieldmark.tools.clip.last_layers import (
    LastLayers,
    change_last_layers,
    read_last_layers,
    without_last_layers,
)
from fieldmark.tools.clip.model_source import ModelSource, bpe_file, how_to_fetch
from fieldmark.tools.clip.preprocessing import Preprocessing
from fieldmark.tools.clip.texts import ClipTokenizer
from fieldmark.tools.clip.unset_weights import UnsetWeights

_AUTOCAST: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class ClipNetwork:
    """A CLIP network on its device, with its own preprocessing and tokenizer.

    Attributes:
        width: Length of a vector.
        logit_scale: Exponential of its learned scale.
        prepare_image: Makes an input of a picture; safe to call from many threads.
    """

    def __init__(self, source: ModelSource, *, device: torch.device, precision: Precision) -> None:
        self.device = device
        self._autocast_type = _AUTOCAST.get(precision)
        with hub_left_alone():  # what is not here is fetched by a command of its own
            model, tokenizer = _build(source), _tokenizer(source)
        self._linear: torch.Tensor | None = None
        if source.adapter is not None:
            change = read_change(Path(source.adapter), read_card(Path(source.adapter)))
            self._linear = None if change.linear is None else change.linear.to(device)
            if change.low_rank:
                change_last_layers(model.visual, change.low_rank)
            model.logit_scale.data.fill_(math.log(change.logit_scale))
        self._model = model.eval().requires_grad_(False).to(device)
        if device.type != "mps":
            # Convolutions are faster this way round; for transformers it changes nothing.
            self._model.visual.to(memory_format=torch.channels_last)
        self.width = source.width
        self.logit_scale = float(self._model.logit_scale.detach().float().exp().reshape(-1)[0])
        self.tokens = ClipTokenizer(tokenizer, context_length=source.context_length)
        self.prepare_image = Preprocessing(self._model.visual.preprocess_cfg)
        self._mean, self._std = self.prepare_image.mean.to(device), self.prepare_image.std.to(device)
        self._short_texts = _reads_left_to_right(self._model)

    def images(self, prepared: Sequence[torch.Tensor]) -> torch.Tensor:
        """Encode prepared images.

        Args:
            prepared: B results of `prepare_image`.

        Returns:
            float32 `[B, width]` unit vectors on the device, possibly still being computed.
        """
        batch = self._pixels(prepared)
        with torch.inference_mode(), self._autocast():
            vectors = _unit(self._model.encode_image(batch))
        if self._linear is None:
            return vectors
        with torch.inference_mode():
            return _unit(vectors + vectors @ self._linear.T)

    @property
    def last_layers(self) -> LastLayers:
        """The image tower's last layers.

        Raises:
            ModelError: They are none that is known, or a linear map follows them.
        """
        if self._linear is not None:
            raise ModelError(
                "This model has a linear map behind its last layers.", hint="Look at its base model's."
            )
        return read_last_layers(self._model.visual)

    def features(self, prepared: Sequence[torch.Tensor]) -> torch.Tensor:
        """What `last_layers` are given for prepared images, float32 `[B, F]`, each image's in one row.

        Raises:
            ModelError: As `last_layers`.
        """
        tower = without_last_layers(self._model.visual)
        batch = self._pixels(prepared)
        with torch.inference_mode(), self._autocast():
            return tower(batch).float().flatten(1)

    def _pixels(self, prepared: Sequence[torch.Tensor]) -> torch.Tensor:
        """Prepared images as the network takes them, on the device."""
        batch = _stacked(prepared, pinned=self.device.type == "cuda").to(self.device, non_blocking=True)
        if batch.dtype == torch.uint8:
            # The arithmetic of ToTensor and Normalize, for the whole batch on the device: a quarter of the
            # bytes to carry. A permuted [B, H, W, C] is channels-last already.
            batch = batch.permute(0, 3, 1, 2).float().div_(255)
            batch = batch.sub_(self._mean).div_(self._std)
        return batch

    def texts(self, tokens: Sequence[torch.Tensor]) -> torch.Tensor:
        """Encode token rows.

        Args:
            tokens: B int64 rows `[context_length]`.

        Returns:
            float32 `[B, width]` unit vectors on the device, possibly still being computed.
        """
        batch = torch.stack(list(tokens))
        if self._short_texts:
            # The end of a text is its largest token; zeros do not tell it, as "!" has the number 0 too.
            batch = batch[:, : int(batch.argmax(dim=1).max()) + 1]
        if self.device.type == "cuda":
            batch = batch.pin_memory()  # from other memory the copy waits for all that the device has to do
        batch = batch.to(self.device, non_blocking=True)
        with torch.inference_mode(), self._autocast():
            return _unit(self._encode_short(batch) if self._short_texts else self._model.encode_text(batch))

    def _encode_short(self, tokens: torch.Tensor) -> torch.Tensor:
        """`CLIP.encode_text` for the first L positions: under a causal mask none looks at those behind it."""
        model, length = self._model, tokens.shape[1]
        x = model.token_embedding(tokens) + model.positional_embedding[:length]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
        x = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
        projection = model.text_projection
        if projection is None:
            return x
        return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._autocast_type is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self._autocast_type)


def _stacked(rows: Sequence[torch.Tensor], *, pinned: bool) -> torch.Tensor:
    """Rows as one tensor; where pinned, put together in memory that a device reads by itself."""
    if not pinned:
        return torch.stack(list(rows))
    shape = (len(rows), *rows[0].shape)
    return torch.stack(list(rows), out=torch.empty(shape, dtype=rows[0].dtype, pin_memory=True))


def _build(source: ModelSource) -> Any:
    try:
        if source.random_seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(source.random_seed)
                return open_clip.create_model(
                    source.architecture, pretrained=None, pretrained_text=False, pretrained_image=False
                )
        with UnsetWeights():  # both load strictly
            if source.folder is not None:
                return open_clip.create_model(
                    f"local-dir:{source.folder}", require_pretrained=True, weights_only=True
                )
            return open_clip.create_model(
                source.architecture,
                pretrained=source.weights,
                force_quick_gelu=bool(source.model_cfg.get("quick_gelu")),
                force_preprocess_cfg=cast("dict[str, Any]", source.preprocess_cfg),
                require_pretrained=True,
                weights_only=True,
            )
    # open_clip lets through whatever torch, safetensors or its own constructors raise on unfitting files.
    except Exception as error:
        if lacks_a_file(error):
            raise _not_here(f'A file of "{source.spec}" is', source) from error
        raise ModelError(
            f'The network of "{source.spec}" cannot be built from its files ({_short(error)}).',
            hint="Check that configuration and weights belong together, or fetch them again.",
        ) from error


def _tokenizer(source: ModelSource) -> Any:
    try:
        if source.hub is not None:
            return open_clip.get_tokenizer(f"hf-hub:{source.hub}")
        if source.folder is None:
            return open_clip.get_tokenizer(source.architecture)
        text_cfg = cast("dict[str, Any]", source.model_cfg["text_cfg"])
        if text_cfg.get("hf_tokenizer_name") or not text_cfg.get("tokenizer_kwargs", {}).get("bpe_path"):
            return open_clip.get_tokenizer(f"local-dir:{source.folder}")
        # open_clip would look for the file from the working directory.
        merges = bpe_file(text_cfg, Path(source.folder))
        return open_clip.get_tokenizer(f"local-dir:{source.folder}", bpe_path=str(merges))
    except ModelError:
        raise
    except Exception as error:  # tokenizers of other libraries raise whatever they like
        if lacks_a_file(error):
            raise _not_here(f'The tokenizer of "{source.spec}" is', source) from error
        lacks_library = isinstance(error, ImportError)
        raise ModelError(
            f'The tokenizer of "{source.spec}" cannot be loaded ({_short(error)}).',
            hint="Install its library: pip install transformers"
            if lacks_library
            else how_to_fetch(source.spec)
            if source.hub or source.architecture
            else "Put the tokenizer's files beside the weights.",
        ) from error


def _not_here(what: str, source: ModelSource) -> ModelError:
    return ModelError(f"{what} not on this machine.", hint=how_to_fetch(source.spec))


def _reads_left_to_right(model: Any) -> bool:
    """Whether positions behind the end of a text can be left out without changing its vector."""
    return (
        type(model) is open_clip.CLIP
        and isinstance(getattr(model, "attn_mask", None), torch.Tensor)
        and model.text_pool_type == "argmax"
    )


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
