"""What came of a run, in words and as JSON."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fieldmark.agents.shared.estimate import CallEstimate, FirstLook
from fieldmark.app.resolution import Resolution
from fieldmark.cli.classify.output import as_json, in_words, show, show_estimate
from fieldmark.cli.terminal import words
from fieldmark.records import CandidateClass, EncoderUsage, Prediction, RunManifest, SkippedInput, Usage


def prediction(name: str, status: Any = "open", left: int = 4) -> Prediction:
    """A prediction for an image."""
    return Prediction(
        image=name,
        image_hash="0",
        label="[b]a[/b]",
        confidence=0.5,
        status=status,
        candidates=(
            CandidateClass(class_name="[b]a[/b]", probability=0.5),
            CandidateClass(class_name="b", probability=0.25),
        ),
        candidates_left=left,
        rounds=1,
    )


def resolution(
    *predictions: Prediction, stop: str = "no_progress", skipped: int = 0, usage: Usage | None = None
) -> Resolution:
    """A run's outcome."""
    manifest = RunManifest(
        run_id="x",
        kind="classify",
        created="",
        finished="",
        versions={},
        encoder={},
        language_model={},
        prompts={},
        data_hash="",
        usage=usage or Usage(requests=5, cached=2, prompt_tokens=1000, completion_tokens=234),
        encoder_usage=EncoderUsage(),
        stop_reason=stop,
        counts={"resolved": 1, "open": len(predictions), "rejected": 0, "rounds": 2},
        skipped=tuple(SkippedInput(path=f"{n}.jpg", reason="empty file") for n in range(skipped)),
        notes=("The encoder has RANDOM weights.",),
    )
    return Resolution(predictions, manifest, Path("runs/x"))


def said(outcome: Resolution, capsys: pytest.CaptureFixture[str], **failures: int) -> str:
    """What `show` says."""
    show(outcome, words(json=False), failures=Counter(failures), again="fieldmark classify --resume x")
    return capsys.readouterr().out


def test_counts_reason_and_spending_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(resolution(*(prediction(f"{n}.png") for n in range(7)), skipped=1), capsys)
    assert "Stopped after 2 rounds: no further question was expected to change a label." in out
    assert "Asked 5 questions, 2 answered from the cache; 1,234 tokens, cost unknown." in out
    assert "The encoder has RANDOM weights." in out
    assert "  4.png: [b]a[/b] 50.0%, b 25.0%, 2 more" in out
    assert "5.png" not in out and "  and 2 more" in out
    assert "Skipped:\n  0.jpg: empty file\n" in out
    assert "resume" not in out


def test_images_are_counted_by_label(capsys: pytest.CaptureFixture[str]) -> None:
    seen = prediction("a").model_copy(update={"decided_by": "vlm", "vlm_label": "b"})
    made = resolution(prediction("c", "resolved", 1), prediction("d"), prediction("e", "rejected", 0), seen)
    lines = [" ".join(line.replace("│", " ").split()) for line in said(made, capsys).splitlines()]
    assert "[b]a[/b] 1 1 0" in lines
    assert "b 0 1 1" in lines
    assert as_json(made)["by_label"] == [
        {"label": "[b]a[/b]", "resolved": 1, "open": 1, "by_vlm": 0},
        {"label": "b", "resolved": 0, "open": 1, "by_vlm": 1},
    ]
    many = [prediction(str(n)).model_copy(update={"label": f"class {n:02}"}) for n in range(23)]
    out = said(resolution(*many), capsys)
    assert "class 19" in out and "class 20 " not in out
    assert "and 3 labels more, in predictions.csv" in out


def test_a_finished_run_says_how_to_sort_its_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert "fieldmark sort runs/x --into DIR" in said(resolution(prediction("a")), capsys)


def test_a_file_is_one_line_whatever_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(resolution(prediction("e\x1b[31mvil\nname.png")), capsys)
    assert "  e\\x1b[31mvil\\nname.png: [b]a[/b] 50.0%" in out


def test_no_rounds_are_not_used_up(capsys: pytest.CaptureFixture[str]) -> None:
    made = resolution(prediction("a"), stop="max_rounds")
    none = made.manifest.model_copy(update={"counts": {"rounds": 0}})
    out = said(Resolution(made.predictions, none, made.run), capsys)
    assert "Stopped after the first look: no follow-up rounds were allowed." in out
    assert "Stopped after 2 rounds: the rounds that were allowed are used up." in said(made, capsys)


def test_failures_are_told_by_reason(capsys: pytest.CaptureFixture[str]) -> None:
    usage = Usage(requests=5, failed=3, cost=0.125)
    out = said(resolution(prediction("a"), usage=usage), capsys, refused=2, timeout=1)
    assert "3 without a usable answer (refused 2, timeout 1); 0 tokens, cost 0.125." in out


