"""What is left open is shown to a vision-language model: which images, with what, and what comes of it."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldmark.app.classifier import Classifier
from fieldmark.app.resolution import Resolution
from fieldmark.errors import EndpointError, LimitReached, QuestionFailed, SettingsError
from fieldmark.records import Prediction, Question, UsageLimits
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.images.files import ImageFile, find_images
from fieldmark.tools.runs.events import LookingStopped
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion, error
from tests.graph.classifying import WORLD, draw, truly
from tests.graph.running import Events, Ran, make_context, options, run
from tests.graph.test_resolve_order import names
from tests.graph.world import FakeModel, number_of
from tests.seeing import hash_of

FIRST_LOOK = options(max_rounds=0, rivals=2.0, tau=0.3)
ALIKE = {"finch", "crane", "heron", "robin"}
"""Finch and crane, heron and robin have one belly: the first look leaves them open. The others stand out."""
Says = Callable[[dict[str, Any], str], dict[str, Any]]


@pytest.fixture
def images(tmp_path: Path) -> tuple[ImageFile, ...]:
    folder = draw(tmp_path / "pictures", [(number, copy) for number in range(6) for copy in range(2)])
    return find_images(folder).images


class Seer(ScriptedModel):
    """A vision-language model that knows each picture by its bytes."""

    def __init__(
        self,
        images: tuple[ImageFile, ...],
        fault: Callable[[Question[Any]], Exception | None] | None = None,
        says: Says | None = None,
    ) -> None:
        super().__init__(self._said)
        self.images, self.fault, self.says = images, fault, says

    def _said(self, question: Question[Any]) -> Exception | dict[str, Any]:
        if self.fault is not None and (failed := self.fault(question)) is not None:
            return failed
        (part,) = question.messages[-1].images
        said = choice_of(self.images, part.data_url)
        return said if self.says is None else self.says(data_of(question), str(said["choice"]))


def choice_of(images: tuple[ImageFile, ...], data_url: str) -> dict[str, Any]:
    known = {image.content_hash: WORLD.truth(image) for image in images}
    return {"rationale": "By its bill.", "choice": known[hash_of(data_url)], "confidence": 80}


def looked(tmp_path: Path, images: tuple[ImageFile, ...], vlm: Seer | None, **given: Any) -> Ran:
    given = {"options": FIRST_LOOK, **given}
    return run(make_context(tmp_path / "run", WORLD, images=images, vlm=vlm, **given))


def test_only_open_images_are_shown_and_the_loops_word_stays(
    tmp_path: Path, images: tuple[ImageFile, ...]
) -> None:
    vlm = Seer(images)
    plain = looked(tmp_path / "plain", images, None)
    ran = looked(tmp_path / "shown", images, vlm)
    assert len(vlm.asked) == 8
    for before, p in zip(plain.predictions, ran.predictions, strict=True):
        truth = WORLD.names[int(Path(p.image).stem[0])]
        assert (p.label, p.status, p.candidates) == (before.label, before.status, before.candidates)
        if truth in ALIKE:
            assert (p.status, p.decided_by, p.vlm_label, p.decision) == ("open", "vlm", truth, truth)
            assert (p.vlm_confidence, p.vlm_rationale, p.vlm_failure) == (0.8, "By its bill.", "")
        else:
            assert (p.status, p.decided_by, p.vlm_label, p.decision) == ("resolved", "loop", None, p.label)
    assert [p.decided_by for p in plain.predictions] == ["loop"] * 12


def test_candidates_and_disputed_marks_go_with_the_image(
    tmp_path: Path, images: tuple[ImageFile, ...]
) -> None:
    vlm = Seer(images)
    ran = looked(tmp_path, images, vlm, options=options(candidates="topk", k=3, max_rounds=2, patience=9))
    assert ran.state.round > 0
    assert len(vlm.asked) == 12  # top-k resolves nothing by itself
    for question in vlm.asked:
        data = data_of(question)
        assert len(data["candidates"]) == 3 and data["noun"] == "bird"
        assert 0 < len(data["marks"]) <= 8
        for mark in data["marks"]:
            part = mark["attribute"].split()[0]
            assert len(set(mark["values"].values())) > 1
            assert set(mark["values"]) <= set(data["candidates"])
            assert all(value == WORLD.value(name, part) for name, value in mark["values"].items())


def test_the_step_comes_after_the_loop_and_only_where_a_model_is_configured(
    tmp_path: Path, images: tuple[ImageFile, ...]
) -> None:
    def context(name: str, vlm: Seer | None, **given: Any) -> Any:
        given = {"options": FIRST_LOOK, **given}
        return make_context(tmp_path / name, WORLD, images=images, vlm=vlm, **given)

    assert names(context("none", None))[-2:] == ["triage", "finish"]
    assert names(context("one", Seer(images)))[-3:] == ["triage", "look", "finish"]
    nothing_open = options(max_rounds=6)
    vlm = Seer(images)
    assert names(context("all", vlm, options=nothing_open))[-3:] == ["triage", "look", "finish"]
    assert vlm.asked == []
    stopped = FakeModel(WORLD, lambda q: LimitReached("no") if q.prompt_id != "describe.v1" else None)
    assert "look" not in names(context("stopped", vlm, llm=stopped, options=options(max_rounds=2)))


def test_a_name_that_is_no_candidate_leaves_the_image_open(
    tmp_path: Path, images: tuple[ImageFile, ...]
) -> None:
    odd = Seer(images, says=lambda data, truth: {"rationale": "!", "choice": "ostrich", "confidence": 99})
    shown = [p for p in looked(tmp_path, images, odd).predictions if p.status == "open"]
    assert len(shown) == 8
    for p in shown:
        assert (p.decided_by, p.vlm_label, p.decision) == ("loop", None, p.label)
        assert (p.vlm_failure, p.vlm_rationale) == ("unlisted", "!")


def none_of_them(data: dict[str, Any], truth: str) -> dict[str, Any]:
    return {"rationale": "?", "choice": "none", "confidence": 30}


def test_none_of_the_candidates_rejects_the_image(tmp_path: Path, images: tuple[ImageFile, ...]) -> None:
    plain = looked(tmp_path / "plain", images, None)
    ran = looked(tmp_path / "shown", images, Seer(images, says=none_of_them))
    assert ran.statuses.count("rejected") == plain.statuses.count("open") == 8
    for before, p in zip(plain.predictions, ran.predictions, strict=True):
        assert p.label == before.label
        if before.status == "open":
            assert (p.status, p.decided_by, p.vlm_label, p.decision) == ("rejected", "vlm", None, None)
            assert (p.candidates_left, p.candidates, p.why_open) == (0, before.candidates[:1], None)
            assert (p.vlm_failure, p.vlm_rationale) == ("", "?")
    rows = list(csv.DictReader((ran.context.run.path / "predictions.csv").open(encoding="utf-8")))
    assert [row["decision"] for row in rows].count("none of these") == 8


def test_none_says_nothing_of_candidates_that_were_not_shown(
    tmp_path: Path, images: tuple[ImageFile, ...]
) -> None:
    few = options(max_rounds=0, rivals=6.0, tau=0.01, k=2)
    ran = looked(tmp_path, images, Seer(images, says=none_of_them), options=few)
    more = [p for p in ran.predictions if p.candidates_left > 2]
    assert more
    assert {(p.status, p.decided_by) for p in more} == {("open", "loop")}


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (QuestionFailed("I must not", reason="refused"), "refused"),
        (QuestionFailed("too slow", reason="timeout"), "unanswered"),
    ],
)
def test_a_refusal_or_a_fault_leaves_that_image_open(
    tmp_path: Path, images: tuple[ImageFile, ...], fault: Exception, failure: str
) -> None:
    vlm = Seer(images, lambda q: fault if "finch" in data_of(q)["candidates"] else None)
    ran = looked(tmp_path, images, vlm)
    for p in ran.predictions:
        if p.status == "open":
            pair = {candidate.class_name for candidate in p.candidates}
            assert p.vlm_failure == (failure if "finch" in pair else "")
            assert p.decided_by == ("loop" if "finch" in pair else "vlm")
    assert ran.state.looks_kept_back == 0


def test_a_file_that_vanished_is_not_shown(tmp_path: Path, images: tuple[ImageFile, ...]) -> None:
    images[0].path.unlink()
    ran = looked(tmp_path, images, vlm := Seer(images))
    assert len(vlm.asked) == 7
    assert ran.predictions[0].vlm_failure == "unanswered"


@pytest.mark.parametrize(
    ("stop", "failure"), [(LimitReached("enough"), "limit"), (EndpointError("gone"), "endpoint")]
)
def test_what_a_limit_or_a_dead_endpoint_kept_back_is_shown_on_resumption(
    tmp_path: Path, images: tuple[ImageFile, ...], stop: Exception, failure: str
) -> None:
    vlm = Seer(images)
    vlm.fault = lambda _: stop if len(vlm.asked) > 3 else None
    events = Events()
    first = looked(tmp_path, images, vlm, progress=events)
    kept_back = [p for p in first.predictions if p.vlm_failure == failure]
    assert len(kept_back) == first.state.looks_kept_back == 5
    assert bool(events.of(LookingStopped)) == (failure == "endpoint")
    again = Seer(images)
    second = looked(tmp_path, images, again)
    assert len(again.asked) == 5
    assert second.raw == looked(tmp_path / "whole", images, Seer(images)).raw
    assert looked(tmp_path, images, last := Seer(images)).raw == second.raw
    assert last.asked == []


def test_a_finished_run_can_still_be_shown(tmp_path: Path, images: tuple[ImageFile, ...]) -> None:
    looked(tmp_path, images, None)
    ran = looked(tmp_path, images, vlm := Seer(images))
    assert len(vlm.asked) == 8
    assert ran.raw == looked(tmp_path / "whole", images, Seer(images)).raw


# ---------------------------------------------------------------- through the classifier


def draw_at(place: Path) -> Path:
    return place.parent / "pictures"


def choosing(images: tuple[ImageFile, ...]) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        parts = request.body["messages"][-1]["content"]
        (url,) = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        return completion(json.dumps(choice_of(images, url)), usage=(100, 20))

    return answer


def classified(
    place: Path, llm: FaultyEndpoint, vlm: FaultyEndpoint, *, resume: str | None = None, **given: Any
) -> Resolution:
    values: dict[str, Any] = {
        "classes": WORLD.names,
        "clip": "made-up",
        "llm": "test-model",
        "base_url": llm.base_url,
        "api_key": "sk-language",
        "vlm": "eyes",
        "vlm_base_url": vlm.base_url,
        "noun": "bird",
        "options": FIRST_LOOK,
        "out": place,
    }
    return Classifier(**(values | given)).resolve(draw_at(place), resume=resume)


def test_the_classifier_counts_and_caches_what_is_shown(place: Path, images: tuple[ImageFile, ...]) -> None:
    with FaultyEndpoint([truly]) as llm, FaultyEndpoint([choosing(images)]) as vlm:
        first = classified(place, llm, vlm)
        second = classified(place, llm, vlm)
        assert vlm.asked == 8
        assert all("sk-language" not in str(request.headers) for request in vlm.received)
        assert all("sk-language" in str(request.headers) for request in llm.chats)
    manifest = first.manifest
    assert manifest.counts | {"open": 8, "vlm_decided": 8, "vlm_none": 0, "vlm_failed": 0} == manifest.counts
    assert (manifest.vision_usage.requests, manifest.vision_usage.prompt_tokens) == (8, 800)
    assert manifest.usage.requests == 6
    assert manifest.vision_usage.cost is None
    assert manifest.vision_model["model"] == "eyes"
    assert second.manifest.vision_usage.cached == 8
    assert [p.decision for p in second] == [WORLD.names[int(Path(p.image).stem[0])] for p in first]
    assert "chose" in first.why(0) and "By its bill." in first.why(0)
    rows = list(csv.DictReader((first.run / "predictions.csv").open(encoding="utf-8")))
    assert [row["decided_by"] for row in rows].count("vlm") == 8
    assert rows[0]["decision"] == "finch"


def test_images_that_show_none_of_the_candidates_are_counted_as_rejected(
    place: Path, images: tuple[ImageFile, ...]
) -> None:
    none = completion(json.dumps(none_of_them({}, "")))
    with FaultyEndpoint([truly]) as llm, FaultyEndpoint([none]) as vlm:
        found = classified(place, llm, vlm)
        again = classified(place, llm, vlm, resume=found.run.name)
    counts = {"open": 0, "rejected": 8, "vlm_decided": 0, "vlm_none": 8}
    assert found.manifest.counts | counts == found.manifest.counts == again.manifest.counts
    assert len({image for group in found.rejected_groups for image in group.images}) <= 8
    assert "chose none of the candidates" in found.why(0)


def test_both_models_spend_from_one_limit(place: Path, images: tuple[ImageFile, ...]) -> None:
    with FaultyEndpoint([truly]) as llm, FaultyEndpoint([choosing(images)]) as vlm:
        found = classified(place, llm, vlm, limits=UsageLimits(max_calls=9))
        assert (llm.asked, vlm.asked) == (6, 3)
        assert found.manifest.counts["vlm_kept_back"] == 5
        assert [p.vlm_failure for p in found].count("limit") == 5
        whole = classified(place, llm, vlm, resume=found.run.name, limits=UsageLimits(max_calls=20))
        assert (llm.asked, vlm.asked) == (6, 8)
    assert whole.manifest.counts["vlm_decided"] == 8
    assert whole.manifest.vision_usage.requests >= 8


def test_a_model_that_is_gone_leaves_everything_open_and_the_run_whole(
    place: Path, images: tuple[ImageFile, ...]
) -> None:
    with FaultyEndpoint([truly]) as llm, FaultyEndpoint([error(401, "wrong key")]) as vlm:
        found = classified(place, llm, vlm)
    assert found.manifest.stop_reason in ("max_rounds", "no_progress")
    assert found.manifest.counts["vlm_kept_back"] == 8
    assert {p.vlm_failure for p in found if p.status == "open"} == {"endpoint"}


def test_the_estimate_names_the_most_that_is_shown(place: Path, images: tuple[ImageFile, ...]) -> None:
    classifier = Classifier(
        classes=WORLD.names, clip="made-up", vlm="eyes", noun="bird",
        options=options(start="names", max_rounds=0), out=place,
    )  # fmt: skip
    estimate = classifier.estimate(draw_at(place))
    assert (estimate.vlm, estimate.most_vlm_images, estimate.model) == ("eyes", 12, None)


def test_unusable_choices_are_refused(place: Path, images: tuple[ImageFile, ...]) -> None:
    with pytest.raises(SettingsError, match="no model"):
        Classifier(classes=WORLD.names, vlm_base_url="http://127.0.0.1:1/v1")
    with pytest.raises(SettingsError, match="price"):
        Classifier(
            classes=WORLD.names, clip="made-up", vlm="eyes", noun="bird", limits=UsageLimits(max_cost=1),
            vlm_base_url="http://127.0.0.1:1/v1", options=options(start="names", max_rounds=0), out=place,
        ).resolve(draw_at(place))  # fmt: skip


def test_the_key_goes_with_the_same_endpoint_alone(place: Path, images: tuple[ImageFile, ...]) -> None:
    def both(request: Received) -> Reply:
        return choosing(images)(request) if "candidates" in data_of(request.text) else truly(request)

    with FaultyEndpoint([both]) as endpoint:
        classified(place, endpoint, endpoint, vlm_base_url=None)
        assert endpoint.asked == 14
        assert all("sk-language" in str(request.headers) for request in endpoint.chats)


def test_old_predictions_can_still_be_read() -> None:
    old = {
        "image": "a.png", "image_hash": hashlib.sha256(b"").hexdigest(), "label": "a", "confidence": 0.5,
        "status": "open", "candidates": [], "candidates_left": 2, "rounds": 1,
    }  # fmt: skip
    assert Prediction.model_validate(old).decision == "a"


def test_images_are_numbered_as_the_world_expects(images: tuple[ImageFile, ...]) -> None:
    assert [number_of(image) for image in images] == [n for n in range(6) for _ in range(2)]
