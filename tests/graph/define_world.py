"""A concept in the made-up world: an annotator that sees, an analyst that listens, an owner with a rule."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.agents.define.context import DefineContext
from fieldmark.agents.define.options import DefineOptions
from fieldmark.agents.define.run import OwnerLeft
from fieldmark.app.stores import checkpoint_server
from fieldmark.cache.arrays import ArrayStore
from fieldmark.cache.keys import content_key
from fieldmark.records import ClauseVerdict, Concept, Definition, LabelValue, Question, Verdict
from fieldmark.records.conversation import (
    BlindBatch,
    BoardToLabel,
    ConversationQuestion,
    ConversationReply,
    EditOffer,
    ImageLabel,
    LabelReply,
    OfferReply,
    Response,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
)
from fieldmark.tools.annotate.annotator import AnnotationProgress
from fieldmark.tools.annotate.clause_tree import call_of
from fieldmark.tools.concepts.folder import ConceptFolder
from fieldmark.tools.concepts.pool import open_pool
from fieldmark.tools.images.files import ImageFile
from fieldmark.tools.llm.chat import ModelAnswer
from fieldmark.tools.llm.counting import CountingModel
from tests.graph.world import PARTS, PHRASES, FakeEncoder, World, data_of

RED = "a red belly"
"""What the concept's name says."""
CREST = "a white crest"
"""An exception that a question brings out."""
TAIL = "a green tail"
"""An exception that nobody asks about; only boards bring it out."""
SMALL = DefineOptions(
    questions=2, boards=6, mined=30, doubted=30, blind=12, blind_batch=6, repeats=8, agreement_labels=30
)


