"""Running methods on a made-up world: each once, kept at once, gone on with, and never given a label."""

from dataclasses import replace

import pytest
import torch

from fieldmark.errors import EndpointError, InputError, NoImagesError, RunError
from fieldmark.evals.methods.registry import BY_KEY
from fieldmark.evals.table.join import earlier_in, joined, setting_runs, table_rows
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.run import Evaluation, record_of, run_methods
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.tools.llm.given import GivenModel
from fieldmark.tools.runs.folder import RunFolder
from tests.graph.world import FakeEncoder, FakeModel, World

WORLD = World()
IMAGES = tuple(WORLD.image(number, copy, labelled=True) for number in range(4) for copy in range(3))
TEST = TestSet(data="made-up", setting="test", classes=WORLD.names[:4], noun="fish", images=IMAGES)
OPTIONS = EvalOptions(seeds=2)


class KillError(BaseException):
    """Ends a run as a kill would: no step of it hears of this."""


class Counting:
    """A method that gives a fixed answer, and counts how often it was asked for it."""

    def __init__(self, key="one", *, column=0, needs=(), error=None, seeded=False):
        self.calls = 0
        self.column, self.error = column, error
        self.method = EvalMethod(
            key=key, title=key, source="", needs=frozenset(needs), run=self.run, seeded=seeded
        )

    async def run(self, bench):
        self.calls += 1
        assert all(image.label is None for image in bench.images)
        if self.error is not None:
            raise self.error
        bench.encode(["a", "b", "b"])
        scores = torch.zeros(len(bench.vectors), len(bench.classes))
        scores[:, (self.column + bench.seed) % len(bench.classes)] = 1
        return MethodScores(scores=scores)


def task(folder, *methods, **more):
    fields = {
        "test": TEST, "methods": tuple(each.method for each in methods), "encoder": FakeEncoder(WORLD),
        "llm": None, "folder": folder, "options": OPTIONS,
    } | more  # fmt: skip
    return Evaluation(**fields)


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, kind="eval", options={"options": OPTIONS.model_dump(mode="json")})


async def test_a_method_is_measured_and_its_cost_counted(folder):
    one = Counting()
    (run,) = await run_methods(task(folder, one))
    assert run.outcome == "done"
    assert run.predicted == (0,) * 12
    assert run.among_five == (True,) * 12
    assert run.cost.texts == 2
    assert run.cost.images == 0  # test images are everybody's
    (kept,) = setting_runs(folder)
    assert kept.runs == [run]
    assert kept.truth.labels == (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3)


async def test_seeds_are_runs_of_their_own(folder):
    drawn = Counting("drawn", seeded=True)
    runs = await run_methods(task(folder, drawn, Counting()))
    assert [(run.method, run.seed) for run in runs] == [("drawn", 0), ("drawn", 1), ("one", 0)]
    assert runs[0].predicted != runs[1].predicted


async def test_what_is_done_is_not_done_again_and_failures_are(folder):
    one, fails = Counting(), Counting("fails", error=InputError("no", hint="mend it"))
    runs = await run_methods(task(folder, one, fails))
    assert (runs[1].outcome, runs[1].reason) == ("failed", "no mend it")
    fails.error = None
    again = await run_methods(task(folder, one, fails))
    assert (one.calls, fails.calls) == (1, 2)
    assert again[0] == runs[0]
    assert again[1].outcome == "done"


async def test_other_data_another_version_or_encoder_is_measured_anew(folder):
    one = Counting()
    await run_methods(task(folder, one))
    await run_methods(task(folder, one, test=replace(TEST, noun="bird")))
    one.method = replace(one.method, version="2")
    await run_methods(task(folder, one, test=replace(TEST, noun="bird")))
    other = FakeEncoder(WORLD)
    other.identity = "1" * 64
    await run_methods(task(folder, one, encoder=other, test=replace(TEST, noun="bird")))
    assert one.calls == 4


