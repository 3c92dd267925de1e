"""Adds up what an evaluation would ask on all of its test sets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted, longest, times, total
from fieldmark.app.evaluate.inputs import NO_NOUN
from fieldmark.evals.methods.registry import METHODS
from fieldmark.evals.table.method import EvalMethod
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.rehearse import rehearse
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.noun import ask_noun
from fieldmark.records import Question
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.given import AskedModel


async def estimated(
    test: TestSet,
    methods: Sequence[EvalMethod],
    options: EvalOptions,
    *,
    encoder: Encoder,
    llm: AskedModel | None,
    vlm: AskedModel | None = None,
) -> CallEstimate:
    """What the methods of one test set would ask; asks nothing, and encodes nothing."""
    shown, room_shown = Counter[str](), TokenCount(0, 0)
    offers = test.offers(llm=llm is not None, vlm=vlm is not None)
    for method in methods:
        if vlm is not None and MethodNeed.VLM in method.needs and method.needs <= offers:
            for each in filter(attrgetter("shown"), method.follows(test)):
                shown[each.name] = each.most
                room_shown = total([room_shown, times(longest(each.longest, vlm), each.most)])
    asking = [method for method in methods if MethodNeed.LLM in method.needs]
    look, most, tokens, cost, noun = FirstLook(), 0, 0, None, test.noun
    if llm is not None and asking:
        known: list[Question[Any]] = []
        if NO_NOUN in test.notes:
            known.append(question := ask_noun(test.classes))
            seen = await llm.peek(question)
            noun = (await llm.ask(question)).value.noun if seen else None  # from the cache
        named = replace(test, noun=noun or test.noun)
        found = await rehearse(named, asking, options, encoder=encoder, llm=llm)
        look = await counted([*known, *found.questions.values()], llm)
        most, room = found.bound(llm)
        tokens, cost = room.total, llm.cost_of(room)
    own = [method.key for method in asking if method not in METHODS]
    return CallEstimate(
        images=len(test.images),
        classes=len(test.classes),
        model=llm.model if llm else None,
        noun=noun,
        first_look=look,
        follow_up_most=most,
        follow_up_tokens=tokens,
        follow_up_cost=cost,
        vlm=vlm.model if vlm else None,
        most_vlm_images=shown.total(),
        vlm_tokens=room_shown.total,
        vlm_cost=vlm.cost_of(room_shown) if vlm and shown else None,
        notes=tuple(f"{key} is not Fieldmark's: its follow-up questions are not counted." for key in own),
    )


def added(estimates: Sequence[CallEstimate]) -> CallEstimate:
    """Several test sets together; a sum with an unknown cost in it is unknown."""
    first = estimates[0]
    looks = [each.first_look for each in estimates]
    return first.model_copy(
        update={
            "images": sum(each.images for each in estimates),
            "classes": sum(each.classes for each in estimates),
            "first_look": FirstLook(
                questions=sum(look.questions for look in looks),
                cached=sum(look.cached for look in looks),
                to_ask=sum(look.to_ask for look in looks),
                tokens=sum(look.tokens for look in looks),
                cost=_sum([look.cost for look in looks]),
            ),
            "follow_up_most": sum(each.follow_up_most for each in estimates),
            "follow_up_tokens": sum(each.follow_up_tokens for each in estimates),
            "most_vlm_images": sum(each.most_vlm_images for each in estimates),
            "vlm_tokens": sum(each.vlm_tokens for each in estimates),
            "vlm_cost": _sum([each.vlm_cost for each in estimates]),
            "follow_up_cost": _sum([each.follow_up_cost for each in estimates]),
            "notes": tuple(dict.fromkeys(note for each in estimates for note in each.notes)),
        }
    )


def _sum(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