@pytest.mark.parametrize(
    ("stop", "says"),
    [
        ("budget", "Go on with a higher limit: fieldmark classify --resume x --max-calls …"),
        ("endpoint", "Go on with: fieldmark classify --resume x"),
    ],
)
def test_a_stopped_run_says_how_to_go_on(stop: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in said(resolution(prediction("a"), stop=stop), capsys).splitlines()


def shown(**counts: int) -> Resolution:
    """A run that showed open images to a vision-language model."""
    plain = resolution(prediction("a"))
    manifest = plain.manifest.model_copy(
        update={
            "vision_model": {"model": "eyes"},
            "vision_usage": Usage(requests=3, prompt_tokens=2000),
            "counts": {**plain.manifest.counts, "vlm_decided": 2, "vlm_none": 0, "vlm_failed": 0}
            | {"vlm_kept_back": 0}
            | counts,
        }
    )
    return Resolution(plain.predictions, manifest, plain.run)


def test_what_a_method_showed_to_the_vision_language_model_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = resolution(prediction("a"))
    seen = {"vision_model": {"model": "eyes"}, "vision_usage": Usage(requests=3, prompt_tokens=2000)}
    told = said(Resolution(plain.predictions, plain.manifest.model_copy(update=seen), plain.run), capsys)
    asked = "Asked 3 questions, 0 answered from the cache; 2,000 tokens, cost unknown."
    assert f"Shown images to eyes. {asked}" in told.splitlines()


def test_what_was_shown_to_the_vision_language_model_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Shown to" not in said(resolution(prediction("a")), capsys)
    lines = said(shown(), capsys).splitlines()
    assert "Shown to eyes: 2 open images, 2 decided; 2,000 tokens, cost unknown." in lines
    lines = said(shown(vlm_none=1, vlm_failed=3, vlm_kept_back=4), capsys).splitlines()
    assert (
        "Shown to eyes: 6 open images, 2 decided, 1 none of the candidates, 3 without a usable answer; "
        "4 not shown yet; 2,000 tokens, cost unknown."
    ) in lines
    assert "Show the other 4 open images with: fieldmark classify --resume x" in lines


def test_an_open_image_that_was_chosen_says_so() -> None:
    chosen = prediction("a.png", left=2).model_copy(update={"decided_by": "vlm", "vlm_label": "[b]b[/b]"})
    assert in_words(chosen).endswith("; chosen by the vision-language model: [b]b[/b]")


def test_an_open_image_in_words() -> None:
    assert in_words(prediction("a.png", left=2)) == "a.png: [b]a[/b] 50.0%, b 25.0%"


def test_json_holds_the_predictions() -> None:
    value = as_json(resolution(prediction("a"), skipped=1))
    assert next(iter(value)) == "schema"
    assert value["schema"] == "fieldmark.classify/1"
    assert set(value) >= {
        "run",
        "stop_reason",
        "counts",
        "usage",
        "vision_usage",
        "encoder_usage",
        "images",
        "skipped",
    }
    assert Prediction.model_validate(value["images"][0]) == prediction("a")
    assert value["skipped"] == [{"path": "0.jpg", "reason": "empty file"}]


def test_usable_or_not() -> None:
    assert resolution(prediction("a")).usable
    assert not resolution(prediction("a", "rejected", 0)).usable
    assert resolution(prediction("a", "rejected", 0), prediction("b")).usable
    assert not resolution(prediction("a"), usage=Usage(requests=3, failed=3)).usable
    assert resolution(prediction("a"), usage=Usage(requests=3, failed=3, cached=1)).usable
    assert resolution(prediction("a"), usage=Usage()).usable


def test_an_estimate_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    look = FirstLook(questions=9, cached=4, to_ask=5, tokens=12_000)
    estimate = CallEstimate(images=3, classes=8, model="m", noun=None, first_look=look, follow_up_most=50)
    show_estimate(estimate, words(json=False))
    out = capsys.readouterr().out
    assert (
        "First look: 9 questions to m, 4 in the cache, 5 to ask, at most 12,000 tokens, cost unknown." in out
    )
    assert "never more than 50, about 0 to 0 tokens, cost unknown." in out
    assert "For money, set FIELDMARK_PRICE_PROMPT and FIELDMARK_PRICE_COMPLETION" in out
    priced = {"first_look": look.model_copy(update={"cost": 0.25}), "follow_up_tokens": 70_000}
    priced |= {
        "follow_up_cost": 1.5,
        "vlm": "eyes",
        "most_vlm_images": 3,
        "vlm_tokens": 6000,
        "vlm_cost": 2.0,
    }
    show_estimate(estimate.model_copy(update=priced), words(json=False))
    out = capsys.readouterr().out
    assert "at most 12,000 tokens, cost 0.25." in out
    assert "never more than 50, about 0 to 70,000 tokens, cost 0 to 1.5." in out
    assert "one question each, about 0 to 6,000 tokens, cost 0 to 2." in out
    assert "For money" not in out
    show_estimate(estimate.model_copy(update={"model": None}), words(json=False))
    assert "No language model: nothing is asked." in capsys.readouterr().out
    show_estimate(estimate.model_copy(update={"vlm": "eyes", "most_vlm_images": 3}), words(json=False))
    assert "shown to eyes: never more than 3 images, one question each, about" in capsys.readouterr().out