async def test_another_reference_pool_is_measured_anew(folder):
    one, encoder = Counting(), FakeEncoder(WORLD)
    for pool in (None, torch.eye(3), torch.eye(3), torch.eye(3).flip(0), torch.eye(3).reshape(1, 9)):
        encoder.reference = pool
        await run_methods(task(folder, one, encoder=encoder))
    assert one.calls == 4


async def test_a_changed_method_finds_nothing_that_its_former_self_left(folder):
    class Leaving(Counting):
        async def run(self, bench):
            assert not (bench.run.path / "checkpoint").exists()
            (bench.run.path / "checkpoint").write_text("half done")
            return await super().run(bench)

    one = Leaving()
    await run_methods(task(folder, one))
    one.method = replace(one.method, version="2")
    await run_methods(task(folder, one))
    assert one.calls == 2


async def test_a_dead_endpoint_stops_the_run_and_keeps_what_was_measured(folder):
    one, dead = Counting(), Counting("dead", error=EndpointError("gone"))
    with pytest.raises(EndpointError):
        await run_methods(task(folder, one, dead))
    assert [run.method for run in setting_runs(folder)[0].runs] == ["one"]


async def test_what_the_data_lack_leaves_a_method_out_with_the_reason(folder):
    few = Counting("few", needs=(MethodNeed.LABELS, MethodNeed.TREE, MethodNeed.LLM))
    (run,) = await run_methods(task(folder, few))
    assert (run.outcome, few.calls) == ("left_out", 0)
    assert run.reason == "needs labels, llm, tree, which the data do not offer"


async def test_images_that_cannot_be_encoded_are_left_out_with_their_groups(folder):
    gone = IMAGES[1].path.name
    test = replace(TEST, groups=tuple("xyz" * 4))
    work = task(folder, Counting(), encoder=FakeEncoder(WORLD, gone=[gone]), test=test)
    (run,) = await run_methods(work)
    lost = [image.path.name for image in IMAGES].count(gone)
    assert len(run.predicted) == 12 - lost
    assert len(work.test.groups) == 12 - lost
    assert "could not be encoded" in work.test.notes[-1]
    every = [image.path.name for image in IMAGES]
    with pytest.raises(NoImagesError):
        await run_methods(task(folder, Counting(), encoder=FakeEncoder(WORLD, gone=every)))


async def test_earlier_runs_are_taken_over_by_identity(tmp_path, folder):
    one = Counting()
    await run_methods(task(folder, one))
    other = RunFolder.create(tmp_path, kind="eval", options={})
    runs = await run_methods(task(other, one, Counting("two"), earlier=earlier_in(tmp_path)))
    assert one.calls == 1
    assert [run.method for run in runs] == ["one", "two"]
    assert [run.method for run in setting_runs(other)[0].runs] == ["one", "two"]


async def test_a_run_with_the_names_is_not_taken_over_where_they_are_kept_secret(tmp_path, folder):
    named, free = Counting("named", needs={MethodNeed.NAMES}), Counting("free")
    await run_methods(task(folder, named, free))
    other = RunFolder.create(tmp_path, kind="eval", options={})
    withheld = replace(TEST, names_given=False)
    runs = await run_methods(task(other, named, free, test=withheld, earlier=earlier_in(tmp_path)))
    assert [run.outcome for run in runs] == ["left_out", "done"]
    assert free.calls == 2


async def test_what_may_not_run_here_is_not_taken_over_either(folder):
    few = Counting("few", needs=(MethodNeed.LABELS,))

    def anything(identity):
        raise AssertionError("nobody is to ask")

    (run,) = await run_methods(task(folder, few, earlier=anything))
    assert run.outcome == "left_out"


