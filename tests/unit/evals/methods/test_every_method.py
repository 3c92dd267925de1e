"""Every method of the registry on a tiny aviary: the real encoder, the guide over HTTP."""

import pytest
import torch

from fieldmark.app.event_loop import run_to_end
from fieldmark.app.stores import open_stores
from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.gallery import Gallery
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.aviary.guide.sight import Sight, SightSettings
from fieldmark.evals.methods.registry import METHODS
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.records import MethodRun
from fieldmark.evals.table.rehearse import rehearse
from fieldmark.evals.table.run import Evaluation, run_methods
from fieldmark.evals.table.sources.aviary_settings import AviaryWorld, new_species
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.runs.events import no_progress
from fieldmark.tools.runs.folder import RunFolder

SPECIES, IMAGES = 6, 3


FORETOLD: dict[str, tuple[int, int]] = {}
"""Of each method that asks: the questions that a rehearsal found, and the most that may follow."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MethodRun]:
    """Each method's run with its first seed."""
    home = tmp_path_factory.mktemp("home")
    options = EvalOptions(seeds=1, shots=4)
    folder = RunFolder.create(
        home / "runs", kind="eval", options={"options": options.model_dump(mode="json")}
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by sharing out
    with open_stores(home) as stores:
        world = AviaryWorld(seed=5, species=SPECIES, images=IMAGES, shots=4, pool=2, pictures=stores.aviary)
        test, book = new_species(world)

        async def measured() -> list[MethodRun]:
            folders = {image.path.parents[1] for image in (*test.images, *test.train)}
            sight = Sight(Gallery.of_folders(sorted(folders)), SightSettings(refused=0))
            settings, store = GuideSettings(mistakes=0.15), stores.answers
            async with (
                asked_over_http(Guide(book, settings), store=store) as llm,
                asked_over_http(Guide(book, settings, sight=sight), store=store) as vlm,
            ):
                task = Evaluation(
                    test=test,
                    methods=METHODS,
                    encoder=stores.encoder("aviary"),
                    llm=llm,
                    vlm=vlm,
                    folder=folder,
                    options=options,
                    earlier=lambda identity: None,
                    progress=no_progress,
                )
                for method in METHODS:
                    if MethodNeed.LLM in method.needs:
                        found = await rehearse(test, [method], options, encoder=task.encoder, llm=llm)
                        FORETOLD[method.key] = (len(found.questions), found.bound(llm)[0])
                assert llm.usage.requests == 0
                assert task.encoder.usage.distinct_texts == task.encoder.usage.images_encoded == 0
                return await run_methods(task)

        done = run_to_end(measured())
    torch.set_num_threads(threads)
    return {run.method: run for run in done}


@pytest.mark.parametrize("method", METHODS, ids=[method.key for method in METHODS])
def test_a_method_says_something_of_every_image_and_counts_what_it_used(method, runs) -> None:
    run = runs[method.key]
    assert run.outcome == "done", run.reason
    if run.predicted:
        assert len(run.predicted) == len(run.confidence) == SPECIES * IMAGES
        assert set(run.predicted) <= set(range(-1, SPECIES))
        assert all(0 <= share <= 1 for share in run.confidence)
    else:
        assert len(run.names) == SPECIES * IMAGES  # vocabulary-free
    if run.candidates:
        assert len(run.candidates) == SPECIES * IMAGES
        for label, left in zip(run.predicted, run.candidates, strict=True):
            assert label in left or (label == -1 and not left) or not left
    assert (run.cost.llm_requests > 0) == (run.cost.prompt_tokens not in (0, None))
    assert run.cost.llm_failed == 0
    if not method.needs & {MethodNeed.LLM, MethodNeed.VLM}:
        assert run.cost.llm_requests == 0
    if not method.needs & {MethodNeed.LABELS, MethodNeed.POOL, MethodNeed.BASE}:
        assert run.cost.images == 0
    assert run.seconds < 60


def test_questions_are_asked_where_they_must_be(runs: dict[str, MethodRun]) -> None:
    asked = {key: run.cost.llm_requests for key, run in runs.items()}
    assert asked["dclip"] == SPECIES
    assert asked["cupl"] == asked["cupl-base"] == 3 * SPECIES
    assert asked["mpvr"] == 1 + 6 * SPECIES
    assert asked["chils"] == SPECIES
    assert asked["fudd"] == asked["everything"] == SPECIES * (SPECIES - 1) // 2
    assert asked["vlm"] == asked["vlm-examples"] == SPECIES * IMAGES
    assert asked["clip-80"] == asked["waffle"] == asked["zpe"] == 0


def test_what_is_asked_was_foretold(runs: dict[str, MethodRun]) -> None:
    assert set(FORETOLD) == {method.key for method in METHODS if MethodNeed.LLM in method.needs}
    looks = {method.key for method in METHODS if MethodNeed.VLM in method.needs}
    for key, (known, most) in FORETOLD.items():
        shown = SPECIES * IMAGES if key in looks else 0
        assert known + shown <= runs[key].cost.llm_requests <= known + most + shown, key
    assert FORETOLD["dclip"] == (SPECIES, 0)
    assert FORETOLD["mpvr"] == (1, 6 * SPECIES)
    assert FORETOLD["fudd"] == (0, SPECIES * (SPECIES - 1) // 2)
    assert FORETOLD["proapo"][0] > SPECIES


def test_the_second_time_a_method_is_free(runs: dict[str, MethodRun]) -> None:
    assert runs["cupl"].cost.llm_fresh > 0
    assert runs["cupl-e"].cost.llm_fresh == 0  # it asks what CuPL asked before
    assert runs["zpe"].texts_encoded == 0 < runs["zpe"].cost.texts  # the plain mean encoded the pool
