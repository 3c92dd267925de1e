"""Measures an exported model on fresh renders: attributes, kinds, names, habitats, zero-shot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image

from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY, HABITATS, KEYS, NOUNS
from fieldmark.aviary.world.dataset import ImageTruth, open_image
from fieldmark.aviary.world.grammar import describing, habitat_phrases, kind_phrase, phrase
from fieldmark.aviary.world.species import Species, known_species


@dataclass(frozen=True, slots=True)
class Measured:
    """Zero-shot accuracies, 0 to 1."""

    attributes: dict[str, float]
    """By attribute key, each over all values of the attribute."""
    noun: float
    """Among the ten kinds of bird."""
    habitat: float
    """Among the six habitats."""
    known_name: float | None
    """Known species among the 200 names of the roster; None where there is no known species."""
    new_name: float | None
    """New species by name among the names of the book; None where there is no new species."""

    @property
    def mean(self) -> float:
        """Mean over the sixteen attributes."""
        return float(np.mean(list(self.attributes.values())))


class ExportedModel:
    """A model folder, loaded with stock open_clip."""

    def __init__(self, folder: Path) -> None:
        """Load the folder; nothing is fetched and nothing is unpickled."""
        name = f"local-dir:{folder}"
        model, _, preprocess = open_clip.create_model_and_transforms(name)
        # Any, because open_clip and torch declare these as unions of things that are never met here.
        self._model: Any = model.eval()
        self._preprocess: Any = preprocess
        self._tokenizer: Any = open_clip.get_tokenizer(name, bpe_path=str(folder / "bpe.txt.gz"))

    @torch.no_grad()
    def images(self, pictures: Sequence[Image.Image], batch: int = 200) -> torch.Tensor:
        """Unit vectors float32 `[N, D]` of pictures."""
        parts: list[torch.Tensor] = []
        for start in range(0, len(pictures), batch):
            tensors = torch.stack([self._preprocess(one) for one in pictures[start : start + batch]])
            parts.append(self._model.encode_image(tensors, normalize=True))
        return torch.cat(parts)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors float32 `[N, D]` of texts."""
        return self._model.encode_text(self._tokenizer(list(texts)), normalize=True)


def measure(folder: Path, data: Path, book: Sequence[Species], truth: Sequence[ImageTruth]) -> Measured:
    """Measure the model in `folder` on the data set in `data`, one plain prompt per value.

    Attribute prompts have the product's form, "a photo of a bird, which has <phrase>.", in the plain
    wording; no ensembles, no centring.
    """
    model = ExportedModel(folder)
    vectors = model.images([open_image(data, one) for one in truth])
    species = {one.name: one for one in book}
    birds = [species[one.species] for one in truth]

    def accuracy(prompts: list[str], right: Sequence[int], chosen: Sequence[int] | None = None) -> float:
        seen = vectors if chosen is None else vectors[list(chosen)]
        best = (seen @ model.texts(prompts).T).argmax(1)
        return float((best.numpy() == np.array(right)).mean())

    attributes: dict[str, float] = {}
    for key in KEYS:
        values = ATTRIBUTE_BY_KEY[key].values
        prompts = [describing("bird", phrase(key, value)) for value in values]
        attributes[key] = accuracy(prompts, [values.index(bird.marks[key]) for bird in birds])
    noun = accuracy([kind_phrase(noun) for noun in NOUNS], [NOUNS.index(bird.noun) for bird in birds])
    places = [f"a photo of a bird {habitat_phrases(habitat)[0]}" for habitat in HABITATS]
    habitat = accuracy(places, [HABITATS.index(one.habitat) for one in truth])

    def by_name(names: list[str], wanted: Callable[[Species], bool]) -> float | None:
        chosen = [i for i, bird in enumerate(birds) if wanted(bird)]
        if not chosen:
            return None
        right = [names.index(birds[i].name) for i in chosen]
        return accuracy([kind_phrase(name) for name in names], right, chosen)

    known = by_name([one.name for one in known_species()], lambda bird: bird.known)
    new = by_name([one.name for one in book if not one.known], lambda bird: not bird.known)
    return Measured(attributes, noun, habitat, known, new)
