"""Labels images clause by clause with a CLIP encoder alone: no language model, nothing to pay."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fieldmark.cache.keys import content_key, digest
from fieldmark.errors import InputError, NoImagesError
from fieldmark.records import Clause, ClauseVerdict, Definition, Finding, Verdict
from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.annotate.clause_prompts import clause_prompts
from fieldmark.tools.annotate.clause_tree import HOLDS_FROM, call_of, concept_log_odds
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.images.files import ImageFile

logger = logging.getLogger(__name__)

VERSION = "clip-clauses/2"
LEAST_REFERENCE = 20
"""Fewer reference vectors say nothing of how a caption's cosines spread."""
STEEPNESS = 4.0
SKEW_WEIGHT, SKEW_BASE = 1.25, 0.5
"""Where a clause is taken to begin to hold, in standard deviations above the mean: base + weight · skewness,
as a clause that few images satisfy has a long upper tail. Steepness, weight, base and cap were chosen on one
set of 1,200 drawn birds and all values of their attributes."""
TOP_SHARE, TOP_CAP = 0.1, 0.7
"""Never above this share of the mean score of the reference's top tenth: something must be able to hold."""
LOWEST = -0.5
_PRIOR_SPREAD = 0.5
"""How far labels are expected to move a threshold, in standard deviations, and the log of a steepness."""
_STEPS = 100


@dataclass(frozen=True)
class Labelled:
    """An image that the owner labelled.

    Attributes:
        image: The file.
        inside: Whether it is in the concept; those that are unsure are left out.
    """

    image: ImageFile
    inside: bool


class ClipAnnotator:
    """An `Annotator` that compares images with captions of the clauses.

    The cosine of a clause's caption is centred and scaled over a reference of images like those to be judged;
    of what an image must *not* have, the caption of having it is taken off, as encoders read "no" badly. The
    probability that the clause holds is a logistic curve of that score. With dev labels its place and
    steepness are fitted, clause by clause but all together, so that the clauses combined by logic give the
    labels (a maximum a posteriori fit); without, they come from how the reference's scores spread.

    Args:
        encoder: The CLIP encoder.
        reference: `[R, D]` vectors of the pool that the images come from; at least `LEAST_REFERENCE`.
        dev: Labelled images to calibrate on, never those of a blind test.
        noun: What "it" stands for in a clause.

    Raises:
        InputError: The reference is too small, or of another width than the encoder's.
    """

    def __init__(
        self,
        encoder: Encoder,
        reference: Tensor,
        *,
        dev: Sequence[Labelled] = (),
        noun: str = "thing",
    ) -> None:
        if reference.ndim != 2 or len(reference) < LEAST_REFERENCE or reference.shape[1] != encoder.width:
            raise InputError(
                f"A reference of {tuple(reference.shape)} vectors cannot be used.",
                hint=f"Give at least {LEAST_REFERENCE} of width {encoder.width}, made by this encoder.",
            )
        self._encoder = encoder
        self._reference = reference.to(torch.float32)
        self._noun = noun
        self._dev = tuple(dev)
        self._identity = content_key(
            {
                "version": VERSION,
                "encoder": encoder.identity,
                "reference": digest(self._reference.contiguous().numpy().tobytes()),
                "dev": [[each.image.content_hash, each.inside] for each in self._dev],
                "noun": noun,
            }
        )

    @property
    def identity(self) -> str:
        """Encoder, reference and dev labels."""
        return f"{self._encoder.name}/{VERSION}/{self._identity[:16]}"

    @property
    def calls(self) -> int:
        """Always 0: nothing is asked."""
        return 0

    async def judge(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Verdict, ...]:
        """Judge images by the active clauses of a definition; see `Annotator`.

        Args:
            images: N files that were found.
            definition: The clauses. Without an active one every call is "abstain".
            progress: Called with how many images are judged.

        Returns:
            N verdicts, in order; "abstain" where an image has no vector. They hold no words.

        Raises:
            ModelError: The encoder cannot be loaded or run.
        """
        clauses = definition.active
        vectors, ok = self._vectors(images)
        p = torch.zeros(len(images), 0)
        if clauses:
            curve = self._calibrated(definition)
            p = torch.sigmoid(curve.log_odds(self._scores(vectors, clauses)))
        verdicts: list[Verdict] = []
        for image, usable, row in zip(images, ok.tolist(), p.tolist(), strict=True):
            judged = tuple(
                _verdict(clause, value if usable else None)
                for clause, value in zip(clauses, row, strict=True)
            )
            call, together = call_of(definition, judged)
            verdicts.append(
                Verdict(
                    image=image.content_hash, call=call, p=together, clauses=judged, annotator=self.identity
                )
            )
        if progress is not None and images:
            progress(len(images), len(images))
        return tuple(verdicts)

    def _vectors(self, images: Sequence[ImageFile]) -> tuple[Tensor, Tensor]:
        """Vectors `[N, D]` and which of them are there `[N]`."""
        if not images:
            return torch.zeros(0, self._encoder.width), torch.zeros(0, dtype=torch.bool)
        try:
            encoded = self._encoder.encode_images(images)
        except NoImagesError:
            return torch.zeros(len(images), self._encoder.width), torch.zeros(len(images), dtype=torch.bool)
        return encoded.vectors, encoded.ok

    def _scores(self, vectors: Tensor, clauses: Sequence[Clause]) -> Tensor:
        """How much each image looks like each clause, in standard deviations of the reference `[N, C]`."""
        prompts = [clause_prompts(clause.text, noun=self._noun) for clause in clauses]
        texts = list(dict.fromkeys(text for p in prompts for text in (p.holds, p.fails) if text))
        row = {text: number for number, text in enumerate(texts)}
        encoded = self._encoder.encode_texts(texts)
        directions = torch.stack(
            [encoded[row[p.holds]] - (encoded[row[p.fails]] if p.fails else 0.0) for p in prompts]
        )
        theirs = self._reference @ directions.T
        return (vectors @ directions.T - theirs.mean(0)) / theirs.std(0).clamp(min=1e-6)

    def _calibrated(self, definition: Definition) -> "_Curve":
        z = self._scores(self._reference, definition.active)
        skew = z.pow(3).mean(0)
        top = z.topk(max(1, int(TOP_SHARE * len(z))), dim=0).values.mean(0)
        threshold = (SKEW_BASE + SKEW_WEIGHT * skew).minimum(TOP_CAP * top).clamp(min=LOWEST)
        start = _Curve(threshold, torch.full_like(skew, STEEPNESS))
        vectors, ok = self._vectors([each.image for each in self._dev])
        if not bool(ok.any()):
            return start
        inside = torch.tensor([each.inside for each in self._dev])[ok].to(torch.float32)
        return _fitted(start, self._scores(vectors[ok], definition.active), inside, definition)


