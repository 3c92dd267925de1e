import logging
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import RunError
from fieldmark.evals.report.classify import common_folder, open_images, write_classify_report
from fieldmark.evals.report.gallery import FOLDED, SHOWN
from fieldmark.evals.report.words import STOP_REASONS
from fieldmark.records import CandidateClass, Contribution, Origin, Prediction, Prompt, PromptBook, Usage
from fieldmark.tools.datasets.class_tree import TREE, class_tree
from fieldmark.tools.runs.rounds import pooled_rounds, read_rounds
from tests.unit.evals.report.checked_page import CheckedPage
from tests.unit.evals.report.runs_to_report import Predict, finished_run, manifest_of, skipped, summary_of

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE birds; --",
    "{{ 7 * 7 }}{% raw %} $name {x}",
    "a&b &amp; </style></title>",
    "wren " * 60,
    "\x00\x1b[31mred\u202egnorw",
    "🐦‍⬛ crow",
)


def page_of(run, **more) -> CheckedPage:
    return CheckedPage(write_classify_report(run, manifest_of(run, **more)).read_text(encoding="utf-8"))


def test_page_stands_alone_and_is_sound(tmp_path: Path, predict: Predict, open_prediction: Predict):
    run = finished_run(
        tmp_path,
        [predict("wren", "crow"), predict("crow", "crow"), open_prediction("wren", "crow")],
        classes=("wren", "crow"),
    )
    html = write_classify_report(run, manifest_of(run)).read_text(encoding="utf-8")
    page = CheckedPage(html)
    assert run.path / "report.html" == next(run.path.glob("*.html"))
    assert html.startswith("<!doctype html>")
    assert "http://" not in html and "https://" not in html and "@import" not in html and "url(" not in html
    policy = page.attributes("meta", "content")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policy
    assert page.count("img") == 3
    assert all(page.attributes("img", "alt"))
    assert "2 of 3 images were resolved to a single class; 1 may still be one of several." in page.text


def test_files_that_were_passed_over_are_counted_by_suffix(tmp_path: Path, predict: Predict):
    run = finished_run(tmp_path, [predict("wren", "wren")], classes=("wren", "crow"))
    assert "Passed over" not in page_of(run).text
    page = page_of(run, passed_over={".jxl": 1200, "": 3})
    assert "Passed over" in page.text
    assert ".jxl 1,200" in " ".join(page.text.split())
    assert "none 3" in " ".join(page.text.split())


def test_images_are_counted_by_label(tmp_path: Path, predict: Predict, open_prediction: Predict):
    made = [
        predict("wren", "wren"),
        open_prediction("wren", "crow"),
        predict("crow", "crow", status="rejected"),
    ]
    run = finished_run(tmp_path, made, classes=("wren", "crow"))
    words = " ".join(page_of(run).text.split())
    assert "Label Resolved Open wren 1 1 Round by round" in words
    assert "those that fit no class under none" in words
    decided = open_prediction("wren", "crow", decided_by="vlm", vlm_label="crow")
    run.write_predictions([predict("wren", "wren"), decided])
    words = " ".join(page_of(run, counts={"vlm_decided": 1}).text.split())
    assert "of these by the vision-language model crow 0 1 1 wren 1 0 0" in words


