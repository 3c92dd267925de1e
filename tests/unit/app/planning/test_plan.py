"""A plan says what the product's own formulas and stores say, scaled by what was measured."""

from pathlib import Path

import numpy as np
import pytest

from fieldmark.agents.resolve.context import MOST_PAIRS, SHORTLIST
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.classifier import Classifier
from fieldmark.app.event_loop import run_to_end
from fieldmark.app.models import choose_models
from fieldmark.app.planning import unit_costs as cost
from fieldmark.app.planning.measuring import measure_encoding
from fieldmark.app.planning.plan import SOME, PlanOptions, asked_of, make_plan, memory_of, used_of
from fieldmark.cache.vectorstore import open_vector_store
from fieldmark.errors import InputError
from fieldmark.records import Price
from fieldmark.tools.concepts.pool import EXACT_UP_TO
from tests.seeing import draw

NAMES = [f"common name {number:05}" for number in range(SOME + 100)]


@pytest.mark.parametrize("classes", [40, len(NAMES)])
def test_questions_and_tokens_are_those_of_the_dry_run(tmp_path: Path, classes: int) -> None:
    draw(tmp_path / "photos", ["red"])
    told = Classifier(
        classes=NAMES[:classes], clip="aviary", llm="m", base_url="http://localhost/v1", noun="object",
        home=tmp_path / "home", images=tmp_path / "photos",
    ).estimate()  # fmt: skip
    asked = run_to_end(asked_of(PlanOptions(images=1, classes=classes), 1))
    assert (asked.first, asked.most) == (told.first_look.to_ask, told.follow_up_most)
    assert asked.first_tokens.total == pytest.approx(told.first_look.tokens, rel=1e-6)
    assert asked.most_tokens.total == pytest.approx(told.follow_up_tokens, rel=1e-6)
    assert asked.first_tokens.prompt > 0 < asked.first_tokens.completion


def test_vectors_take_what_the_store_takes(tmp_path: Path) -> None:
    count, width = 6000, 64
    store = open_vector_store(tmp_path, width=width)
    keys = [f"{number:064x}" for number in np.random.default_rng(0).permutation(count)]
    store.put_many(keys, np.ones((count, width), np.float16))
    store.close()
    real = sum(path.stat().st_size for path in tmp_path.iterdir())
    planned = make_plan(PlanOptions(images=count, classes=2, width=width)).part("vectors on disk").amount
    assert planned == pytest.approx(real, rel=0.2)


def test_memory_grows_with_images_vectors_and_pairs() -> None:
    def more(width: int, classes: int) -> float:
        return memory_of(2000, classes, width) - memory_of(1000, classes, width)

    assert more(1000, 2) - more(500, 2) == pytest.approx(1000 * 500 * cost.VECTOR_BYTES.value)
    assert more(500, 12) - more(500, 2) == pytest.approx(1000 * 10 * cost.PAIR_BYTES.value)
    shortlisted = 1000 * (SHORTLIST * cost.PAIR_BYTES.value + cost.IMAGE_BYTES.value)
    large = MOST_PAIRS // 1000
    assert memory_of(large + 2000, 1000, 1) - memory_of(large + 1000, 1000, 1) == pytest.approx(
        shortlisted, rel=1e-3
    )


def test_time_is_what_the_speed_says_and_workers_share_it() -> None:
    def hours(**given: object) -> float | None:
        return make_plan(PlanOptions(images=3_600_000, classes=10, **given)).part("encoding").amount  # pyright: ignore[reportArgumentType]

    assert hours(images_per_second=100) == pytest.approx(36_000)
    assert hours(images_per_second=100, workers=10) == pytest.approx(3_600)
    known = cost.ENCODING["aviary", "cpu"].value
    assert hours(clip="aviary", cores=2) == pytest.approx(3_600_000 / known / 2)


def test_what_nobody_measured_is_not_known() -> None:
    made = make_plan(PlanOptions(images=1000, classes=10, clip="ViT-L-14:random", device="cuda"))
    assert made.part("encoding").amount is None
    assert "nobody measured ViT-L-14:random on cuda" in made.part("encoding").note
    assert made.part("answering").amount is None
    assert made.part("money").amount is None
    assert made.part("money").note == "no price is set"


