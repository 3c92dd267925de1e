"""The page of images to label: sound, self-contained, and telling how to answer."""

from pathlib import Path

from fieldmark.evals.report.ask import write_ask_page
from fieldmark.records import ImageToLabel
from fieldmark.tools.runs.labels import ASK_PAGE, read_ask, write_ask
from tests.unit.evals.report.checked_page import CheckedPage
from tests.unit.evals.report.runs_to_report import Predict, finished_run


def asked(image: str, image_hash: str, *candidates: tuple[str, float], why: str = "typical") -> ImageToLabel:
    return ImageToLabel(
        image=image,
        image_hash=image_hash,
        guess=candidates[0][0],
        candidates=tuple(name for name, _ in candidates),
        probabilities=tuple(probability for _, probability in candidates),
        why=why,
    )


def test_the_page_shows_each_image_with_its_candidates_and_how_to_answer(
    tmp_path: Path, predict: Predict
) -> None:
    shown = predict("wren", "crow")
    run = finished_run(tmp_path, [shown], classes=("wren", "crow"))
    images = [
        asked(shown.image, shown.image_hash, ("wren", 0.61), ("crow", 0.002), why="typical of 30 images"),
        asked("/gone/<b>b.png", "0" * 64, ("<i>crow</i>", 0.5)),
    ]
    write_ask(run, images)
    assert read_ask(run) == images
    path = write_ask_page(run)
    assert path == run.path / ASK_PAGE
    html = path.read_text(encoding="utf-8")
    assert "http://" not in html and "https://" not in html
    page = CheckedPage(html)
    assert page.count("img") == page.text.count("The picture is not shown here.") == 1
    assert "2 labels would help most" in page.text
    assert "1 · typical of 30 images" in page.text
    assert "wren 61% crow <1%" in page.text
    assert "<i>crow</i> 50%" in page.text
    assert f"fieldmark label {run.path}" in page.text
    assert f"--file {run.path / 'ask.csv'}" in page.text
    assert "none of these" in page.text and "cannot tell" in page.text
    assert Path(shown.image).name in page.text and "<b>b.png" in page.text


def test_a_run_that_asks_about_no_image_has_no_page(tmp_path: Path, predict: Predict) -> None:
    run = finished_run(tmp_path, [predict("wren", "crow")], classes=("wren", "crow"))
    assert write_ask_page(run) is None
    write_ask(run, [asked("a.png", "0" * 64, ("wren", 1.0))])
    assert write_ask_page(run) is not None
    write_ask(run, [])
    assert not (run.path / ASK_PAGE).exists()
