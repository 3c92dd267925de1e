from fieldmark.evals.report.gallery import MOST_CANDIDATES, chosen, entry, gallery
from fieldmark.evals.report.pictures import LONGEST_SIDE, Pictures, thumbnail
from fieldmark.records import Contribution, Prediction
from fieldmark.tools.images.files import find_images
from tests.unit.evals.report.runs_to_report import Predict


def titles(*predictions: Prediction) -> list[tuple[str, int]]:
    return [(group.title, group.count) for group in gallery(predictions, Pictures(0))]


def test_groups_with_truth(predict: Predict, open_prediction: Predict):
    assert titles(
        predict("a", "b", truth="a"),
        predict("a", "a", truth="a"),
        predict("a", "b", truth="b"),
        open_prediction("a", "b", truth="a"),
        predict("a", "b"),
    ) == [("Wrong at first, then resolved", 1), ("Still open", 1), ("Resolved, yet wrong", 1)]


def test_groups_without_truth(predict: Predict, open_prediction: Predict):
    assert titles(
        predict("a", "b"),
        predict("a", "a"),
        predict("b", "b"),
        open_prediction("a", "b"),
        predict("a", "a", status="rejected", candidates_left=0),
    ) == [("Still open", 1), ("Changed, then resolved", 1), ("Resolved as first seen", 2), ("Rejected", 1)]


def test_choice_is_by_hash_and_takes_every_class_first(predict: Predict):
    crowd = [predict("a", "b", image_hash=f"{n:02}") for n in range(8)]
    others = [predict("b", "a", image_hash="77"), predict("x", "a", truth="c", image_hash="88")]
    picked = chosen([*reversed(crowd), *others], 4)
    assert [p.image_hash for p in picked] == ["00", "77", "88", "01"]


def test_entry_marks_who_the_picture_looks_like(predict: Predict):
    values = [("l", "r", "l"), ("l", "r", "r"), ("l", "r", "x"), ("l", "l", "l"), (None, None, None)]
    contributions = tuple(
        Contribution(attribute=str(n), contribution=1, label_value=a, runner_up_value=b, seen=c)
        for n, (a, b, c) in enumerate(values)
    )
    rows = entry(predict("a", "b", contributions=contributions), Pictures(0)).contributions
    assert [row.sees_label for row in rows] == [True, False, False, False, False]
    assert [row.sees_runner_up for row in rows] == [False, True, False, False, False]


def test_entry_sums_up_what_weighs_little(predict: Predict):
    contributions = tuple(
        Contribution(attribute=str(n), contribution=w) for n, w in enumerate((0.01, -2.0, 0.02, -0.001, 1.0))
    )
    made = entry(predict("a", "b", contributions=contributions), Pictures(0))
    assert [row.contribution.contribution for row in made.contributions] == [-2.0, 1.0]
    assert made.more_contributions == 3
    assert made.rest == 0.01 + 0.02 - 0.001
    one = entry(predict("a", "b", contributions=contributions[:3]), Pictures(0))
    assert (len(one.contributions), one.more_contributions) == (1, 2)
    alone = entry(predict("a", "b", contributions=contributions[:2]), Pictures(0))
    assert (len(alone.contributions), alone.more_contributions) == (2, 0)


def test_entry_lists_some_candidates_and_counts_the_rest(open_prediction: Predict):
    names = [f"class {n}" for n in range(MOST_CANDIDATES)]
    made = entry(open_prediction(*names, candidates_left=17), Pictures(0))
    assert len(made.candidates) == MOST_CANDIDATES
    assert made.more_candidates == 17 - MOST_CANDIDATES
    assert entry(open_prediction("a", "b", truth="b"), Pictures(0)).right is False
    assert entry(open_prediction("a", "b"), Pictures(0)).right is None


def test_pictures_are_few_and_made_once(predict: Predict):
    pictures = Pictures(2)
    first, second, third = predict("a", "a"), predict("b", "a"), predict("c", "a")
    urls = [pictures.of(each.image, each.image_hash) for each in (first, second, first, third)]
    assert urls[0] == urls[2] and urls[0] is not None and urls[1] is not None
    assert urls[3] is None


def test_thumbnail_is_small_and_keeps_its_shape(tmp_path):
    import base64
    import io

    from PIL import Image

    Image.new("RGB", (1000, 500), "red").save(tmp_path / "wide.png")
    url = thumbnail(find_images(tmp_path).images[0])
    assert url is not None
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    assert picture.size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    assert picture.format == "WEBP"
