"""Exports what a classification learned into a folder that stands alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.resolve.learning import RunLesson, last_state, lesson_of
from fieldmark.agents.resolve.rescoring import inductive_guide
from fieldmark.agents.shared.estimate import CallEstimate
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.by_method.choice import LOOP
from fieldmark.app.event_loop import run_here
from fieldmark.app.learned.aspects import SeenAspects, StudentAspects, estimate_aspects, see_aspects
from fieldmark.app.models import choose_models
from fieldmark.app.resuming import arguments_of
from fieldmark.app.stores import Stores, checkpoint_server, name_of, open_stores
from fieldmark.cache.arrays import ArrayStore
from fieldmark.errors import InputError, ModelError, RunError
from fieldmark.records import Prediction, PromptBook, RunManifest
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import hashes, names_in, write_folder
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.labelling.document import as_markdown
from fieldmark.tools.labelling.voted import ABOUT, document_of_votes
from fieldmark.tools.learned.aspect_heads import LearnedAspects
from fieldmark.tools.learned.card import CARD, INSTRUCTIONS, confusion_of, model_card
from fieldmark.tools.learned.contest import Learned, learn
from fieldmark.tools.learned.exemplars import exemplars
from fieldmark.tools.learned.guide_table import guide_files, guide_rows
from fieldmark.tools.learned.onnx_student import ONNX, check_onnx, student_onnx
from fieldmark.tools.learned.stored import (
    ARRAYS,
    CONFIG,
    LearnedConfig,
    StoredAspect,
    StoredAspects,
    arrays_of,
    read_learned,
    written,
)
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder, now
from fieldmark.tools.runs.run import MANIFEST


@dataclass(frozen=True)
class LearnedExport:
    """What an export wrote.

    Attributes:
        folder: Where.
        config: What was exported.
        files: Name → SHA-256.
        notes: What a reader must know of its aspects.
    """

    folder: Path
    config: LearnedConfig
    files: dict[str, str]
    notes: tuple[str, ...] = ()


@checked_arguments
def export_run(
    run: Path | str,
    out: Path | str,
    *,
    runs: Path | str = Path("runs"),
    clip: Encoder | str | None = None,
    device: str | None = None,
    onnx: bool = False,
    aspects: StudentAspects | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> LearnedExport:
    """Export a run's classifier: see `aexport_run`. Not to be called from a running event loop."""
    return run_here(
        aexport_run(
            run,
            out,
            runs=runs,
            clip=clip,
            device=device,
            onnx=onnx,
            aspects=aspects,
            home=home,
            progress=progress,
        ),
        "export_run",
    )