class Bird(World):
    """The world's images as files that are there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(names=tuple(f"b{number}" for number in range(64)))
        object.__setattr__(self, "folder", folder)
        folder.mkdir(parents=True, exist_ok=True)

    folder: Path

    def image(self, number: int, copy: int = 0, *, labelled: bool = False) -> ImageFile:
        plain = super().image(number, copy)
        path = self.folder / plain.path.name
        path.touch()
        return ImageFile(path, plain.content_hash)

    def shows(self, image: ImageFile, phrase: str) -> bool:
        return phrase in {self.value(self.truth(image), part) for part in PARTS}


def phrase_of(text: str) -> str | None:
    """The phrase of the world that a text names."""
    return next((phrase for phrase in PHRASES if phrase in text), None)


class SeeingAnnotator:
    """Judges truly, keeps what it said in a file, and counts how often it looked.

    Args:
        world: What is true.
        kept: The file; verdicts outlive the process.
        refused: Images that it will not look at.
    """

    identity = "seeing"

    def __init__(self, world: Bird, kept: Path, *, refused: Sequence[str] = ()) -> None:
        self.world, self.kept, self.refused = world, kept, frozenset(refused)
        self.calls = 0
        self.looks: list[str] = []
        """Image and clause of each verdict that was not kept yet."""
        self.down: Exception | None = None

    async def judge(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Verdict, ...]:
        known: dict[str, float] = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        found: list[Verdict] = []
        for image in images:
            clauses: list[ClauseVerdict] = []
            for clause in definition.active:
                key = f"{image.content_hash} {clause.text}"
                phrase = phrase_of(clause.text)
                if image.content_hash in self.refused:
                    clauses.append(ClauseVerdict(clause=clause.id, finding="refused"))
                    continue
                if phrase is None:
                    clauses.append(ClauseVerdict(clause=clause.id, finding="abstain"))
                    continue
                if key not in known:
                    if self.down is not None:
                        raise self.down
                    self.looks.append(key)
                    self.calls += 1
                    known[key] = 0.9 if self.world.shows(image, phrase) else 0.1
                p = known[key]
                clauses.append(ClauseVerdict(clause=clause.id, finding="yes" if p > 0.5 else "no", p=p))
            call, p = call_of(definition, clauses)
            seen = ", ".join(self.world.value(self.world.truth(image), part) for part in PARTS)
            found.append(
                Verdict(
                    image=image.content_hash,
                    call=call,
                    p=p,
                    clauses=tuple(clauses),
                    seen=seen,
                    annotator=self.identity,
                )
            )
        self.kept.write_text(json.dumps(known))
        return tuple(found)

    async def gaps(
        self,
        images: Sequence[ImageFile],
        verdicts: Sequence[Verdict],
        *,
        concept: str,
        purpose: str,
        definition: Definition,
        progress: AnnotationProgress | None = None,
    ) -> tuple[tuple[str, ...], ...]:
        spoken = {phrase_of(clause.text) for clause in definition.active}
        return tuple(
            tuple(
                f"birds with {value}"
                for part in ("tail", "crest")
                if (value := self.world.value(self.world.truth(image), part)) not in spoken
            )
            for image in images
        )


@dataclass
class Analyst:
    """A language model that drafts what the name says, and learns from answers and reasons.

    Attributes:
        asked: The questions so far.
        fault: What to raise instead of answering, if anything.
    """

    asked: list[Question[Any]] = field(default_factory=list)
    fault: Callable[[Question[Any]], Exception | None] = lambda question: None

    async def ask(self, question: Question[Any]) -> ModelAnswer[Any]:
        self.asked.append(question)
        if (error := self.fault(question)) is not None:
            raise error
        data = data_of(question)
        said = getattr(self, question.prompt_id.split(".")[0])(data)
        return ModelAnswer(
            value=question.answer_model.model_validate(said),
            key=content_key([question.prompt_id, question.messages[-1].content]),
            cached=False,
            prompt_tokens=1,
            completion_tokens=1,
        )

    def scope(self, data: dict[str, Any]) -> dict[str, Any]:
        clauses = [{"role": c["role"], "text": c["text"]} for c in data["clauses"]]
        clauses = clauses or [{"role": "necessary", "text": f"The bird has {RED}."}]
        for asked in data["asked"]:
            phrase = phrase_of(asked["question"])
            clause = {"role": "negative", "text": f"The bird has {phrase}."}
            if asked["answer"] == "never" and clause not in clauses:
                clauses.append(clause)
        known = {asked["question"] for asked in data["asked"]}
        open_still = [
            {
                "question": f"May it have {phrase}?",
                "about": f"birds with {phrase}",
                "options": ["never", "yes"],
            }
            for phrase in (CREST, "a blue wing", "a red leg")
        ]
        return {"clauses": clauses, "questions": [q for q in open_still if q["question"] not in known]}

    def queries(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "positive": [c["text"] for c in data["clauses"] if c["role"] != "negative"] or ["a bird"],
            "near_miss": [c["text"] for c in data["clauses"] if c["role"] == "negative"] or ["a blue belly"],
        }

    def refine(self, data: dict[str, Any]) -> dict[str, Any]:
        reasons = [
            phrase_of(e["reason"]) for e in data["examples"] if {e["owner"], e["call"]} == {"in", "out"}
        ]
        phrases = list(dict.fromkeys(filter(None, reasons)))
        add = {"kind": "add", "clause": "", "role": "negative", "why": "the owner says so"}
        edits = [{**add, "text": f"The bird has {phrase}."} for phrase in phrases[:4]]
        return {"edits": [{**add, "text": "The bird has a green belly."}, *edits]}

    def kinds(self) -> list[str]:
        return [question.prompt_id.split(".")[0] for question in self.asked]


@dataclass
class RuleOwner:
    """An owner who wants a red belly, no white crest and no green tail; every answer is noted.

    Attributes:
        world: What is true.
        leave_at: Kinds of questions at which the owner goes away, each once.
        stop_at: A kind of question with which the owner ends it.
        told: Payloads so far.
    """

    world: Bird
    files: dict[str, ImageFile]
    leave_at: list[str] = field(default_factory=list)
    stop_at: str = ""
    empty: int = 0
    told: list[ConversationQuestion] = field(default_factory=list)
    exceptions: tuple[str, ...] = (CREST, TAIL)

    def says(self, image: str) -> LabelValue:
        file = self.files[image]
        wanted = self.world.shows(file, RED) and not any(
            self.world.shows(file, phrase) for phrase in self.exceptions
        )
        return "in" if wanted else "out"

    def why(self, image: str) -> str:
        return next(
            (f"{p} does not count" for p in self.exceptions if self.world.shows(self.files[image], p)), ""
        )

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        if payload.kind in self.leave_at:
            self.leave_at.remove(payload.kind)
            raise OwnerLeft("gone")
        self.told.append(payload)
        stop = payload.kind == self.stop_at
        empty = self.empty > 0
        self.empty -= empty
        match payload:
            case ScopeQuestion():
                said = "never" if phrase_of(payload.question) in self.exceptions else "yes"
                return ScopeReply(answer="" if empty else said, stop=stop)
            case BoardToLabel() | BlindBatch():
                labels = tuple(ImageLabel(image=i, value=self.says(i)) for i in payload.images)
                return LabelReply(labels=labels[2:] if empty else labels, stop=stop)
            case VerdictReveal():
                return RevealReply(
                    responses=tuple(
                        Response(image=i.image, kind="reason", reason=self.why(i.image))
                        for i in payload.disagreements
                    ),
                    stop=stop,
                )
            case EditOffer():
                right = [flip.after == flip.owner for flip in payload.flips]
                return OfferReply(accept=all(right), stop=stop)

    def kinds(self) -> list[str]:
        return [payload.kind for payload in self.told]


@dataclass
class Scene:
    """A concept with everything around it, in a folder."""

    context: DefineContext
    owner: RuleOwner
    annotator: SeeingAnnotator
    analyst: Analyst

    @property
    def concept(self) -> Concept:
        return self.context.concept

    @property
    def texts(self) -> set[tuple[str, str]]:
        return {(c.role, phrase_of(c.text) or c.text) for c in self.concept.definition.active}


def scene(folder: Path, options: DefineOptions = SMALL, **given: Any) -> Scene:
    """Set the scene, or set it again in the same folder: what is kept there is found."""
    world = Bird(folder / "pictures")
    images = world.images(4)
    encoder = FakeEncoder(world)
    concepts = ConceptFolder(folder / "concept")
    if not concepts.exists:
        concepts.save(Concept(name="ruddy", purpose="ruddy birds", seed=3))
        concepts.save_pool(images)
    annotator = SeeingAnnotator(world, folder / "verdicts.json")
    analyst = Analyst()
    values: dict[str, Any] = {
        "folder": concepts,
        "pool": open_pool(images, encoder),
        "encoder": encoder,
        "annotator": annotator,
        "gap_finder": annotator,
        "llm": CountingModel(analyst),
        "arrays": ArrayStore(folder / "arrays"),
        "options": options,
        "checkpoints": checkpoint_server(),
    }
    context = DefineContext(**(values | given))
    owner = RuleOwner(world, {image.content_hash: image for image in images})
    return Scene(context, owner, annotator, analyst)
