"""Image vectors tuned to descriptions and labelled images, of base classes or of the classes measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from fieldmark.evals.methods.shared.questions import answers
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.wording import class_text, descriptor_text
from fieldmark.tools.clip.adapters.bags import Bags, make_bags
from fieldmark.tools.clip.adapters.kept import tuned_once, tuning_key
from fieldmark.tools.clip.adapters.linear import LinearAdapter, tune_linear
from fieldmark.tools.clip.adapters.low_rank import RANK, LowRankAdapter, tune_low_rank
from fieldmark.tools.clip.adapters.tuning import AdapterRecipe
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.scoring.prototype import class_prototypes

MATCHED = 5
"""Texts that an image is held to show: GIST's."""
SCALE_RATE = 0.02
"""First rate of the learned scale's logarithm: over 150 steps it can change by a factor of four."""
PLACES = (
    "In which habitat and in which parts of the world is a {class} photographed, and what shows it there?"
)
"""Answered in sentences; AdaptCLIPZS asks for habitats and ranges beside marks."""
_OWN = AdapterRecipe(scale_rate=SCALE_RATE, rate=1e-2, decay=0.01)
"""Labels of the very classes let an encoder go farther from what it was than those of others."""
_STEP = 1024
"""Test images whose features are held at a time."""


@dataclass(frozen=True, kw_only=True)
class AdapterForm:
    """What a method of the table tunes, and on which texts.

    Attributes:
        recipe: How.
        low_rank: Whether the image tower's last layers are changed; else a linear map follows the tower.
        places: Whether habitats and ranges are asked for beside marks.
        named: Whether texts name the class, to label images of the same classes; else they say the noun, so
            that what is learned is about marks and carries over to other classes.
    """

    recipe: AdapterRecipe
    low_rank: bool = False
    places: bool = False
    named: bool = False


FORMS: Mapping[str, AdapterForm] = {
    "adapt-labels": AdapterForm(recipe=replace(_OWN, loss="bags", rate=3e-3), named=True),
    "gist-labels": AdapterForm(recipe=replace(_OWN, matched=MATCHED), low_rank=True, named=True),
    "adaptclipzs": AdapterForm(recipe=AdapterRecipe(scale_rate=SCALE_RATE), low_rank=True, places=True),
    "adapt-low-rank": AdapterForm(recipe=AdapterRecipe(), low_rank=True),
    "adapt-linear": AdapterForm(recipe=AdapterRecipe()),
    "gist": AdapterForm(recipe=AdapterRecipe(matched=MATCHED)),
}
"""Each method that tunes an encoder; one that is named can be kept as an encoder as well."""


async def frozen(bench: EvalBench) -> MethodScores:
    """What every adapter here is compared with: the same texts and score, the image vectors as they are."""
    texts = await class_texts(FORMS["adapt-linear"], bench.classes, bench)
    return scored(bench.vectors, class_prototypes(texts, bench.encode), bench)


def by_form(key: str) -> Run:
    """Tune by a form on base classes, or on labelled images of the classes where texts name them."""
    form = FORMS[key]

    async def run(bench: EvalBench) -> MethodScores:
        if form.named:
            texts = tuned_on = await class_texts(form, bench.classes, bench)
            images, labels = bench.test.train, bench.train_labels
        else:
            both = await class_texts(form, (*bench.classes, *bench.base_classes), bench)
            texts, tuned_on = both[: len(bench.classes)], both[len(bench.classes) :]
            images, labels = bench.test.base, bench.base_labels
        words = class_prototypes(texts, bench.encode)
        adapter = tune(form, bench, images, labels, make_bags(tuned_on, bench.encode))
        return scored(_adapted(adapter, bench), words, bench, by=adapter)

    return run


def tune(
    form: AdapterForm, bench: EvalBench, images: Sequence[ImageFile], labels: Tensor, bags: Bags
) -> LinearAdapter | LowRankAdapter:
    """Tune an adapter to images and the texts of their classes, or take the one that was tuned earlier.

    Args:
        form: How.
        bench: The encoder and the seed.
        images: L images.
        labels: Their classes `[L]` int64, as the bags are numbered.
        bags: The texts.

    Raises:
        ModelError: The encoder does not show its last layers, and they are to be changed.
    """
    scale, recipe, seed = bench.logit_scale, form.recipe, bench.seed
    hashes = [image.content_hash for image in images]
    bench.needs.encoded(images=hashes)  # what is tuned once needs them, whoever paid for it
    how = {
        "low_rank": RANK if form.low_rank else None,
        "recipe": asdict(recipe),
        "scale": scale,
        "seed": seed,
    }
    key = tuning_key(bench.encoder, hashes, labels, bags, how)
    if not form.low_rank:
        return tuned_once(
            bench.encoder,
            key,
            bench.encoder.width,
            lambda: tune_linear(
                bench.vectors_of(images), labels, bags, scale=scale, recipe=recipe, seed=seed
            ),
        )
    layers = bench.encoder.last_layers
    return tuned_once(
        bench.encoder,
        key,
        layers,
        lambda: tune_low_rank(
            layers, bench.features(images), labels, bags, scale=scale, recipe=recipe, seed=seed
        ),
    )


