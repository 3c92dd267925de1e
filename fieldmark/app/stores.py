"""Opens what is kept between runs, and the models that use it, as the settings say.

It imports no model before one is opened: commands about the cache stay light. It knows nothing of graphs.
"""

import shutil
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fieldmark.cache.bytestore import ByteStore, DiskByteStore, open_byte_store
from fieldmark.cache.inventory import open_vector_stores
from fieldmark.cache.vectorstore import DiskVectorStore, VectorStore, open_vector_store
from fieldmark.records import Limits, Price
from fieldmark.settings import Settings, read_settings

if TYPE_CHECKING:
    from fieldmark.tools.clip import ClipEncoder
    from fieldmark.tools.llm import ChatModel


class Stores(AbstractContextManager["Stores"]):
    """Everything Fieldmark keeps between runs, under one folder: answers, vectors, aviary pictures.

    Args:
        home: The folder; made on first use.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._closing = ExitStack()
        self._answers: DiskByteStore | None = None

    @property
    def answers(self) -> DiskByteStore:
        """Answers of language models."""
        if self._answers is None:
            self._answers = self._closing.enter_context(open_byte_store(self.home / "answers"))
        return self._answers

    @property
    def aviary(self) -> Path:
        """Rendered pictures of the aviary."""
        return self.home / "aviary"

    def vectors(self, identity: str, width: int) -> VectorStore:
        """The vector store of one encoder."""
        folder = self.home / "vectors" / identity[:32]
        return self._closing.enter_context(open_vector_store(folder, width=width))

    def all_vectors(self) -> list[DiskVectorStore]:
        """The vector stores of all encoders so far."""
        found = open_vector_stores(self.home / "vectors")
        return [self._closing.enter_context(store) for store in found]

    def clear_aviary(self) -> None:
        """Remove the rendered pictures."""
        if self.aviary.exists():
            shutil.rmtree(self.aviary)

    def encoder(self, spec: str, *, device: str = "auto") -> "ClipEncoder":
        """Open a CLIP model whose vectors are kept here."""
        from fieldmark.tools.clip import open_encoder

        return open_encoder(spec, vectors=self.vectors, metadata=self.answers, device=device)

    def __exit__(self, *_: object) -> None:
        self._closing.close()


def open_stores(home: Path | None = None) -> Stores:
    """The stores under `home`, by default where the settings say."""
    return Stores(home or read_settings().home)


def open_llm(
    model: str,
    store: ByteStore,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    limits: Limits | None = None,
    cache: Literal["use", "refresh", "off"] = "use",
    concurrency: int = 16,
) -> "ChatModel":
    """A language model; what is not given comes from the settings."""
    from fieldmark.tools.llm import ChatModel

    settings = read_settings()
    return ChatModel(
        model,
        base_url=base_url or settings.base_url,
        api_key=api_key or (settings.api_key.get_secret_value() if settings.api_key else None),
        store=store,
        limits=limits,
        price=price_of(settings),
        use_cache=cache != "off",
        refresh=cache == "refresh",
        concurrency=concurrency,
    )


def price_of(settings: Settings) -> Price | None:
    """The configured price; None (unknown) unless both halves are set."""
    if settings.price_prompt is None or settings.price_completion is None:
        return None
    return Price(prompt=settings.price_prompt, completion=settings.price_completion)
