"""Tunes an encoder to labelled images and what a language model says of their classes, and keeps it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save
from torch import Tensor

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.event_loop import run_here
from fieldmark.app.labels import Labels, read_examples, words_of
from fieldmark.app.models import choose_models
from fieldmark.app.noun import settle_noun
from fieldmark.app.stores import CacheUse, asked_by_name, open_stores
from fieldmark.cache.keys import digest
from fieldmark.errors import InputError, ModelError, SettingsError, close_to
from fieldmark.evals.methods.adapters import FORMS, AdapterForm, class_texts, tune
from fieldmark.evals.methods.shared.support import held_out_shots
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.run import usable
from fieldmark.evals.table.test_set import TestSet
from fieldmark.records import UsageLimits
from fieldmark.tools.clip.adapters.bags import Bags, make_bags
from fieldmark.tools.clip.adapters.linear import LinearAdapter
from fieldmark.tools.clip.adapters.low_rank import LowRankAdapter
from fieldmark.tools.clip.adapters.stored import TENSORS, AdapterCard, EncoderChange
from fieldmark.tools.clip.clip import ClipEncoder
from fieldmark.tools.clip.model_source import ADAPTER, REFERENCE
from fieldmark.tools.clip.weights import base_identity, find_model, read_weights
from fieldmark.tools.exports.folder import names_in, write_folder
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.scoring.vectors import unit

ANYTHING = "object"
USUAL = "adapt-labels"


@dataclass(frozen=True)
class AdaptedEncoder:
    """What was tuned, and what it is worth.

    Attributes:
        folder: Where it lies: the name of a CLIP model from now on.
        card: What its `adapter.json` says.
        notes: What a reader must know.
    """

    folder: Path
    card: AdapterCard
    notes: tuple[str, ...]


@checked_arguments
def adapt(
    labels: Labels,
    out: Path | str,
    *,
    method: str = USUAL,
    noun: str | None = None,
    clip: str | None = None,
    llm: LanguageModel | str | None = None,
    base_url: str | None = None,
    limits: UsageLimits | None = None,
    cache: CacheUse = "use",
    seed: int = 0,
    device: str | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> AdaptedEncoder:
    """Tune an encoder and keep it: see `aadapt`. Not to be called from a running event loop."""
    return run_here(
        aadapt(
            labels, out, method=method, noun=noun, clip=clip, llm=llm, base_url=base_url, limits=limits,
            cache=cache, seed=seed, device=device, home=home, progress=progress,
        ),
        "adapt",
    )  # fmt: skip


async def aadapt(
    labels: Labels,
    out: Path | str,
    *,
    method: str = USUAL,
    noun: str | None = None,
    clip: str | None = None,
    llm: LanguageModel | str | None = None,
    base_url: str | None = None,
    limits: UsageLimits | None = None,
    cache: CacheUse = "use",
    seed: int = 0,
    device: str | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> AdaptedEncoder:
    """Tune an encoder to labelled images and descriptions of their classes, and write it into a folder.

    The folder is then the name of a CLIP model. It holds the changes alone; the base model must stay on the
    machine. Every fourth image of a class is held out once, to measure what tuning brings; what is kept is
    tuned on all of them.

    Args:
        labels: Labelled images, as `Classifier` takes them: a folder with one folder per class, a table, …
        out: A folder that is not there, is empty, or holds an earlier adapter.
        method: The method of the table by whose recipe: one of `FORMS`.
        noun: The generic word for all classes; asked for where not given.
        clip: The base model; the settings' where not given.
        llm: The language model, or its name; the settings' where not given.
        base_url: Its endpoint.
        limits: The most that may be spent on it.
        cache: "use" kept answers, "refresh" every one, or "off".
        seed: Decides which images a step sees.
        device: Where it computes.
        home: Where answers and vectors are kept; the settings' where not given.
        progress: Called with progress events.

    Raises:
        InputError: The labels cannot be read or show one class alone, or `out` holds something else.
        ModelError: The base model cannot be loaded, is an adapter, or has last layers that are not known.
        SettingsError: No language model is named.
        EndpointError: It cannot be asked.
        LimitReached: A limit was met; what was answered is kept for the next try.
    """
    form, target = _form(method), Path(out)
    _refuse_what_is_else(target)
    names = tuple(dict.fromkeys(words_of(labels)))
    passed: list[str] = []
    read = read_examples(labels, (), names, notes=passed)
    examples = read.images
    classes = tuple(name for name in names if any(image.label == name for image in examples))
    if len(classes) < 2:
        raise InputError(
            "Tuning takes labelled images of two classes or more.", hint="Label some.", field="labels"
        )
    with open_stores(home) as stores, TemporaryDirectory() as scratch:
        named = llm if isinstance(llm, str) else None
        chosen = choose_models(clip=clip, device=device, llm=named, base_url=base_url)
        if chosen.llm is None and llm is None:
            raise SettingsError(
                "Classes are described by a language model, and none is named.",
                hint="Name one, or set FIELDMARK_LLM.",
                field="llm",
            )
        encoder = stores.encoder(chosen.clip, device=chosen.device)
        if encoder.source.adapter is not None:
            raise ModelError(f"{chosen.clip} is adapted already.", hint="Adapt its base model.")
        run = RunFolder(Path(scratch))
        async with asked_by_name(
            llm,
            chosen.llm or type(llm).__name__,
            stores,
            base_url=chosen.base_url,
            limits=limits or UsageLimits(),
            cache=cache,
        ) as asked:
            said = await settle_noun(
                classes, given=noun, plain=ANYTHING, llm=asked, run=run, progress=progress
            )
            shown = TestSet(
                data="labels",
                setting="labels",
                classes=classes,
                noun=said.noun,
                images=tuple(replace(image, label=None) for image in examples),
                train=examples,
                labelled=False,
            )
            shown = usable(shown, encoder, progress)
            _refuse_empty(shown)
            bench = EvalBench.of(shown, encoder=encoder, llm=asked, run=run, seed=seed, progress=progress)
            texts = await class_texts(form, classes, bench)
        bags = make_bags(texts, bench.encode)
        held = _held_out(form, bench, bags)
        adapter = tune(form, bench, shown.train, bench.train_labels, bags)
        card, contents = _contents(adapter, encoder, bench, bags, method=method, held=held)
    write_folder(
        target, contents, leftovers=lambda out: [out / REFERENCE] if REFERENCE not in contents else []
    )
    notes = (
        *passed,
        *([said.note] if said.note else []),
        *_losses(names, classes, read.contradicted),
        *shown.notes,
        *bench.notes,
    )
    return AdaptedEncoder(target, card, notes)


def _form(method: str) -> AdapterForm:
    if method not in FORMS:
        raise InputError(
            f"The method {method!r} tunes no encoder.",
            hint=f"{close_to(method, FORMS)}There are: {', '.join(FORMS)}.",
            field="method",
        )
    return FORMS[method]


def _losses(names: Sequence[str], classes: Sequence[str], contradicted: int) -> list[str]:
    """What of the labels does not count, in words."""
    without = [name for name in names if name not in classes]
    some = f", and {len(without) - 3:,} more" if len(without) > 3 else ""
    return [
        *([f"No image is left of: {', '.join(without[:3])}{some}."] if without else []),
        *(
            [f"Images with more than one label: {contradicted:,}. The last label counts."]
            if contradicted
            else []
        ),
    ]


def _refuse_empty(shown: TestSet) -> None:
    there = {image.label for image in shown.train}
    empty = [name for name in shown.classes if name not in there]
    if empty:
        raise InputError(
            f"No image of {empty[0]} can be read.", hint="Mend its images, or leave it out.", field="labels"
        )


def _held_out(form: AdapterForm, bench: EvalBench, bags: Bags) -> tuple[int, int, int]:
    """Images held out, and how many of them are right before and after tuning on the others."""
    labels = bench.train_labels
    held = held_out_shots(labels)
    if not bool(held.any()):
        return 0, 0, 0
    images = bench.test.train
    kept = [image for image, out in zip(images, held.tolist(), strict=True) if not out]
    other = [image for image, out in zip(images, held.tolist(), strict=True) if out]
    adapter = tune(form, bench, kept, labels[~held], bags)
    share = bags.member.float()
    words = unit((share / share.sum(1, keepdim=True)) @ bags.vectors)
    before = bench.vectors_of(other)
    after = adapter(before if isinstance(adapter, LinearAdapter) else bench.features(other))

    def right(vectors: Tensor) -> int:
        return int(((vectors @ words.T).argmax(1) == labels[held]).sum())

    return len(other), right(before), right(after)


def _contents(
    adapter: LinearAdapter | LowRankAdapter,
    encoder: ClipEncoder,
    bench: EvalBench,
    bags: Bags,
    *,
    method: str,
    held: Sequence[int],
) -> tuple[AdapterCard, dict[str, bytes]]:
    """The card, and all files of the folder: first that with the hash of the tensors."""
    packed, pool = EncoderChange.of(adapter).packed(), None
    if encoder.reference is not None and isinstance(adapter, LinearAdapter):
        pool = save({"image_vectors": adapter(encoder.reference).to(torch.float16)})
    base = encoder.source.lasting_spec
    source = find_model(base)
    card = AdapterCard(
        base=base,
        base_identity=base_identity(source, read_weights(source)),
        sha256=digest(packed),
        reference_sha256=None if pool is None else digest(pool),
        width=encoder.width,
        method=method,
        recipe=asdict(FORMS[method].recipe),
        classes=len(bench.classes),
        images=len(bench.test.train),
        texts=len(bags.vectors),
        first_loss=adapter.losses[0],
        last_loss=adapter.losses[-1],
        held_out=held[0],
        right_before=held[1],
        right_after=held[2],
        logit_scale=adapter.scale,
        base_logit_scale=bench.logit_scale,
    )
    files = {ADAPTER: card.model_dump_json(indent=2).encode() + b"\n", TENSORS: packed}
    return card, files if pool is None else {**files, REFERENCE: pool}


def _refuse_what_is_else(out: Path) -> None:
    there = names_in(out)
    if not there:
        return
    if ADAPTER not in there:
        raise InputError(f"{out} is not empty and holds no adapter.", hint="Give a new or empty folder.")
