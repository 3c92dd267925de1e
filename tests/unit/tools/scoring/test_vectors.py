"""Encoding groups of texts: each distinct text once, occurrences counted, encoders checked."""

import pytest
import torch

from fieldmark.errors import InputError, ModelError
from fieldmark.tools.scoring.vectors import (
    STEP_ELEMENTS,
    encode_groups,
    encode_unit,
    image_steps,
    mean_vectors,
)


def test_each_distinct_text_is_encoded_once_in_order():
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return torch.eye(3)[: len(texts)]

    found = encode_groups([["b", "a", "b"], ["a", "c"]], encode)
    assert asked == [["b", "a", "c"]]
    assert found.text.tolist() == [0, 1, 0, 1, 2]
    assert found.group.tolist() == [0, 0, 0, 1, 1]
    assert found.sizes.tolist() == [3.0, 2.0]
    assert torch.allclose(mean_vectors(found)[0], torch.tensor([2 / 3, 1 / 3, 0.0]))


@pytest.mark.parametrize("groups", [[], [["a"], []], [["a"], "text"]])
def test_classes_without_a_list_of_prompts_are_refused(groups):
    with pytest.raises(InputError):
        encode_groups(groups, lambda texts: torch.ones(len(texts), 2))


@pytest.mark.parametrize("answer", [torch.ones(3, 2), torch.ones(2), torch.tensor([[1.0], [float("nan")]])])
def test_a_wrong_answer_of_the_encoder_is_an_error(answer):
    with pytest.raises(ModelError):
        encode_unit(["a", "b"], lambda texts: answer)


def test_steps_cover_all_images_and_bound_the_temporary():
    steps = list(image_steps(1000, STEP_ELEMENTS // 300))
    assert [n for step in steps for n in range(step.start, step.stop)] == list(range(1000))
    assert max(step.stop - step.start for step in steps) == 300
    assert len(list(image_steps(3, 10 * STEP_ELEMENTS))) == 3
    assert not list(image_steps(0, 5))
