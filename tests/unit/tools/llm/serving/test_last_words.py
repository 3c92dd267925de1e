"""Why a server ended, read out of what vLLM 0.32 printed."""

import pytest

from fieldmark.tools.llm.serving.last_words import why_it_ended

FOLLOWS = "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above."


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("(APIServer pid=1) RuntimeError: Failed to infer device type, please set", "finds no GPU"),
        ("(EngineCore pid=2) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "nvidia-smi"),
        ("ValueError: To serve at least one request, larger than the available KV cache", "--max-model-len"),
        (
            "  Value error, User-specified max_model_len (9999) is greater than the derived",
            "the most",
        ),
        ("ValueError: heads (28) must be divisible by tensor parallel size (3)", "--tensor-parallel-size"),
        ("vllm: error: unrecognized arguments: --structured-outputs-config", "--help=all"),
        ("OSError: owner/name is not a local folder and is not a valid model identifier", "HF_TOKEN"),
        ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot find the requested files", "the folder"),
        ("KeyError: 'something new'", "its whole output"),
    ],
)
def test_the_first_process_to_fail_says_why(line: str, advice: str) -> None:
    said = [
        "ImportError: an extra is missing",
        "INFO loading",
        line,
        "Traceback (most recent call last):",
        FOLLOWS,
    ]
    cause, hint = why_it_ended(said)
    assert cause in line
    assert advice in hint


def test_a_server_that_was_killed_says_nothing() -> None:
    assert why_it_ended(["INFO loading", FOLLOWS])[0] == ""
