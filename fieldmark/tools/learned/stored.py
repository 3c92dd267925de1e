"""The folder that a run's classifier is kept in: `config.json` and one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import MOST_BYTES, damaged, first_words, hashes, read_verified
from fieldmark.tools.learned.aspect_heads import AspectHeads, AspectStudent
from fieldmark.tools.learned.aspects import Aspect
from fieldmark.tools.learned.class_means import ClassMeans
from fieldmark.tools.learned.contest import GUIDE, STUDENT, HeldOutResult, Learned, Way
from fieldmark.tools.learned.student import LinearStudent
from fieldmark.tools.scoring.inductive import InductiveGuide

CONFIG, ARRAYS = "config.json", "classifier.safetensors"
FORMAT = "fieldmark.classifier/1"
_HEADS = ("weight", "bias", "share", "middle")
"""The fields of `AspectHeads`, as tensors of the file."""


class StoredAspect(Aspect):
    """A yes/no aspect of an exported student."""

    agreement: float | None = Field(ge=0, le=1)
    """Share of the annotator's answers that it gives, too, on images that it was not made from; None where
    there is no such answer."""
    usual: float | None = Field(ge=0, le=1)
    """The same of always giving the more frequent answer."""
    answers: int = Field(ge=0)
    """How many answers both come from."""


class StoredAspects(Record):
    """The aspects of an exported student, and where they come from."""

    aspects: tuple[StoredAspect, ...] = Field(min_length=1)
    alpha: float = Field(ge=0)
    """What they weighed in training; at 0 they are shown, and decide nothing."""
    written_by: str
    """The language model, or "field guide"."""
    seen_by: str
    """The vision-language model."""
    images: int
    """Images that it was shown."""
    calibrated_on: int
    """Answers that calibrated its probabilities; 0 where they stand as told."""


class LearnedConfig(Record):
    """What an exported classifier of a run is, and what it needs; `config.json`."""

    format: Literal["fieldmark.classifier/1"] = FORMAT
    run: str
    """Id of the run."""
    created: str
    """When it was exported; ISO 8601, UTC."""
    classes: tuple[str, ...] = Field(min_length=2)
    noun: str
    encoder: EncoderStamp
    logit_scale: float = Field(gt=0)
    name_weight: float | None = None
    reference: Literal["encoder", "pool"]
    """Which images centre the field guide: the encoder's own, or some of the pool."""
    contenders: dict[Way, HeldOutResult]
    best: Way
    """Which one labels images where nothing is said."""
    decay: float = Field(gt=0)
    """The student's penalty on squared weights."""
    reject: float = Field(ge=0, lt=0.5)
    """Share of images of listed classes that may be rejected, as measured on the pool."""
    farthest: float | None = None
    """Distance to the nearest class mean from which an image is of no listed class; None rejects none."""
    risk: float = Field(gt=0, lt=1)
    """An image is resolved where its label is wrong with at most this probability."""
    tau: float = Field(gt=0, le=1)
    """A class stays a candidate while its probability is at least tau times the best."""
    images: int
    """Images of the pool that it learned from."""
    labels: int
    """Labelled images that calibrated the run."""
    aspects: StoredAspects | None = None
    """Of the student; None without any."""
    aspects_hash: str | None = None
    """SHA-256 of what decides what aspects mean, see `_aspects_hash`; None without any."""
    files: dict[str, str]
    """File name → SHA-256 of what labels images."""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if set(self.contenders) != {STUDENT, GUIDE}:
            raise ValueError("contenders must be student and guide")
        return self


@dataclass(frozen=True)
class Decisions:
    """What a classifier makes of images.

    Attributes:
        classes: The likeliest classes, the best first [N, k] int64.
        shares: Their probabilities [N, k] float32.
        left: Candidates that an image has left [N] int64: 1 where it is resolved, 0 where it is of no listed
            class, 2 at least where it is open.
    """

    classes: Tensor
    shares: Tensor
    left: Tensor


@dataclass(frozen=True)
class AspectReasons:
    """Why a student prefers one class of an image to another.

    Attributes:
        seen: Probability of each aspect [N, A] float32.
        parts: What each adds to the log-odds of the one class against the other [N, A] float32.
        margin: Those log-odds [N] float32: the sum of the parts, and of all else in the image.
    """

    seen: Tensor
    parts: Tensor
    margin: Tensor


