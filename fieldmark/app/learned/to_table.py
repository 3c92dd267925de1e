"""Labels images or vectors block by block into a table: memory does not grow with their number."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fieldmark.app.arguments import checked_arguments, places_of
from fieldmark.app.encoding import encode_given
from fieldmark.app.models import choose_models
from fieldmark.app.stores import name_of, open_stores
from fieldmark.errors import InputError, NoImagesError
from fieldmark.records import SkippedInput
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.clip.vector_file import SUFFIX, VectorFile
from fieldmark.tools.concepts.heads.config import FORMAT as HEAD
from fieldmark.tools.concepts.heads.config import HeadConfig, read_config
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.concepts.heads.network import Head
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import format_of
from fieldmark.tools.images.decode import image_suffixes
from fieldmark.tools.images.files import image_files
from fieldmark.tools.images.given_paths import as_text, is_there
from fieldmark.tools.learned.contest import STUDENT, Way
from fieldmark.tools.learned.stored import load_learned, read_learned
from fieldmark.tools.runs.block_table import Coded, Columns, block_table, check_table
from fieldmark.tools.runs.events import Progress, no_progress

BLOCK = 1 << 13
"""Rows at a time where nothing else is said: 16 MiB of vectors of 512 numbers. Room for blocks of 32 MiB and
more is given back to the system after each, and asked for anew."""
_STATUS = ("rejected", "resolved", "open")
_IN_OR_OUT = ("out", "in")


@dataclass(frozen=True)
class LabelledTable:
    """What was written.

    Attributes:
        table: The file.
        rows: Its rows: images or vectors that were labelled.
        counts: How many have which status ("in" and "out" by a concept's classifier).
        encoder: The encoder that the classifier was made with; a file of vectors is taken to be of it.
        skipped: Images that could not be read, with the reason.
        passed_over: Files in folders whose suffix is no image's, by suffix.
    """

    table: Path
    rows: int
    counts: dict[str, int]
    encoder: str
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = field(default_factory=dict)


@checked_arguments
def label_to_table(
    export: Path | str,
    given: Path | str | Sequence[Path | str],
    table: Path | str,
    *,
    by: Way | None = None,
    clip: Encoder | str | None = None,
    device: str | None = None,
    home: Path | None = None,
    block: int = BLOCK,
    progress: Progress = no_progress,
) -> LabelledTable:
    """Label images, or a file of their vectors, with an exported classifier, and write a table as it goes.

    Columns of a run's classifier: image (or row, from 0 on, where vectors were given), label, confidence,
    status, candidates (how many are left), runner_up, and one for each aspect of a student. Of a concept's:
    image, label ("in" or "out"),
    probability, and one for each clause. Labels and numbers are those of `predict`.

    Args:
        export: What `fieldmark export` or `fieldmark concept export` wrote.
        given: Images and folders of them, each file once; or one `.npy` file of vectors (see `VectorFile`),
            made with the encoder of the export: the file cannot tell, and no model is loaded.
        table: The file to write: Parquet where its name ends in ".parquet" (needs pyarrow), else CSV.
        by: "student" or "guide", of a run's classifier; the better one where not given.
        clip: See `LearnedClassifier`.
        device: See `LearnedClassifier`.
        home: See `LearnedClassifier`.
        block: Rows that are held at a time.
        progress: Called with progress events.

    Raises:
        InputError: The export, the vectors or the table cannot be used.
        NoImagesError: Not one image is usable.
        ModelError: The CLIP model cannot be loaded, or is not the one that the classifier was made with.
    """
    if block < 1:
        raise InputError(f"{block} rows at a time are none.", hint="Give 1 or more.", field="block")
    paths = [Path(each) for each in places_of(given, "given")]
    folder, out, unread = Path(export), Path(table), _Unread()
    _refuse_inputs(out, folder, paths)
    check_table(out)  # not after hours of encoding
    stamp = (read_config if format_of(folder) == HEAD else read_learned)(folder).encoder
    vectors = _vector_file(paths, stamp)
    with ExitStack() as closing:
        if vectors is not None:
            label = _label_of(folder, None, by)
            pieces = _ahead(_rows(vectors, block))
        else:
            stores = closing.enter_context(open_stores(home))
            chosen = choose_models(clip=name_of(clip) or stamp.name, device=device)
            encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device)
            label = _label_of(folder, encoder, by)
            pieces = _images(_files(paths, unread), encoder, block, unread, progress)
        counts = _written(pieces, label, out)
    return LabelledTable(
        out,
        counts.total(),
        dict(counts),
        stamp.name,
        tuple(unread.skipped),
        dict(unread.passed_over.most_common()),
    )


@dataclass(frozen=True)
class _Unread:
    """What was given and not labelled, as it is found."""

    skipped: list[SkippedInput] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


Piece = tuple[Columns, Tensor]
"""What names the rows of a block, and their vectors float32 `[n, D]`."""
Label = Callable[[Tensor], tuple[Columns, Counter[str]]]
"""Vectors to the columns of their labels, and how many have which."""


def _written(pieces: Iterator[Piece], label: Label, out: Path) -> Counter[str]:
    counts = Counter[str]()
    first = next(pieces)  # nothing is written where nothing can be read
    with block_table(out) as table:
        for names, vectors in chain([first], pieces):
            columns, found = label(vectors)
            table.write({**names, **columns})
            counts += found
    return counts


def _refuse_inputs(out: Path, export: Path, paths: Sequence[Path]) -> None:
    """Refuse a table that would take the place of what is read, whether or not it is there by now."""
    there = is_there(out)
    if (
        out.suffix.lower() in (SUFFIX, *image_suffixes())
        or export.resolve() in out.resolve().parents
        or (there and any(is_there(each) and out.samefile(each) for each in paths))
    ):
        raise InputError(
            f"{out} is no place for the table: images, vectors or the export lie there.",
            hint="Name another file, such as labels.csv or labels.parquet.",
            field="table",
        )


def _vector_file(paths: Sequence[Path], stamp: EncoderStamp) -> VectorFile | None:
    if not any(path.suffix.lower() == SUFFIX for path in paths):
        return None
    if len(paths) > 1:
        raise InputError("A file of vectors was given, and something beside it.", hint="Give it alone.")
    file = VectorFile.open(paths[0])
    if file.width != stamp.width:
        raise InputError(
            f"{file.path} has vectors of {file.width} numbers; those of {stamp.name} have {stamp.width}.",
            hint="Give vectors of the encoder that the classifier was made with.",
        )
    return file


def _rows(file: VectorFile, block: int) -> Iterator[Piece]:
    done = 0
    for vectors in file.blocks(block):
        yield {"row": np.arange(done, done + len(vectors))}, vectors
        done += len(vectors)


def _ahead(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same, each read by a thread while the one before is labelled and written."""
    with ThreadPoolExecutor(1, thread_name_prefix="fieldmark-reading") as pool:
        coming = pool.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            yield piece


def _files(paths: Sequence[Path], unread: _Unread) -> list[Path]:
    """All files in the order given, each once, folders by their names; their paths alone are held."""
    found, others = image_files(*paths)
    unread.passed_over.update(others)
    return list(found)


def _images(
    files: Sequence[Path], encoder: Encoder, block: int, unread: _Unread, progress: Progress
) -> Iterator[Piece]:
    one: NoImagesError | None = None
    labelled = 0
    for start in range(0, len(files), block):
        try:
            given = encode_given(files[start : start + block], encoder, progress)
        except NoImagesError as error:
            one = error
            unread.skipped.extend(
                SkippedInput(path=as_text(path), reason="it could not be read")
                for path in files[start : start + block]
            )
            continue
        unread.skipped.extend(given.skipped)
        labelled += len(given.images)
        yield {"image": [str(image.path) for image in given.images]}, given.vectors
    if not labelled:
        raise one or NoImagesError("No image is there.", hint="Name image files, or folders of them.")


def _label_of(folder: Path, encoder: Encoder | None, by: Way | None) -> Label:
    if format_of(folder) == HEAD:
        if by is not None:
            raise InputError("A concept has one classifier.", hint="Leave out which one.", field="by")
        return _in_or_out(*load_head(folder, encoder))
    stored = load_learned(folder, encoder)
    classes, said = stored.config.classes, stored.config.aspects

    def label(vectors: Tensor) -> tuple[Columns, Counter[str]]:
        made = stored.decide(vectors, by)
        left, best = made.left.numpy(), made.classes.to(torch.int32).numpy()
        status = np.minimum(left, 2).astype(np.int32)
        columns: Columns = {
            "label": Coded(best[:, 0], classes),
            "confidence": made.shares[:, 0].clamp(max=1).numpy(),
            "status": Coded(status, _STATUS),
            "candidates": left,
            "runner_up": Coded(best[:, 1], classes),
        }
        if stored.heads is not None and (by or stored.config.best) == STUDENT and said is not None:
            seen = stored.heads.probabilities(vectors).T.contiguous().numpy()
            columns |= {f"aspect: {each.text}": own for each, own in zip(said.aspects, seen, strict=True)}
        return columns, _counted(status, _STATUS)

    return label


def _in_or_out(head: Head, config: HeadConfig) -> Label:
    clauses = [f"{clause.role}: {clause.text}" for clause in config.definition.active]

    def label(vectors: Tensor) -> tuple[Columns, Counter[str]]:
        p, by_clause = head.probabilities(vectors)
        inside = (p >= config.threshold).to(torch.int32).numpy()
        columns: Columns = {
            "label": Coded(inside, _IN_OR_OUT),
            "probability": p.numpy(),
            **dict(zip(clauses, by_clause.T.contiguous().numpy(), strict=True)),
        }
        return columns, _counted(inside, _IN_OR_OUT)

    return label


def _counted(codes: npt.NDArray[np.int32], names: Sequence[str]) -> Counter[str]:
    return Counter(dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True)))
