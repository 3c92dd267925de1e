"""Uses an exported classifier of a concept: three lines of Python, no language model."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from torch import Tensor

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.encoding import encode_given
from fieldmark.app.inputs import Images
from fieldmark.app.models import choose_models
from fieldmark.app.stores import name_of, open_stores
from fieldmark.records.concept_predictions import ClauseScore, ConceptPrediction, ConceptPredictions
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.heads.config import HeadConfig, read_config
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.runs.events import Progress, no_progress


@checked_arguments
class ConceptClassifier:
    """An exported classifier, ready to use.

    A context manager; leaving it closes the stores of vectors.

    Args:
        folder: What `fieldmark concept export` wrote.
        clip: An `Encoder`, or the name of a CLIP model; the one it was made with where not given. Another
            one, or other weights or preprocessing of the same, are refused.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where vectors are kept; the settings' where not given.
        progress: Called with progress events.

    Raises:
        InputError: The folder holds no export, or a file of it is damaged.
        ModelError: The CLIP model cannot be loaded, or is not the one it was made with.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        clip: Encoder | str | None = None,
        device: str | None = None,
        home: Path | None = None,
        progress: Progress = no_progress,
    ) -> None:
        config = read_config(Path(folder))
        self._closing = ExitStack()
        self._progress = progress
        try:
            stores = self._closing.enter_context(open_stores(home))
            chosen = choose_models(clip=name_of(clip) or config.encoder.name, device=device)
            self._encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device)
            self._head, self.config = load_head(Path(folder), self._encoder)
        except BaseException:
            self._closing.close()
            raise

    config: HeadConfig
    """What it is: concept, version, clauses, threshold, encoder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the stores."""
        self._closing.close()

    def predict(self, images: Images) -> ConceptPredictions:
        """Say of each image whether it is in or out.

        Args:
            images: Files, folders, PIL images, arrays uint8 `[H, W, 3]` in RGB, or any mix of them in a list.

        Returns:
            `results` has one result for each image given, in order, those that could not be read included;
            a folder stands for its files in the order of their names. `predictions` has those that were read.

        Raises:
            NoImagesError: Not one is usable.
        """
        given = encode_given(images, self._encoder, self._progress)
        p, clauses = self._head.probabilities(given.vectors)
        return ConceptPredictions(
            concept=self.config.concept,
            version=self.config.version,
            threshold=self.config.threshold,
            encoder=self.config.encoder.name,
            predictions=self._predictions(given.images, p, clauses),
            skipped=given.skipped,
            passed_over=given.passed_over,
            inputs=given.inputs,
        )

    async def apredict(self, images: Images) -> ConceptPredictions:
        """See `predict`, which may be called in a running event loop, too, but holds it up."""
        return await asyncio.to_thread(self.predict, images)

    def _predictions(
        self, images: Sequence[ImageFile], p: Tensor, clauses: Tensor
    ) -> tuple[ConceptPrediction, ...]:
        active = self.config.definition.active
        return tuple(
            ConceptPrediction(
                image=str(image.path),
                image_hash=image.content_hash,
                label="in" if own >= self.config.threshold else "out",
                probability=round(own, 6),
                clauses=tuple(
                    ClauseScore(clause=c.id, role=c.role, text=c.text, probability=round(each, 6))
                    for c, each in zip(active, row, strict=True)
                ),
            )
            for image, own, row in zip(images, p.tolist(), clauses.tolist(), strict=True)
        )
