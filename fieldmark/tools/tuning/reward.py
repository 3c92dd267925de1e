"""The verifiable reward of a classification: is the answer the right name, and in the right form?

Source: Visual-RFT (2025), section 3.2: the reward is R_acc + R_format. Signatures are those that TRL's
`GRPOTrainer` calls: the completions, and every column of the data by its name. Only text is compared; no
text makes them fail, and the time grows with its length alone.
"""

from collections.abc import Mapping, Sequence

from fieldmark.records.names import plain_name

THINK, ANSWER = ("<think>", "</think>"), ("<answer>", "</answer>")
TAGS = (*THINK, *ANSWER)
_LONGEST = 256
"""Characters of an answer, beyond 16 times the right one, that no spelling of a name needs."""


def accuracy_reward(
    completions: Sequence[object], solution: Sequence[object], **columns: object
) -> list[float]:
    """1.0 where a completion gives the right name, else 0.0.

    It must hold exactly one answer, `<answer>name</answer>`: several, or one within another, are wrong. Case,
    blanks and underscores make no difference; a part of the name is wrong.

    Args:
        completions: N texts, or conversations, whose last message counts.
        solution: N right answers, with or without the tags.
        columns: The other columns; of no use here.

    Returns:
        N rewards, in order.

    Raises:
        ValueError: There are not as many solutions as completions.
    """
    return [
        float(_same(_answer(_text(completion)), _right(right)))
        for completion, right in zip(completions, solution, strict=True)
    ]


def format_reward(completions: Sequence[object], **columns: object) -> list[float]:
    """1.0 where a completion is `<think>…</think><answer>…</answer>` and nothing else, else 0.0.

    Each tag stands once. Blanks may stand around the two parts.

    Args:
        completions: N texts, or conversations, whose last message counts.
        columns: The columns of the data; of no use here.

    Returns:
        N rewards, in order.
    """
    return [float(_in_form(_text(completion))) for completion in completions]


def classification_reward(
    completions: Sequence[object], solution: Sequence[object], **columns: object
) -> list[float]:
    """The sum of `accuracy_reward` and `format_reward`: 0.0, 1.0 or 2.0; see there."""
    right = accuracy_reward(completions, solution)
    return [a + b for a, b in zip(right, format_reward(completions), strict=True)]


def _text(completion: object) -> str:
    """What a completion says: a text, a message, its parts, or the last message of a conversation."""
    for _ in range(4):  # conversation, message, parts, part
        if isinstance(completion, str):
            return completion
        if isinstance(completion, Mapping):
            completion = completion.get("content", completion.get("text"))
        elif isinstance(completion, Sequence) and completion:
            completion = completion[-1]
    return completion if isinstance(completion, str) else ""


def _between(text: str, tags: tuple[str, str]) -> str | None:
    """What stands between two tags, each of which stands once; None where that is not so."""
    if any(text.count(tag) != 1 for tag in tags):
        return None
    before, _, behind = text.partition(tags[0])
    return None if tags[1] in before else behind.partition(tags[1])[0]


def _answer(text: str) -> str | None:
    return _between(text, ANSWER)


def _right(solution: object) -> str:
    text = solution if isinstance(solution, str) else ""
    found = _answer(text)
    return text if found is None else found


def _same(answer: str | None, right: str) -> bool:
    # The bound comes first: putting the signs of a text in order takes time that grows with its square.
    if answer is None or len(answer) > 16 * len(right) + _LONGEST:
        return False
    wanted = plain_name(right)
    return bool(wanted) and plain_name(answer) == wanted


def _in_form(text: str) -> bool:
    text = text.strip()
    if _between(text, THINK) is None or _answer(text) is None:
        return False
    thought, _, rest = text.partition(THINK[1])
    return thought.startswith(THINK[0]) and rest.lstrip().startswith(ANSWER[0]) and rest.endswith(ANSWER[1])
