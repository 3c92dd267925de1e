"""Labels images with every class that holds in them: one threshold a class, with labels or without any."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.beforehand import check_asks
from fieldmark.app.by_method.choice import MethodChoice, mistakes_of, needs_of
from fieldmark.app.by_method.folder import WORK, method_of
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import Images, check_classes, find_given, names_given, names_of
from fieldmark.app.models import ChosenModels, choose_models
from fieldmark.app.noun import settle_noun
from fieldmark.app.several.labels import GivenSets, LabelledSets, read_label_sets
from fieldmark.app.several.rows import label_rows
from fieldmark.app.stores import Stores, asked_model, name_of, open_llm, open_stores
from fieldmark.errors import InputError
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.chosen_names import CLASS_BY_CLASS, names_book
from fieldmark.evals.table.run import only_encoding, usable
from fieldmark.evals.table.test_set import TestSet
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.records import Usage, UsageLimits
from fieldmark.records.label_sets import ClassThreshold, LabelSets
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.images.files import FoundImages, given_list
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.images.in_memory import COPIES, keep_copies
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import open_run
from fieldmark.tools.scoring.multi_label import (
    ClassOdds,
    best_thresholds,
    check_enough,
    fit_odds,
    standing_out,
)

KIND = "multi"
RESULT = "label_sets.json"
NAMES, DESCRIBED = "clip", "cupl"
"""The method that goes by class names alone, and the one that ranks best by what a language model says."""


def check_by_class(method: str) -> None:
    """Refuse a method that weighs the classes against each other: it says which one holds, not which do.

    Raises:
        InputError: It is one.
    """
    if method not in CLASS_BY_CLASS and not names_book(method):
        raise InputError(
            f"The method {method} does not score each class by itself.",
            hint=f"Several labels take a prompt book's file, or one of {', '.join(CLASS_BY_CLASS)}.",
            field="method",
        )


@checked_arguments
@dataclass(kw_only=True)
class MultiLabelClassifier:
    """Says of each image which of the classes hold: none, one or several.

    Args:
        classes: The class names.
        method: What scores them, each by itself: "clip" goes by names, "dclip", "cupl" and "ram-tagging" by
            what a language model says of them; a prompt book by its file. "cupl" where `llm` or `base_url` is
            given and this is not, else "clip": a model that the settings alone name is not asked.
        clip: An `Encoder`; or the name of a CLIP model.
        llm: A `LanguageModel`, or the name of one at the endpoint, for methods that ask.
        base_url: The endpoint; `OPENAI_BASE_URL` where not given.
        api_key: Its key; `OPENAI_API_KEY` where not given.
        noun: The generic word for all classes, for questions; asked where not given.
        labels: Labelled images, of those to label or others, which set the thresholds; see `read_label_sets`.
            Without, the images themselves do.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer, or leave it "off".
        every: Whether each image gets the probability of every class, not only of those that hold.
        seed: Decides whatever a method draws.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go.
        progress: Called with progress events.
    """

    classes: Sequence[str]
    method: str = ""
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    noun: str | None = None
    labels: GivenSets | None = None
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: Literal["use", "refresh", "off"] = "use"
    every: bool = False
    seed: int = 0
    device: str | None = None
    home: Path | None = None
    out: Path = Path("runs")
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        self.classes = check_classes(self.classes)
        self.method = self.method or (NAMES if self.llm is None and self.base_url is None else DESCRIBED)
        check_by_class(self.method)
        for mistake in mistakes_of(self.method, {}, None):
            raise mistake

    def label(self, images: Images) -> LabelSets:
        """Label images; see `alabel`. Not to be called from a running event loop."""
        return run_here(self.alabel(images), "label")

    async def alabel(self, images: Images) -> LabelSets:
        """Label images, and leave a run's folder with `label_sets.json` and `predictions.csv`.

        Args:
            images: Files, folders, PIL images, arrays uint8 `[H, W, 3]` in RGB, or any mix of them in a list.

        Raises:
            NoImagesError: No usable image.
            InputError: Labels cannot be read, or there are too few images to see what is usual.
            EndpointError: The language model could not be asked.
            LimitReached: A limit stopped it. What was answered is kept: a new run does not ask it again.
        """
        images = given_list(images)
        found = find_given(images)
        passed: list[str] = []
        known = None
        if self.labels is not None:
            known = read_label_sets(self.labels, found.images, self.classes, notes=passed)
        every = {image.content_hash for image in (*found.images, *(known.images if known else ()))}
        check_enough(len(every), len(self.classes))  # before anything is asked
        chosen = choose_models(
            clip=name_of(self.clip), device=self.device, llm=name_of(self.llm), base_url=self.base_url
        )
        with open_stores(self.home) as stores:
            async with self._model(stores, chosen) as llm:
                encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device)
                with open_run(
                    None,
                    parent=self.out,
                    kind=KIND,
                    options=self._config(images, chosen),
                    progress=self.progress,
                ) as opened:
                    run = opened.folder
                    keep_copies(found.images, run.path / COPIES)
                    notes = [*passed, *scripted_notes(llm.model if llm else None)]

                    def conclude(reason: str, counts: dict[str, int]) -> tuple[Any, ...]:
                        manifest = write_manifest(
                            run, encoder, images=found.images, language_model=describe_model(llm),
                            prompts=prompt_hashes(), usage=llm.usage if llm else Usage(), stop_reason=reason,
                            counts=counts, skipped=found.skipped, passed_over=found.passed_over,
                            seed=self.seed, notes=tuple(notes),
                        )  # fmt: skip
                        return manifest.skipped

                    opened.stopping = lambda reason: conclude(reason, {})
                    noun = await settle_noun(
                        tuple(self.classes), given=self.noun, plain=ResolveOptions().noun, llm=llm, run=run,
                        progress=self.progress,
                    )  # fmt: skip
                    bench, own = self._bench(found, known, noun.noun, encoder, llm, run)
                    check_enough(len(bench.images), len(self.classes))  # some may not be readable
                    method = method_of(self._choice())
                    scored = await method.run(bench)
                    notes += filter(None, (noun.note, *bench.test.notes, *bench.notes, *scored.notes))
                    scores = np.asarray(scored.scores, dtype=np.float64)
                    made = self._sets(scores, bench.images, own, known)
                    counts = {
                        "images": len(made.images),
                        "labelled": made.labelled,
                        "with_label": sum(bool(each.labels) for each in made.images),
                    }
                    result = made.model_copy(
                        update={
                            "run": str(run.path),
                            "skipped": conclude("labelled", counts),
                            "passed_over": dict(found.passed_over),
                            "notes": tuple(notes),
                            "inputs": names_of(found),
                        }
                    )
                    run.write(RESULT, result)
        return result

    def _bench(
        self,
        found: FoundImages,
        known: LabelledSets | None,
        noun: str,
        encoder: Encoder,
        llm: AskedModel | None,
        run: RunFolder,
    ) -> tuple[EvalBench, int]:
        """What the method is given, and how many of its images are those to label; labelled others follow."""
        there = {image.content_hash for image in found.images}
        others = [image for image in known.images if image.content_hash not in there] if known else []
        test = usable(
            TestSet(
                data="images",
                setting="images",
                classes=tuple(self.classes),
                noun=noun,
                images=tuple(replace(image, label=None) for image in (*found.images, *others)),
                labelled=False,
            ),
            encoder,
            self.progress,
        )
        own = sum(image.content_hash in there for image in test.images)
        bench = EvalBench.of(
            test,
            encoder=encoder,
            llm=llm,
            run=RunFolder(run.path / WORK),
            seed=self.seed,
            progress=only_encoding(self.progress),
        )
        return bench, own

    def _sets(
        self,
        scores: NDArray[np.float64],
        images: Sequence[ImageFile],
        own: int,
        known: LabelledSets | None,
    ) -> LabelSets:
        """Probabilities, thresholds, and the classes that hold in the first `own` images."""
        z = standing_out(scores)
        truth, said = np.zeros(z.shape, dtype=np.bool_), np.zeros(z.shape, dtype=np.bool_)
        odds = ClassOdds.uncalibrated(len(self.classes))
        if known is not None:
            place = {image.content_hash: at for at, image in enumerate(known.images)}
            rows = [row for row, image in enumerate(images) if image.content_hash in place]
            own_rows = [place[images[row].content_hash] for row in rows]
            truth[rows], said[rows] = known.truth[own_rows], known.known[own_rows]
            odds = fit_odds(z[said.any(1)], truth[said.any(1)], said[said.any(1)])
        probabilities = odds.probabilities(z)[:own]
        thresholds = best_thresholds(probabilities)
        holds = np.where(said[:own], truth[:own], probabilities >= thresholds)
        shown = np.where(said[:own], truth[:own].astype(float), probabilities)
        made = label_rows(
            images[:own],
            self.classes,
            shown,
            holds,
            every=self.every,
            said=np.logical_and.reduce(said[:own], axis=1),
        )
        return LabelSets(
            run="",
            method=self.method,
            classes=tuple(
                ClassThreshold(class_name=name, threshold=round(t, 6), images=n, positives=labelled)
                for name, t, n, labelled in zip(
                    self.classes,
                    thresholds.tolist(),
                    holds.sum(0).tolist(),
                    odds.positives.tolist(),
                    strict=True,
                )
            ),
            labelled=odds.labelled,
            images=made,
        )

    def _choice(self) -> MethodChoice:
        return MethodChoice(classes=self.classes, method=self.method, seed=self.seed)

    def _model(self, stores: Stores, chosen: ChosenModels) -> AbstractAsyncContextManager[AskedModel | None]:
        asks = "llm" in (needs_of(self.method) or ())
        check_asks(chosen, asks=asks, by=self.method)
        if not asks or chosen.llm is None:
            return nullcontext()
        opened = partial(
            open_llm, chosen.llm, stores.answers, base_url=chosen.base_url, api_key=self.api_key,
            limits=self.limits, cache=self.cache,
        )  # fmt: skip
        return asked_model(self.llm, self.limits, opened)

    def _config(self, images: Images, chosen: ChosenModels) -> dict[str, Any]:
        return {
            "images": list(names_given(images)),
            "folder": str(Path.cwd()),
            "classes": list(self.classes),
            "method": self.method,
            "noun": self.noun,
            "clip": chosen.clip,
            "llm": chosen.llm,
            "labels": str(self.labels) if isinstance(self.labels, str | Path) else None,
            "seed": self.seed,
            "limits": self.limits.model_dump(mode="json"),
        }
