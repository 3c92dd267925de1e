"""Opens what is kept between runs, and the models that use it, as the settings say.

It imports no model before one is opened: commands about the cache stay light.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fieldmark.cache.bytestore import (
    ByteStore,
    DiskByteStore,
    LastingByteStore,
    MemoryByteStore,
    open_byte_store,
)
from fieldmark.cache.inventory import open_vector_stores
from fieldmark.cache.server import ServerAddress
from fieldmark.cache.vectorstore import DiskVectorStore, VectorStore, open_vector_store
from fieldmark.records import Price, UsageLimits, path_of
from fieldmark.settings import Settings, read_settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from fieldmark.app.models import ChosenModels
    from fieldmark.tools.clip.clip import ClipEncoder
    from fieldmark.tools.clip.encoder import Encoder
    from fieldmark.tools.llm.chat import ChatModel, LanguageModel
    from fieldmark.tools.llm.given import AskedModel


CacheUse = Literal["use", "refresh", "off"]
"""What is done with kept answers: they are used, every one is asked anew and replaced, or none is touched."""
OPENAI = "https://api.openai.com/v1"
"""Where the SDK asks when no base URL is given."""


class Stores(AbstractContextManager["Stores"]):
    """Everything Fieldmark keeps between runs, under one folder: answers, vectors, adapters, aviary pictures.

    Args:
        home: The folder; made on first use.
        cache: Address of a Redis server for the answers; None keeps them in the folder, too.
    """

    def __init__(self, home: Path, *, cache: "SecretStr | None" = None) -> None:
        self.home = home
        self._cache = cache
        self._closing = ExitStack()

    @cached_property
    def answers(self) -> LastingByteStore:
        """Answers of language models, and verdicts."""
        if self._cache is None:
            return self.facts
        from fieldmark.cache.redis_store import open_redis_store

        return self._closing.enter_context(open_redis_store(self._cache.get_secret_value()))

    @cached_property
    def facts(self) -> DiskByteStore:
        """What was found out about files of this machine; it means nothing to another."""
        return self._closing.enter_context(open_byte_store(self.home / "answers"))

    @cached_property
    def adapters(self) -> DiskByteStore:
        """Adapters of encoders, by what they were tuned on."""
        return self._closing.enter_context(open_byte_store(self.home / "adapters"))

    @property
    def checkpoints(self) -> ServerAddress | None:
        """Where new runs keep their checkpoints; see `checkpoint_server`."""
        return checkpoint_server()

    async def try_checkpoints(self, *, new: bool = True) -> None:
        """Connect once where a new run keeps its checkpoints: what is amiss is told before there is a run.

        Raises:
            RunError: The server cannot be used.
            SettingsError: The address is none, or the packages that it needs are not installed.
        """
        server = self.checkpoints if new else None
        if server is not None:
            from fieldmark.agents.shared.postgres import server_checkpoint

            async with server_checkpoint(server, Path()):
                pass

    @property
    def pool_memory(self) -> int:
        """Bytes that what the images of a pool show may take; see `Settings.pool_memory`."""
        return read_settings().pool_memory << 20

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

    def all_adapters(self) -> list[DiskByteStore]:
        """The store of adapters, if there is one yet."""
        return [self.adapters] if (self.home / "adapters").exists() else []

    def clear_aviary(self) -> None:
        """Remove the rendered pictures."""
        if self.aviary.exists():
            shutil.rmtree(self.aviary)

    def encoder(self, spec: str, *, device: str = "auto") -> "ClipEncoder":
        """Open a CLIP model whose vectors are kept here, with the engine of the settings."""
        encoder = self.encoder_here(spec, device=device)
        settings = read_settings()
        if settings.engine != "local":
            from fieldmark.tools.clip.engines.choosing import use_engine

            use_engine(
                encoder,
                settings.engine,
                device=device,
                address=settings.ray_address,
                closing=self._closing,
            )
        return encoder

    def encoder_here(self, spec: str, *, device: str = "auto") -> "ClipEncoder":
        """Open a CLIP model whose vectors are kept here, without an engine."""
        from fieldmark.tools.clip.clip import open_encoder

        encoder = open_encoder(spec, vectors=self.vectors, metadata=self.facts, device=device)
        encoder.adapters = lambda: self.adapters
        encoder.reference_from = read_settings().reference
        return encoder

    def encoder_of(
        self, given: "Encoder | str | None", chosen: str, *, device: str, kept: "ChosenModels | None" = None
    ) -> "Encoder":
        """The encoder that was given; where a name or nothing was given, the chosen one is opened.

        Its reference pool is that of `kept`; the settings' where not given.
        """
        if given is not None and not isinstance(given, str):
            return given
        encoder = self.encoder(chosen, device=device)
        if kept is not None:
            encoder.reference_from = kept.reference
        return encoder

    def __exit__(self, *_: object) -> None:
        self._closing.close()


def open_stores(home: Path | str | None = None) -> Stores:
    """The stores under `home`, by default where the settings say."""
    settings = read_settings()
    return Stores(path_of(home, "home") if home else settings.home, cache=settings.cache)


def checkpoint_server() -> ServerAddress | None:
    """Where new runs keep their checkpoints: a PostgreSQL server, or None for the run's folder.

    Raises:
        SettingsError: The address is none.
    """
    said = read_settings().checkpoints
    if said is None:
        return None
    from fieldmark.agents.shared.postgres import read_postgres

    return read_postgres(said.get_secret_value())


def open_llm(
    model: str,
    store: ByteStore,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    limits: UsageLimits | None = None,
    cache: CacheUse = "use",
    kind: "Callable[..., ChatModel] | None" = None,
) -> "ChatModel":
    """A language model; what is not given comes from the settings. `kind` makes another kind of it."""
    from fieldmark.tools.llm.chat import ChatModel

    settings = read_settings()
    return (kind or ChatModel)(
        model,
        base_url=base_url or settings.base_url,
        api_key=api_key or _secret(settings.api_key),
        store=store,
        limits=limits,
        price=price_of(settings),
        use_cache=cache != "off",
        refresh=cache == "refresh",
        concurrency=settings.llm_concurrency,
        timeout_s=settings.llm_timeout,
        answer_tokens=settings.answer_tokens,
        effort=settings.effort,
    )


@asynccontextmanager
async def asked_model(
    given: "LanguageModel | str | None", limits: UsageLimits | None, opened: "Callable[[], ChatModel]"
) -> "AsyncIterator[AskedModel]":
    """The model that was given, not closed here; where a name or nothing was given, one is opened and closed.

    Args:
        given: What the caller gave.
        limits: The most that may be spent on a model that was given.
        opened: Opens one by its name.
    """
    from fieldmark.tools.llm.chat import ChatModel
    from fieldmark.tools.llm.given import GivenModel

    if given is None or isinstance(given, str):
        async with opened() as llm:
            yield llm
    else:
        yield given if isinstance(given, ChatModel) else GivenModel(given, limits)


@asynccontextmanager
async def asked_by_name(
    given: "LanguageModel | str | None",
    name: str | None,
    stores: Stores,
    *,
    base_url: str | None,
    limits: UsageLimits,
    cache: CacheUse,
) -> "AsyncIterator[AskedModel | None]":
    """The model that was given, or the one of that name opened and closed; None where there is no name."""
    if name is None:
        yield None
        return
    opened = partial(open_llm, name, stores.answers, base_url=base_url, limits=limits, cache=cache)
    async with asked_model(given, limits, opened) as llm:
        yield llm


def answers_for(cache: CacheUse, stores: Stores) -> ByteStore:
    """Where a script's answers are kept: they are the same each time, so that "refresh" keeps none anew."""
    return stores.answers if cache == "use" else MemoryByteStore()


