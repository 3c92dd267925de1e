"""Reads one's own data for an evaluation: a test set, and what methods may use beside it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from fieldmark.app.inputs import find_given
from fieldmark.app.noun import settle_noun
from fieldmark.errors import InputError
from fieldmark.evals.table.test_set import ImageFactor, TestSet
from fieldmark.reading import read_text
from fieldmark.records.names import near_note
from fieldmark.records.predictions import passed_over_in_words
from fieldmark.tools.datasets.class_tree import read_parents, rooted
from fieldmark.tools.datasets.data_set import DataSet
from fieldmark.tools.datasets.reading import read_test_set
from fieldmark.tools.images.files import FoundImages, ImageFile
from fieldmark.tools.images.given_paths import is_there, spelled_as_there
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import Progress
from fieldmark.tools.runs.folder import RunFolder

SETTING = "test"
ANYTHING = "object"
MOST_CAPTIONS = 1 << 30
"""Bytes of a file of captions."""
NO_NOUN = f'No noun was given: where a method needs a generic word, it said "{ANYTHING}".'


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """Where one's own data lie.

    Attributes:
        source: What `read_test_set` reads: a folder, a list, a split file, shards, hf:NAME:SPLIT, or with
            `root` the name of a published set.
        root: The folder that published sets lie in.
        images: Where the paths of a list or split file start.
        domain: The published set that a folder, list or shards are to be; or the path of a JSON file that
            describes it.
        part: Whether a part of the published set is meant.
        pool: Folder of unlabelled images.
        captions: JSONL of captions of the pool: {"image": "path in the pool", "caption": "…"}.
        tree: File of child → parent over the classes, see `read_parents`.
    """

    source: str
    root: Path | None = None
    images: Path | None = None
    domain: str | None = None
    part: bool = False
    pool: Path | None = None
    captions: Path | None = None
    tree: Path | None = None

    @property
    def name(self) -> str:
        """What the table calls the data: a path by its last part, wherever it lies."""
        path = Path(self.source)
        return path.resolve().name if is_there(path) else self.source

    def stated(self) -> dict[str, JsonValue]:
        """As a run keeps it: paths by their full names, so that it can be resumed from any folder."""
        places = {name: getattr(self, name) for name in ("root", "images", "pool", "captions", "tree")}
        source = str(Path(self.source).resolve()) if is_there(self.source) else self.source
        described = self.domain is not None and self.domain.casefold().endswith(".json")
        return {
            "source": source,
            "domain": str(Path(self.domain or "").resolve()) if described else self.domain,
            "part": self.part,
            **{name: str(path.resolve()) if path else None for name, path in places.items()},
        }

    @classmethod
    def read(cls, stated: dict[str, JsonValue]) -> "OwnData":
        """Back from what a run keeps."""
        fields = dict(stated)
        for name in ("root", "images", "pool", "captions", "tree"):
            fields[name] = Path(str(fields[name])) if fields[name] else None  # pyright: ignore
        return cls(**fields)  # pyright: ignore


def own_test_set(own: OwnData, *, shots: int, seed: int, noun: str | None, cache: Path) -> TestSet:
    """Read the data and put them into the form that methods are measured on.

    Args:
        own: Where they lie.
        shots: Labelled images a class.
        seed: Decides which.
        noun: The generic word for all classes; the published set's, else "object", where not given.
        cache: Where pictures that lie in archives are unpacked to, once.

    Raises:
        InputError: They cannot be read, or are not what they should be.
        NoImagesError: There is no usable test image, or none in the pool.
    """
    found = read_test_set(
        own.source,
        shots=shots,
        seed=seed,
        root=own.root,
        images=own.images,
        domain=own.domain,
        cache=cache,
        part=own.part,
    )
    domain = found.domain
    pooled = find_given(own.pool) if own.pool else FoundImages(())
    pool, others = pooled.images, passed_over_in_words(pooled.passed_over)
    pool, captions = read_captions(own.captions, own.pool, pool) if own.captions else (pool, ())
    return TestSet(
        data=domain.id if domain else own.name,
        setting=SETTING,
        classes=found.classes,
        noun=noun or (domain.noun if domain else ANYTHING),
        images=found.test,
        groups=found.groups,
        train=found.train,
        pool=pool,
        captions=captions,
        parents=read_tree(own.tree, found.classes) if own.tree else tree_of(found),
        factors=factors_of(found),
        templates=found.templates,
        concept=domain.noun if domain else (noun or ""),
        notes=(
            *found.notes,
            *skipped(found),
            *([f"In the pool: {others}"] if others else []),
            *(() if noun or domain else (NO_NOUN,)),
        ),
    )


async def with_noun(test: TestSet, *, llm: AskedModel | None, run: RunFolder, progress: Progress) -> TestSet:
    """The test set with the generic noun asked for, as `classify` asks, where none was given.

    Args:
        test: The test set.
        llm: Whom to ask; None asks nobody.
        run: The run, in whose folder the answer is kept.
        progress: Told where the answer was of no use.

    Raises:
        LimitReached: A limit kept the question back.
        QuestionFailed: The endpoint gave no answer, which another day may bring.
    """
    if NO_NOUN not in test.notes or llm is None:
        return test
    settled = await settle_noun(test.classes, given=None, plain=ANYTHING, llm=llm, run=run, progress=progress)
    said = settled.note or f'The generic word "{settled.noun}" was asked for; give it yourself to be sure.'
    notes = tuple(said if note == NO_NOUN else note for note in test.notes)
    return replace(test, noun=settled.noun, concept=test.concept or settled.noun, notes=notes)


def factors_of(found: DataSet) -> tuple[ImageFactor, ...]:
    """The contexts that are known to vary in the published set."""
    contexts = found.domain.contexts if found.domain else {}
    return tuple(ImageFactor(name, tuple(values.values())) for name, values in contexts.items())


def tree_of(found: DataSet) -> dict[str, str]:
    """The coarser classes of the published set as a tree; empty where it has none for every class."""
    coarse = found.domain.superclasses if found.domain else {}
    parents = {name: above for above, members in coarse.items() for name in members}
    if set(found.classes) - set(parents):
        return {}
    return rooted(parents)


def read_tree(path: Path, classes: tuple[str, ...]) -> dict[str, str]:
    """Child → parent from a file, see `read_parents`; a class may lie above others here.

    Raises:
        InputError: It cannot be read, is no such mapping, or lacks a class.
    """
    folded = read_parents(path)
    lacking = [name for name in classes if name not in folded]
    if lacking:
        raise InputError(
            f"The tree lacks {lacking[0]!r} and {len(lacking) - 1} more of {len(classes)} classes.",
            hint=near_note([*lacking, *folded]) or "Give each class a parent.",
        )
    return rooted(folded)


def read_captions(
    path: Path, folder: Path | None, pool: tuple[ImageFile, ...]
) -> tuple[tuple[ImageFile, ...], tuple[str, ...]]:
    """The captioned images of the pool, each with its caption; images without one are left out.

    Raises:
        InputError: There is no pool, the file cannot be read, or names no image of the pool.
    """
    if folder is None:
        raise InputError("Captions belong to a pool of images.", hint="Name its folder.", field="pool")
    written: dict[Path, str] = {}
    try:
        # splitlines() would also split at the exotic line ends that a caption may hold.
        for line in read_text(path, most=MOST_CAPTIONS, encoding="utf-8-sig").split("\n"):
            if line.strip():
                row = json.loads(line)
                image = spelled_as_there(folder / str(row["image"]))
                written[image.resolve()] = str(row["caption"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"Captions cannot be read from {str(path)!r}: {type(error).__name__}: {error}.",
            hint='Write one JSON object a line: {"image": "a.jpg", "caption": "a photo of a wren"}.',
        ) from error
    kept = [(image, written[image.path.resolve()]) for image in pool if image.path.resolve() in written]
    if not kept:
        raise InputError(
            f"No caption in {str(path)!r} is of an image in {str(folder)!r}.",
            hint="Write paths relative to the pool's folder.",
        )
    return tuple(image for image, _ in kept), tuple(caption for _, caption in kept)


def skipped(found: DataSet) -> tuple[str, ...]:
    """How many files could not be used, and one of them by name."""
    if not found.skipped:
        return ()
    first = found.skipped[0]
    return (f"{len(found.skipped)} file(s) could not be used, such as {first.path}: {first.reason}.",)
