"""Uses the exported classifier of a run: three lines of Python, no language model."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.encoding import encode_given
from fieldmark.app.inputs import Images
from fieldmark.app.learned.export import refuse_what_is_else
from fieldmark.app.learned.hub import FOR_PEOPLE, HubExport, files_of
from fieldmark.app.models import choose_models
from fieldmark.app.stores import name_of, open_stores
from fieldmark.records import CandidateClass, Contribution, Prediction
from fieldmark.records.class_predictions import ClassPredictions
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.exports.folder import write_folder
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.learned.aspects import Aspect
from fieldmark.tools.learned.contest import STUDENT, Way
from fieldmark.tools.learned.stored import Decisions, LearnedConfig, load_learned, read_learned
from fieldmark.tools.runs.events import Progress, no_progress

ALL_ELSE = "all else in the image"
"""What speaks for a label beside the aspects, as a contribution."""
MOST_CANDIDATES = 10
"""The most candidates that a prediction lists."""


@checked_arguments
class LearnedClassifier:
    """What a run learned, ready to label images one by one; the counterpart of `ConceptClassifier`.

    It is no `Classifier`: that one runs the loop on a pool, and asks. Each image is labelled by itself here,
    whatever others are given with it. A context manager; leaving it closes the stores of vectors.

    Args:
        folder: What `export_run` or `fieldmark export` wrote.
        by: "student" or "guide"; the better one on the run's own images where not given.
        clip: An `Encoder`, or the name of a CLIP model; the one it was made with where not given. Another
            one, or other weights or preprocessing of the same, are refused.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where vectors are kept; the settings' where not given.
        progress: Called with progress events.

    Raises:
        InputError: The folder holds no export of a run, or a file of it is damaged.
        ModelError: The CLIP model cannot be loaded, or is not the one it was made with.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        by: Way | None = None,
        clip: Encoder | str | None = None,
        device: str | None = None,
        home: Path | None = None,
        progress: Progress = no_progress,
    ) -> None:
        self.folder = Path(folder)
        config = read_learned(self.folder)
        self._closing = ExitStack()
        self._progress = progress
        try:
            stores = self._closing.enter_context(open_stores(home))
            chosen = choose_models(clip=name_of(clip) or config.encoder.name, device=device)
            self._encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device)
            self._stored = load_learned(self.folder, self._encoder)
        except BaseException:
            self._closing.close()
            raise
        self.config = self._stored.config
        self.by = by or self.config.best

    folder: Path
    """Where its files are."""
    config: LearnedConfig
    """What it is: run, classes, noun, encoder, thresholds."""
    by: Way
    """What labels images."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the stores."""
        self._closing.close()

    def save(self, path: Path | str) -> Path:
        """Write its files into another folder, checked: what `load` and `fieldmark predict` take.

        Args:
            path: A folder that is not there, is empty, or holds an earlier export of a run.

        Raises:
            InputError: It holds something else, or cannot be written.
        """
        out = Path(path)
        if out.resolve() != self.folder.resolve():
            refuse_what_is_else(out)
            files = files_of(self.folder)
            write_folder(
                out, files, leftovers=lambda to: [to / name for name in FOR_PEOPLE if name not in files]
            )
        return out

    @classmethod
    def load(cls, path: Path | str, **given: Any) -> Self:
        """The classifier in a folder: `LearnedClassifier(path, …)` by another name.

        Args:
            path: What `save`, `export_run` or `fieldmark export` wrote.
            given: Further arguments of `LearnedClassifier`, e.g. `clip`.
        """
        return cls(path, **given)

    def push_to_hub(
        self, repo_id: str, *, private: bool = True, token: str | None = None, revision: str | None = None
    ) -> str:
        """Upload its files to a model hub, with the model card as `README.md`; made by the hub's own mixin.

        Args:
            repo_id: "OWNER/NAME"; made where it is not there.
            private: Whether a repository that is made is private. Without a reference pool of the encoder the
                files hold vectors of your images; the card says so.
            token: The hub's token; that of the login where not given.
            revision: The branch; "main" where not given.

        Returns:
            Address of the commit.

        Raises:
            FetchError: The hub cannot be reached, or refuses it.
            InputError: A file of the folder is damaged.
        """
        return HubExport(self.folder).push(repo_id, private=private, token=token, revision=revision)

    @classmethod
    def from_hub(
        cls, repo_id: str, *, revision: str | None = None, token: str | None = None, **given: Any
    ) -> Self:
        """The classifier in a repository of a model hub; what was fetched before is taken from its cache.

        Args:
            repo_id: "OWNER/NAME".
            revision: Branch, tag or commit; "main" where not given.
            token: The hub's token; that of the login where not given.
            given: Further arguments of `LearnedClassifier`, e.g. `clip`.

        Raises:
            FetchError: The hub cannot be reached, and the files are not on this machine; or it refuses them.
            InputError: The repository holds no export of a run, or a file of it is damaged.
        """
        return cls(HubExport.fetched(repo_id, revision=revision, token=token).folder, **given)

    def predict(self, images: Images) -> ClassPredictions:
        """Label images.

        Args:
            images: Files, folders, PIL images, arrays uint8 `[H, W, 3]` in RGB, or any mix of them in a list.

        Returns:
            `results` has one result for each image given, in order, those that could not be read included;
            a folder stands for its files in the order of their names. `predictions` has those that were read.

        Raises:
            NoImagesError: Not one is usable.
        """
        given = encode_given(images, self._encoder, self._progress)
        return ClassPredictions(
            run=self.config.run,
            by=self.by,
            encoder=self.config.encoder.name,
            predictions=self._predictions(given.images, given.vectors),
            skipped=given.skipped,
            passed_over=given.passed_over,
            inputs=given.inputs,
        )

    async def apredict(self, images: Images) -> ClassPredictions:
        """See `predict`, which may be called in a running event loop, too, but holds it up."""
        return await asyncio.to_thread(self.predict, images)

    def _predictions(self, images: Sequence[ImageFile], vectors: Tensor) -> tuple[Prediction, ...]:
        classes = self.config.classes
        made = self._stored.decide(vectors, self.by, most=MOST_CANDIDATES)
        why = self._why(vectors, made)
        rows = zip(images, made.left.tolist(), made.classes.tolist(), made.shares.tolist(), why, strict=True)
        return tuple(
            Prediction(
                image=str(image.path),
                image_hash=image.content_hash,
                label=classes[index[0]],
                confidence=min(1.0, values[0]),
                status="rejected" if not count else "resolved" if count == 1 else "open",
                candidates=tuple(
                    CandidateClass(class_name=classes[c], probability=min(1.0, share))
                    for c, share in list(zip(index, values, strict=True))[: max(1, count)]
                ),
                candidates_left=count,
                rounds=0,
                runner_up=classes[index[1]],
                margin=margin,
                contributions=contributions,
            )
            for image, count, index, values, (margin, contributions) in rows
        )

    def _why(self, vectors: Tensor, made: Decisions) -> list[tuple[float | None, tuple[Contribution, ...]]]:
        """Margin and contributions of each image, by the student's aspects; none where there are none."""
        said = self.config.aspects
        if said is None or self.by != STUDENT:
            return [(None, ())] * len(vectors)
        found = self._stored.reasons(vectors, made.classes[:, 0], made.classes[:, 1])
        if found is None:
            return [(None, ())] * len(vectors)
        names = self.config.classes
        pairs = [(names[label], names[other]) for label, other in made.classes[:, :2].tolist()]
        rows = zip(found.seen.tolist(), found.parts.tolist(), found.margin.tolist(), pairs, strict=True)
        return [
            (margin, _contributions(said.aspects, seen, parts, margin, pair))
            for seen, parts, margin, pair in rows
        ]


def _contributions(
    aspects: Sequence[Aspect],
    seen: Sequence[float],
    parts: Sequence[float],
    margin: float,
    pair: tuple[str, str],
) -> tuple[Contribution, ...]:
    """What aspects did for a class against another, the most first, and all else; they sum to the margin.

    Of those that did as much (nothing, where aspects decide nothing) those come first that are said to split
    the two classes.
    """
    said = [tuple(each.said_of(name) for name in pair) for each in aspects]
    splits = [None not in both and both[0] != both[1] for both in said]
    order = sorted(range(len(aspects)), key=lambda a: (-abs(parts[a]), not splits[a], -abs(seen[a] - 0.5)))
    own = [
        Contribution(
            attribute=aspects[a].text,
            contribution=parts[a],
            label_value=said[a][0],
            runner_up_value=said[a][1],
            seen="yes" if seen[a] >= 0.5 else "no",
            probability=seen[a],
        )
        for a in order
    ]
    return (*own, Contribution(attribute=ALL_ELSE, contribution=margin - sum(parts)))
