"""Runs methods on a test set, one file a method and seed, each written the moment it is done."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from fieldmark.cache.keys import content_key
from fieldmark.errors import EndpointError, FieldmarkError, LimitReached, NoImagesError, RunError
from fieldmark.evals.metrics.tree_distances import tree_distances
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.records import BOUND, MethodRun, TestRecord
from fieldmark.evals.table.score import run_record
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.tools.clip.encoder import Encoder, scoring_identity
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import (
    Event,
    ImagesEncoded,
    LookingStarted,
    MethodStarted,
    OpenImagesSeen,
    Progress,
    no_progress,
)
from fieldmark.tools.runs.folder import RunFolder

RUNS = "methods"
"""Folder of the files, by setting."""
TRUTH = "test.json"
Earlier = Callable[[str], MethodRun | None]
"""Looks for a run with this identity."""


@dataclass(kw_only=True)
class Evaluation:
    """Everything that running a setting's methods needs.

    Attributes:
        test: The test set.
        methods: What is run, in order.
        encoder: The CLIP encoder.
        llm: The language model; None for none.
        vlm: The vision-language model; None for none.
        folder: The run's folder.
        options: Seeds and shots.
        earlier: Where runs that need not be repeated are found.
        progress: Shows progress.
    """

    test: TestSet
    methods: tuple[EvalMethod, ...]
    encoder: Encoder
    llm: AskedModel | None
    vlm: AskedModel | None = None
    folder: RunFolder
    options: EvalOptions
    earlier: Earlier = lambda identity: None
    progress: Progress = no_progress
    done: list[MethodRun] = field(default_factory=list[MethodRun])


def tasks(methods: Sequence[EvalMethod], options: EvalOptions) -> Iterator[tuple[EvalMethod, int]]:
    """Each method with each of its seeds."""
    for method in methods:
        for number in range(options.seeds if method.seeded else 1):
            yield method, options.seed + number


async def run_methods(task: Evaluation) -> list[MethodRun]:
    """Run every method on the test set, or take the result that is there.

    A method that fails is an outcome with its reason; the others go on.

    Raises:
        NoImagesError: No test image could be encoded.
        EndpointError: The language model cannot be asked at all; what was measured is kept.
        LimitReached: A limit stopped the run; it can be resumed.
    """
    task.test = usable(task.test, task.encoder, task.progress)
    truth = record_of(task.test)
    inside = RunFolder(task.folder.path / RUNS / task.test.setting)
    inside.write(TRUTH, truth)
    planned = list(tasks(task.methods, task.options))
    offers = task.test.offers(
        llm=task.llm is not None,
        vlm=task.vlm is not None,
        reference=task.encoder.reference is not None,
    )
    for number, (method, seed) in enumerate(planned, start=1):
        identity = identity_of(method, seed, truth, task)
        name = f"{method.key}-{seed}"
        lacking = task.test.lacking(method.key, method.needs, offers)
        if lacking and not bounds(method, task.test, lacking):
            # Before anything kept is looked for: what may not run here has no figures here.
            found = _left_out(method, seed, identity, task.test, lacking)
        else:
            found = _kept(inside, name, identity) or task.earlier(identity)
        doing = "measured" if found is None else "left_out" if found.outcome == "left_out" else "taken_over"
        task.progress(
            MethodStarted(
                number=number,
                of=len(planned),
                name=method.title,
                key=method.key,
                seed=seed,
                doing=doing,
            )
        )
        if found is None:
            # By identity: a graph must not go on from a checkpoint of another version, data or model.
            work = RunFolder(inside.path / "work" / f"{name}-{identity[:12]}")
            found = await _measured(method, seed, identity, task, work)
        inside.write(f"{name}.json", found)
        task.done.append(found)
    return task.done


def bounds(method: EvalMethod, test: TestSet, lacking: Sequence[MethodNeed]) -> bool:
    """Whether a method is given the class names that are kept from the others, as an upper bound."""
    return method.bound and not test.names_given and list(lacking) == [MethodNeed.NAMES]


def identity_of(method: EvalMethod, seed: int, truth: TestRecord, task: Evaluation) -> str:
    """Hash of all that decides what a method says of the test images."""
    asked = {
        name: [model.identity, model.model] if need in method.needs and model is not None else None
        for name, need, model in (("llm", MethodNeed.LLM, task.llm), ("vlm", MethodNeed.VLM, task.vlm))
    }
    return content_key(
        {
            "method": [method.key, method.version],
            "seed": seed,
            "data": truth.data_hash,
            "encoder": scoring_identity(task.encoder),
            "llm": asked["llm"],
            **({"vlm": asked["vlm"]} if asked["vlm"] else {}),
            "prompts": prompt_hashes() if any(asked.values()) else None,
        }
    )


async def _measured(
    method: EvalMethod, seed: int, identity: str, task: Evaluation, folder: RunFolder
) -> MethodRun:
    bench = EvalBench.of(
        task.test,
        encoder=task.encoder,
        llm=task.llm,
        vlm=task.vlm,
        run=folder,
        seed=seed,
        progress=only_encoding(task.progress),
    )
    if method.bound and not task.test.names_given:
        bench.notes.append(BOUND)
    before = task.encoder.usage
    began = time.perf_counter()
    try:
        scored = await method.run(bench)
        reason = ""
    except (EndpointError, LimitReached):
        raise
    except (FieldmarkError, torch.OutOfMemoryError, MemoryError) as error:
        scored, reason = MethodScores(), str(error) or type(error).__name__
    seconds = time.perf_counter() - began
    used = task.encoder.usage
    return run_record(
        scored,
        bench,
        method=method.key,
        identity=identity,
        reason=reason,
        texts_encoded=used.texts_encoded - before.texts_encoded,
        images_encoded=used.images_encoded - before.images_encoded,
        seconds=round(seconds, 3),
    )


def only_encoding(progress: Progress) -> Progress:
    """Progress of a method at work: how many images are encoded or shown; rounds are a graph's own affair."""

    def encoded_only(event: Event) -> None:
        if isinstance(event, ImagesEncoded | LookingStarted | OpenImagesSeen):
            progress(event)

    return encoded_only