async def test_runs_are_joined_and_those_on_other_images_refused(tmp_path, folder):
    one, two = Counting(), Counting("two", column=1)
    await run_methods(task(folder, one))
    other = RunFolder.create(tmp_path, kind="eval", options={})
    await run_methods(task(other, two))
    together = joined([folder, other])
    rows = table_rows(together, [one.method, two.method], baseline="one", control="two", resamples=200)
    assert [(row.method, row.top1, row.difference) for row in rows] == [
        ("one", 0.25, None), ("two", 0.25, 0.0),
    ]  # fmt: skip
    third = RunFolder.create(tmp_path, kind="eval", options={})
    await run_methods(task(third, one, test=replace(TEST, images=IMAGES[:6])))
    with pytest.raises(InputError, match="other images"):
        joined([folder, third])
    with pytest.raises(InputError, match="nothing to join"):
        joined([RunFolder.create(tmp_path, kind="eval", options={})])


async def test_runs_with_another_encoder_are_not_put_side_by_side(tmp_path):
    one, two = Counting(), Counting("two")
    small, large, other_weights = (
        RunFolder.create(tmp_path, kind="eval", options={"clip": clip, "encoder": encoder})
        for clip, encoder in (("ViT-B-32:x", "1"), ("ViT-L-14:x", "2"), ("ViT-B-32:x", "3"))
    )
    for folder, method in ((small, one), (large, two), (other_weights, two)):
        await run_methods(task(folder, method))
    with pytest.raises(InputError, match=r"ViT-L-14:x, not ViT-B-32:x.*one model"):
        joined([small, large])
    with pytest.raises(InputError, match=r"ViT-B-32:x both, but of other weights"):
        joined([small, other_weights])
    assert len(joined([small, small])) == 1


async def test_a_damaged_file_is_measured_anew(folder):
    one = Counting()
    await run_methods(task(folder, one))
    path = folder.path / "methods" / "test" / "one-0.json"
    path.write_text("{")
    await run_methods(task(folder, one))
    assert one.calls == 2
    path.write_text("{")
    with pytest.raises(RunError):
        setting_runs(folder)


async def test_a_bound_is_told_the_names_that_are_kept_from_the_others(folder):
    bound, other = Counting("bound", needs={MethodNeed.NAMES}), Counting("other", needs={MethodNeed.NAMES})
    hungry = Counting("hungry", needs={MethodNeed.NAMES, MethodNeed.LABELS})
    for each in (bound, hungry):
        each.method = replace(each.method, bound=True)
    withheld = replace(TEST, names_given=False)
    first, second, third = await run_methods(task(folder, bound, other, hungry, test=withheld))
    assert (first.outcome, second.outcome, third.outcome) == ("done", "left_out", "left_out")
    assert "upper bound" in first.notes[-1]
    assert first.names == (TEST.classes[0],) * 12
    assert first.open_vocabulary["cluster_accuracy"] == 0.25
    (row, *_) = table_rows(
        setting_runs(folder), [bound.method], baseline="bound", control="bound", resamples=100
    )
    assert row.cluster_accuracy == row.top1 == 0.25
    assert row.cluster_ci95 is not None and row.cluster_ci95[0] < 0.25 < row.cluster_ci95[1]


async def test_where_names_are_given_a_bound_is_a_method_like_any_other(folder):
    bound = Counting("bound", needs={MethodNeed.NAMES})
    bound.method = replace(bound.method, bound=True)
    (run,) = await run_methods(task(folder, bound))
    assert (run.outcome, run.notes, run.names, run.open_vocabulary) == ("done", (), (), {})


def test_steps_between_classes_are_counted_in_the_tree():
    first, second, third, fourth = TEST.classes
    parents = {first: "a", second: "a", third: "b", fourth: "root", "a": "root", "b": "root"}
    assert record_of(TEST).distances == ()
    assert record_of(replace(TEST, parents=parents)).distances == (
        (0, 2, 4, 3), (2, 0, 4, 3), (4, 4, 0, 3), (3, 3, 3, 0),
    )  # fmt: skip
    del parents[third]
    with pytest.raises(InputError, match="not in the tree"):
        record_of(replace(TEST, parents=parents))


