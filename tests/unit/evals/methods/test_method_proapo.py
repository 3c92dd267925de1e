"""The evolved prompt book: what the search is shown, and what is scored in the end."""

import torch

from fieldmark.evals.methods.proapo import SHOTS
from fieldmark.records import PromptBook
from tests.graph.world import FakeEncoder
from tests.unit.evals.methods.made_up_bench import TEST, WORLD, Benches, scored_by


class Ordered(FakeEncoder):
    """Remembers in which order images were encoded."""

    def __init__(self) -> None:
        super().__init__(WORLD)
        self.order: list[str] = []

    def encode_images(self, images, *, progress=None):
        self.order += [image.content_hash for image in images]
        return super().encode_images(images, progress=progress)


def test_the_search_sees_no_test_image_and_its_book_scores_them(make_bench: Benches) -> None:
    encoder = Ordered()
    train = tuple(WORLD.image(n, copy, labelled=True) for n in range(6) for copy in range(20, 26))
    bench = make_bench(encoder=encoder, train=train)
    scored = scored_by("proapo", bench)
    shown = encoder.order[: encoder.order.index(TEST.images[0].content_hash)]
    few = {image.content_hash for image in train if int(image.path.stem.split("-")[1]) < 20 + SHOTS}
    assert set(shown) == few
    assert len(few) == 6 * SHOTS < len(train)
    book = bench.run.read("book.json", PromptBook)
    assert scored.scores is not None
    assert scored.diagnostics["prompts"] == len(book.prompts)
    for column, own in enumerate(book.by_class()):
        vectors = encoder.encode_texts([prompt.text for prompt in own])
        weights = torch.tensor([prompt.weight for prompt in own])
        mean = (weights[:, None] * vectors).sum(0) / weights.sum()
        cosines = bench.vectors @ (mean / mean.norm())
        assert torch.allclose(scored.scores[:, column], 20.0 * cosines, atol=1e-3)


def test_each_seed_searches_anew(make_bench: Benches) -> None:
    books = []
    for seed in (0, 0, 1):
        bench = make_bench(seed=seed, encoder=FakeEncoder(WORLD, noise=2.0))
        scored_by("proapo", bench)
        books.append(bench.run.read("book.json", PromptBook))
    assert books[0] == books[1] != books[2]