@dataclass(frozen=True)
class _Curve:
    """A logistic curve for each clause: where it passes one half, and how steeply `[C]`."""

    threshold: Tensor
    steepness: Tensor

    def log_odds(self, z: Tensor) -> Tensor:
        """That each clause holds `[N, C]`, for scores of that shape."""
        return self.steepness * (z - self.threshold)


def _fitted(start: _Curve, z: Tensor, inside: Tensor, definition: Definition) -> _Curve:
    """The curves under which the clauses, combined, best give the labels, and that stay near `start`."""
    shift = torch.zeros_like(start.threshold, requires_grad=True)
    stretch = torch.zeros_like(start.threshold, requires_grad=True)
    search = torch.optim.LBFGS([shift, stretch], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def curve() -> _Curve:
        return _Curve(start.threshold + shift, start.steepness * stretch.exp())

    def loss() -> Tensor:
        search.zero_grad()
        together = concept_log_odds(definition, curve().log_odds(z))
        misfit = functional.binary_cross_entropy_with_logits(together, inside, reduction="sum")
        total = misfit + (shift.square() + stretch.square()).sum() / (2 * _PRIOR_SPREAD**2)
        total.backward()
        return total

    search.step(loss)  # pyright: ignore[reportArgumentType]  # its stub wants a float
    found = _Curve(curve().threshold.detach(), curve().steepness.detach())
    if not bool(torch.isfinite(found.threshold + found.steepness).all()):
        logger.warning("The labels could not be fitted; the clauses are judged as without labels.")
        return start
    return found


def _verdict(clause: Clause, p: float | None) -> ClauseVerdict:
    finding: Finding = "abstain" if p is None else "yes" if p >= HOLDS_FROM else "no"
    return ClauseVerdict(clause=clause.id, finding=finding, p=p)
