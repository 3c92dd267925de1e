"""Chooses the options of `vllm serve` that our questions need, for a model and the GPUs of a machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from fieldmark.reading import size_in_words
from fieldmark.tools.llm.serving.gpus import Gpu
from fieldmark.tools.llm.serving.model_facts import ModelFacts

CONTEXT = 16_384
"""Tokens of question and answer together. It holds every question of ours with the answer that it asks for,
and most of them where the model gets 8 times the room to think. The models' own contexts (262,144 and more)
would need more memory for one question than many GPUs have."""
SHARE_OF_WEIGHTS = 0.6
"""The most of a GPU's memory that weights may take; the rest is for the tokens of questions under way."""
_STRUCTURED = '{"backend":"xgrammar","disable_any_whitespace":true}'
_ONE_IMAGE = '{"image":1,"video":0,"audio":0}'
"""Every question of ours shows one image at most. No memory is set aside for what is 0."""


@dataclass(frozen=True)
class ServingPlan:
    """What `vllm serve` is given beside the model and its address.

    Attributes:
        options: The options, those of the user's own last.
        notes: Why they are what they are, a sentence each.
    """

    options: tuple[str, ...]
    notes: tuple[str, ...]


def plan_serving(facts: ModelFacts, gpus: Sequence[Gpu], own: Sequence[str] = ()) -> ServingPlan:
    """Chooses options; whatever the user gives is left as it is.

    Args:
        facts: What is known of the model.
        gpus: The GPUs that it may use, all of one size; none leaves it to the server.
        own: Options of the user's own.
    """
    if _given(own, "--config"):
        return ServingPlan(tuple(own), ("The options are those of your own file alone.",))
    options: list[str] = []
    notes: list[str] = []
    if facts == ModelFacts():
        notes.append("The model's configuration is not at hand; what depends on it is left to vLLM.")
    if not _given(own, "--structured-outputs-config"):
        options += ["--structured-outputs-config", _STRUCTURED]
        notes.append("White space between JSON tokens is off: a weak model fills its answer with it.")
    if not _given(own, "--max-model-len"):
        context = min(CONTEXT, facts.context or CONTEXT)
        options += ["--max-model-len", str(context)]
        notes.append(f"Question and answer together have {context:,} tokens{_of_more(facts, context)}.")
    if facts.sees and not _given(own, "--limit-mm-per-prompt", "--language-model-only"):
        options += ["--limit-mm-per-prompt", _ONE_IMAGE]
        notes.append("It sees images: one a question, which is what is sent.")
    parallel = (
        "--tensor-parallel-size",
        "-tp",
        "--data-parallel-size",
        "-dp",
        "--pipeline-parallel-size",
        "-pp",
    )
    if gpus and not _given(own, *parallel):
        tensor, data = share_gpus(gpus, facts)
        options += ["--tensor-parallel-size", str(tensor)] if tensor > 1 else []
        options += ["--data-parallel-size", str(data)] if data > 1 else []
        notes.append(_on_gpus(gpus, facts, tensor, data))
    return ServingPlan((*options, *own), tuple(notes))


def share_gpus(gpus: Sequence[Gpu], facts: ModelFacts) -> tuple[int, int]:
    """Shares GPUs out: how many hold one copy of the model, and how many copies there are.

    A copy gets as few GPUs as hold its weights, since GPUs that share one wait for each other. Where the size
    of the weights is not known, it gets as many as it can be divided by.

    Returns:
        GPUs a copy (tensor parallel) and copies (data parallel); their product is at most the number of GPUs.
    """
    sizes = [
        n
        for n in range(1, len(gpus) + 1)
        if (n & (n - 1) == 0 if facts.heads is None else facts.heads % n == 0)
    ]
    room = SHARE_OF_WEIGHTS * min(gpu.memory for gpu in gpus)
    enough = (n for n in sizes if facts.weights is not None and facts.weights <= n * room)
    tensor = next(enough, sizes[-1])
    return tensor, len(gpus) // tensor


def _given(own: Sequence[str], *names: str) -> bool:
    """Whether an option is among the user's own, in any of the spellings that vLLM takes."""
    said = {each.split("=")[0].split(".")[0].replace("_", "-") for each in own if each.startswith("-")}
    return not said.isdisjoint(names)


def _of_more(facts: ModelFacts, context: int) -> str:
    return (
        f", of the {facts.context:,} that it could take" if facts.context and facts.context > context else ""
    )


def _on_gpus(gpus: Sequence[Gpu], facts: ModelFacts, tensor: int, data: int) -> str:
    smallest = min(gpus, key=lambda gpu: gpu.memory)
    said = f"{len(gpus)} × {smallest.name} ({size_in_words(smallest.memory)} each)"
    weights = "of unknown size" if facts.weights is None else f"of {size_in_words(facts.weights)}"
    said += f", weights {weights}: "
    said += "one copy" if data == 1 else f"{data} copies"
    said += (
        f" on {tensor} GPUs" if tensor > 1 and data == 1 else f" on {tensor} GPUs each" if tensor > 1 else ""
    )
    said += f", {len(gpus) - tensor * data} unused" if tensor * data < len(gpus) else ""
    if facts.weights is not None and facts.weights > SHARE_OF_WEIGHTS * tensor * smallest.memory:
        said += "; the weights may not fit, and a smaller or quantised model would"
    return said + "."