def test_money_is_the_price_of_the_tokens_that_are_used() -> None:
    options = PlanOptions(images=1000, classes=30, price=Price(prompt=2, completion=8))
    used = used_of(run_to_end(asked_of(options, 1000)))
    money = make_plan(options).part("money")
    assert money.amount == pytest.approx((2 * used.prompt + 8 * used.completion) / 1e6)
    assert (money.most or 0) > (money.amount or 0)


def test_a_pool_beyond_the_memory_is_labelled_by_what_a_sample_taught() -> None:
    all_of_it = make_plan(PlanOptions(images=1_000_000, classes=100, memory=1 << 40))
    some = make_plan(PlanOptions(images=1_000_000, classes=100, memory=8 << 30))
    assert all_of_it.classified == 1_000_000
    assert memory_of(some.classified, 100, 512) <= 8 << 30 < memory_of(1_000_000, 100, 512)
    assert some.part("labelling the rest").amount
    assert "a sample of" in some.part("memory at the peak").use
    assert all(each.part != "labelling the rest" for each in all_of_it.parts)
    assert any("without a language model" in note for note in some.notes)


def test_what_to_use_changes_where_the_product_changes() -> None:
    def use(part: str, images: int, classes: int = 10, **given: object) -> str:
        return make_plan(PlanOptions(images=images, classes=classes, **given)).part(part).use  # pyright: ignore[reportArgumentType]

    assert use("a search in all of it", EXACT_UP_TO) == "exact"
    assert use("a search in all of it", EXACT_UP_TO + 1) == "FAISS"
    assert use("scoring", MOST_PAIRS // 1000, 1000) == "evidence rule"
    assert str(SHORTLIST) in use("scoring", MOST_PAIRS // 1000 + 1, 1000)
    assert use("questions", 100) == "online"
    assert "batches" in use("questions", 100, 10_000)
    assert "Ray" in use("encoding", 100, workers=2)


def test_fewer_rounds_ask_less() -> None:
    def most(rounds: int) -> float | None:
        loop = ResolveOptions(max_rounds=rounds)
        return make_plan(PlanOptions(images=100, classes=20, loop=loop)).part("questions").most

    assert most(0) == 20
    assert (most(2) or 0) < (most(6) or 0)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"images": 0}, "images"),
        ({"classes": 1}, "classes"),
        ({"classes": 10_001}, "classes"),
        ({"images_per_second": 0.0}, "images_per_second"),
        ({"workers": 0}, "workers"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        PlanOptions(**({"images": 10, "classes": 2} | given))  # pyright: ignore[reportArgumentType]


def test_encoding_is_measured_on_any_few_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "photos", ["red", "green", "blue"])
    chosen = choose_models(clip="aviary", device="cpu")
    told = measure_encoding([tmp_path / "photos"], chosen, home=tmp_path / "home", seconds=0.05)
    assert (told.width, told.device, told.images % 3) == (192, "cpu", 0)
    assert told.images_per_second > 0
    assert not (tmp_path / "home" / "vectors").exists()


CHECKED = Path(__file__).parents[4] / "docs" / "scaling.md"
SCALES = {
    "encoding, s": ("encoding", 1.0),
    "scoring, s": ("scoring", 1.0),
    "questions": ("questions", 1.0),
    "tokens, thousands": ("tokens", 1e3),
    "vectors on disk, MB": ("vectors on disk", 1e6),
    "answers on disk, kB": ("answers on disk", 1e3),
    "the run's folder, MB": ("run on disk", 1e6),
    "memory at the peak, GB": ("memory at the peak", 1e9),
}


def test_the_page_says_what_is_planned_today_beside_what_was_measured() -> None:
    # Who changes a unit cost checks the plan anew.
    page = CHECKED.read_text(encoding="utf-8").partition("### The plan and what came of it")[2]
    sizes = [(1000, 20), (5000, 40), (8000, 80)]
    plans = [
        make_plan(PlanOptions(images=images, classes=classes, clip="aviary", width=192, cores=1))
        for images, classes in sizes
    ]
    table = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    rows = {label: cells[:3] for label, *cells in table}
    assert set(SCALES) <= set(rows)
    for label, (part, scale) in SCALES.items():
        for made, cell in zip(plans, rows[label], strict=True):
            planned, real = map(float, cell.rstrip(")").split(" ("))
            amount = (made.part(part).amount or 0) / scale
            assert amount == pytest.approx(planned, rel=0.02), (label, cell)
            assert 0.6 < amount / real < 2.2
