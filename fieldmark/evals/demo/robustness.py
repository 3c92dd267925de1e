"""Does the loop hold where its pool does not help it: few classes present, or one image at a time?"""

from collections.abc import Sequence

import numpy as np
import torch

from fieldmark.agents.resolve.rescoring import single_scores
from fieldmark.evals.demo.ladder import Climb, Ladder, World, inner
from fieldmark.records import Record


class Robustness(Record):
    """Top-1 of the resolve loop and of the equal-knowledge control under two hard conditions.

    Shares of correct images. The control needs no pool; its answers are those of the FuDD rung.
    """

    quarter_pool_resolve: float
    """The whole loop on images of a quarter of the classes, with all classes still possible."""
    quarter_pool_everything: float
    one_by_one_resolve: float
    """Each image scored alone by the loop's field guide, centred by the encoder's reference pool."""
    one_by_one_everything: float
    images_quarter: int
    images_one_by_one: int

    @classmethod
    def mean(cls, checks: Sequence["Robustness"]) -> "Robustness":
        """Pool over books, each weighing by its images."""
        quarter = np.array([check.images_quarter for check in checks], dtype=float)
        single = np.array([check.images_one_by_one for check in checks], dtype=float)

        def pooled(name: str, weights: np.ndarray) -> float:
            values = np.array([getattr(check, name) for check in checks])
            return round(float((values * weights).sum() / weights.sum()), 4)

        return cls(
            quarter_pool_resolve=pooled("quarter_pool_resolve", quarter),
            quarter_pool_everything=pooled("quarter_pool_everything", quarter),
            one_by_one_resolve=pooled("one_by_one_resolve", single),
            one_by_one_everything=pooled("one_by_one_everything", single),
            images_quarter=int(quarter.sum()),
            images_one_by_one=int(single.sum()),
        )


async def check_robustness(ladder: Ladder, climb: Climb, *, seed: int) -> Robustness:
    """Measure both conditions on a world that was climbed."""
    world = climb.world
    there = np.unique(climb.clusters)
    present = np.random.default_rng(seed).permutation(there)[: max(1, len(there) // 4)]
    # The images that are of no class stay: they are a part of the conditions.
    kept = np.isin(world.truth, present) | ~world.listed
    part = World(
        classes=world.classes,
        noun=world.noun,
        images=tuple(image for image, keep in zip(world.images, kept, strict=True) if keep),
    )
    options = ladder.options.model_copy(update={"noun": world.noun})
    _, predictions, _ = await ladder.resolve(part, inner(climb.run, "quarter-pool"), options)
    quarter = np.array([p.label == image.label for p, image in zip(predictions, part.images, strict=True)])
    control = climb.right("everything")
    alone = one_by_one(ladder, climb).numpy() == world.truth
    return Robustness(
        quarter_pool_resolve=float(quarter[part.listed].mean()),
        quarter_pool_everything=float(control[kept[world.listed]].mean()),
        one_by_one_resolve=float(alone[world.listed].mean()),
        one_by_one_everything=float(control.mean()),
        images_quarter=int(part.listed.sum()),
        images_one_by_one=int(world.listed.sum()),
    )


def one_by_one(ladder: Ladder, climb: Climb) -> torch.Tensor:
    """Label every image as if it came alone, by the answers of the finished loop `[N]`."""
    options = ladder.options.model_copy(update={"noun": climb.world.noun})
    context = ladder.context(climb.world, climb.run, options)
    return single_scores(climb.notebook, context).argmax(1)