@dataclass(frozen=True)
class StoredClassifier:
    """A run's classifier, read back.

    Attributes:
        config: What it is.
        student: The linear student.
        guide: The inductive field guide.
        means: Mean vector of each class.
        heads: The student's aspects; None without any.
    """

    config: LearnedConfig
    student: LinearStudent
    guide: InductiveGuide
    means: ClassMeans
    heads: AspectHeads | None = None

    def probabilities(self, vectors: Tensor, by: Way | None = None) -> Tensor:
        """Calibrated class probabilities [N, C] of unit image vectors [N, D].

        Args:
            vectors: The vectors.
            by: "student" or "guide"; the better one on the pool where not given.
        """
        by = by or self.config.best
        scores = self._student.scores(vectors) if by == STUDENT else self.guide.scores(vectors)
        return (scores / self.config.contenders[by].temperature).softmax(1)

    def decide(self, vectors: Tensor, by: Way | None = None, *, most: int = 2) -> Decisions:
        """Label unit image vectors [N, D].

        Args:
            vectors: The vectors.
            by: See `probabilities`.
            most: The most classes to name for each.
        """
        p, distance = self._weighed(vectors, by or self.config.best)
        best = p.topk(min(most, p.shape[1]), dim=1)
        top = best.values[:, 0]
        # An image that is not resolved has two candidates at least, however far behind the second one is.
        left = (p >= self.config.tau * top[:, None]).sum(1).clamp_(min=2)
        left[top >= 1 - self.config.risk] = 1
        left[distance > self._farthest] = 0
        return Decisions(best.indices, best.values, left)

    def _weighed(self, vectors: Tensor, by: Way) -> tuple[Tensor, Tensor]:
        """Class probabilities [N, C], and distance to the nearest mean [N]."""
        if by != STUDENT:
            return self.probabilities(vectors, by), self.means.distance(vectors)
        # One product for both: with few classes most of the time goes into reading the vectors.
        products = vectors @ self._both.T
        classes = len(self.student.bias)
        scores = products[:, :classes] + self.student.bias
        if self._counts is not None:
            scores += self._counts.scores(vectors)
        p = scores.div_(self.config.contenders[by].temperature).softmax(1)
        return p, self.means.distance_by(products[:, classes:])

    @property
    def _counts(self) -> AspectHeads | None:
        """The aspects, where they decide anything."""
        return self.heads if self.config.aspects is not None and self.config.aspects.alpha else None

    @property
    def _student(self) -> LinearStudent | AspectStudent:
        return self.student if self._counts is None else AspectStudent(self.student, self._counts)

    def reasons(self, vectors: Tensor, label: Tensor, other: Tensor) -> AspectReasons | None:
        """What aspects are seen in images, and what each does for a class against another one.

        Args:
            vectors: Unit image vectors [N, D].
            label: The class of each image [N] int64.
            other: Another class of each [N] int64.

        Returns:
            None where there are no aspects.
        """
        if self.heads is None:
            return None
        seen = self.heads.probabilities(vectors)
        temperature = self.config.contenders[STUDENT].temperature
        scores = self._student.scores(vectors) / temperature
        parts = (seen - self.heads.middle) * (self.heads.share[label] - self.heads.share[other]) / temperature
        margin = scores.gather(1, label[:, None]) - scores.gather(1, other[:, None])
        return AspectReasons(seen, parts, margin[:, 0])

    @cached_property
    def _both(self) -> Tensor:
        return torch.cat([self.student.weight, self.means.means[self.means.known]])

    @property
    def _farthest(self) -> float:
        farthest = self.config.farthest
        return float("inf") if farthest is None else farthest

    def with_none(self, vectors: Tensor, by: Way | None = None) -> Tensor:
        """Probabilities [N, C + 1] of unit image vectors [N, D]: of the classes, then of none of them.

        An image that is rejected is of none of them with probability 1, any other one with probability 0.
        """
        none = self.unlisted(vectors)[:, None].to(torch.float32)
        return torch.cat([self.probabilities(vectors, by) * (1 - none), none], dim=1)

    def unlisted(self, vectors: Tensor) -> Tensor:
        """Which images are farther from every class than images of listed classes are [N] bool."""
        return self.means.distance(vectors) > self._farthest