def name_of(given: "Encoder | LanguageModel | str | None") -> str | None:
    """The name of a model that was given by name or as an object."""
    if given is None or isinstance(given, str):
        return given
    return str(getattr(given, "model", "") or getattr(given, "name", "") or type(given).__name__)


def open_vlm(
    model: str,
    store: ByteStore,
    *,
    beside: "AskedModel | None",
    llm: tuple[str | None, str | None],
    base_url: str | None = None,
    api_key: str | None = None,
    limits: UsageLimits | None = None,
    cache: CacheUse = "use",
    kind: "Callable[..., ChatModel] | None" = None,
) -> "ChatModel":
    """A vision-language model; what is not given comes from the settings.

    Args:
        model: Its name at the endpoint.
        store: Where answers are kept.
        beside: The language model that spends from the same limits.
        llm: The language model's endpoint and key as they were given. Its key and price are taken only where
            the endpoint (and for the price, the model) is the same: no key is sent to another's server.
        base_url: The endpoint; that of the language model where not given.
        api_key: Its key; `FIELDMARK_VLM_API_KEY` where not given.
        limits: The most that may be spent on both models together.
        cache: "use" it, "refresh" every answer, or leave it "off".
        kind: Makes another kind of model.
    """
    from fieldmark.tools.llm.address import normal_url
    from fieldmark.tools.llm.chat import ChatModel

    settings = read_settings()
    llm_url, llm_key = llm[0] or settings.base_url, llm[1] or _secret(settings.api_key)
    shared = base_url is None or normal_url(base_url) == normal_url(llm_url or OPENAI)
    same = shared and beside is not None and beside.model == model
    return (kind or ChatModel)(
        model,
        base_url=llm_url if shared else base_url,  # what a resumed run has kept lacks a user and password
        api_key=api_key or _secret(settings.vlm_api_key) or (llm_key if shared else None),
        store=store,
        limits=limits,
        price=vlm_price_of(settings, same=same),
        beside=beside if isinstance(beside, ChatModel) else None,
        use_cache=cache != "off",
        refresh=cache == "refresh",
        concurrency=settings.llm_concurrency,
        timeout_s=settings.llm_timeout,
        answer_tokens=settings.answer_tokens,
        effort=settings.effort,
    )


def asked_vlm(
    given: "LanguageModel | str | None",
    stores: Stores,
    *,
    beside: "AskedModel | None",
    llm: tuple[str | None, str | None],
    limits: UsageLimits,
    cache: CacheUse,
    base_url: str | None = None,
    api_key: str | None = None,
) -> AbstractAsyncContextManager["AskedModel | None"]:
    """The vision-language model that was given, or the one of that name opened and closed; see `open_vlm`."""
    if given is None:
        return nullcontext()
    opened = partial(
        open_vlm,
        name_of(given) or "",
        stores.answers,
        beside=beside,
        llm=llm,
        base_url=base_url,
        api_key=api_key,
        limits=limits,
        cache=cache,
    )
    return asked_model(given, limits, opened)


def price_of(settings: Settings) -> Price | None:
    """The configured price; None (unknown) unless both halves are set."""
    if settings.price_prompt is None or settings.price_completion is None:
        return None
    return Price(prompt=settings.price_prompt, completion=settings.price_completion)


def vlm_price_of(settings: Settings, *, same: bool) -> Price | None:
    """The configured price of the vision-language model: that of the language model where it is the same."""
    if settings.vlm_price_prompt is not None and settings.vlm_price_completion is not None:
        return Price(prompt=settings.vlm_price_prompt, completion=settings.vlm_price_completion)
    return price_of(settings) if same else None


def _secret(value: "SecretStr | None") -> str | None:
    return value.get_secret_value() if value else None