def test_what_the_vision_language_model_said_and_took_is_told(
    tmp_path: Path, predict: Predict, open_prediction: Predict
):
    chose = {"decided_by": "vlm", "vlm_label": "crow", "vlm_confidence": 0.8, "vlm_rationale": "<b>black</b>"}
    made = [
        open_prediction("wren", "crow", **chose),
        open_prediction("wren", "crow", vlm_confidence=0.5),
        open_prediction("wren", "crow", vlm_failure="refused"),
        predict("wren", "wren"),
    ]
    run = finished_run(tmp_path, made, classes=("wren", "crow"))
    words = " ".join(page_of(run).text.split())
    # Once at the image, once in the list of what is to be looked at.
    assert words.count("Chosen by the vision-language model: crow says it is 80% sure: <b>black</b>") == 2
    assert words.count("The vision-language model chose none of the candidates says it is 50% sure") == 2
    assert words.count("The vision-language model did not decide it: refused.") == 2
    assert "open images shown to" not in words
    words = " ".join(
        page_of(
            run,
            counts={"vlm_decided": 1, "vlm_none": 1, "vlm_failed": 1, "vlm_kept_back": 4},
            vision_model={"model": "eyes"},
            vision_usage=Usage(requests=3, cached=2, prompt_tokens=4000, completion_tokens=50, cost=0.25),
        ).text.split()
    )
    assert "open images shown to eyes 3 of them decided 1 none of the candidates 1" in words
    assert "not shown yet 4 answered afresh 3 from the cache 2" in words
    assert "4,000 tokens answered 50 its cost 0.2500" in words


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_data(tmp_path: Path, predict: Predict, open_prediction: Predict, name: str):
    contribution = Contribution(
        attribute=name, contribution=1.0, label_value=name, runner_up_value="x", seen=name
    )
    book = PromptBook(
        classes=(name, "wren"),
        prompts=(Prompt(class_name=name, text=name, origin=Origin(kind="field_guide", attribute=name)),),
    )
    run = finished_run(
        tmp_path,
        [
            predict(
                name, "wren", runner_up=name, contributions=(contribution,), image=f"/nowhere/{name}.png"
            ),
            open_prediction(name, "wren", truth=name),
            open_prediction("wren", name, truth=name),
        ],
        classes=(name, "wren"),
    )
    run.write_book(book)
    page = page_of(
        run,
        notes=(name,),
        skipped=({"path": name, "reason": name},),
        language_model={"model": name},
        stop_reason=name,
        created=name,
    )
    shown = name.strip()[:12].replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert page.text.count(" ".join(shown.split())) > 5
    assert "\x00" not in page.text


def test_long_names_keep_both_ends_and_the_whole_in_a_title(tmp_path: Path, predict: Predict):
    name = "x" * 150 + "Q" * 150
    page = page_of(finished_run(tmp_path, [predict(name, name)], classes=(name, "b")))
    assert name in page.attributes("bdi", "title")
    assert name not in page.text
    assert re.search(r"x{20,}…Q{10,}", page.text)


def test_truth_is_shown_only_where_it_is_known(tmp_path: Path, predict: Predict, open_prediction: Predict):
    unknown = page_of(
        finished_run(
            tmp_path, [predict("wren", "crow"), open_prediction("wren", "crow")], classes=("wren", "crow")
        )
    )
    assert "True class" not in unknown.text and "How often right" not in unknown.text
    assert "Taken for each other" not in unknown.text
    assert "Changed labels" in unknown.text
    known = page_of(
        finished_run(
            tmp_path,
            [
                predict("wren", "crow", truth="wren"),
                predict("crow", "wren", truth="wren"),
                open_prediction("wren", "crow"),
            ],
            classes=("wren", "crow"),
        )
    )
    assert "The true class is known for 2 images." in known.text
    assert "True class: wren" in known.text
    assert "1 label mended, 1 spoilt" in known.text
    assert "Taken for each other" in known.text and "Changed labels" not in known.text


@pytest.mark.parametrize("reason", sorted(set(STOP_REASONS) - {"resolved"}))
def test_stop_reason_is_said_in_words(tmp_path: Path, open_prediction: Predict, reason: str):
    page = page_of(
        finished_run(tmp_path, [open_prediction("a", "b")], classes=("a", "b")), stop_reason=reason
    )
    assert f"The run stopped because {STOP_REASONS[reason]}." in page.text


def test_everything_resolved_has_nothing_to_hand_over(tmp_path: Path, predict: Predict):
    page = page_of(finished_run(tmp_path, [predict("a", "a")], classes=("a", "b")), stop_reason="resolved")
    assert "Every image was resolved to a single class." in page.text
    assert "To be looked at" not in page.text and "Skipped files" not in page.text


