"""Encodes a pool of any size into a folder of shards, which can be stopped and gone on with anywhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from fieldmark.app.arguments import checked_arguments, places_of
from fieldmark.app.models import choose_models
from fieldmark.app.stores import open_stores
from fieldmark.cache.shard_folder import ShardFolder, shard_name
from fieldmark.records import Record
from fieldmark.settings import read_settings
from fieldmark.tools.images.pool import SHARD_IMAGES, find_shards
from fieldmark.tools.runs.events import Event, ShardsEncoded

if TYPE_CHECKING:
    from fieldmark.tools.clip.engines.work import EncodedShard
    from fieldmark.tools.images.pool_shard import PoolShard


class EmbeddedPool(Record):
    """What an embedding came to.

    Attributes:
        place: The folder or address with the shards.
        clip: The encoder's name.
        identity: The encoder's identity.
        width: Values of a vector.
        shards: Shards of the pool; all of them are there.
        found: Shards that were there before.
        images: Images encoded now.
        held: Images that the shards hold, now encoded or before.
        lost: How many could not be encoded, now or before; an archive or a table that is damaged counts once.
        skipped: The first hundred of them, with the reason.
        passed_over: Files in folders whose suffix is no image's, by suffix.
    """

    place: str
    clip: str
    identity: str
    width: int
    shards: int
    found: int
    images: int
    held: int
    lost: int
    skipped: tuple[tuple[str, str], ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)


_NAMED = 100
_READERS = 16
"""Manifests that are read at once: an address answers each in many milliseconds."""


@checked_arguments
def embed_pool(
    places: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    clip: str | None = None,
    device: str | None = None,
    column: str | None = None,
    shard_images: int = SHARD_IMAGES,
    keep: bool = False,
    home: Path | None = None,
    progress: Callable[[Event], None] = lambda event: None,
) -> EmbeddedPool:
    """Encode a pool of images, by the engine of the settings (`FIELDMARK_ENGINE`).

    Each shard is committed when it is done, so that the same call goes on after a kill, and others read what
    is there by now (`read_shards`). Shards of before that are none of the pool any more stay, unread, and are
    found again should they come back. Of two calls into one folder the second waits, and finds what the first
    did; two into one address encode the same, and write the same.

    Args:
        places: What `find_shards` takes: files, folders, lists, archives, tables, addresses.
        out: A folder, or an address that fsspec writes to.
        clip: The CLIP model; the settings' where not given.
        device: "auto", "cpu", "cuda"; the settings' where not given.
        column: The column of images, of Parquet tables.
        shard_images: Image files of a shard.
        keep: Store the vectors where commands look for them, too.
        home: Where that is; the settings' where not given.
        progress: Called with events.

    Raises:
        NoImagesError: There is no image in the pool.
        InputError: An argument or a place cannot be used, or the engine is not installed.
        ModelError: The model cannot be opened.
        CacheError: The folder holds another encoder's vectors, or cannot be written.
    """
    passed_over = Counter[str]()
    given = places_of(places, "places")
    shards = find_shards(given, column=column, shard_images=shard_images, passed_over=passed_over)
    chosen, settings = choose_models(clip=clip, device=device), read_settings()
    with open_stores(home) as stores, ExitStack() as closing:
        from fieldmark.tools.clip.engines.choosing import open_encode
        from fieldmark.tools.clip.engines.filling import waiting_lock

        encoder = stores.encoder_here(chosen.clip, device=chosen.device)
        store = stores.vectors(encoder.identity, encoder.width) if keep else None
        folder = ShardFolder(str(out), identity=encoder.identity, width=encoder.width)
        with waiting_lock(folder.folder, private=False) if folder.folder else nullcontext():
            names = [shard_name(number, each.key) for number, each in enumerate(shards)]
            there = folder.committed()
            left = [at for at, name in enumerate(names) if name not in there]
            before, skipped = _counted(folder, [name for name in names if name in there])
            images, lost = 0, len(skipped)
            del skipped[_NAMED:]
            progress(ShardsEncoded(done=len(shards) - len(left), of=len(shards)))
            encode = open_encode(
                encoder,
                settings.engine,
                device=chosen.device,
                address=settings.ray_address,
                closing=closing,
            )
            folder.list_shards(names)
            for done, (at, each) in enumerate(_encoded(encode, shards, left), start=1):
                broken = [(one.path, one.reason) for one in each.skipped]
                folder.commit(names[at], names=each.names, keys=each.keys, rows=each.rows, skipped=broken)
                if store is not None:
                    store.put_many(each.keys, each.rows)
                images, lost = images + len(each.names), lost + len(broken)
                skipped += broken[: _NAMED - len(skipped)]
                progress(ShardsEncoded(done=len(shards) - len(left) + done, of=len(shards)))
    return EmbeddedPool(
        place=folder.place,
        clip=encoder.name,
        identity=encoder.identity,
        width=encoder.width,
        shards=len(shards),
        found=len(shards) - len(left),
        images=images,
        held=before + images,
        lost=lost,
        skipped=tuple(skipped),
        passed_over=dict(passed_over.most_common()),
    )


def _counted(folder: ShardFolder, found: Sequence[str]) -> tuple[int, list[tuple[str, str]]]:
    """How many images shards of before hold, and what they lack."""
    with ThreadPoolExecutor(_READERS) as pool:
        counts = list(pool.map(folder.counts, found))
    return sum(images for images, _ in counts), [each for _, broken in counts for each in broken]


def _encoded(
    encode: "Callable[[Sequence[PoolShard]], Iterator[EncodedShard]]",
    shards: "Sequence[PoolShard]",
    left: Sequence[int],
) -> "Iterator[tuple[int, EncodedShard]]":
    """What is left of the shards, each with its number in the pool, as it is ready."""
    for each in encode([shards[at] for at in left]) if left else ():
        yield left[each.number], each
