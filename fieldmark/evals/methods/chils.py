"""CHiLS: a class is found by the likeliest of its sub-classes, weighed by the class itself."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.questions import answers
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.records import QuestionSpec
from fieldmark.tools.books.templates import PLAIN, fill_phrase
from fieldmark.tools.scoring.prototype import class_prototypes
from fieldmark.tools.scoring.vectors import Encode, image_steps


def subclass_names(names: Sequence[str], subclasses: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The label set of each class: its sub-classes, and the class itself.

    The class comes first unless it is already among its sub-classes. A sub-class whose name does not hold
    the class's (capitals aside) gets it appended: "salmon" of "fish" becomes "salmon fish". A name given
    twice stays twice and counts twice, also where two classes share it.

    Source: Novack et al. 2023, section 3; released code (`get_cleaned_gpt_sets`).

    Args:
        names: Class names in the order of the scores' columns.
        subclasses: Class name to sub-classes; a class that is missing stands for itself alone.

    Returns:
        The label set of each class, never empty.
    """
    sets: list[list[str]] = []
    for name in names:
        given = list(subclasses.get(name, ()))
        own = [sub if name.lower() in sub.lower() else f"{sub} {name}" for sub in given]
        sets.append(own if name in given else [name, *own])
    return sets


def chils_scores(
    image_vectors: Tensor,
    encode: Encode,
    class_prompts: Sequence[Sequence[str]],
    sub_prompts: Sequence[Sequence[Sequence[str]]],
    *,
    logit_scale: float,
) -> Tensor:
    """Logarithm of the best product p(sub) * p(class) over each class's sub-classes.

        p(sub | x)   = softmax over ALL sub-classes of ALL classes of s * cos(x, W_sub)
        p(class | x) = softmax over the classes            of s * cos(x, W_class)
        label        = parent of argmax_sub p(sub | x) * p(parent(sub) | x)
        score[n,c]   = max over sub-classes of c of log(p(sub | x) * p(c | x))

    The two softmaxes are separate. W is the unit mean of a class's texts over templates. A row's best score
    names the label; logarithms keep unlikely classes apart where products would all be 0. `exp` of them does
    not sum to 1.

    Source: Novack et al. 2023, section 3 (algorithm 1), and released code (`conf_pred`), which scales
    cosines by 100 for every encoder; here the scale is the encoder's own.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D].
        class_prompts: Texts of each class, [C][T].
        sub_prompts: Texts of each sub-class of each class, [C][S][T]; see `subclass_names`.
        logit_scale: The encoder's factor on cosines (s).

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If a class has no sub-class, a text is missing, or the two do not fit.
    """
    if len(class_prompts) != len(sub_prompts) or not all(sub_prompts):
        raise InputError(
            f"{len(class_prompts)} classes and {len(sub_prompts)} sets of sub-classes do not fit.",
            hint="Give each class at least one sub-class; the class itself will do.",
        )
    parents = torch.tensor([index for index, own in enumerate(sub_prompts) for _ in own])
    classes = logit_scale * class_prototypes(class_prompts, encode).T
    subs = logit_scale * class_prototypes([texts for own in sub_prompts for texts in own], encode).T
    found = torch.full((len(image_vectors), len(class_prompts)), -torch.inf)
    for step in image_steps(len(found), 2 * len(parents)):
        images = image_vectors[step].to(torch.float32)
        products = (images @ subs).log_softmax(1) + (images @ classes).log_softmax(1)[:, parents]
        found[step] = found[step].scatter_reduce(1, parents.expand_as(products), products, "amax")
    return found


async def by_kinds(bench: EvalBench) -> MethodScores:
    """Each class by its kinds, itself among them; a class whose kinds are not known stands for itself."""
    specs = [QuestionSpec(kind="subclasses", classes=(name,)) for name in bench.classes]
    notes = await answers(specs, bench)
    kinds = {note.spec.classes[0]: note.words for note in notes}
    sets = subclass_names(bench.classes, kinds)
    lone = sum(not words for words in kinds.values())
    if lone:
        bench.notes.append(f"{lone} of {len(kinds)} classes have no kinds and stand for themselves")
    scores = chils_scores(
        bench.vectors,
        bench.encode,
        [[fill_phrase(PLAIN, name)] for name in bench.classes],
        [[[fill_phrase(PLAIN, kind)] for kind in own] for own in sets],
        logit_scale=bench.logit_scale,
    )
    return MethodScores(scores=scores)


METHODS = (
    EvalMethod(
        key="chils",
        title="CHiLS, kinds of each class",
        source="Novack et al. 2023",
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=by_kinds,
    ),
)
