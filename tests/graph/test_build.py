import json

import pytest
import torch

from fieldmark.agents.build import graph as build
from fieldmark.agents.build.context import BuildContext
from fieldmark.agents.build.options import BuildOptions
from fieldmark.agents.build.run import run_build
from fieldmark.agents.build.sample import DebatedCall, Sample, examples_of, free_rows
from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.app.stores import checkpoint_server
from fieldmark.errors import EndpointError, InputError, RunError
from fieldmark.records import Clause, Costs, Decision, Definition, Label, Verdict
from fieldmark.tools.annotate.debate import Debate
from fieldmark.tools.concepts.built import read_judged
from fieldmark.tools.concepts.changes import MISREAD, dev_labels, with_decision, with_labels, with_version
from fieldmark.tools.concepts.heads import export as heads_export
from fieldmark.tools.concepts.heads.choose import choose_head
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.concepts.stratified_sample import draw_stratified
from tests.graph.define_world import CREST, RED, scene

SMALL = BuildOptions(annotate=120, rounds=2, debates=6)
TREE = Definition(
    clauses=(
        Clause(id="c1", role="necessary", text=f"The bird has {RED}."),
        Clause(id="c2", role="negative", text=f"The bird has {CREST}."),
    )
)


class Debater:
    def __init__(self, overturn=()):
        self.overturn, self.images = set(overturn), []

    async def debate(self, images, definition, *, concept, purpose, progress=None):
        self.images += [image.content_hash for image in images]
        return tuple(Debate(i.content_hash, "in", p=0.9) for i in images)


def setting(folder, *, options=SMALL, blind=60, refused=(), debater=None):
    """A concept with a definition, blind labels and some others, by the owner's rule."""
    made = scene(folder)
    folder_of = made.context.folder
    if not folder_of.load().versions:
        pool = made.context.pool
        scores = (pool.vectors @ made.context.encoder.encode_texts(["a photo of a ruddy"])[0]).float()
        drawn = draw_stratified(scores, blind, seed=0) if blind else {}
        hashes = {pool.images[row].content_hash: weight for row, weight in drawn.items()}
        concept = with_version(folder_of.load(), TREE, why="test", at="t")
        concept = concept.model_copy(update={"blind": hashes})
        labels = [Label(image=i, value=made.owner.says(i), split="blind", at="t") for i in hashes]
        free = [pool.images[row].content_hash for row in free_rows(concept, pool)]
        others = [*[i for i in free if made.owner.says(i) == "in"][:8], *free[:12]]
        labels += [Label(image=i, value=made.owner.says(i), split="dev", at="t", reason="so") for i in others]
        folder_of.save(with_labels(concept, labels))
    made.annotator.refused = frozenset(refused)
    context = BuildContext(
        folder=folder_of,
        version=1,
        out=folder_of.path / "models" / "v1",
        pool=made.context.pool,
        encoder=made.context.encoder,
        annotator=made.annotator,
        debater=debater,
        llm=made.analyst,
        arrays=made.context.arrays,
        options=options,
        checkpoints=checkpoint_server(),
    )
    return context, made


async def test_a_classifier_stands_alone_and_agrees_with_its_annotator(tmp_path):
    context, made = setting(tmp_path, debater=Debater())
    result = await run_build(context)
    head, config = load_head(context.out, context.encoder)
    assert config.version == 1
    assert {"config.json", "head.onnx", "head.safetensors", "build.json", "instructions.md", "README.md"} <= {
        path.name for path in context.out.iterdir()
    }
    p, _ = head.probabilities(context.pool.vectors)
    wanted = [
        made.owner.world.shows(i, RED) and not made.owner.world.shows(i, CREST) for i in context.pool.images
    ]
    right = [(float(each) >= head.threshold) == want for each, want in zip(p, wanted, strict=True)]
    assert sum(right) / len(right) > 0.9
    assert result.annotated == len(free_rows(context.concept, context.pool))
    assert result.unjudged == 0
    assert 0 < result.active <= 30
    assert sum(contender.chosen for contender in result.contenders) == 1
    text = (context.out / "instructions.md").read_text()
    assert f"The bird has {RED}." in text
    assert "so" in text
    assert "version 1" in (context.out / "README.md").read_text()


async def test_what_the_owner_saw_misread_travels_with_the_classifier_and_is_not_learned(tmp_path):
    context, made = setting(tmp_path)
    before = context.identity
    image = next(i for i, label in dev_labels(context.concept).items() if label.value == "in")
    said = Label(
        image=image,
        value="in",
        split="dev",
        reason=f"{MISREAD}: a leaf",
        misread=("c2",),
        primed=True,
        at="u",
    )
    context.folder.save(with_labels(context.concept, [said]))
    assert context.identity != before
    await run_build(context)
    text = (context.out / "instructions.md").read_text()
    assert "## What is easily misread" in text
    assert f"- The bird has {CREST}. Misread in " in text
    assert "which is **in** (a leaf)." in text
    assert f"misread these clauses: The bird has {CREST}." in (context.out / "README.md").read_text()
    verdicts = await made.annotator.judge(context.files([image]), TREE)
    examples, _ = examples_of(Sample(drawn=(image,)), verdicts, {}, context, owner_weight=1.0)
    assert not examples.clauses[0, 0].isnan()
    assert examples.clauses[0, 1].isnan()


