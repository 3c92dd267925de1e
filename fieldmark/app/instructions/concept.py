"""Writes the labelling instructions of a concept as it is now, and has a fresh annotator label by them."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, times
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.concepts.named import open_folder
from fieldmark.app.concepts.setup import read_setup
from fieldmark.app.concepts.tools import ConceptModels, ConceptTools, open_tools
from fieldmark.app.event_loop import run_here
from fieldmark.app.instructions.pictures import MARKDOWN, PAGE, write_pictures
from fieldmark.app.instructions.writer import WRITTEN
from fieldmark.app.instructions.written import Reader, WrittenInstructions
from fieldmark.app.stores import CacheUse, name_of
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError
from fieldmark.evals.report.instructions import concept_page
from fieldmark.evals.report.page import write_page
from fieldmark.prompts.judge_by_document import ask_judge_by_document
from fieldmark.records import ImagePart, Label, UsageLimits
from fieldmark.tools.annotate.document import DocumentAnnotator
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.changes import blind_labels, dev_labels
from fieldmark.tools.concepts.folder import ConceptFolder, slug_of
from fieldmark.tools.concepts.instructions import exemplar_hashes, instructions_of
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.markdown import one_line
from fieldmark.tools.runs.events import LookingStarted, OpenImagesSeen, Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.statistics.agreement import estimate, kappa
from fieldmark.tools.statistics.intervals import paired_difference

DEV = (
    "Scored on your labels outside of the blind test that the instructions do not show. The rules were made "
    "with these labels: on new images expect less."
)


@checked_arguments
@dataclass(kw_only=True)
class ConceptInstructions:
    """The labelling instructions of a concept: rules, settled questions, decided cases, pictures.

    Args:
        folder: The concept's folder; see `open`.
        clip: The `Encoder`, where the concept was made with an object.
        vlm: Who labels by them: a `LanguageModel`, or the name of one; the concept's own where not given.
        base_url: Its endpoint.
        limits: The most that scoring may spend.
        cache: "use" it, "refresh" every answer, or leave it "off".
        home: Where answers are kept; the settings' where not given.
        out: Where the folder with the instructions goes.
        progress: Called with progress events.
    """

    folder: ConceptFolder
    clip: Encoder | None = None
    vlm: LanguageModel | str | None = None
    base_url: str | None = None
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    home: Path | None = None
    out: Path = Path("runs")
    progress: Progress = no_progress

    @classmethod
    def open(cls, name: str, **more: object) -> "ConceptInstructions":
        """The instructions of a concept by its name.

        Raises:
            InputError: There is no such concept.
        """
        home = more.get("home")
        found = open_folder(name, home=home if isinstance(home, Path) else None)
        return cls(folder=found, **more)  # pyright: ignore[reportArgumentType]

    def write(self, *, score: bool = False) -> WrittenInstructions:
        """Write and score; see `awrite`. Not to be called from a running event loop."""
        return run_here(self.awrite(score=score), "write")

    async def awrite(self, *, score: bool = False) -> WrittenInstructions:
        """Write the instructions of the version in force, and score them where that is wanted.

        The fresh annotator sees the text alone, and labels what the owner labelled outside of the blind test
        and the text does not show; then the same by the concept's name and purpose alone.

        Raises:
            InputError: There is nothing to score on, or no model to score with.
            EndpointError: The model cannot be asked; what was labelled is kept.
            LimitReached: A limit was reached; what was labelled is kept.
        """
        concept = self.folder.load()
        definition = concept.versions[concept.current - 1].definition
        labels = dev_labels(concept)
        files = {content_hash: path for path, content_hash in self.folder.pool_rows()}
        shown = [image for image in exemplar_hashes(labels) if image in files]
        run = RunFolder(self.out / f"instructions-{slug_of(concept.name)}")
        run.path.mkdir(parents=True, exist_ok=True)
        pictures = write_pictures({image: files[image] for image in shown}, run.path)
        text = self._text(pictures)
        run.write_text(MARKDOWN, text)
        own = {image: labels[image] for image in shown}
        write_page(run.path / PAGE, concept_page(concept, definition, own, files))
        readers, scored = (await self._scored(text)) if score else ((), 0)
        written = WrittenInstructions(
            data=concept.name,
            classes=2,
            labels=sum(label.value != "unsure" for label in labels.values()),
            marks=len(definition.active),
            corrected=0,
            scored=scored,
            readers=readers,
            notes=(DEV,) if score else (),
            run=str(run.path),
        )
        run.write(WRITTEN, written)
        return written

    def estimate(self, *, score: bool = True) -> CallEstimate:
        """See `aestimate`. Not to be called from a running event loop."""
        return run_here(self.aestimate(score=score), "estimate")

    async def aestimate(self, *, score: bool = True) -> CallEstimate:
        """What would be asked, at most: scoring alone asks. Asks nothing and writes nothing.

        Raises:
            InputError: There is nothing to score on, or no model to score with.
        """
        if not score:
            return CallEstimate(
                images=0, classes=0, model=None, noun=None, first_look=FirstLook(), follow_up_most=0
            )
        images = self._asked_about()
        async with self._tools() as tools:
            judge = _judge(tools)
            room = judge.room(ask_judge_by_document(ImagePart(data_url="data:,"), self._text({})))
            spent = times(room, 2 * len(images))
            return CallEstimate(
                images=len(images),
                classes=0,
                model=None,
                noun=None,
                first_look=FirstLook(),
                follow_up_most=0,
                vlm=judge.model,
                most_vlm_images=2 * len(images),
                vlm_tokens=spent.total,
                vlm_cost=judge.cost_of(spent),
                notes=(DEV,),
            )

    def _text(self, pictures: Mapping[str, str]) -> str:
        concept = self.folder.load()
        definition = concept.versions[concept.current - 1].definition
        return instructions_of(
            concept, definition, labels=dev_labels(concept), exemplars=pictures, described={}
        )

    def _tools(self) -> AbstractAsyncContextManager[ConceptTools]:
        setup = read_setup(self.folder).changed(llm=None, vlm=name_of(self.vlm), base_url=self.base_url)
        return open_tools(
            self.folder,
            setup,
            models=ConceptModels.of(clip=self.clip, vlm=self.vlm),
            limits=self.limits,
            cache=self.cache,
            home=self.home,
            progress=self.progress,
        )

    def _asked_about(self) -> Mapping[str, Label]:
        """Labels that the instructions do not show: neither as a picture nor as a case with a reason."""
        concept = self.folder.load()
        labels, blind = dev_labels(concept), {*concept.blind, *blind_labels(concept)}
        there = {content_hash for _, content_hash in self.folder.pool_rows()}
        shown = {*exemplar_hashes(labels), *blind}
        found = {
            image: label
            for image, label in labels.items()
            if image in there and image not in shown and not label.reason.strip() and label.value != "unsure"
        }
        if not found:
            raise InputError(
                "There is no label to score on that the instructions do not show.",
                hint="Label some more images: `fieldmark concept label`, or the studio.",
            )
        return found

    async def _scored(self, text: str) -> tuple[tuple[Reader, ...], int]:
        labels = self._asked_about()
        concept = self.folder.load()
        name_alone = f"# How to label: {one_line(concept.name)}\n\n{one_line(concept.purpose)}\n"
        async with self._tools() as tools:
            judge = _judge(tools)
            kept = tools.stores.answers if judge.lasting and self.cache != "off" else MemoryByteStore()
            store = VerdictStore(kept, refresh=self.cache == "refresh")
            images = [image for image in tools.pool.images if image.content_hash in labels]
            self.progress(LookingStarted(images=2 * len(images)))
            rights: list[np.ndarray] = []
            kappas: list[float] = []
            judged: list[np.ndarray] = []
            truth = np.array([labels[image.content_hash].value == "in" for image in images], dtype=np.float64)
            for turn, document in enumerate((name_alone, text)):

                def tell(done: int, of: int, turn: int = turn) -> None:
                    self.progress(OpenImagesSeen(done=turn * of + done, of=2 * of))

                reader = DocumentAnnotator(judge, document, model=await judge.identify(), store=store)
                said = await reader.judge(images, progress=tell)
                rights.append(np.array([v.call == labels[v.image].value for v in said], dtype=np.float64))
                known = np.array([v.call in ("in", "out") for v in said], dtype=np.bool_)
                calls = np.array([v.call == "in" for v in said], dtype=np.float64)
                # Who says nothing says neither in nor out.
                kappas.append(kappa_of(truth[known], calls[known]))
                judged.append(known)
            tools.conclude("measured")
        return tuple(_readers(rights, kappas, judged)), len(images)


def _judge(tools: ConceptTools) -> AskedModel:
    """Who labels by the instructions.

    Raises:
        InputError: Nobody does.
    """
    if tools.judge is None:
        raise InputError(
            "No vision-language model can label by the instructions.",
            hint="Name one that takes images.",
            field="vlm",
        )
    return tools.judge


def kappa_of(truth: np.ndarray, calls: np.ndarray) -> float:
    """Cohen's kappa of calls `[N]`, 1 for in; NaN where there is none."""
    return estimate(kappa, truth, calls, resamples=100).value if len(calls) else float("nan")


def _readers(rights: list[np.ndarray], kappas: list[float], judged: list[np.ndarray]) -> list[Reader]:
    found: list[Reader] = []
    for shown, right, agreed, known in zip(("names", "instructions"), rights, kappas, judged, strict=True):
        share = paired_difference(right, np.zeros(len(right)), None)
        ahead = paired_difference(right, rights[0], None)
        found.append(
            Reader(
                shown=shown,
                right=share.value,
                ci95=share.ci95,
                ahead=ahead.value,
                ahead_ci95=ahead.ci95,
                kappa=None if np.isnan(agreed) else agreed,
                unjudged=int((~known).sum()),
            )
        )
    return found
