"""The shape of the bundled model and how it is fed while training: open_clip's own `CLIP`, small."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer

EMBED_DIM = 192
CONTEXT = 48
TEXT_WIDTH = 160
PIXEL_MEAN, PIXEL_STD = 128.0, 64.0
"""Normalisation in units of 0 to 255; the export writes it as shares of 255."""


def model_config(vocabulary: int) -> dict[str, object]:
    """The `model_cfg` of open_clip for this model."""
    return {
        "embed_dim": EMBED_DIM,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 2, 1], "width": 24, "head_width": 48},
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "width": TEXT_WIDTH,
            "heads": 5,
            "layers": 3,
        },
    }


def build_model(tokenizer: SimpleTokenizer) -> CLIP:
    """Build the model with random weights, its vision tower in channels-last memory format."""
    model = CLIP(**model_config(tokenizer.vocab_size))  # type: ignore[arg-type]
    model.visual.to(memory_format=torch.channels_last)
    return model


def load_tokenizer(merges: Path) -> SimpleTokenizer:
    """Load open_clip's tokenizer with our merges."""
    return SimpleTokenizer(bpe_path=str(merges), context_length=CONTEXT)


def prepared(pixels: np.ndarray) -> torch.Tensor:
    """Normalise uint8 `[B, 64, 64, 3]` to float32 `[B, 3, 64, 64]`, channels last in memory."""
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float()
    return ((images - PIXEL_MEAN) / PIXEL_STD).contiguous(memory_format=torch.channels_last)


def augmented(pixels: np.ndarray) -> torch.Tensor:
    """Like `prepared`, each image flipped by chance, the batch shifted, with gain, tint and noise."""
    images = prepared(pixels)
    count = len(images)
    flip = torch.rand(count) < 0.5
    images[flip] = images[flip].flip(3)
    dx, dy = torch.randint(-4, 5, (2,)).tolist()
    images = torch.roll(images, (dy, dx), (2, 3))
    images = images * (1 + 0.1 * torch.randn(count, 1, 1, 1)) + 0.07 * torch.randn(count, 3, 1, 1)
    noise = torch.rand(count, 1, 1, 1) * 0.05
    return (images + noise * torch.randn_like(images)).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def image_vectors(model: CLIP, pixels: np.ndarray, batch: int = 250) -> torch.Tensor:
    """Encode images uint8 `[N, 64, 64, 3]` to unnormalised float32 `[N, 192]`, in evaluation mode."""
    training = model.training
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = [
            model.encode_image(prepared(pixels[start : start + batch])).float()
            for start in range(0, len(pixels), batch)
        ]
    model.train(training)
    return torch.cat(parts)


def text_vectors(model: CLIP, tokens: torch.Tensor, buckets: int = 4) -> torch.Tensor:
    """Encode tokens int64 `[B, 48]` to unit float32 `[B, 192]`.

    Captions are short against the context, so they are sorted by length and each bucket is cut to
    its longest caption. With causal attention that changes nothing but the time it takes.
    """
    lengths = (tokens != 0).sum(1)
    order = lengths.argsort()
    parts = [_short_text_vectors(model, tokens[index]) for index in order.chunk(buckets) if len(index)]
    return functional.normalize(torch.cat(parts).float()[order.argsort()], dim=-1)


def _short_text_vectors(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    # Any, because torch declares the attributes of modules only as "tensor or module".
    longest = int((tokens != 0).sum(1).max())
    tokens = tokens[:, :longest]
    hidden = model.token_embedding(tokens) + model.positional_embedding[:longest]
    hidden = model.transformer(hidden, attn_mask=model.attn_mask[:longest, :longest])
    hidden = model.ln_final(hidden)
    return hidden[torch.arange(len(tokens)), tokens.argmax(-1)] @ model.text_projection
