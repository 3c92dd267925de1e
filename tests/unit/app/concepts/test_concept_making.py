"""Two who make the same concept at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fieldmark.app.concepts import conversation as concept_conversation
from fieldmark.app.concepts.conversation import ConceptConversation
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.errors import InputError
from fieldmark.tools.concepts.pool import ImagePool
from fieldmark.tools.images.files import ImageFile


def test_who_comes_second_takes_nothing_from_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for shade in range(6):
        Image.new("RGB", (8, 8), (40 * shade, 0, 0)).save(pictures / f"{shade}.png")
    made: list[ConceptConversation] = []

    def make(about: str) -> ConceptConversation:
        return ConceptConversation.new(
            "Ruddy's", pool=pictures, about=about, clip="aviary", home=tmp_path / "home"
        )

    real = concept_conversation.encoded_pool

    def slowly(images: Sequence[ImageFile], *more: Any) -> ImagePool:
        monkeypatch.setattr(concept_conversation, "encoded_pool", real)
        made.append(make("the first"))
        return real(images, *more)

    monkeypatch.setattr(concept_conversation, "encoded_pool", slowly)
    with pytest.raises(InputError, match="already") as told:
        make("the second")
    assert made[0].concept.purpose == "the first"
    assert made[0].skipped == ()
    assert """fieldmark concept chat 'Ruddy'"'"'s'""" in str(told.value.hint)


def test_a_password_in_the_endpoint_is_kept_in_no_file(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for shade in range(6):
        Image.new("RGB", (8, 8), (40 * shade, 0, 0)).save(pictures / f"{shade}.png")
    url = "http://me:hunter2@127.0.0.1:9/v1"
    made = ConceptConversation.new(
        "red", pool=pictures, clip="aviary", base_url=url, llm="m", home=tmp_path / "home"
    )
    assert made.setup.base_url == url  # used in this process
    kept = ConceptSetup.model_validate_json(made.setup.model_dump_json())
    assert kept.base_url == "http://127.0.0.1:9/v1"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "setup.json" for path in files)
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    with pytest.raises(InputError, match="query"):
        ConceptConversation.new(
            "blue", pool=pictures, clip="aviary", base_url=f"{kept.base_url}?key=x", home=tmp_path / "home"
        )
