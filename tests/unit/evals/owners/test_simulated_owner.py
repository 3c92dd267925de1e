import pytest

from fieldmark.errors import InputError
from fieldmark.evals.owners.explanations import imagined
from fieldmark.evals.owners.options import SimulateOptions
from fieldmark.evals.owners.owner import CHANGES_AFTER, PictureTruth, SimulatedOwner
from fieldmark.evals.owners.rules import RULE_BY_KEY
from fieldmark.evals.owners.simulate import following, rule_in_force
from fieldmark.records import Clause, DefinitionEdit
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    EditOffer,
    Flip,
    RevealedImage,
    ScopeQuestion,
    VerdictReveal,
)

CROWNED = RULE_BY_KEY["crowned"]
SCENE = PictureTruth({str(number): bird for number, bird in enumerate(imagined()[:400])})
IMAGES = tuple(SCENE.values)
RED = Clause(id="c9", role="negative", text="The bird has a black cap.")


def truth(image, rule=CROWNED):
    return "in" if rule.inside(SCENE.of(image)) else "out"


async def labels(owner, images=IMAGES):
    return {
        one.image: one.value
        for one in (await owner.answer(BlindBatch(turn="t", images=images, done=0, of=9))).labels
    }


async def test_an_exact_owner_labels_by_the_rule():
    owner = SimulatedOwner(CROWNED, SCENE)
    assert await labels(owner) == {image: truth(image) for image in IMAGES}
    assert owner.labels_given == len(IMAGES)


@pytest.mark.parametrize(("variant", "least", "most"), [("flips5", 0.02, 0.09), ("flips10", 0.06, 0.15)])
async def test_flips_are_as_many_as_they_say(variant, least, most):
    found = await labels(SimulatedOwner(CROWNED, SCENE, variant=variant))
    wrong = sum(found[image] != truth(image) for image in IMAGES) / len(IMAGES)
    assert least < wrong < most
    assert found == await labels(SimulatedOwner(CROWNED, SCENE, variant=variant))
    assert found != await labels(SimulatedOwner(CROWNED, SCENE, variant=variant, seed=1))


async def test_a_picture_that_comes_back_is_a_fresh_chance_to_slip():
    owner = SimulatedOwner(CROWNED, SCENE, variant="flips10")
    first, second = await labels(owner), await labels(owner)
    assert first != second


async def test_unsure_and_boundary_faults_fall_on_what_is_hard_to_call():
    from fieldmark.evals.owners.explanations import near_boundary

    for variant, fault in (("unsure", "unsure"), ("boundary", None)):
        found = await labels(SimulatedOwner(CROWNED, SCENE, variant=variant))
        odd = [i for i in IMAGES if (found[i] == fault if fault else found[i] != truth(i))]
        assert odd
        assert all(near_boundary(CROWNED, SCENE.of(image)) for image in odd)


async def test_an_owner_may_change_her_mind():
    later = following(CROWNED)
    owner = SimulatedOwner(CROWNED, SCENE, variant="midway", later=later)
    board = BoardToLabel(turn="t", images=IMAGES[:CHANGES_AFTER])
    await owner.answer(board)
    assert owner.rule == later
    assert await labels(owner) == {image: truth(image, later) for image in IMAGES}
    options = SimulateOptions(owners=("crowned",), variant="midway")
    assert rule_in_force(CROWNED, options).decision == later.decision
    assert later.name == CROWNED.name
    with pytest.raises(InputError, match="midway"):
        SimulatedOwner(CROWNED, SCENE, variant="midway")


async def test_reasons_are_given_where_the_annotator_disagrees_and_never_by_a_terse_owner():
    image = next(image for image in IMAGES if truth(image) == "out")
    shown = RevealedImage(image=image, owner="out", call="in")
    slip = RevealedImage(image=image, owner="in", call="out")
    reveal = VerdictReveal(turn="t", number=1, ambiguity="", images=(shown,), clauses=())
    (response,) = (await SimulatedOwner(CROWNED, SCENE).answer(reveal)).responses
    assert response.kind == "reason"
    assert response.reason
    again = reveal.model_copy(update={"images": (slip,)})
    (response,) = (await SimulatedOwner(CROWNED, SCENE).answer(again)).responses
    assert (response.kind, response.value) == ("relabel", "out")
    assert (await SimulatedOwner(CROWNED, SCENE, variant="terse").answer(reveal)).responses == ()


async def test_edits_are_read_and_judged_by_what_they_mean():
    before = "  necessary: The bird has a cap or has a crest."
    offer = EditOffer(
        turn="t",
        edit=DefinitionEdit(kind="add", clause=RED),
        diff=(before, "+ negative: The bird has a black cap."),
        flips=(),
        f1_before=0.5,
        f1_after=0.5,
    )
    owner = SimulatedOwner(CROWNED, SCENE)
    assert (await owner.answer(offer)).accept
    silly = offer.model_copy(update={"diff": (before, "+ negative: The bird is seen at night.")})
    assert not (await owner.answer(silly)).accept
    image = next(image for image in IMAGES if truth(image) == "out")
    strange = offer.model_copy(
        update={
            "diff": ("  necessary: It is nice.", "+ negative: It is odd."),
            "flips": (Flip(image=image, owner="out", before="in", after="out"),),
        }
    )
    assert (await owner.answer(strange)).accept


async def test_questions_are_answered_in_the_words_offered():
    options = ("always needed", "only some of them count", "never", "it does not matter")
    owner = SimulatedOwner(CROWNED, SCENE)
    said = await owner.answer(ScopeQuestion(turn="t", question="What of small birds?", options=options))
    assert said.answer == "never"
    free = await owner.answer(ScopeQuestion(turn="t", question="What of small birds?"))
    assert free.answer == "Never with that."
    assert owner.questions_answered == 2
    nothing = await SimulatedOwner(CROWNED, SCENE, variant="terse").answer(
        ScopeQuestion(turn="t", question="Is it nice?", options=options)
    )
    assert nothing.answer == ""


async def test_a_picture_it_does_not_know_is_an_error():
    with pytest.raises(InputError, match="does not know"):
        await labels(SimulatedOwner(CROWNED, SCENE), ("stranger",))
