"""Choices of the loop that exclude each other are refused before anything is asked."""

import pytest

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.checks import check_loop
from fieldmark.errors import InputError


@pytest.mark.parametrize("candidates", ["topk", "conformal"])
def test_the_evidence_rule_takes_no_other_candidates(candidates: str) -> None:
    wrong = ResolveOptions.model_validate({"rule": "evidence", "candidates": candidates})
    with pytest.raises(InputError, match=candidates) as refused:
        check_loop(wrong, has_book=False, calibrated=candidates == "conformal")
    assert refused.value.field == "candidates"
    check_loop(ResolveOptions(rule="evidence"), has_book=False, calibrated=False)
