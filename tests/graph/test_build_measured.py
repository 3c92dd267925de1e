"""A built classifier is measured on the blind test, once a version, whatever goes wrong meanwhile."""

from unittest.mock import Mock

import pytest

from fieldmark.agents.build import write as build_writing
from fieldmark.agents.build.measure import MEASUREMENT, measure
from fieldmark.agents.build.run import run_build
from fieldmark.cache.folders import write_whole
from fieldmark.errors import EndpointError, InputError, RunError
from fieldmark.records import Clause, Definition
from fieldmark.tools.concepts.changes import with_version
from fieldmark.tools.runs import folder as run_folder
from tests.graph.test_build import SMALL, TREE, setting


async def test_the_blind_test_is_looked_at_once_a_version(tmp_path):
    context, made = setting(tmp_path)
    with pytest.raises(RunError, match="concept build"):
        await measure(context)
    assert context.concept.blind_looks == ()
    await run_build(context)
    measured = await measure(context)
    assert context.concept.blind_looks == (1,)
    assert {judge.name for judge in measured.judges} >= {"classifier", "annotator", "own labels"}
    assert measured.images == 60
    looks = len(made.annotator.looks)
    assert await measure(context) == measured
    assert len(made.annotator.looks) == looks
    assert "Measured once" in (context.out / "README.md").read_text()
    with pytest.raises(RunError, match="measured on the blind test"):
        await run_build(setting(tmp_path, options=SMALL.model_copy(update={"seed": 5}))[0])
    (context.out / MEASUREMENT).unlink()
    with pytest.raises(RunError, match="measured once"):
        await measure(context)


async def test_an_annotator_that_is_gone_costs_no_look(tmp_path):
    context, made = setting(tmp_path)
    await run_build(context)
    made.annotator.down = EndpointError("gone")
    with pytest.raises(EndpointError):
        await measure(context)
    assert context.concept.blind_looks == ()


async def test_a_measured_classifier_whose_files_are_damaged_is_made_again(tmp_path):
    context, _ = setting(tmp_path)
    await run_build(context)
    measured = await measure(context)
    weights = (context.out / "head.safetensors").read_bytes()
    (context.out / "head.onnx").unlink()
    with pytest.raises(RunError, match="measured on the blind test"):
        await run_build(setting(tmp_path, options=SMALL.model_copy(update={"seed": 5}))[0])
    await run_build(context)
    assert (context.out / "head.safetensors").read_bytes() == weights
    assert (context.out / "head.onnx").exists()
    assert "Measured once" in (context.out / "README.md").read_text()
    assert await measure(context) == measured
    assert context.concept.blind_looks == (1,)


async def test_a_kill_while_a_measured_classifier_is_made_again(tmp_path, monkeypatch):
    context, _ = setting(tmp_path)
    await run_build(context)
    measured = await measure(context)
    (context.out / "head.onnx").unlink()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(build_writing, "export_head", Mock(side_effect=RuntimeError("killed")))
        await run_build(context)
    await run_build(setting(tmp_path)[0])
    assert (context.out / "head.onnx").exists()
    assert await measure(context) == measured


@pytest.mark.parametrize("lost", ["measurement.json", "concept.json"])
async def test_a_disk_that_is_full_costs_no_look(tmp_path, lost, monkeypatch):
    context, _ = setting(tmp_path)
    await run_build(context)

    def full(path, *parts):
        if path.name == lost:
            raise OSError("no space left")
        write_whole(path, *parts)

    with monkeypatch.context() as disk:
        disk.setattr(run_folder, "write_whole", full)
        with pytest.raises(RunError, match="no space left"):
            await measure(context)
    assert context.concept.blind_looks == ()
    if lost == "concept.json":
        changed = setting(tmp_path, options=SMALL.model_copy(update={"seed": 5}))[0]
        with pytest.raises(RunError, match="measured on the blind test"):
            await run_build(changed)
    assert (await measure(context)).images == 60
    assert context.concept.blind_looks == (1,)


async def test_versions_are_compared_on_the_same_images(tmp_path):
    context, _ = setting(tmp_path)
    await run_build(context)
    await measure(context)
    worse = Definition(
        clauses=(*TREE.clauses, Clause(id="c3", role="necessary", text="The bird has a green tail."))
    )
    context.folder.save(with_version(context.concept, worse, why="worse", at="u"))
    context.version, context.out = 2, context.out.parent / "v2"
    await run_build(context)
    second = await measure(context)
    assert second.mcnemar_version == 1
    assert second.mcnemar_p is not None
    assert 0 < second.mcnemar_p <= 1
    assert context.concept.blind_looks == (1, 2)


async def test_too_few_blind_labels_measure_nothing(tmp_path):
    context, _ = setting(tmp_path, blind=12)
    await run_build(context)
    with pytest.raises(InputError, match="too few"):
        await measure(context)