def arrays_of(learned: Learned) -> bytes:
    """The content of the safetensors file."""
    guide, aspects = learned.guide, learned.aspects
    tensors = [getattr(aspects.heads, name) for name in _HEADS] if aspects else []
    heads = {f"aspects.{name}": tensor.contiguous() for name, tensor in zip(_HEADS, tensors, strict=False)}
    return save_tensors({
        **heads,
        "student.weight": learned.student.weight.contiguous(),
        "student.bias": learned.student.bias.contiguous(),
        "guide.values": guide.values.contiguous(),
        "guide.counts": guide.counts.contiguous(),
        "guide.names": guide.names.contiguous(),
        "guide.reference": guide.reference.contiguous(),
        "means.vectors": learned.means.means.contiguous(),
        "means.images": learned.means.images.contiguous(),
    })  # fmt: skip


def written(config: LearnedConfig, arrays: bytes, more: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files by name, `config.json` with the hashes first.

    Args:
        config: What it is; its `files` and `aspects_hash` are filled in.
        arrays: From `arrays_of`.
        more: Files that people read; they may be edited.
    """
    filled = {"files": hashes({ARRAYS: arrays}), "aspects_hash": _aspects_hash(config)}
    full = config.model_copy(update=filled)
    return {CONFIG: (full.model_dump_json(indent=1) + "\n").encode(), ARRAYS: arrays, **more}


def _aspects_hash(config: LearnedConfig) -> str | None:
    """SHA-256 of aspects, and of the classes and the temperature that they speak for; None without any."""
    if config.aspects is None:
        return None
    temperature = config.contenders[STUDENT].temperature
    said = [config.aspects.model_dump(mode="json"), config.classes, temperature]
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_learned(folder: Path) -> LearnedConfig:
    """What an exported classifier of a run is.

    Raises:
        InputError: The folder holds none, or its configuration is damaged.
    """
    path = folder / CONFIG
    try:
        config = LearnedConfig.model_validate(json.loads(read_bytes(path, most=MOST_BYTES)))
    except FileNotFoundError:
        raise InputError(
            f"{folder} holds no exported classifier: {CONFIG} is missing.",
            hint="Give the folder that `export_run` or `fieldmark export` wrote.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, first_words(error)) from None
    if _aspects_hash(config) != config.aspects_hash:
        raise damaged(path, "what it says of aspects is not what was exported")
    return config


def load_learned(folder: Path, encoder: Encoder | None) -> StoredClassifier:
    """Load an exported classifier for use with an encoder; None for vectors that were made elsewhere.

    Raises:
        InputError: The folder holds none, or a file of it is damaged.
        ModelError: It was made with another encoder, or another preprocessing of the same.
    """
    config = read_learned(folder)
    if encoder is not None:
        config.encoder.check(
            encoder,
            what=f"The classifier of run {config.run}",
            again="classify and export again with this encoder",
        )
    path = folder / ARRAYS
    data = read_verified(path, config.files.get(ARRAYS))
    try:
        return _assembled(load_tensors(data), config)
    except (SafetensorError, KeyError, ValueError) as error:
        raise damaged(path, first_words(error)) from None


def _assembled(arrays: dict[str, Tensor], config: LearnedConfig) -> StoredClassifier:
    classes, width = len(config.classes), config.encoder.width
    values, counts = arrays["guide.values"], arrays["guide.counts"]
    shapes = {
        "student.weight": (classes, width),
        "student.bias": (classes,),
        "guide.values": (*counts.shape[1:], width),
        "guide.counts": (classes, *values.shape[:2]),
        "guide.names": (classes, width),
        "guide.reference": (len(arrays["guide.reference"]), width),
        "means.vectors": (classes, width),
        "means.images": (classes,),
    }
    count = 0 if config.aspects is None else len(config.aspects.aspects)
    if count:
        sizes = ((count, width), (count,), (classes, count), (count,))
        shapes |= {f"aspects.{name}": size for name, size in zip(_HEADS, sizes, strict=True)}
    elif any(name.startswith("aspects.") for name in arrays):
        raise ValueError(f"it holds aspects that {CONFIG} does not name")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not bool(arrays[name].isfinite().all()):
            raise ValueError(f"{name} has an impossible shape or numbers")
    if not len(arrays["guide.reference"]):
        raise ValueError("guide.reference is empty")
    return StoredClassifier(
        config=config,
        student=LinearStudent(arrays["student.weight"], arrays["student.bias"]),
        guide=InductiveGuide(
            values=values,
            counts=counts,
            names=arrays["guide.names"],
            reference=arrays["guide.reference"],
            scale=config.logit_scale,
            name_weight=config.name_weight,
        ),
        means=ClassMeans(arrays["means.vectors"], arrays["means.images"]),
        heads=AspectHeads(**{name: arrays[f"aspects.{name}"] for name in _HEADS}) if count else None,
    )
