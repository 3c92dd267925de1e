"""Names images that nobody listed classes for: groups them, finds names, and checks these on the images."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import JsonValue

from fieldmark.agents.shared.estimate import CallEstimate, FirstLook, counted
from fieldmark.app.arguments import checked_arguments
from fieldmark.app.discover.asking import AskedGroup, GroupAnswers, ask_groups, questions_of
from fieldmark.app.discover.sources import (
    GroupedImages,
    group_images,
    group_rejected,
    read_said,
    rejected_groups,
)
from fieldmark.app.discover.writing import write_tables
from fieldmark.app.event_loop import run_here
from fieldmark.app.inputs import Images, names_given
from fieldmark.app.models import ChosenModels, choose_models, lacks_vlm
from fieldmark.app.stores import CacheUse, Stores, asked_by_name, asked_vlm, name_of, open_stores
from fieldmark.errors import InputError
from fieldmark.prompts.loader import prompt_hashes
from fieldmark.prompts.name_group import GroupHints
from fieldmark.records import Usage, UsageLimits
from fieldmark.records.discovery import DiscoveredGroup, Discovery
from fieldmark.records.names import plain_name
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.discovery.groups import MOST_IMAGES
from fieldmark.tools.discovery.mentions import Mentions, mentions_of
from fieldmark.tools.discovery.names import GroupName, name_groups
from fieldmark.tools.images.in_memory import COPIES, keep_copies
from fieldmark.tools.llm.chat import LanguageModel
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.llm.scripted import scripted_notes
from fieldmark.tools.runs.events import Progress, no_progress
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import describe_model, write_manifest
from fieldmark.tools.runs.run import open_run
from fieldmark.tools.scoring.vectors import encode_unit

KIND = "discover"
PHOTOS = 5
"""Images of a group that the vision-language model is shown: evenly spread over its more typical half."""


@checked_arguments
@dataclass(kw_only=True)
class Discoverer:
    """Finds groups in images and a name for each; or names the rejected groups of a classification.

    Names come from captions of whatever images (CaSED's way, by group), and from a model: a vision-language
    model is shown some images of each group; else a language model goes by the captions and by the marks
    that a run found. The encoder has the last word, see `name_groups`.

    Args:
        images: The images: files, folders, PIL images or arrays; None where `run` is given.
        run: A classification, its id or folder, whose rejected groups are to be named.
        captions: File of captions, one a line, or JSONL with the field "caption".
        groups: How many groups; found where not given (see `find_groups`).
        noun: The generic word for what the images show; "" where nobody knows.
        clip: An `Encoder`, or the name of a CLIP model; that of the run where `run` is given.
        llm: A `LanguageModel`, or its name at the endpoint; the settings' where not given.
        base_url: The endpoint; `OPENAI_BASE_URL` where not given.
        vlm: A vision-language model, or its name; None shows images to none.
        vlm_base_url: Its endpoint; that of the language model where not given.
        limits: The most that may be spent.
        cache: "use" it, "refresh" every answer, or leave it "off".
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where answers and vectors are kept; the settings' where not given.
        out: Where run folders go, and where `run` is looked for.
        progress: Called with progress events.
    """

    images: Images | None = field(default=None, repr=False)
    run: Path | str | None = None
    captions: Path | None = None
    groups: int | None = None
    noun: str = ""
    clip: Encoder | str | None = None
    llm: LanguageModel | str | None = None
    base_url: str | None = None
    vlm: LanguageModel | str | None = None
    vlm_base_url: str | None = None
    limits: UsageLimits = field(default_factory=UsageLimits)
    cache: CacheUse = "use"
    device: str | None = None
    home: Path | None = None
    out: Path = Path("runs")
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        if (self.images is None) == (self.run is None):
            raise InputError("Give images, or a run whose rejected images are to be named.", field="images")
        if self.groups is not None and (self.groups < 2 or self.run is not None):
            raise InputError(
                f"groups cannot be {self.groups}." if self.run is None else "A run has its own groups.",
                hint="Give 2 or more, or leave it out.",
                field="groups",
            )
        if self.vlm_base_url and not self.vlm:
            raise lacks_vlm()
        if self.vlm is None and self.captions is None and self.run is None:
            raise InputError(
                "Nothing says what the images show.",
                hint="Give captions of such images, or name a vision-language model.",
                field="captions",
            )

    def discover(self) -> Discovery:
        """Find groups and names; see `adiscover`. Not to be called from a running event loop."""
        return run_here(self.adiscover(), "discover")

    async def adiscover(self) -> Discovery:
        """Find groups and names.

        What a limit or a dead endpoint keeps back is not asked, and the rest is named: the same call goes on
        later, as answers and vectors are kept.

        Returns:
            The groups; the folder that `run` names holds them as `discovery.json`, `groups.csv` (an image a
            row), and `classes.txt` (a name a line, as a classification takes them).

        Raises:
            NoImagesError: No usable image.
            RunError: The run is not there, or has no rejected images that look alike.
            InputError: The captions cannot be read.
        """
        said = read_said(self.captions) if self.captions else ()
        earlier, chosen = self._settled()
        with open_stores(self.home) as stores:
            async with AsyncExitStack() as opened:
                llm, vlm = await self._models(opened, stores, chosen)
                encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device)
                with open_run(
                    None, parent=self.out, kind=KIND, options=self._config(chosen), progress=self.progress
                ) as run:
                    given = self._grouped(earlier, encoder)
                    keep_copies(given.images, run.folder.path / COPIES)
                    mentions = _mentions(given, said, encoder)
                    asked = self._to_ask(given, mentions, vlm=vlm)
                    model = vlm or llm
                    answers = GroupAnswers()
                    if model is not None and asked:
                        answers = await ask_groups(asked, model, self.progress)
                        written = tuple(text for own in answers.captions.values() for text in own)
                        if written:
                            mentions = _mentions(given, tuple(dict.fromkeys((*said, *written))), encoder)
                    named = name_groups(
                        given.vectors,
                        given.groups,
                        encoder.encode_texts,
                        logit_scale=float(encoder.logit_scale),
                        mentions=mentions,
                        asked=answers.names,
                        taken=given.listed,
                    )
                    found = Discovery(
                        run=str(run.folder.path),
                        of_run=None if earlier is None else str(earlier.path),
                        listed=given.listed,
                        images=len(given.images),
                        groups=tuple(
                            _described(each, given, mentions, answers, seen=vlm is not None) for each in named
                        ),
                        stop_reason="endpoint"
                        if answers.stopped == "endpoint"
                        else ("budget" if answers.stopped else "done"),
                        notes=(
                            *filter(None, (answers.why, answers.fault, self._fewer(given, len(named)))),
                            *scripted_notes(llm.model if llm else None, name_of(self.vlm)),
                        ),
                    )
                    run.folder.write(Discovery.FILE, found)
                    write_tables(run.folder, found)
                    write_manifest(
                        run.folder,
                        encoder,
                        images=given.images,
                        language_model=describe_model(llm),
                        prompts=prompt_hashes(),
                        usage=llm.usage if llm else Usage(),
                        vision_model=describe_model(vlm) if vlm else {},
                        vision_usage=vlm.usage if vlm else Usage(),
                        stop_reason=found.stop_reason,
                        counts={
                            "groups": len(found.groups),
                            "named": len(found.names),
                            "sure": sum(group.sure for group in found.groups),
                            "failed": answers.failed,
                        },
                        skipped=given.skipped,
                        passed_over=given.passed_over,
                        notes=found.notes,
                    )
        return found

    def estimate(self) -> CallEstimate:
        """What would be asked; see `aestimate`. Not to be called from a running event loop."""
        return run_here(self.aestimate(), "estimate")

    async def aestimate(self) -> CallEstimate:
        """What would be asked: a question a group. Asks nothing; images are encoded, as groups need that."""
        said = read_said(self.captions) if self.captions else ()
        earlier, chosen = self._settled()
        with open_stores(self.home) as stores:
            async with AsyncExitStack() as opened:
                llm, vlm = await self._models(opened, stores, chosen)
                encoder = stores.encoder_of(self.clip, chosen.clip, device=chosen.device)
                given = self._grouped(earlier, encoder)
                asked = self._to_ask(given, _mentions(given, said, encoder), vlm=vlm)
                model = vlm or llm
                if model is None:
                    return CallEstimate(
                        images=len(given.images), classes=0, model=None, noun=self.noun,
                        first_look=FirstLook(), follow_up_most=0, skipped=given.skipped,
                    )  # fmt: skip
                return CallEstimate(
                    images=len(given.images),
                    classes=0,
                    model=model.model,
                    noun=self.noun,
                    first_look=await counted(await questions_of(asked), model),
                    follow_up_most=0,
                    skipped=given.skipped,
                    passed_over=given.passed_over or {},
                )

    def _settled(self) -> tuple[RunFolder | None, ChosenModels]:
        earlier = None if self.run is None else RunFolder.open(self.out, self.run, kind="classify")
        clip = name_of(self.clip)
        if earlier is not None:
            rejected_groups(earlier)  # told before a model is opened
            clip = clip or str(earlier.config.options.get("clip") or "") or None
        llm = name_of(self.llm)
        return earlier, choose_models(clip=clip, device=self.device, llm=llm, base_url=self.base_url)

    async def _models(
        self, opened: AsyncExitStack, stores: Stores, chosen: ChosenModels
    ) -> tuple[AskedModel | None, AskedModel | None]:
        llm = None
        if self.vlm is None:
            llm = await opened.enter_async_context(
                asked_by_name(self.llm, chosen.llm, stores, base_url=chosen.base_url,
                              limits=self.limits, cache=self.cache)
            )  # fmt: skip
        vlm = await opened.enter_async_context(
            asked_vlm(
                self.vlm, stores, beside=None, llm=(chosen.base_url, None), base_url=self.vlm_base_url,
                limits=self.limits, cache=self.cache,
            )
        )  # fmt: skip
        return llm, vlm

    def _grouped(self, earlier: RunFolder | None, encoder: Encoder) -> GroupedImages:
        if earlier is not None:
            return group_rejected(earlier, encoder, self.progress)
        return group_images(self.images or (), encoder, self.groups, self.progress)

    def _fewer(self, given: GroupedImages, named: int) -> str:
        """That there are fewer groups than were asked for, and why; "" where there are as many."""
        found = len(given.groups.typical)
        if self.groups is None or given.rejected or named >= self.groups:
            return ""
        joined = f", and {found - named:,} had the name of another and were joined to it" * (named < found)
        return (
            f"There are {named:,} groups, not {self.groups:,}: alike images fall into {found:,}{joined}. No "
            f"more are made than there are images, or {MOST_IMAGES:,}."
        )

    def _to_ask(
        self, given: GroupedImages, mentions: Mentions | None, *, vlm: AskedModel | None
    ) -> list[AskedGroup]:
        """The groups as they are asked about; none where nothing is known of them but what they look like."""
        asked: list[AskedGroup] = []
        for number, own in enumerate(given.groups.typical):
            hints = GroupHints(
                captions=() if mentions is None else mentions.captions[number],
                marks=_marks(given, number),
                listed=given.listed,
                noun=self.noun,
            )
            count = min(PHOTOS, len(own))
            shown = own[torch.linspace(0, max(count - 1, (len(own) - 1) // 2), count).long().unique()]
            photos = tuple(given.images[at] for at in shown.tolist()) if vlm is not None else ()
            asked.append(AskedGroup(hints, photos))
        return (
            asked if vlm is not None or any(each.hints.captions or each.hints.marks for each in asked) else []
        )

    def _config(self, chosen: ChosenModels) -> dict[str, JsonValue]:
        return {
            "images": None if self.images is None else list(names_given(self.images)),
            "of_run": None if self.run is None else str(self.run),
            "captions": None if self.captions is None else str(self.captions.resolve()),
            "groups": self.groups,
            "noun": self.noun,
            "clip": chosen.clip,
            "llm": chosen.llm,
            "vlm": name_of(self.vlm),
            "limits": self.limits.model_dump(mode="json"),
            "device": chosen.device,
        }


def _described(
    each: GroupName, given: GroupedImages, mentions: Mentions | None, answers: GroupAnswers, *, seen: bool
) -> DiscoveredGroup:
    """A named group as it is kept: with what was said of it, and its files."""
    first = each.groups[0]
    near = () if mentions is None else mentions.captions[first]
    of_name = tuple(text for text in near if each.name and plain_name(each.name) in plain_name(text))
    images = [given.images[at] for at in each.images.tolist()]
    model = "vision-language model" if seen else "language model"
    return DiscoveredGroup(
        name=each.name,
        sure=each.sure,
        sureness=round(each.sureness, 4),
        similarity=round(each.similarity, 4),
        others=each.others,
        by="" if not each.name else model if each.asked else "captions",
        captions=answers.captions.get(first, of_name[:PHOTOS]),
        marks=_marks(given, first),
        images=tuple(str(image.path) for image in images),
        image_hashes=tuple(image.content_hash for image in images),
    )


def _marks(given: GroupedImages, number: int) -> tuple[str, ...]:
    """What the run found that most images of a group show, in words."""
    return tuple(mark.value for mark in given.rejected[number].marks) if given.rejected else ()


def _mentions(given: GroupedImages, captions: Sequence[str], encoder: Encoder) -> Mentions | None:
    if not captions:
        return None
    vectors = encode_unit(list(captions), encoder.encode_texts)
    return mentions_of(given.vectors, given.groups, captions, vectors)
