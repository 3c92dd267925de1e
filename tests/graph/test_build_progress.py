"""A build says which stage runs while it fits."""

import dataclasses

from fieldmark.agents.build.run import run_build
from fieldmark.tools.runs.concept_events import ClassifierWriting, HeadsFitted
from tests.graph.test_build import Debater, setting


async def test_a_build_says_what_heads_are_fitted_for(tmp_path):
    context, _ = setting(tmp_path, debater=Debater())
    told = []
    await run_build(dataclasses.replace(context, progress=told.append))
    fitted = [event for event in told if isinstance(event, HeadsFitted)]
    assert list(dict.fromkeys(event.purpose for event in fitted)) == ["unsure", "disputed", "final"]
    last = [event for event in fitted if event.purpose == "final"]
    assert [event.done for event in last[-last[-1].of :]] == list(range(1, last[-1].of + 1))
    assert isinstance(told[told.index(last[-1]) + 1], ClassifierWriting)