def _left_out(
    method: EvalMethod, seed: int, identity: str, test: TestSet, lacking: Sequence[MethodNeed]
) -> MethodRun:
    words = ", ".join(need.value for need in lacking)
    return MethodRun(
        identity=identity,
        data=test.data,
        setting=test.setting,
        method=method.key,
        seed=seed,
        outcome="left_out",
        reason=f"needs {words}, which the data do not offer",
    )


def _kept(folder: RunFolder, name: str, identity: str) -> MethodRun | None:
    """What this very run measured before it was stopped; a failure or another identity is measured anew."""
    if not (folder.path / f"{name}.json").is_file():
        return None
    try:
        found = folder.read(f"{name}.json", MethodRun)
    except RunError:  # damaged: measure it anew
        return None
    return found if found.identity == identity and found.outcome == "done" else None


def usable(test: TestSet, encoder: Encoder, progress: Progress) -> TestSet:
    """The test set without images that cannot be encoded; a note tells how many were lost.

    Raises:
        NoImagesError: None is left.
    """
    every = (*test.images, *test.train, *test.pool, *test.base)
    encoded = encoder.encode_images(
        every, progress=lambda done, of: progress(ImagesEncoded(done=done, of=of))
    )
    if bool(encoded.ok.all()):
        return test
    fine = {image.content_hash for image, ok in zip(every, encoded.ok.tolist(), strict=True) if ok}

    def left(images: tuple[ImageFile, ...]) -> tuple[ImageFile, ...]:
        return tuple(image for image in images if image.content_hash in fine)

    if not left(test.images):
        raise NoImagesError("No test image could be encoded.", hint="See `skipped` in the run's manifest.")
    lost = int((~encoded.ok).sum())
    keep = [image.content_hash in fine for image in test.images]
    pool = [image.content_hash in fine for image in test.pool]
    return replace(
        test,
        images=left(test.images),
        shown=tuple(s for s, ok in zip(test.shown, keep, strict=bool(test.shown)) if ok),
        groups=tuple(g for g, ok in zip(test.groups, keep, strict=bool(test.groups)) if ok),
        train=left(test.train),
        pool=left(test.pool),
        base=left(test.base),
        captions=tuple(c for c, ok in zip(test.captions, pool, strict=bool(test.captions)) if ok),
        notes=(*test.notes, f"{lost} images could not be encoded and were left out"),
    )


def record_of(test: TestSet) -> TestRecord:
    """The truth about a test set, for measuring, and its hash."""

    def named(images: Sequence[ImageFile]) -> list[list[str | None]]:
        return [[image.content_hash, image.label] for image in images]

    place = {name: number for number, name in enumerate(test.classes)}
    shown = tuple(tuple(sorted(place[name] for name in own)) for own in test.shown)

    digest = content_key(
        {
            "classes": list(test.classes),
            "names_given": test.names_given,
            "noun": test.noun,
            "images": named(test.images),
            **({"shown": [list(own) for own in shown]} if shown else {}),
            "train": named(test.train),
            "pool": [image.content_hash for image in test.pool],
            "captions": list(test.captions),
            "base": named(test.base),
            "parents": dict(test.parents),
            "observed": list(test.observed),
            "factors": [[factor.name, [list(v) for v in factor.values]] for factor in test.factors],
            "templates": list(test.templates),
            "questions": list(test.questions),
            "concept": test.concept,
        }
    )
    return TestRecord(
        data=test.data,
        setting=test.setting,
        data_hash=digest,
        classes=test.classes,
        labels=tuple(test.labels.tolist()),
        shown=shown,
        groups=test.groups,
        distances=steps_between(test),
        train=len(test.train),
        pool=len(test.pool),
        base=len(test.base),
        notes=test.notes,
    )


def steps_between(test: TestSet) -> tuple[tuple[float, ...], ...]:
    """Steps between each two classes in the tree; empty where there is none.

    Raises:
        InputError: A class is not in the tree, or the tree is none.
    """
    if not test.parents:
        return ()
    return tuple(map(tuple, tree_distances(test.parents, test.classes, test.classes).tolist()))