async def test_an_export_has_the_instructions_of_all_that_was_said_since(tmp_path):
    context, _ = setting(tmp_path)
    await run_build(context)
    said = Decision(kind="answer", question="A crest?", answer="only small ones", at="u")
    context.folder.save(with_decision(context.concept, said))
    builder = ConceptBuilder(folder=context.folder, setup=ConceptSetup(clip="x"), version=1)
    builder.export(tmp_path / "out")
    text = (tmp_path / "out" / "instructions.md").read_text()
    assert "A crest? **only small ones**" in text
    settled = "## Questions that were settled\n\n- A crest? **only small ones**\n\n"
    earlier = (context.out / "instructions.md").read_text()
    assert text.replace(settled, "") == earlier, "all else is as it was built"
    (context.out / "judged.json").unlink()
    builder.export(tmp_path / "out")
    assert (tmp_path / "out" / "instructions.md").read_text() == earlier


async def test_without_onnx_the_model_card_says_how_to_add_it(tmp_path, monkeypatch):
    monkeypatch.setattr(heads_export, "onnx_installed", lambda: False)
    context, _ = setting(tmp_path)
    await run_build(context)
    assert not (context.out / "head.onnx").exists()
    assert 'pip install "fieldmark[onnx]"' in (context.out / "README.md").read_text()


async def test_blind_images_never_come_near_the_build(tmp_path):
    context, made = setting(tmp_path, debater=(debater := Debater()))
    await run_build(context)
    looked = {look.split()[0] for look in made.annotator.looks} | set(debater.images)
    assert not looked & set(context.concept.blind)
    assert looked
    kept = read_judged(context.out)
    assert kept
    assert set(kept) == set(dev_labels(context.concept))
    assert not set(context.pool.rows(list(context.concept.blind))) & set(
        free_rows(context.concept, context.pool)
    )


async def test_nothing_is_learned_from_near_copies_of_blind_images(tmp_path):
    context, made = setting(tmp_path)
    concept, pool = context.concept, context.pool
    free = set(free_rows(concept, pool))
    copies = [
        image.content_hash
        for row, image in enumerate(pool.images)
        if row not in free and image.content_hash not in concept.blind
    ]
    apart = [pool.images[row].content_hash for row in sorted(free)]
    assert copies
    assert apart
    labels = [Label(image=i, value=made.owner.says(i), split="dev", at="t") for i in (*copies, *apart)]
    context.folder.save(with_labels(concept.model_copy(update={"labels": ()}), labels))
    examples, by_owner = examples_of(Sample(), (), {}, context, owner_weight=2.0)
    assert torch.equal(examples.vectors, pool.vectors[pool.rows(apart)])
    assert by_owner.all()


def unlabelled(context, count):
    """Images that may be learned from and that the owner has not labelled."""
    labelled = {label.image for label in context.concept.labels}
    hashes = [context.pool.images[row].content_hash for row in free_rows(context.concept, context.pool)]
    return [image for image in hashes if image not in labelled][:count]


async def test_what_is_learned_is_the_call_and_how_sure_it_is_the_weight(tmp_path):
    context, _ = setting(tmp_path)
    context.folder.save(context.concept.model_copy(update={"labels": ()}))
    images = unlabelled(context, 4)
    stated = zip(images, ("in", "out", "in", "abstain"), (0.84, 0.16, 0.5, None), strict=True)
    verdicts = [Verdict(image=image, call=call, p=p, annotator="a") for image, call, p in stated]
    examples, _ = examples_of(Sample(drawn=tuple(images)), verdicts, {}, context, owner_weight=3.0)
    assert examples.target.tolist() == [1.0, 0.0, 1.0]
    assert examples.weight.tolist() == pytest.approx([0.68, 0.68, 0.1])
    settled = {images[2]: DebatedCall(call="out", p=0.5)}
    examples, _ = examples_of(Sample(drawn=tuple(images)), verdicts, settled, context, owner_weight=3.0)
    assert examples.target.tolist() == [1.0, 0.0, 0.0]
    assert examples.weight.tolist() == pytest.approx([0.68, 0.68, 0.1])


