"""The verifiable reward: what is right, what is in form, and that no text can break or slow it."""

import subprocess
import sys

import pytest

from fieldmark import accuracy_reward, classification_reward, format_reward

RIGHT = "<think>a red belly</think><answer>house finch</answer>"
LONG = 100_000


def said(text: str) -> list[dict[str, object]]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("text", "accuracy", "form"),
    [
        (RIGHT, 1, 1),
        (f"\n{RIGHT}  \n", 1, 1),
        ("<think></think>\n\n<answer> House_Finch </answer>", 1, 1),
        ("<think>x</think><answer>purple finch</answer>", 0, 1),
        ("<think>x</think><answer>finch</answer>", 0, 1),
        ("<think>x</think><answer>house finch or purple finch</answer>", 0, 1),
        ("<think>x</think><answer></answer>", 0, 1),
        ("<answer>house finch</answer>", 1, 0),
        ("<answer>house finch</answer><think>x</think>", 1, 0),
        (f"Sure! {RIGHT}", 1, 0),
        (f"{RIGHT} I hope that helps.", 1, 0),
        ("house finch", 0, 0),
        ("<think>x</think><answer>house finch", 0, 0),
        ("<think>x</think></answer>house finch<answer>", 0, 0),
        (f"{RIGHT}<answer>purple finch</answer>", 0, 0),
        (f"<answer>purple finch</answer>{RIGHT}", 0, 0),
        ("<think>x</think><answer><answer>house finch</answer></answer>", 0, 0),
        ("<think><think>x</think></think><answer>house finch</answer>", 1, 0),
        ("<think>x<answer>house finch</answer></think>", 1, 0),
        ("", 0, 0),
    ],
)
def test_what_is_right_and_what_is_in_form(text: str, accuracy: int, form: int) -> None:
    solution = ["<answer>house finch</answer>"]
    for completion in (text, said(text), said([{"type": "text", "text": text}])):  # pyright: ignore[reportArgumentType]
        assert accuracy_reward([completion], solution) == [accuracy]
        assert accuracy_reward([completion], ["house finch"]) == [accuracy]
        assert format_reward([completion]) == [form]
        assert classification_reward([completion], solution) == [accuracy + form]


def test_it_is_called_as_a_trainer_calls_it() -> None:
    called = {
        "prompts": [said("?")] * 2,
        "completions": [said(RIGHT), said("<think>x</think><answer>in</answer>")],
        "completions_ids": [[1], [2]],
        "trainer_state": None,
        "solution": ["<answer>house finch</answer>", "<answer>out</answer>"],
        "confidence": [1.0, 0.7],
    }
    assert classification_reward(**called) == [2.0, 1.0]  # pyright: ignore[reportArgumentType]
    assert all(isinstance(each, float) for each in classification_reward(**called))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="shorter"):
        accuracy_reward([RIGHT, RIGHT], ["house finch"])


@pytest.mark.parametrize(
    "text",
    [
        "x" * LONG,
        "<think>" * (LONG // 7),
        "</think><answer>" * (LONG // 16),
        "<think>x</think>" + " " * LONG + "<answer>",
        f"<think>x</think><answer>{'a' + '́̈' * (LONG // 2)}</answer>",
        f"<think>x</think><answer>{' ' * LONG}house finch</answer>",
        "\ud800<answer>\ud800</answer>",
        "<answer>\x00</answer>",
        None,
        7,
        [],
        [[]],
        {"content": None},
        [{"content": [{"type": "image"}]}],
        b"<answer>house finch</answer>",
    ],
    ids=lambda text: str(text)[:24].encode("ascii", "replace").decode(),
)
def test_no_completion_breaks_it(text: object) -> None:
    assert accuracy_reward([text], ["house finch"]) == [0.0]
    assert format_reward([text]) in ([0.0], [1.0])


def test_a_long_thought_is_fine_and_a_missing_solution_is_never_right() -> None:
    long = f"<think>{'word ' * (LONG // 5)}</think><answer>house finch</answer>"
    assert classification_reward([long], ["house finch"]) == [2.0]
    for solution in (None, "", "<answer></answer>", 3):
        assert accuracy_reward(["<think>x</think><answer></answer>"], [solution]) == [0.0]


def test_composed_and_decomposed_letters_are_one() -> None:
    assert accuracy_reward(["<answer>Zaunko\u0308nig</answer>"], ["<answer>zaunkönig</answer>"]) == [1.0]


def test_a_trainer_that_imports_it_loads_neither_torch_nor_numpy() -> None:
    program = (
        "import sys; from fieldmark import classification_reward; "
        "print([n for n in ('torch', 'numpy', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