def test_random_weights_and_notes_are_said(tmp_path: Path, predict: Predict):
    run = finished_run(tmp_path, [predict("a", "a")], classes=("a", "b"))
    note = "The encoder has RANDOM weights: no result means anything."
    plain = page_of(run)
    assert note not in plain.text
    warned = page_of(run, notes=(note, "Another note."), encoder={"name": "tiny", "random_weights": True})
    assert note in warned.text
    assert warned.attributes("aside", "class") == ["notice warning", "notice"]


def test_skipped_files_are_listed_within_bounds(tmp_path: Path, predict: Predict):
    page = page_of(finished_run(tmp_path, [predict("a", "a")], classes=("a", "b")), skipped=skipped(301))
    assert "301 files could not be used. The first 300 are listed" in page.text
    assert "/data/299.jpg empty file" in page.text
    assert "/data/300.jpg" not in page.text


def test_open_images_stand_least_certain_first(open_prediction: Predict, predict: Predict):
    predictions = [
        open_prediction("a", "b", confidence=0.8),
        predict("a", "a"),
        open_prediction("a", "b", confidence=0.6, status="rejected", candidates_left=0),
        open_prediction("a", "b", confidence=0.7),
    ]
    folder = common_folder(predictions)
    assert [row.file for row in open_images(predictions, folder)] == ["0003.png", "0004.png", "0001.png"]


def test_common_folder_of_mixed_names_is_none(predict: Predict):
    mixed = [predict("a", "a"), predict("a", "a", image="here/b.png")]
    assert common_folder(mixed) == ""
    assert open_images([mixed[1].model_copy(update={"status": "open"})], "")[0].file == "here/b.png"


def test_contributions_that_are_not_listed_are_summed(tmp_path: Path, predict: Predict):
    contributions = tuple(
        Contribution(
            attribute=f"contribution {n}",
            contribution=1.0 - 0.1 * n,
            label_value="l",
            runner_up_value="r",
            seen="l",
        )
        for n in range(9)
    )
    page = page_of(
        finished_run(
            tmp_path, [predict("a", "b", contributions=contributions, margin=5.4)], classes=("a", "b")
        )
    )
    assert "contribution 5 +0.50" in page.text
    assert "contribution 6" not in page.text
    assert "3 smaller ones +0.90 together" in page.text
    assert "margin +5.40" in page.text


def test_an_image_without_contributions_says_so(tmp_path: Path, predict: Predict):
    page = page_of(
        finished_run(
            tmp_path,
            [
                predict("a", "b", contributions=(), runner_up=None, margin=None),
                predict("a", "a", contributions=(), rounds=0),
            ],
            classes=("a", "b"),
        )
    )
    assert "No attributes: the rule that decided gives no weight to each." in page.text
    assert "Decided at the first look; nothing more was asked." in page.text


def test_pictures_that_are_gone_or_changed_are_not_shown(tmp_path: Path, predict: Predict):
    gone, changed, kept = predict("a", "b"), predict("b", "a"), predict("c", "a")
    Path(gone.image).unlink()
    Path(changed.image).write_bytes(Path(kept.image).read_bytes())
    page = page_of(finished_run(tmp_path, [gone, changed, kept], classes=("a", "b", "c")))
    assert page.count("img") == 1
    assert page.text.count("The picture is no longer there.") == 2


def test_page_stays_small_with_many_large_noisy_pictures(
    tmp_path: Path, predict: Predict, open_prediction: Predict
):
    noise = np.random.default_rng(0)
    predictions: list[Prediction] = []
    for number in range(60):
        make = (
            predict("a", "b", truth="a"),
            predict("b", "b", truth="a"),
            open_prediction("a", "b", truth="a"),
        )[number % 3]
        picture = noise.integers(0, 256, (220, 220, 3), dtype=np.uint8)
        Image.fromarray(picture).save(make.image)
        predictions.append(
            make.model_copy(update={"image_hash": sha256(Path(make.image).read_bytes()).hexdigest()})
        )
    path = write_classify_report(
        run := finished_run(tmp_path, predictions, classes=("a", "b")), manifest_of(run)
    )
    page = CheckedPage(path.read_text(encoding="utf-8"))
    assert page.count("img") == 3 * (SHOWN + FOLDED)
    assert path.stat().st_size < 3_000_000
    assert "6 more of 20" in page.text