def test_the_hash_of_the_data_is_of_all_that_methods_may_use():
    base = record_of(TEST).data_hash
    changed = [
        replace(TEST, noun="bird"), replace(TEST, images=IMAGES[:-1]), replace(TEST, train=IMAGES[:1]),
        replace(TEST, pool=IMAGES[:1]), replace(TEST, parents=dict.fromkeys(TEST.classes, "x")),
        replace(TEST, templates=("a {}",)), replace(TEST, concept="x"), replace(TEST, observed=("x",)),
        replace(TEST, names_given=False),
    ]  # fmt: skip
    assert len({base, *(record_of(test).data_hash for test in changed)}) == 10


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"classes": ("a",)}, "at least two classes"),
        ({"classes": (*WORLD.names[:3], WORLD.names[0])}, "distinct"),
        ({"images": ()}, "no test images"),
        ({"classes": WORLD.names[4:8]}, "not among the classes"),
        ({"groups": ("x",)}, "1 groups for 12 images"),
    ],
)
def test_a_test_set_that_makes_no_sense_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        replace(TEST, **fields)


@pytest.mark.parametrize("after", [1, 4])
async def test_a_killed_method_counts_what_it_used_before(tmp_path, after):
    """Its graph goes on from a checkpoint, and asks and encodes again nothing of what that holds."""

    class Killed(FakeModel):
        asked_for = 0

        def _said(self, question):
            self.asked_for += 1
            if self.asked_for > after:
                raise KillError
            return super()._said(question)

    class Resolving:
        method = BY_KEY["resolve"]

    def given(model):
        return GivenModel(model, None)

    whole = RunFolder.create(tmp_path / "whole", kind="eval", options={})
    (usual,) = await run_methods(task(whole, Resolving(), llm=given(FakeModel(WORLD))))
    assert usual.cost.llm_requests > after
    assert usual.cost.texts > 0
    folder = RunFolder.create(tmp_path / "killed", kind="eval", options={})
    with pytest.raises(KillError):
        await run_methods(task(folder, Resolving(), llm=given(Killed(WORLD))))
    (again,) = await run_methods(task(folder, Resolving(), llm=given(FakeModel(WORLD))))
    assert again.cost == usual.cost
    work = next((folder.path / "methods" / "test" / "work").iterdir())
    (folder.path / "methods" / "test" / "resolve-0.json").unlink()
    with (work / "needs.jsonl").open("ab") as file:
        file.write(b'{"answer": "torn')  # by a kill
    silent = FakeModel(WORLD)
    (finished,) = await run_methods(task(folder, Resolving(), llm=given(silent)))
    assert silent.asked == []
    assert finished.cost == usual.cost


async def test_where_images_show_several_classes_each_is_ranked_by_itself(folder):
    shown = tuple(frozenset(WORLD.names[c] for c in ({n}, {n, 3})[n % 2]) for n in range(4) for _ in range(3))
    several = replace(TEST, images=tuple(replace(i, label=None) for i in IMAGES), shown=shown)
    one, truth = Counting(), several.truth.astype("float32")

    async def knows(bench):
        return MethodScores(
            scores=torch.from_numpy(truth * [1, 1, -1, 1] + 0.001 * bench.vectors.numpy()[:, :1])
        )

    right = replace(one.method, key="clip", run=knows)
    rivals = replace(one.method, key="transclip-zs")
    done, left_out = await run_methods(replace(task(folder, one), test=several, methods=(right, rivals)))
    assert done.precision[:2] == (1.0, 1.0)
    assert done.precision[2] < 0.5  # it ranks that class the wrong way round
    assert (done.predicted, len(done.f1)) == ((), 4)
    assert left_out.reason == "needs one class an image, which the data do not offer"
    (kept,) = setting_runs(folder)
    assert (kept.truth.labels, len(kept.truth.shown)) == ((0, 1, 2, 3), 12)
    row, _ = table_rows([kept], [right, rivals], baseline="clip", control="waffle", resamples=100)
    assert row.mean_precision == pytest.approx(sum(done.precision) / 4, abs=1e-3)
    assert (row.top1, row.images, row.macro_f1) == (None, 12, pytest.approx(sum(done.f1) / 4, abs=1e-3))
