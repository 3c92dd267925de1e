"""What a conversation about a concept needs and a checkpoint never holds: models, pool, folder, options."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from fieldmark.agents.define.options import DefineOptions
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.server import ServerAddress
from fieldmark.records import Concept, Definition, Verdict
from fieldmark.tools.annotate.annotator import AnnotationProgress, Annotator
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.counting import CountingModel
from fieldmark.tools.runs.events import Progress, no_progress


class GapFinder(Protocol):
    """Says what a definition leaves unclear about images, assuming that the owner disagrees with the calls.

    Failure contract as of `Annotator`: an image about which nothing usable was said gets no gap.
    """

    async def gaps(
        self,
        images: Sequence[ImageFile],
        verdicts: Sequence[Verdict],
        *,
        concept: str,
        purpose: str,
        definition: Definition,
        progress: AnnotationProgress | None = None,
    ) -> tuple[tuple[str, ...], ...]:
        """Noun phrases for each image, the likeliest first."""
        ...


@dataclass(kw_only=True)
class DefineContext:
    """Tools and data of one conversation.

    Attributes:
        folder: The concept's folder; the record in it is the truth, the graph's state knows how far it is.
        pool: The concept's images and their vectors.
        encoder: The CLIP encoder that made them.
        annotator: Judges images clause by clause.
        gap_finder: Says what a definition leaves unclear; None where the annotator has no words.
        llm: The language model; None where nothing may be asked, and clauses are but the concept's name.
        arrays: Where what was mined is kept, by content hash.
        options: The choices of the conversation.
        progress: Shows progress.
        checkpoints: A PostgreSQL server for the checkpoint; else it lies in the folder.
    """

    folder: ConceptFolder
    pool: ImagePool
    encoder: Encoder
    annotator: Annotator
    gap_finder: GapFinder | None = None
    llm: CountingModel | None = None
    arrays: ArrayStore
    options: DefineOptions = field(default_factory=DefineOptions)
    progress: Progress = no_progress
    checkpoints: ServerAddress | None = None

    @property
    def asked(self) -> int:
        """Questions to the models that had to be asked so far in this sitting."""
        return self.annotator.calls + (self.llm.calls if self.llm else 0)

    @property
    def concept(self) -> Concept:
        """The concept as it is now."""
        return self.folder.load()

    def free_rows(self, concept: Concept) -> list[int]:
        """Rows of the pool that may be shown for a first label: neither blind nor labelled."""
        taken = set(concept.blind) | set(dev_labels(concept))
        return [row for row, image in enumerate(self.pool.images) if image.content_hash not in taken]

    def files(self, hashes: Sequence[str]) -> tuple[ImageFile, ...]:
        """The files of images of the pool, in order. An image that is not in the pool is left out."""
        return tuple(self.pool.images[row] for row in self.pool.rows(hashes))


def rng_for(concept: Concept, *what: object) -> Random:
    """A random generator, seeded by the concept's seed and by what it is for."""
    return Random(" ".join(map(str, ("fieldmark define", concept.seed, *what))))
