import pytest

from fieldmark.agents.build.options import BuildOptions
from fieldmark.app.concepts.builder import ConceptBuilder
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.errors import InputError, RunError
from fieldmark.records import Clause, Concept, Definition, Label
from fieldmark.records.building import Judge, Measurement, Score
from fieldmark.testing import HashingEncoder, ScriptedModel
from fieldmark.tools.concepts.changes import with_version
from fieldmark.tools.concepts.folder import ConceptFolder
from tests.seeing import SeeingModel, draw


def concept(home, versions):
    """A concept with so many versions, and nothing else."""
    made = Concept(name="x")
    for number in range(versions):
        clause = Clause(id=f"c{number}", role="necessary", text=f"It is {number}.")
        made = with_version(made, Definition(clauses=(clause,)), why="test", at="t")
    folder = ConceptFolder(home / "concepts" / "x")
    folder.save(made)
    folder.write("setup.json", ConceptSetup(clip="aviary"))
    return folder


def test_the_version_in_force_is_taken_unless_another_is_named(tmp_path):
    folder = concept(tmp_path, 2)
    builder = ConceptBuilder.open("x", home=tmp_path, vlm="none", options=BuildOptions(annotate=10))
    assert (builder.version, builder.setup.vlm, builder.options.annotate) == (2, "none", 10)
    assert builder.out == folder.path / "models" / "v2"
    assert ConceptBuilder.open("x", home=tmp_path, version=1).version == 1
    folder.save(folder.load().model_copy(update={"current": 1}))
    assert ConceptBuilder.open("x", home=tmp_path).version == 1


@pytest.mark.parametrize(("versions", "asked", "says"), [(0, None, "no definition"), (2, 3, "no version 3")])
def test_a_version_that_is_not_there(tmp_path, versions, asked, says):
    concept(tmp_path, versions)
    with pytest.raises(InputError, match=says):
        ConceptBuilder.open("x", home=tmp_path, version=asked)


def test_a_result_whose_look_was_not_noted_has_it_noted_when_it_is_read(tmp_path):
    folder = concept(tmp_path, 1)
    builder = ConceptBuilder.open("x", home=tmp_path)
    builder.out.mkdir(parents=True)
    score = Score(value=None)
    judge = Judge(
        name="classifier", f1=score, auprc=score, recall_at_precision_90=score, kappa=score, judged=1
    )
    result = Measurement(
        concept="x", version=1, at="t", images=1, positives=1, judges=(judge,), self_kappa=score, calls={}
    )
    (builder.out / "measurement.json").write_text(result.model_dump_json())
    assert builder.measured == result
    assert folder.load().blind_looks == (1,)


def test_a_damaged_concept_is_passed_over_where_all_are_named(tmp_path):
    folder = concept(tmp_path, 1)
    damaged = ConceptFolder(folder.path.with_name("damaged"))
    (damaged.path / "concept.json").write_text("{")
    with pytest.raises(InputError, match="no concept 'y'") as told:
        ConceptBuilder.open("y", home=tmp_path)
    assert told.value.hint == "There are: x."


async def test_nothing_is_measured_or_exported_before_it_is_built(tmp_path):
    concept(tmp_path, 1)
    builder = ConceptBuilder.open("x", home=tmp_path)
    assert (builder.built, builder.measured) == (None, None)
    for work in (builder.aevaluate(), builder.aexport(tmp_path / "out")):
        with pytest.raises(RunError, match="no classifier yet"):
            await work
    with pytest.raises(InputError, match="await abuild"):
        builder.build()
    builder.out.mkdir(parents=True)
    (builder.out / "build.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        await builder.aexport(tmp_path / "out")


def test_a_build_whose_annotator_sees_labelled_images_first(tmp_path):
    images = draw(tmp_path / "pool", ["red", "blue"] * 24)
    folder = concept(tmp_path / "home", 0)
    clause = Clause(id="c1", role="necessary", text="The picture is red.")
    made = with_version(folder.load(), Definition(clauses=(clause,)), why="test", at="t")
    labels = [
        Label(image=each.content_hash, value="in" if at % 2 == 0 else "out", split="dev", at="t")
        for at, each in enumerate(images[:24])
    ]
    folder.save(made.model_copy(update={"labels": tuple(labels)}))
    folder.save_pool(images)
    model = SeeingModel()
    writer = ScriptedModel(lambda question: {"positive": ["a red picture"], "near_miss": ["a blue picture"]})

    def builder(looks):
        options = BuildOptions(annotate=24, rounds=0, debates=0, looks=looks)
        given = {"clip": HashingEncoder(), "llm": writer, "vlm": model, "home": tmp_path / "home"}
        return ConceptBuilder.open("x", options=options, **given)

    foretold = {
        looks: builder(looks).estimate() for looks in ("once", "examples", "steps", "samples", "choose")
    }
    asked = {looks: each.first_look.to_ask + each.follow_up_most for looks, each in foretold.items()}
    assert asked["once"] == asked["examples"] < asked["steps"] == asked["samples"] < asked["choose"]
    assert model.asked == []
    built = builder("examples").build()
    shown = [len(q.messages[-1].images) for q in model.asked if q.prompt_id == "judge_by_examples.v1"]
    assert set(shown) == {8, 9}  # an example is judged with the seven others
    assert "judged with examples" in built.notes[-1]
    before = len(model.asked)
    chosen = builder("choose").build()  # looking once is as good here, and costs least
    assert "judged looking once" in chosen.notes[-1] and "100%" in chosen.notes[-1]
    assert len(model.asked) > before