async def aexport_run(
    run: Path | str,
    out: Path | str,
    *,
    runs: Path | str = Path("runs"),
    clip: Encoder | str | None = None,
    device: str | None = None,
    onnx: bool = False,
    aspects: StudentAspects | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> LearnedExport:
    """Write what a finished classification learned into a folder; `LearnedClassifier` uses it.

    A linear student and the run's field guide compete on the run's own images; the better one is the default.
    Without `aspects` no language model is asked, and no image is read whose vector is still stored.

    Args:
        run: The run's id, or its folder.
        out: A folder that is not there, is empty, or holds an earlier export of a run.
        runs: Where run folders are.
        clip: The `Encoder` of the run, or its name where its files lie elsewhere by now.
        device: Where it computes; the run's where not given.
        onnx: Whether to write the student as an ONNX model, too; needs the package `onnx`.
        aspects: Reasons for the student: yes/no aspects that a model looks for in some of the images.
        home: Where vectors are kept; the settings' where not given.
        progress: Called with progress events.

    Raises:
        RunError: There is no such run, it is not finished, or its images are gone.
        ModelError: The encoder is not the run's.
        InputError: `out` holds something else, or cannot be written, the package `onnx` is missing, or no
            aspect can be learned.
        SettingsError: No model is named that writes aspects.
        EndpointError: A model cannot be asked.
        LimitReached: A limit was met; what was answered is kept for the next try.
    """
    target = Path(out)
    if onnx:
        check_onnx()
    refuse_what_is_else(target)
    seen: SeenAspects | None = None
    async with _finished(run, runs, clip=clip, device=device, home=home, progress=progress) as done:
        lesson, context, predictions = done.lesson, done.context, done.predictions
        if aspects is not None:
            async with aspects.models(done.stores) as models:
                seen = await see_aspects(
                    lesson, predictions, context.images, context.classes, noun=context.options.noun,
                    options=aspects.options, models=models, progress=progress,
                )  # fmt: skip
        learned = learn(
            lesson.pool,
            lambda pool: inductive_guide(lesson.guide, _reference(context.encoder, pool), context),
            reject=context.options.reject,
            aspects=None if seen is None else seen.lesson,
        )
        config = _config(learned, lesson, context, seen)
    contents = _contents(config, learned, lesson, done.manifest, predictions, folder=target.name)
    if onnx:
        contents[ONNX] = student_onnx(learned, config)
    write_folder(target, contents, leftovers=lambda out: () if onnx else (out / ONNX,))
    return LearnedExport(target, read_learned(target), hashes(contents), () if seen is None else seen.notes)


def estimate_aspects_of(
    run: Path | str,
    aspects: StudentAspects,
    *,
    runs: Path | str = Path("runs"),
    clip: Encoder | str | None = None,
    device: str | None = None,
    home: Path | None = None,
) -> CallEstimate:
    """What exporting a run with aspects would ask; asks nothing. Not for a running event loop.

    Raises:
        RunError: There is no such run, or it is not finished.
    """

    async def estimated() -> CallEstimate:
        async with _finished(run, runs, clip=clip, device=device, home=home, progress=no_progress) as done:
            context = done.context
            async with aspects.models(done.stores) as models:
                return await estimate_aspects(
                    done.lesson, done.predictions, context.images, context.classes,
                    noun=context.options.noun, options=aspects.options, models=models,
                )  # fmt: skip

    return run_here(estimated(), "estimate_aspects_of")


@dataclass(frozen=True)
class _FinishedRun:
    """A run that has ended, opened."""

    lesson: RunLesson
    context: ResolveContext
    predictions: tuple[Prediction, ...]
    manifest: RunManifest
    stores: Stores


@asynccontextmanager
async def _finished(
    run: Path | str,
    runs: Path | str,
    *,
    clip: Encoder | str | None,
    device: str | None,
    home: Path | None,
    progress: Progress,
) -> AsyncIterator[_FinishedRun]:
    folder = RunFolder.open(runs, run, kind="classify")
    if not (folder.path / MANIFEST).is_file():
        raise RunError(
            f"Run {folder.run_id} is not finished.", hint="Resume it, or use `Classifier.from_run`."
        )
    manifest = folder.read(MANIFEST, RunManifest)
    kept = arguments_of(folder)
    if (method := kept.get("method", LOOP)) != LOOP:
        raise RunError(
            f"Run {folder.run_id} was labelled by the method {method}, which leaves nothing to take along.",
            hint="Export a run of the loop.",
        )
    state = await last_state(folder, server=checkpoint_server())
    options = kept["options"]
    noun = folder.read("book.json", PromptBook).noun or options.noun
    predictions = tuple(folder.read_predictions())
    with open_stores(home) as stores:
        chosen = choose_models(folder.config.options, clip=name_of(clip), device=device)
        encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device, kept=chosen)
        _check_encoder(encoder, manifest, folder)
        context = ResolveContext(
            classes=tuple(kept["classes"]),
            images=tuple(_image(p, folder) for p in predictions),
            encoder=encoder,
            llm=None,
            arrays=ArrayStore(folder.path / "arrays"),
            run=folder,
            options=options.model_copy(update={"noun": noun}),
            book=kept["book"],
            progress=progress,
        )
        lesson = lesson_of(state, predictions, context)
        yield _FinishedRun(lesson, context, predictions, manifest, stores)


