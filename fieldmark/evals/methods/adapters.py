"""Image vectors tuned to descriptions of base classes, measured on classes that they were not tuned for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldmark.evals.methods.shared.questions import descriptors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.books.wording import class_text, descriptor_text
from fieldmark.tools.clip.adapters.bags import make_bags
from fieldmark.tools.clip.adapters.linear import tune_linear
from fieldmark.tools.clip.adapters.low_rank import tune_low_rank
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe
from fieldmark.tools.scoring.prototype import class_prototypes

MATCHED = 5
"""Texts that an image is held to show: GIST's."""
_STEP = 1024
"""Test images whose features are held at a time."""


async def frozen(bench: EvalBench) -> MethodScores:
    """What every adapter here is compared with: the same texts and score, the image vectors as they are."""
    words = await class_words(bench)
    return scored(bench.vectors, words, bench)


def by_linear(recipe: AdapterRecipe) -> Run:
    """A linear map on image vectors, tuned by a recipe."""

    async def run(bench: EvalBench) -> MethodScores:
        own, base = await all_texts(bench)
        words = class_prototypes(own, bench.encode)
        adapter = tune_linear(
            bench.base_vectors,
            bench.base_labels,
            make_bags(base, bench.encode),
            scale=bench.logit_scale,
            recipe=recipe,
            seed=bench.seed,
        )
        return scored(adapter(bench.vectors), words, bench, losses=adapter.losses)

    return run


async def by_low_rank(bench: EvalBench) -> MethodScores:
    """Low-rank changes to the image tower's last layers, tuned as the linear map is."""
    own, base = await all_texts(bench)
    features = bench.features(bench.test.base)
    words = class_prototypes(own, bench.encode)
    adapter = tune_low_rank(
        bench.encoder.last_layers,
        features,
        bench.base_labels,
        make_bags(base, bench.encode),
        scale=bench.logit_scale,
        seed=bench.seed,
    )
    starts = range(0, len(bench.images), _STEP)
    steps = [adapter(bench.features(bench.images[start : start + _STEP])) for start in starts]
    return scored(torch.cat(steps), words, bench, losses=adapter.losses)


async def class_words(bench: EvalBench) -> Tensor:
    """Unit mean of each test class's texts `[C, D]` float32."""
    return class_prototypes(await noun_texts(bench.classes, bench), bench.encode)


async def all_texts(bench: EvalBench) -> tuple[list[list[str]], list[list[str]]]:
    """The texts of the test classes and those of the base classes, asked for at once."""
    texts = await noun_texts((*bench.classes, *bench.base_classes), bench)
    return texts[: len(bench.classes)], texts[len(bench.classes) :]


async def noun_texts(classes: Sequence[str], bench: EvalBench) -> list[list[str]]:
    """Descriptor prompts of each class without its name: "a photo of a bird, which has a hooked bill.".

    The generic noun stands in place of the class name, in tuning and in scoring. An image of a base class
    whose name the encoder knows is matched to its texts by the name alone. Then nothing need be learned of
    descriptors, and the names of other classes say nothing. Without names, a descriptor that two classes
    share is one text of both.

    A class whose answer failed keeps the plain prompt of its name.
    """
    phrases = await descriptors(bench, classes=classes)
    return [
        [descriptor_text(bench.noun, phrase) for phrase in own] or [class_text(name)]
        for name, own in zip(classes, phrases, strict=True)
    ]


def scored(vectors: Tensor, words: Tensor, bench: EvalBench, *, losses: Sequence[float] = ()) -> MethodScores:
    """Scaled cosines of images and classes, with the loss before the first and the last step."""
    figures = {"first loss": losses[0], "last loss": losses[-1]} if losses else {}
    return MethodScores(scores=bench.logit_scale * (vectors @ words.T), diagnostics=figures)


_ADAPTS = frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.BASE})

METHODS = (
    EvalMethod(
        key="descriptors-prototype",
        title="Descriptors of the noun, class means",
        source="Fieldmark",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=frozen,
    ),
    EvalMethod(
        key="adapt-linear",
        title="AdaptCLIPZS, linear map",
        source="Saha et al. 2024",
        needs=_ADAPTS,
        run=by_linear(AdapterRecipe()),
        seeded=True,
    ),
    EvalMethod(
        key="gist",
        title=f"GIST, linear map, {MATCHED} matched texts",
        source="Lewis et al. 2023",
        needs=_ADAPTS,
        run=by_linear(AdapterRecipe(matched=MATCHED)),
        seeded=True,
    ),
    EvalMethod(
        key="adapt-low-rank",
        title="AdaptCLIPZS, low-rank changes",
        source="Saha et al. 2024; Hu et al. 2021",
        needs=_ADAPTS,
        run=by_low_rank,
        seeded=True,
        scale="Features of the base images: a few KB each, 200 KB where the tower ends in an attention pool.",
    ),
)
