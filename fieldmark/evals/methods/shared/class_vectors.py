"""Class vectors that methods on images start from: of the plain template, and of descriptors."""

from torch import Tensor

from fieldmark.evals.methods.shared.questions import descriptors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.tools.books.templates import PLAIN, fill_phrase
from fieldmark.tools.scoring.dclip import descriptor_prompts
from fieldmark.tools.scoring.prototype import class_prototypes


def name_vectors(bench: EvalBench) -> Tensor:
    """Unit vectors of "a photo of a {name}." `[C, D]` float32: the text classifier of `clip`."""
    return class_prototypes([[fill_phrase(PLAIN, name)] for name in bench.classes], bench.encode)


async def descriptor_vectors(bench: EvalBench) -> Tensor:
    """Unit mean of each class's descriptor prompts `[C, D]` float32: the texts of `dclip`, as prototypes."""
    phrases = await descriptors(bench)
    prompts = descriptor_prompts(dict(zip(bench.classes, phrases, strict=True)))
    return class_prototypes(list(prompts.values()), bench.encode)