def _image(prediction: Prediction, run: RunFolder) -> ImageFile:
    """An image of the run, known by its hash: it is read only where its vector is not stored any more."""
    return ImageFile(
        Path(str(run.config.options.get("folder", ".")), prediction.image), prediction.image_hash
    )


def _reference(encoder: Encoder, pool: Tensor) -> Tensor:
    """What centres the field guide: the encoder's reference, or the pool where it has none."""
    return pool if encoder.reference is None else encoder.reference


def _check_encoder(encoder: Encoder, manifest: RunManifest, run: RunFolder) -> None:
    identity = manifest.encoder.get("identity")
    if identity != encoder.identity:
        raise ModelError(
            f"Run {run.run_id} was made with {manifest.encoder.get('name')} ({str(identity)[:12]}), "
            f"not with {encoder.name} ({encoder.identity[:12]}).",
            hint="Restore that model and the device it ran on, or classify again.",
        )


def _config(
    learned: Learned, lesson: RunLesson, context: ResolveContext, seen: SeenAspects | None
) -> LearnedConfig:
    options = context.options
    return LearnedConfig(
        run=context.run.run_id,
        created=now(),
        classes=context.classes,
        noun=options.noun,
        encoder=EncoderStamp.of(context.encoder),
        logit_scale=context.encoder.logit_scale,
        name_weight=options.name_weight,
        reference="pool" if context.encoder.reference is None else "encoder",
        contenders=dict(learned.contenders),
        best=learned.best,
        decay=learned.decay,
        reject=options.reject,
        farthest=learned.farthest,
        risk=options.risk,
        tau=options.tau,
        images=int((lesson.pool.weight > 0).sum()),
        labels=lesson.labels,
        aspects=None if seen is None or learned.aspects is None else _stored(learned.aspects, seen),
        files={},
    )


def _stored(learned: LearnedAspects, seen: SeenAspects) -> StoredAspects:
    trial = learned.trial
    rows = zip(
        learned.aspects, trial.agreement.tolist(), trial.usual.tolist(), trial.answers.tolist(), strict=True
    )
    return StoredAspects(
        aspects=tuple(
            StoredAspect(
                **each.model_dump(),
                agreement=min(1.0, agreement) if answers else None,
                usual=min(1.0, usual) if answers else None,
                answers=answers,
            )
            for each, agreement, usual, answers in rows
        ),
        alpha=learned.trial.alpha,
        written_by=seen.written_by,
        seen_by=seen.seen_by,
        images=learned.images,
        calibrated_on=seen.calibrated.labels,
    )


def _contents(
    config: LearnedConfig,
    learned: Learned,
    lesson: RunLesson,
    manifest: RunManifest,
    predictions: tuple[Prediction, ...],
    *,
    folder: str,
) -> dict[str, bytes]:
    pool, means = lesson.pool, learned.means
    shown = exemplars(pool, means)
    paths = {
        name: [predictions[row].image for row in own] for name, own in zip(config.classes, shown, strict=True)
    }
    card = model_card(
        config,
        manifest,
        absent=[name for name, known in zip(config.classes, means.known.tolist(), strict=True) if not known],
        open_share=sum(p.status != "resolved" for p in predictions) / len(predictions),
        folder=folder,
    )
    guide = document_of_votes(
        config.classes,
        guide_rows(lesson.guide),
        noun=config.noun,
        exemplars=paths,
        confusion=confusion_of(pool.target, pool.weight),
    )
    files = guide_files(lesson.guide, noun=config.noun)
    texts = {CARD: card, INSTRUCTIONS: as_markdown(guide, about=ABOUT)}
    files |= {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    return written(config, arrays_of(learned), files)


def refuse_what_is_else(out: Path) -> None:
    """Refuse a folder that holds anything but an export of a run.

    Raises:
        InputError: It does.
    """
    there = names_in(out)
    if not there:
        return
    try:
        read_learned(out)
    except InputError:
        # One whose configuration was damaged may be replaced: what it was is seen by its other files.
        if not {CONFIG, ARRAYS} <= there:
            raise InputError(
                f"{out} is not empty and holds no classifier of a run.", hint="Give a new or empty folder."
            ) from None
