"""PerceptionCLIP: first what surrounds the object, then what the object is, given its surroundings."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.questions import answers
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores, Run
from fieldmark.evals.table.test_set import ImageFactor, MethodNeed
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.templates import fill
from fieldmark.tools.books.wording import with_article
from fieldmark.tools.scoring.vectors import Encode, encode_groups, image_steps, mean_vectors, unit

Factors = Mapping[str, Mapping[str, Sequence[str]]]
"""Factor ("background") to value ("water") to phrases for it ("on water", "in a lake"); "" says nothing."""


@dataclass(frozen=True)
class ContextTexts:
    """The texts of every class in every context.

    Attributes:
        contexts: The value of each factor in each context: Z tuples, the first factor changing slowest.
        of_class: Texts of each class in each context, [C][Z][phrasings].
        of_thing: The same with a word for any object in the place of the class, [Z][phrasings].
    """

    contexts: tuple[tuple[str, ...], ...]
    of_class: tuple[tuple[tuple[str, ...], ...], ...]
    of_thing: tuple[tuple[str, ...], ...]


def context_texts(
    names: Sequence[str], factors: Factors, *, main: str = "a photo of a {}", thing: str = "object"
) -> ContextTexts:
    """Put classes and contexts into words: "{main}, {phrase of factor 1}, {phrase of factor 2}.".

    A context is one value of every factor. Its phrasings are all combinations of the values' phrases; an
    empty phrase is dropped with its comma. A combination that occurs twice counts twice.

    Source: An et al. 2024, appendix; released code (`generate_composite_factors`,
    `compose_template`).

    Args:
        names: Class names, used as given.
        factors: What may vary; no factor at all gives one context, "{main}.".
        main: The class's own prompt, without a full stop.
        thing: What stands for any class. The released code says "a object" with its main template.

    Raises:
        InputError: If a factor has no value, a value has no phrase, or `main` has no place for the name.
    """
    if "{}" not in main:
        raise InputError(
            f"The prompt {main!r} has no place for the class.", hint="Put {} where its name goes."
        )
    for factor, values in factors.items():
        if not values or not all(values.values()) or any(isinstance(own, str) for own in values.values()):
            raise InputError(
                f"The factor {factor!r} lacks a value, or a value lacks a list of phrases.",
                hint='Give each value a list of phrases, [""] where it should say nothing.',
            )
    contexts = tuple(itertools.product(*factors.values()))
    endings = [
        [
            "".join(f", {phrase}" for phrase in phrases if phrase)
            for phrases in itertools.product(
                *(values[value] for values, value in zip(factors.values(), context, strict=True))
            )
        ]
        for context in contexts
    ]
    phrased_texts = [
        tuple(tuple(f"{start}{ending}." for ending in own) for own in endings)
        for start in (fill([main], name)[0] for name in (*names, thing))
    ]
    return ContextTexts(contexts=contexts, of_class=tuple(phrased_texts[:-1]), of_thing=phrased_texts[-1])


def context_probabilities(
    image_vectors: Tensor,
    encode: Encode,
    texts: ContextTexts,
    *,
    logit_scale: float,
    temperature: float = 1.0,
    with_class: bool = True,
) -> Tensor:
    """p(z|x): which context each image shows.

        with y:     p(z|x) = sum_y exp(l[x,y,z] / tau) / sum_z' sum_y exp(l[x,y,z'] / tau)
        without y:  p(z|x) = softmax over z of l[x,z] / tau

    where l = s * cos with the unit mean of a context's phrasings: of class y, or of an object of any kind.

    Source: An et al. 2024, method section (step one), and released code (`infer_mode` 0 and 1).

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        texts: From `context_texts`.
        logit_scale: The encoder's factor on cosines (s).
        temperature: tau, above 0; the authors take 1, 3, 5 or 10.
        with_class: Whether the classes take part ("with y").

    Returns:
        Probabilities [N, Z], float32, in the order of `texts.contexts`.

    Raises:
        InputError: If there is no class, or `temperature` is not above 0.
    """
    heads = _Heads(texts, encode, logit_scale, temperature, with_class=with_class)
    found = torch.zeros(len(image_vectors), len(texts.contexts))
    for step in image_steps(len(found), heads.width):
        found[step] = heads.log_contexts(image_vectors[step]).exp()
    return found


def perception_scores(
    image_vectors: Tensor,
    encode: Encode,
    texts: ContextTexts,
    *,
    logit_scale: float,
    temperature: float = 1.0,
    with_class: bool = True,
) -> Tensor:
    """Score classes by log p(y|x): each class in every context, by how likely the context is.

        p(y|x)   = sum_z p(z|x) p(y|x,z)
        p(y|x,z) = softmax over y of l[x,y,z]            (temperature 1, whatever tau is)

    tau smooths the belief in the context alone. The sum is taken over logarithms, so that no class ends at
    0; the released code exponentiates logits, which overflows in half precision.

    Source: An et al. 2024, method section (step two, algorithm 1), and released code.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        texts: From `context_texts`.
        logit_scale: The encoder's factor on cosines (s).
        temperature: tau of p(z|x); see `context_probabilities`.
        with_class: See `context_probabilities`.

    Returns:
        Log probabilities [N, C], float32; `exp` of a row sums to 1.

    Raises:
        InputError: If there is no class, or `temperature` is not above 0.
    """
    heads = _Heads(texts, encode, logit_scale, temperature, with_class=with_class)
    found = torch.zeros(len(image_vectors), len(texts.of_class))
    for step in image_steps(len(found), heads.width):
        log_classes = heads.logits(image_vectors[step]).log_softmax(1)
        log_contexts = heads.log_contexts(image_vectors[step])
        found[step] = (log_classes + log_contexts[:, None]).logsumexp(2)
    return found


class _Heads:
    """Scaled unit vectors of every class in every context, and of any object in every context."""

    def __init__(
        self, texts: ContextTexts, encode: Encode, logit_scale: float, temperature: float, *, with_class: bool
    ) -> None:
        if not temperature > 0:
            raise InputError(f"Temperature {temperature}.", hint="Use a temperature above 0.")
        if not texts.of_class:
            raise InputError("There are no classes to score.", hint="Give at least one class name.")
        self.shape = (len(texts.of_class), len(texts.contexts))
        self.width = 2 * self.shape[0] * self.shape[1]
        self.temperature = temperature
        groups = [own for contexts in texts.of_class for own in contexts]
        count = len(groups)
        if not with_class:
            groups.extend(texts.of_thing)
        vectors = logit_scale * unit(mean_vectors(encode_groups(groups, encode)))
        self.classes = vectors[:count].T
        self.things = None if with_class else vectors[count:].T

    def logits(self, images: Tensor) -> Tensor:
        """[n, C, Z] float32."""
        return (images.to(torch.float32) @ self.classes).view(-1, *self.shape)

    def log_contexts(self, images: Tensor) -> Tensor:
        """Logarithm of p(z|x) [n, Z] float32."""
        if self.things is not None:
            return (images.to(torch.float32) @ self.things / self.temperature).log_softmax(1)
        return (self.logits(images) / self.temperature).logsumexp(1).log_softmax(1)


MOST_CONTEXTS = 64
"""A context is a value of every factor, so that their number multiplies with each factor."""
MOST_TEXTS = 256
"""The most texts a class: each context in all combinations of its phrases."""


def by_contexts(*, with_class: bool) -> Run:
    """Infer each image's context with the classes taking part, or from the context alone."""

    async def run(bench: EvalBench) -> MethodScores:
        # "a" or "an" goes with the name, as in every other prompt.
        texts = context_texts(
            [with_article(name) for name in bench.classes],
            phrased(within_reach(await contexts(bench), bench)),
            main="a photo of {}",
            thing=with_article(bench.noun),
        )
        scores = perception_scores(
            bench.vectors, bench.encode, texts, logit_scale=bench.logit_scale, with_class=with_class
        )
        return MethodScores(scores=scores, diagnostics={"contexts": float(len(texts.contexts))})

    return run


