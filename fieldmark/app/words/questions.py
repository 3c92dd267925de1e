"""Searches for better rules of the resolve loop's questions, by labelled images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fieldmark.agents.build.words import halves
from fieldmark.agents.resolve.estimate import first_look, longest_follow_ups, most_follow_ups
from fieldmark.agents.resolve.options import ResolveOptions
from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, times
from fieldmark.agents.shared.rewording import proposal, record_of
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.classifier import Classifier
from fieldmark.app.event_loop import run_here
from fieldmark.app.models import choose_models
from fieldmark.app.noun import settle_noun
from fieldmark.app.stores import CacheUse, asked_model, name_of, open_llm, open_stores
from fieldmark.errors import EndpointError, InputError, LimitReached
from fieldmark.prompts import describe, differentiate, differentiate_again, differentiate_group, tabulate
from fieldmark.prompts.reword import ask_reword
from fieldmark.prompts.rules import rules_of
from fieldmark.records import Prediction, UsageLimits, Words
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.datasets.labelled import LabelledImages, read_labelled
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.budget import room_of
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.events import Progress, WordsTried, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.search.pareto import Proposal, Scored, check_calls, least_calls, search_words

SHOTS = 8
LEAST_IMAGES = 16
_FOLLOW_UPS = {
    "table": (differentiate_group.PROMPT_ID, tabulate.PROMPT_ID),
    "groups": (differentiate_group.PROMPT_ID, differentiate_again.PROMPT_ID),
    "pairs": (differentiate.PROMPT_ID,),
}
NO_LLM = "No language model is named."
_MARKS = 4
_MOST_NAMED = 60


def parts_of(options: ResolveOptions) -> tuple[str, ...]:
    """Ids of the prompts whose rules are reworded: those that a loop with these options asks most by."""
    described = (describe.PROMPT_ID,) if options.start == "descriptors" else ()
    return (*described, *(_FOLLOW_UPS[options.ask] if options.max_rounds else ()))


@dataclass(kw_only=True)
class QuestionWords:
    """A `Reworded`: the rules of the loop's questions, judged by whole runs on labelled images.

    Attributes:
        classifier: With the shipped words; it is run on each half of the images by itself.
        llm: Asks, and rewords.
        images: The labelled images.
        noun: The generic word for all classes.
        most: Questions that one run takes at most.
    """

    classifier: Classifier
    llm: AskedModel
    images: Sequence[ImageFile]
    noun: str
    most: int
    known: dict[tuple[str, ...], dict[str, Prediction]] = field(
        default_factory=dict[tuple[str, ...], dict[str, Prediction]]
    )

    together = True

    @property
    def start(self) -> dict[str, str]:
        """The shipped rules."""
        return {each: rules_of(each) for each in parts_of(self.classifier.options)}

    def words(self, chosen: Mapping[str, str]) -> Words:
        """What differs from the shipped rules."""
        return Words(instructions={part: text for part, text in chosen.items() if text != self.start[part]})

    def most_calls(self, images: Sequence[int]) -> int:
        """One run, however many images."""
        return self.most if images else 0

    async def score(self, words: Mapping[str, str], images: Sequence[int]) -> Scored:
        """1 for each image whose likeliest class is its own, resolved or open.

        Raises:
            LimitReached: A limit stopped the run.
            EndpointError: The endpoint did.
        """
        told, before = self.words(words), self._asked()
        options = self.classifier.options.model_copy(update={"words": told if told.key else None})
        with TemporaryDirectory() as folder:
            run = Classifier(
                classes=self.classifier.classes,
                clip=self.classifier.clip,
                llm=self.llm,
                noun=self.noun,
                options=options,
                cache=self.classifier.cache,
                home=self.classifier.home,
                out=Path(folder),
            )
            done = await run.aresolve([self.images[place].path for place in images])
        if done.manifest.stop_reason == "budget":
            raise LimitReached("A limit stopped the search.", hint="Raise it: what was answered is kept.")
        if done.manifest.stop_reason == "endpoint":
            raise EndpointError("The endpoint stopped answering.", hint="What was answered is kept.")
        found = {each.image_hash: each for each in done.predictions}
        self.known[tuple(words.values())] = self.known.get(tuple(words.values()), {}) | found
        own = [self.images[place] for place in images]
        scores = [float(i.content_hash in found and found[i.content_hash].label == i.label) for i in own]
        return Scored(scores, self._asked() - before)

    def _asked(self) -> int:
        """Questions so far, those from a cache among them."""
        return self.llm.usage.requests + self.llm.usage.cached

    async def propose(self, words: Mapping[str, str], part: str, images: Sequence[int]) -> Proposal:
        """Ask for better rules, with what was made of these images, and by which marks."""
        known = self.known[tuple(words.values())]
        named = self.classifier.classes[:_MOST_NAMED]
        asked = ask_reword(
            words[part],
            use="instruction",
            part=part,
            context={"noun": self.noun, "classes": list(named)},
            outcomes=[_outcome(self.images[n], known.get(self.images[n].content_hash)) for n in images],
        )
        return await proposal(asked, self.llm, rules=True)


def _outcome(image: ImageFile, said: Prediction | None) -> dict[str, Any]:
    if said is None:
        return {"right": "no", "truth": image.label, "said": "", "marks": []}
    marks = [
        f"{each.attribute}: {each.label_value or 'unknown'} for {said.label}, "
        f"{each.runner_up_value or 'unknown'} for {said.runner_up}; seen: {each.seen or 'unclear'}"
        for each in said.contributions[:_MARKS]
    ]
    right = "yes" if said.label == image.label else "no"
    return {"right": right, "truth": image.label, "said": said.label or "", "marks": marks}


@checked_arguments
@dataclass(kw_only=True)
class QuestionRewording:
    """Searches for rules of the loop's questions by which it is more often right on labelled images.

    Half of the images is reflected on, the other half decides; see `search_words`. Label with what was found
    as `ResolveOptions.words`.

    Args:
        data: A folder with one folder a class, or a list, see `read_labelled`.
        listed_from: Where the paths of a list start.
        classes: The class names, where more are meant than have images.
        shots: Labelled images of each class, at most.
        clip: The `Encoder`, or its name.
        llm: A `LanguageModel`, or its name: it asks and rewords.
        base_url: Its endpoint.
        api_key: Its key.
        noun: The generic word for all classes; asked where not given.
        options: The choices of the loop.
        calls: The most questions, those from the cache among them; twice what one rewording takes where not
            given.
        seed: Decides every draw.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer, or leave it "off".
        device: Where the encoder computes.
        home: Where answers and vectors are kept.
        progress: Called with progress events.
    """

    data: Path | str
    listed_from: Path | None = None
    classes: Sequence[str] = ()
    shots: int = SHOTS
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    noun: str | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    calls: int | None = None
    seed: int = 0
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    device: str | None = None
    home: Path | None = None
    progress: Progress = no_progress

    def estimate(self) -> CallEstimate:
        """What the search would ask at most; asks nothing.

        Raises:
            InputError: Too few images or questions.
        """
        data = self._read()
        options = self.options
        most = most_follow_ups(len(data.classes), options, images=len(data.train))
        most += options.descriptor_samples * len(data.classes) if options.start == "descriptors" else 0
        least = 4 * most + 1
        calls = self.calls or 2 * least
        check_calls(calls, least)
        asked = longest_follow_ups(data.classes, options, noun=self.noun or options.noun)
        longest = max(map(room_of, asked), key=lambda room: room.total)
        return CallEstimate(
            images=len(data.train),
            classes=len(data.classes),
            model=choose_models(llm=name_of(self.llm), base_url=self.base_url).llm,
            noun=self.noun,
            first_look=FirstLook(),
            follow_up_most=calls,
            follow_up_tokens=times(longest, calls).total,
            skipped=data.skipped,
            notes=("Each rewording is tried in a whole run on half of the images; the other half decides.",),
        )

    def search(self) -> Words:
        """See `asearch`; not for a running event loop."""
        return run_here(self.asearch(), "search")

    async def asearch(self) -> Words:
        """Search; the same search goes on from the cache where it was stopped.

        Raises:
            InputError: Too few images or questions, or there is no language model.
            EndpointError: The endpoint cannot be asked; what was answered is kept.
            LimitReached: A limit was reached; what was answered is kept.
        """
        data = self._read()
        seen, held_out = halves([str(image.label) for image in data.train], self.seed)
        chosen = choose_models(
            clip=name_of(self.clip), device=self.device, llm=name_of(self.llm), base_url=self.base_url
        )
        if self.llm is None and chosen.llm is None:
            raise InputError(NO_LLM, hint="Name one, or set FIELDMARK_LLM.", field="llm")
        with open_stores(self.home) as stores:
            encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device)
            opened = partial(
                open_llm, chosen.llm or "", stores.answers, base_url=chosen.base_url, api_key=self.api_key,
                limits=self.limits, cache=self.cache,
            )  # fmt: skip
            async with asked_model(self.llm, self.limits, opened) as llm:
                noun = await self._noun(data.classes, llm)
                classifier = Classifier(
                    classes=data.classes, clip=encoder, llm=llm, noun=noun, options=self.options,
                    cache=self.cache, home=self.home,
                )  # fmt: skip
                look, _ = await first_look(data.classes, noun=noun, options=self.options, llm=llm)
                most = look.questions + most_follow_ups(
                    len(data.classes), self.options, images=len(data.train)
                )
                subject = QuestionWords(
                    classifier=classifier, llm=llm, images=data.train, noun=noun, most=most
                )
                calls = self.calls or 2 * least_calls(subject, seen, held_out)
                found = await search_words(
                    subject.start,
                    subject,
                    seen=seen,
                    held_out=held_out,
                    calls=calls,
                    seed=self.seed,
                    progress=lambda done, of: self.progress(WordsTried(done=done, of=of)),
                )
                record = record_of(
                    found, subject=str(self.data), llm=llm, budget=calls, seed=self.seed,
                    labels=len(seen), held_out=len(held_out),
                )  # fmt: skip
        return subject.words(found.words).model_copy(update={"found": record})

    def _read(self) -> LabelledImages:
        """The labelled images of each class.

        Raises:
            InputError: They cannot be read, or are too few to halve.
        """
        found = read_labelled(
            Path(self.data), images=self.listed_from, shots=self.shots, seed=self.seed, classes=self.classes
        )
        labels = [image.label for image in found.train]
        if len(labels) < LEAST_IMAGES or any(labels.count(each) < 2 for each in found.classes):
            raise InputError(
                f"{len(labels)} labelled images are too few: it takes {LEAST_IMAGES}, and two of each class.",
                hint="Add some, or leave classes without images out.",
                field="data",
            )
        return found

    async def _noun(self, classes: Sequence[str], llm: AskedModel) -> str:
        with TemporaryDirectory() as folder:
            settled = await settle_noun(
                classes,
                given=self.noun,
                plain=self.options.noun,
                llm=llm,
                run=RunFolder(Path(folder)),
                progress=self.progress,
            )
        return settled.noun
