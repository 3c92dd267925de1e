"""Which options a server gets: what our questions need, the GPUs shared out, the user's own untouched."""

from typing import Any

import pytest

from fieldmark.prompts.contexts import MAX_NAMES, ask_contexts
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.family import MOST_AT_ONCE, ask_family
from fieldmark.records import Question
from fieldmark.tools.llm.budget import tokens_of
from fieldmark.tools.llm.dialect import WIDER
from fieldmark.tools.llm.serving.gpus import Gpu
from fieldmark.tools.llm.serving.model_facts import ModelFacts
from fieldmark.tools.llm.serving.options import CONTEXT, plan_serving, share_gpus

WHITE_SPACE = ("--structured-outputs-config", '{"backend":"xgrammar","disable_any_whitespace":true}')
WORDS = ModelFacts(sees=False, context=262_144, heads=32, weights=16 * 10**9)
GPU = Gpu("NVIDIA A10", 24 * 10**9)


def test_a_model_of_words_on_a_machine_without_a_gpu() -> None:
    plan = plan_serving(WORDS, ())
    assert plan.options == (*WHITE_SPACE, "--max-model-len", str(CONTEXT))
    assert "of the 262,144 that it could take" in " ".join(plan.notes)


def test_a_short_context_is_kept_and_an_unknown_model_gets_what_is_needed() -> None:
    assert plan_serving(ModelFacts(context=4096), ()).options[2:] == ("--max-model-len", "4096")
    unknown = plan_serving(ModelFacts(), ())
    assert unknown.options[2:] == ("--max-model-len", str(CONTEXT))
    assert "not at hand" in unknown.notes[0]


def test_a_model_that_sees_gets_one_image_a_question() -> None:
    options = plan_serving(ModelFacts(sees=True), ()).options
    assert options[-2:] == ("--limit-mm-per-prompt", '{"image":1,"video":0,"audio":0}')


def test_options_of_the_users_own_win_in_every_spelling() -> None:
    own = (
        "--structured_outputs_config.backend=guidance",
        "--max-model-len=99",
        "-tp",
        "2",
        "--language-model-only",
    )
    assert plan_serving(ModelFacts(sees=True, heads=32), (GPU, GPU), own).options == own
    assert plan_serving(WORDS, (GPU, GPU), ("--config", "mine.yaml")).options == ("--config", "mine.yaml")


@pytest.mark.parametrize(
    ("weights", "heads", "gpus", "shared"),
    [
        (8 * 10**9, 32, 1, (1, 1)),
        (8 * 10**9, 32, 4, (1, 4)),  # it fits on one: four copies
        (16 * 10**9, 32, 4, (2, 2)),
        (40 * 10**9, 28, 6, (4, 1)),  # three would hold it, and 28 heads cannot be shared by three
        (200 * 10**9, 32, 4, (4, 1)),  # it will not fit; nothing else would either
        (None, 28, 8, (7, 1)),
        (None, None, 6, (4, 1)),
    ],
)
def test_gpus_are_shared_out(
    weights: int | None, heads: int | None, gpus: int, shared: tuple[int, int]
) -> None:
    facts = ModelFacts(heads=heads, weights=weights)
    assert share_gpus((GPU,) * gpus, facts) == shared
    tensor, data = shared
    options = plan_serving(facts, (GPU,) * gpus).options
    assert ("--tensor-parallel-size" in options) == (tensor > 1)
    assert ("--data-parallel-size" in options) == (data > 1)


def test_what_is_left_over_and_what_may_not_fit_is_said() -> None:
    assert "4 GPUs, 2 unused." in plan_serving(ModelFacts(), (GPU,) * 6).notes[-1]
    assert "may not fit" in plan_serving(ModelFacts(weights=10**11, heads=32), (GPU,)).notes[-1]


def needed(question: Question[Any], *, room: int = 1) -> int:
    return sum(tokens_of(message.content) for message in question.messages) + room * question.max_tokens


def test_the_context_holds_our_largest_questions() -> None:
    names = [f"a class whose name has {number:02} long words" for number in range(99)]
    largest = (ask_contexts(names[:MAX_NAMES], noun="bird"), ask_family(names[:MOST_AT_ONCE], noun="bird"))
    assert max(map(needed, largest)) < CONTEXT
    thinking = (ask_describe(names[0], noun="bird"), ask_differentiate_group(names[:2], noun="bird"))
    assert max(needed(each, room=WIDER) for each in thinking) < CONTEXT
