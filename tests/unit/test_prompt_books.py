"""A prompt book by itself: written, read, and turned into class vectors."""

from pathlib import Path

import pytest
import torch

from fieldmark import PromptBook
from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt
from fieldmark.testing import HashingEncoder
from fieldmark.tools.scoring.books import book_scores


def book(pooling: str = "prototype", weights: tuple[float, ...] = (1.0, 3.0, 1.0)) -> PromptBook:
    texts = (("finch", "a red finch"), ("finch", "a finch"), ("heron", "a grey heron"))
    return PromptBook(
        classes=("finch", "heron"),
        pooling=pooling,  # pyright: ignore[reportArgumentType]
        prompts=tuple(
            Prompt(class_name=name, text=text, weight=weight, origin=Origin(kind="template"))
            for (name, text), weight in zip(texts, weights, strict=True)
        ),
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    book().save(tmp_path / "book.json")
    assert PromptBook.load(str(tmp_path / "book.json")) == book()
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]
    (tmp_path / "other.json").write_text('{"classes": 3}')
    for name, says in (("none.json", "cannot be read"), ("other.json", "is no prompt book: classes")):
        with pytest.raises(InputError, match=says):
            PromptBook.load(tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        book().save(tmp_path / "no folder" / "book.json")
    assert repr(book()) == "PromptBook(2 classes, 3 prompts, prototype)"


def test_class_weights_are_the_rows_that_score_images() -> None:
    encoder = HashingEncoder()
    weights = book().class_weights(encoder)
    assert weights.shape == (2, encoder.width)
    assert weights.norm(dim=1).sub(1).abs().max() < 1e-6
    images = torch.nn.functional.normalize(torch.randn(7, 64, generator=torch.manual_seed(1)), dim=1)
    expected = book_scores(book(), images, lambda texts: encoder.encode_texts(texts))
    assert torch.allclose(images @ weights.T, expected, atol=1e-6)
    plain = book("mean_cosine", (1.0, 9.0, 1.0)).class_weights(encoder)
    assert torch.allclose(plain, book("prototype", (1.0, 1.0, 1.0)).class_weights(encoder))
    for wrong in ((-1.0, 3.0, 1.0), (1.0, 3.0, 0.0)):
        with pytest.raises(InputError, match="no prompt with weight"):
            book(weights=wrong).class_weights(encoder)
