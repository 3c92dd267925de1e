"""Models of one's own: an encoder and a language model as plain objects.

Any class with the methods of `Encoder` or `LanguageModel` will do; no base class is needed. This encoder
knows eight colours and nothing else. This language model knows the flags of four countries.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, ImageDraw
from pydantic import BaseModel

from fieldmark import (
    Classifier,
    EncodedImages,
    EncoderUsage,
    ImageFile,
    ModelAnswer,
    Question,
    QuestionFailed,
    ResolveOptions,
    SkippedInput,
    decode_image,
)

T = TypeVar("T", bound=BaseModel)
COLOURS = {
    "red": (200, 20, 30),
    "blue": (20, 50, 160),
    "green": (0, 130, 60),
    "white": (250, 250, 250),
    "black": (10, 10, 10),
    "yellow": (250, 210, 40),
    "orange": (240, 140, 20),
    "grey": (128, 128, 128),
}
FLAGS = {
    "France": ("blue", "white", "red"),
    "Italy": ("green", "white", "red"),
    "Belgium": ("black", "yellow", "red"),
    "Ireland": ("green", "white", "orange"),
}


class ColourEncoder:
    """Images by the share of each colour, texts by the colours that they name."""

    name = "colours"
    identity = "colours-1"  # part of every cache key: change it whenever a vector would change
    width = len(COLOURS) + 1
    context_length = 77
    logit_scale = 50.0
    random_weights = False
    reference: torch.Tensor | None = None
    failures: tuple[SkippedInput, ...] = ()
    usage = EncoderUsage()

    def encode_images(
        self, images: Sequence[ImageFile], *, progress: Callable[[int, int], None] | None = None
    ) -> EncodedImages:
        """float32 `[N, D]`: how many pixels are nearest to each colour."""
        palette = np.array(list(COLOURS.values()), dtype=float)
        rows = torch.zeros(len(images), self.width)
        for row, image in enumerate(images):
            pixels = np.asarray(decode_image(image).convert("RGB"), dtype=float).reshape(-1, 3)
            nearest = ((pixels[:, None] - palette) ** 2).sum(-1).argmin(1)
            rows[row, :-1] = torch.from_numpy(np.bincount(nearest, minlength=len(COLOURS))).float()
        return EncodedImages(
            torch.nn.functional.normalize(rows, dim=1), torch.ones(len(images), dtype=torch.bool)
        )

    def encode_texts(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> torch.Tensor:
        """float32 `[M, D]`: which colours a text names; the last value stands for everything else."""
        rows = torch.tensor([[*(float(c in text) for c in COLOURS), 0.01] for text in texts])
        return torch.nn.functional.normalize(rows, dim=1)


class FlagBook:
    """Answers the one question "what does this class look like?"."""

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """One question, one answer; what it does not know fails, and the run goes on without."""
        if not question.prompt_id.startswith("describe"):
            raise QuestionFailed("I only describe.", reason="refused")
        fields: dict[str, Any] = {"descriptors": [f"{colour} parts" for colour in FLAGS[question.about[0]]]}
        value = question.answer_model.model_validate(fields)
        return ModelAnswer(
            value=value, key=question.about[0], cached=False, prompt_tokens=None, completion_tokens=None
        )


for country, colours in FLAGS.items():
    flag = Image.new("RGB", (90, 60))
    for number, colour in enumerate(colours):
        ImageDraw.Draw(flag).rectangle((30 * number, 0, 30 * number + 29, 59), fill=COLOURS[colour])
    Path("flags").mkdir(exist_ok=True)
    flag.save(f"flags/{country}.png")

classifier = Classifier(
    classes=list(FLAGS),
    clip=ColourEncoder(),
    llm=FlagBook(),
    noun="flag",
    options=ResolveOptions(max_rounds=0),
)
for prediction in classifier.resolve("flags").predictions:
    print(f"{Path(prediction.image).stem:8} -> {prediction.label} ({prediction.confidence:.2f})")
