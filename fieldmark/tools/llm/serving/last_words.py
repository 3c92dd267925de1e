"""Reads out of what a server printed why it ended, and what to do about it."""

import re
from collections.abc import Iterable

_CAUSE = re.compile(r"(?:\b[\w.]*(?:Error|Exception): |^vllm[\w ]*: error: |Value error, ).+")
_CONSEQUENCE = re.compile(r"initialization failed|EngineDeadError|died unexpectedly")
"""What only says that another process of the server has ended, which has said why."""
_OTHER = "Correct the model's name or the options; its whole output says more."
_ADVICE = (
    (
        r"infer device type|No CUDA GPUs|found no NVIDIA driver|libcuda",
        "vLLM finds no GPU that its build is for. On a machine without one, llama.cpp or a build of vLLM for "
        "the CPU serves small models.",
    ),
    (
        r"out of memory|OutOfMemory|memory for the cache|Free memory on device|available KV cache",
        "Free the GPU's memory of other programs (nvidia-smi lists them), give a smaller --max-model-len "
        "after --, or serve a smaller or quantised model.",
    ),
    (
        r"max_model_len",
        "Give a smaller --max-model-len after --: the model's own context is the most.",
    ),
    (
        r"divisible by",
        "Give a --tensor-parallel-size after -- that divides the model's attention heads.",
    ),
    (
        r"unrecognized arguments|error: argument|invalid choice",
        "`vllm serve --help=all` lists its options; those that Fieldmark adds are of vLLM 0.30 and newer.",
    ),
    (
        r"valid model identifier|Repository ?Not ?Found|[Gg]ated|40[14] Client|Invalid repository",
        "Correct the model's name; a model that asks for leave at the hub needs HF_TOKEN set.",
    ),
    (
        r"LocalEntryNotFound|[Oo]ffline ?[Mm]ode|couldn't connect|Max retries|Name or service|unreachable",
        "The model is not on this machine, and its hub cannot be reached: give the folder of one that is.",
    ),
)


def why_it_ended(lines: Iterable[str]) -> tuple[str, str]:
    """Finds the line that says why, and a hint.

    vLLM is several processes: the first one to fail says why; the others follow with tracebacks of their own.

    Args:
        lines: What it printed, as far as it was kept.

    Returns:
        The cause in its own words, empty where it named none; and what to do.
    """
    causes = [found[0] for line in lines if (found := _CAUSE.search(line)) and not _CONSEQUENCE.search(line)]
    causes.reverse()  # what comes early may have been survived
    for cause in causes:
        for pattern, advice in _ADVICE:
            if re.search(pattern, cause):
                return cause, advice
    return (causes[0] if causes else ""), _OTHER