def test_rounds_come_from_events(tmp_path: Path, predict: Predict, caplog: pytest.LogCaptureFixture):
    run = finished_run(tmp_path, [predict("a", "b")] * 3, classes=("a", "b"))
    again = summary_of(2, 3).model_copy(update={"resolved": 3, "open": 0})
    run.event(again)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"event": "triaged", "rou')
    with caplog.at_level(logging.WARNING):
        rounds = read_rounds(run.path)
    assert [each.round for each in rounds] == [0, 1, 2]
    assert rounds[2] == again
    assert "line 8 is no event" in caplog.text
    page = page_of(run)
    assert "First look 0 3 0 Round 1 1 2 5 Round 2 3 0 5" in page.text


def test_a_run_without_events_has_no_rounds(tmp_path: Path, predict: Predict):
    run = finished_run(tmp_path, [predict("a", "b")], classes=("a", "b"))
    (run.path / "events.jsonl").unlink()
    assert read_rounds(run.path) == ()
    assert "Round by round" not in page_of(run).text


def test_pooled_rounds_keep_what_stopped_early():
    short, long = [summary_of(0, 4), summary_of(1, 4)], [summary_of(n, 10) for n in range(4)]
    pooled = pooled_rounds([short, (), long])
    assert [(each.round, each.resolved, each.open, each.questions) for each in pooled] == [
        (0, 0, 14, 0),
        (1, 2, 12, 10),
        (2, 3, 11, 15),
        (3, 4, 10, 20),
    ]


def test_no_predictions_or_no_book_is_an_error(tmp_path: Path, predict: Predict):
    run = finished_run(tmp_path, [], classes=("a", "b"))
    with pytest.raises(RunError, match="no predictions"):
        write_classify_report(run, manifest_of(run))
    run = finished_run(tmp_path, [predict("a", "b")], classes=("a", "b"))
    (run.path / "book.json").unlink()
    with pytest.raises(RunError, match=r"book\.json"):
        write_classify_report(run, manifest_of(run))


def test_rejected_images_are_shown_and_counted(tmp_path: Path, predict: Predict):
    rejected = predict(
        "a",
        "b",
        status="rejected",
        candidates_left=0,
        candidates=(CandidateClass(class_name="a", probability=0.3),),
    )
    page = page_of(finished_run(tmp_path, [rejected], classes=("a", "b")))
    assert "0 of 1 image was resolved to a single class; 1 fits none." in page.text
    assert "no class fits; nearest a 30%" in page.text
    assert "No class left" in page.text


def test_branches_of_open_images_and_how_right_they_are(
    tmp_path: Path, predict: Predict, open_prediction: Predict
):
    tree = class_tree(
        {"wren": "songbird", "finch": "songbird", "crow": "corvid", "songbird": "bird", "corvid": "bird"},
        ("wren", "finch", "crow"),
    )
    sure = {"coarse_label": "songbird", "coarse_probability": 0.97}
    run = finished_run(
        tmp_path,
        [predict("wren", "wren", truth="wren"), open_prediction("wren", "finch", truth="finch", **sure)],
        classes=tree.classes,
    )
    run.write(TREE, tree)
    text = words_of(page_of(run))
    assert "Open, but within one group" in text
    assert "Groups of open images 1 image, 2.0 classes a group 100.0% Labels of the same images 0.0%" in text
    assert "In the tree a label is 1.00 steps from the true class on average." in text
    assert "group: songbird 97%" in text


def words_of(page: CheckedPage) -> str:
    return " ".join(page.text.split())