async def test_an_annotator_that_the_owner_contradicts_weighs_less(tmp_path):
    context, _ = setting(tmp_path)
    images = unlabelled(context, 60)
    labels = [
        Label(image=i, value="in" if n % 3 else "out", split="dev", at="t") for n, i in enumerate(images)
    ]
    context.folder.save(context.concept.model_copy(update={"labels": tuple(labels[:-1])}))
    verdicts = [Verdict(image=image, call="in", p=0.95, annotator="a") for image in images]
    examples, by_owner = examples_of(Sample(drawn=tuple(images)), verdicts, {}, context, owner_weight=3.0)
    assert examples.weight[by_owner].tolist() == [3.0] * 59
    assert examples.target[~by_owner].tolist() == [1.0]
    weight = float(examples.weight[~by_owner])
    assert 0.2 < weight < 0.5  # two thirds are right, and it says 95 in 100
    settled = {images[-1]: DebatedCall(call="in", p=0.95)}
    examples, _ = examples_of(Sample(drawn=tuple(images)), verdicts, settled, context, owner_weight=3.0)
    assert float(examples.weight[~by_owner]) == pytest.approx(weight)  # a judge is no surer than its model


@pytest.mark.usefixtures("checkpoints")
async def test_a_finished_build_is_not_built_again_and_a_changed_one_asks_about_new_images_alone(tmp_path):
    context, made = setting(tmp_path)
    first = await run_build(context)
    context, made = setting(tmp_path)
    assert await run_build(context) == first
    assert made.annotator.looks == []
    changed, made = setting(tmp_path, options=SMALL.model_copy(update={"debates": 0}))
    await run_build(changed)
    assert made.annotator.looks == []


async def test_a_build_that_was_stopped_goes_on_where_it_was(tmp_path):
    context, made = setting(tmp_path / "a")
    judge, counted = made.annotator.judge, []

    async def dying(images, definition, *, progress=None):
        counted.append(len(images))
        if len(counted) == 2:
            raise EndpointError("gone")
        return await judge(images, definition, progress=progress)

    made.annotator.judge = dying
    with pytest.raises(EndpointError):
        await run_build(context)
    looks = len(made.annotator.looks)
    context, made = setting(tmp_path / "a")
    resumed = await run_build(context)
    whole, other = setting(tmp_path / "b")
    straight = await run_build(whole)
    assert looks + len(made.annotator.looks) == len(other.annotator.looks)
    same = {"contenders", "threshold", "kind", "annotated", "active"}
    assert resumed.model_dump(include=same) == straight.model_dump(include=same)
    one, two = ((c.out / "head.safetensors").read_bytes() for c in (context, whole))
    assert one == two


async def test_what_cannot_be_told_is_left_out_and_not_taken_for_out(tmp_path):
    made = scene(tmp_path / "look")
    shown = [i.content_hash for i in made.context.pool.images if made.owner.world.shows(i, RED)]
    context, _ = setting(tmp_path, refused=shown[:40], options=SMALL.model_copy(update={"rounds": 0}))
    result = await run_build(context)
    assert result.unjudged > 0
    head, _ = load_head(context.out, context.encoder)
    p, _ = head.probabilities(context.pool.vectors[context.pool.rows(shown[:40])])
    wanted = [made.owner.world.shows(made.owner.files[i], CREST) is False for i in shown[:40]]
    right = [(float(each) >= head.threshold) == want for each, want in zip(p, wanted, strict=True)]
    assert sum(right) / len(right) > 0.6  # taken for out, those without a crest would all be wrong


async def test_debates_change_what_is_learned_and_the_verdict_stays(tmp_path):
    context, made = setting(tmp_path, debater=Debater())
    result = await run_build(context)
    kept = json.loads(made.annotator.kept.read_text())
    assert result.debated <= 6
    assert result.overturned <= result.debated
    assert all(p in (0.1, 0.9) for p in kept.values())


async def test_costs_reach_the_head_unless_they_are_equal(tmp_path, monkeypatch):
    given = []

    def spy(*args, costs, **more):
        given.append(costs)
        return choose_head(*args, costs=costs, **more)

    monkeypatch.setattr(build, "choose_head", spy)
    wanted = [Costs(), Costs(false_positive=10)]
    for number, costs in enumerate(wanted):
        context, _ = setting(tmp_path / str(number), options=SMALL.model_copy(update={"rounds": 0}))
        context.folder.save(context.concept.model_copy(update={"costs": costs}))
        await run_build(context)
    assert given[0] is None
    assert set(given) == {None, wanted[1]}
    assert given == sorted(given, key=lambda costs: costs is not None)


async def test_nothing_to_learn_from_says_what_to_do(tmp_path):
    context, _ = setting(tmp_path, blind=0)
    green = Definition(clauses=(Clause(id="c1", role="necessary", text="The bird sings."),))
    concept = context.concept.model_copy(update={"labels": ()})
    context.folder.save(with_version(concept, green, why="nothing", at="u"))
    context.version = 2
    with pytest.raises(InputError, match="at least two of each kind"):
        await run_build(context)


async def test_a_version_that_is_not_there(tmp_path):
    context, _ = setting(tmp_path)
    context.version = 7
    with pytest.raises(RunError, match="no version 7"):
        await run_build(context)