def _adapted(adapter: LinearAdapter | LowRankAdapter, bench: EvalBench) -> Tensor:
    """Vectors of the test images under an adapter `[N, D]`."""
    if isinstance(adapter, LinearAdapter):
        return adapter(bench.vectors)
    starts = range(0, len(bench.images), _STEP)
    return torch.cat([adapter(bench.features(bench.images[start : start + _STEP])) for start in starts])


async def class_texts(form: AdapterForm, classes: Sequence[str], bench: EvalBench) -> list[list[str]]:
    """Descriptor prompts of each class without its name: "a photo of a bird, which has a hooked bill.".

    The generic noun stands in place of the class name, in tuning and in scoring. An image of a base class
    whose name the encoder knows is matched to its texts by the name alone. Then nothing need be learned of
    descriptors, and the names of other classes say nothing. Without names, a descriptor that two classes
    share is one text of both. A form that is named has the name there, and its plain prompt as one more text.

    A class whose answer failed keeps the plain prompt of its name.
    """
    specs = [QuestionSpec(kind="describe", classes=(name,)) for name in classes]
    if form.places:  # at once with the others, so that it is known beforehand what will be asked
        specs += [QuestionSpec(kind="portray", classes=(name,), text=PLACES) for name in classes]
    own: dict[str, list[str]] = {name: [] for name in classes}
    for note in await answers(specs, bench):
        (name,) = note.spec.classes
        word = name if form.named else bench.noun
        own[name] += [descriptor_text(word, phrase) for phrase in note.descriptors]
        whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)  # "hen" is not in "then"
        own[name] += [whole.sub(lambda _, word=word: word, sentence) for sentence in note.words]
    return [texts + ([class_text(name)] if form.named or not texts else []) for name, texts in own.items()]


def scored(
    vectors: Tensor, words: Tensor, bench: EvalBench, *, by: LinearAdapter | LowRankAdapter | None = None
) -> MethodScores:
    """Scaled cosines of images and classes, with the loss before the first and the last step."""
    if by is None:
        return MethodScores(scores=bench.logit_scale * (vectors @ words.T))
    figures = {"first loss": by.losses[0], "last loss": by.losses[-1]} if by.losses else {}
    if by.scale != bench.logit_scale:
        figures["scale"] = by.scale
    return MethodScores(scores=by.scale * (vectors @ words.T), diagnostics=figures)


_ADAPTS = frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.BASE})
_SAHA, _LEWIS, _HU = "Saha et al. 2024", "Lewis et al. 2023", "Hu et al. 2021"
_FEATURES = "Features of the base images: a few KB each, 200 KB where the tower ends in an attention pool."

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
        source=_SAHA,
        needs=_ADAPTS,
        run=by_form("adapt-linear"),
        seeded=True,
    ),
    EvalMethod(
        key="gist",
        title=f"GIST, linear map, {MATCHED} matched texts",
        source=_LEWIS,
        needs=_ADAPTS,
        run=by_form("gist"),
        seeded=True,
    ),
    EvalMethod(
        key="adapt-low-rank",
        title="AdaptCLIPZS, low-rank changes",
        source=f"{_SAHA}; {_HU}",
        needs=_ADAPTS,
        run=by_form("adapt-low-rank"),
        seeded=True,
        scale=_FEATURES,
    ),
    EvalMethod(
        key="adaptclipzs",
        title="AdaptCLIPZS, low-rank, learned scale, places",
        source=f"{_SAHA}; {_HU}",
        needs=_ADAPTS,
        run=by_form("adaptclipzs"),
        seeded=True,
        scale=_FEATURES,
    ),
    EvalMethod(
        key="adapt-labels",
        title="Linear map, names and descriptors, own labels",
        source="Fieldmark",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS}),
        run=by_form("adapt-labels"),
        seeded=True,
    ),
    EvalMethod(
        key="gist-labels",
        title="GIST, low-rank, learned scale, own labels",
        source=f"{_LEWIS}; {_HU}",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS}),
        run=by_form("gist-labels"),
        seeded=True,
        scale=_FEATURES,
    ),
)