async def contexts(bench: EvalBench) -> tuple[ImageFactor, ...]:
    """The contexts that a user of the domain named, else those that a language model names; perhaps none."""
    if bench.factors or bench.llm is None:
        return bench.factors
    (note,) = await answers([QuestionSpec(kind="contexts", classes=bench.classes)], bench)
    return tuple(
        ImageFactor(factor.name, tuple(value.phrases for value in factor.values)) for factor in note.contexts
    )


def within_reach(factors: Sequence[ImageFactor], bench: EvalBench) -> tuple[ImageFactor, ...]:
    """As many factors, in order, and phrases as their combinations allow; a note names those left out."""
    kept: list[ImageFactor] = []
    for factor in factors:
        if prod(len(each.values) for each in (*kept, factor)) <= MOST_CONTEXTS:
            kept.append(factor)
    if not kept:
        bench.notes.append("no context is known: names alone were left")
    elif left_out := [factor.name for factor in factors if factor not in kept]:
        bench.notes.append(f"contexts left out, as they multiply with the others: {', '.join(left_out)}")
    phrases = max((len(value) for factor in kept for value in factor.values), default=1)
    while phrases > 1 and _texts(kept, phrases) > MOST_TEXTS:
        phrases -= 1
    return tuple(ImageFactor(each.name, tuple(value[:phrases] for value in each.values)) for each in kept)


def phrased(factors: Sequence[ImageFactor]) -> Factors:
    """Factor to value to phrases; a value is known by its first phrase."""
    return {factor.name: {value[0]: value for value in factor.values} for factor in factors}


def _texts(factors: Sequence[ImageFactor], phrases: int) -> int:
    """How many texts a class has if each value keeps so many phrases."""
    return prod(sum(min(phrases, len(value)) for value in factor.values) for factor in factors)


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM})
_SCALE = "up to 256 texts a class"

METHODS = (
    EvalMethod(
        key="perception",
        title="PerceptionCLIP, contexts inferred with the classes",
        source="An et al. 2024",
        needs=_NEEDS,
        run=by_contexts(with_class=True),
        scale=_SCALE,
    ),
    EvalMethod(
        key="perception-without",
        title="PerceptionCLIP, contexts inferred alone",
        source="An et al. 2024",
        needs=_NEEDS,
        run=by_contexts(with_class=False),
        scale=_SCALE,
    ),
)
