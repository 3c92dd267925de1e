"""What a build needs and a checkpoint never holds: models, pool, folder, options."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fieldmark.agents.build.options import BuildOptions
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.keys import content_key
from fieldmark.cache.server import ServerAddress
from fieldmark.records import Concept, Definition, Verdict
from fieldmark.tools.annotate.annotator import AnnotationProgress, Annotator
from fieldmark.tools.annotate.debate import Debate
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import dev_labels, misread_images
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.concept_events import ImagesJudged
from fieldmark.tools.runs.events import Progress, no_progress

CLAUSES = "logic/1"
"""How clauses make a call; a classifier built in another way is built again."""


class Debater(Protocol):
    """Argues both sides of images that annotator and classifier disagree about, and has a judge decide.

    Failure contract as of `Annotator`: an image that nobody can decide keeps the annotator's call.
    """

    async def debate(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        concept: str,
        purpose: str,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Debate, ...]:
        """One debate for each image, in order."""
        ...


@dataclass(kw_only=True)
class BuildContext:
    """Tools and data of one build.

    Attributes:
        folder: The concept's folder.
        version: The version of the definition that the classifier is for.
        out: Where the classifier goes.
        pool: The concept's images and their vectors.
        encoder: The CLIP encoder that made them.
        annotator: Judges images clause by clause.
        debater: Argues about disagreements; None where the annotator has no words.
        llm: Writes the queries; None where clauses and name must do.
        arrays: Where lists of images are kept, by content hash.
        options: The choices of the build.
        progress: Shows progress.
        checkpoints: A PostgreSQL server for the checkpoint; else it lies in the folder.
        notes: What readers of the classifier must know, beside what the build itself finds.
    """

    folder: ConceptFolder
    version: int
    out: Path
    pool: ImagePool
    encoder: Encoder
    annotator: Annotator
    debater: Debater | None = None
    llm: LanguageModel | None = None
    arrays: ArrayStore
    options: BuildOptions = field(default_factory=BuildOptions)
    progress: Progress = no_progress
    checkpoints: ServerAddress | None = None
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Names a build by all that decides what comes of it."""
        concept = self.concept
        misread = {
            clause: sorted(label.image for label in labels)
            for clause, labels in misread_images(concept).items()
        }
        # Where nothing was misread the key is left out: builds from before there were any keep their names.
        more = {"misread": misread} if misread else {}
        return content_key(
            more
            | {
                "clauses": CLAUSES,
                "version": self.version,
                "definition": self.definition.model_dump(mode="json"),
                "labels": {image: label.value for image, label in sorted(dev_labels(concept).items())},
                "costs": concept.costs.model_dump(mode="json"),
                # How the annotator looks, and by which words, is part of its own identity.
                "options": self.options.model_dump(mode="json", exclude={"looks", "words"}),
                "annotator": self.annotator.identity,
                "encoder": self.encoder.identity,
                "pool": [image.content_hash for image in self.pool.images],
            }
        )

    @property
    def concept(self) -> Concept:
        """The concept as it is now."""
        return self.folder.load()

    def files(self, hashes: Sequence[str]) -> tuple[ImageFile, ...]:
        """The files of images of the pool, in order. An image that is not in the pool is left out."""
        return tuple(self.pool.images[row] for row in self.pool.rows(hashes))

    @property
    def definition(self) -> Definition:
        """The definition that the classifier is for."""
        return self.concept.versions[self.version - 1].definition

    async def judge(self, hashes: Sequence[str]) -> tuple[Verdict, ...]:
        """Verdicts on pictures of the pool, from the annotator's store where they are known."""

        def tell(done: int, of: int) -> None:
            self.progress(ImagesJudged(done=done, of=of))

        return await self.annotator.judge(self.files(hashes), self.definition, progress=tell)
