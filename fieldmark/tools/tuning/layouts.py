"""One labelled image as a row of the data that Visual-RFT's or TRL's training reads.

Sources: Visual-RFT's table of prompts and its columns `image`, `problem`, `solution`; TRL's pages on dataset
formats, on GRPO with images, and on supervised fine-tuning. The column `file_name` is that of the library
`datasets` for a folder of images: reading it gives the column `image`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fieldmark.errors import InputError
from fieldmark.records import Concept
from fieldmark.tools.concepts.instructions import rules_of
from fieldmark.tools.images.image_file import ImageFile
from fieldmark.tools.tuning.reward import ANSWER, TAGS, THINK

Layout = Literal["visual-rft", "trl-grpo", "trl-sft"]
MOST_LISTED = 100
"""With more classes than that a question does not list them."""
_FORM = (
    "Output the thinking process in <think> </think> and the answer in <answer> </answer> tags, as in:\n"
    "<think> ... </think><answer>{answer}</answer>\nWrite nothing else."
)
_SHORT = (
    "Output the answer in <answer> </answer> tags, as in:\n<answer>{answer}</answer>\nWrite nothing else."
)


@dataclass(frozen=True)
class TuningTask:
    """What is asked of every image.

    Attributes:
        question: In words, without the form of the answer.
        answer: What an answer is, for the form: "name", or "in or out".
        answers: The possible ones.
    """

    question: str
    answer: str
    answers: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.answers:
            if any(tag in name for tag in TAGS):
                raise InputError(
                    f"The class {name!r} holds a tag that marks answers.",
                    hint="Give it another name: the reward could not tell the name from its marks.",
                )


@dataclass(frozen=True)
class TuningExample:
    """One labelled image.

    Attributes:
        image: Its file; one without a hash is taken as it is.
        content_hash: What it is known by.
        answer: The right answer.
        by: Whose word that is.
        confidence: How sure a run is of it; 1.0 for a person.
        rationale: Why, in the words of a model that said the same; empty where there are none.
    """

    image: ImageFile
    content_hash: str
    answer: str
    by: Literal["person", "run"] = "person"
    confidence: float = 1.0
    rationale: str = ""


def task_of_classes(classes: Sequence[str], *, noun: str) -> TuningTask:
    """Which of the classes an image shows."""
    listed = f" It is one of: {'; '.join(classes)}." if len(classes) <= MOST_LISTED else ""
    return TuningTask(f"Which {noun} does this image show?{listed}", "name", tuple(classes))


def task_of_concept(concept: Concept) -> TuningTask:
    """Whether an image is in or out, by the definition in force."""
    parts = [f"Is this image in or out of the concept {concept.name!r}?", concept.purpose.strip()]
    for _, said, clauses in rules_of(concept.definition):
        parts += [said, *(f"- {clause.text}" for clause in clauses)]
    return TuningTask("\n".join(filter(None, parts)), "in or out", ("in", "out"))


def row_of(example: TuningExample, task: TuningTask, layout: Layout, *, file_name: str) -> Mapping[str, Any]:
    """A row: the layout's own columns, and `answer`, `by`, `confidence`, `rationale`, `image_hash`.

    A supervised row without a rationale asks for the answer alone, so that no empty thought is taught.
    """
    rationale = "" if any(tag in example.rationale for tag in TAGS) else example.rationale.strip()
    solution = f"{ANSWER[0]}{example.answer}{ANSWER[1]}"
    form = _SHORT if layout == "trl-sft" and not rationale else _FORM
    problem = f"{task.question}\n{form.format(answer=task.answer)}"
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": problem}]}
    if layout == "trl-sft":
        said = f"{THINK[0]}{rationale}{THINK[1]}{solution}" if rationale else solution
        own: dict[str, Any] = {
            "messages": [asked, {"role": "assistant", "content": [{"type": "text", "text": said}]}]
        }
    elif layout == "trl-grpo":
        own = {"prompt": [asked], "solution": solution}
    else:
        own = {"problem": problem, "solution": solution}
    return {
        "file_name": file_name,
        **own,
        "answer": example.answer,
        "by": example.by,
        "confidence": round(example.confidence, 6),
        "rationale": rationale,
        "image_hash": example.content_hash,
    }


def held_out(examples: Sequence[TuningExample], share: float) -> frozenset[str]:
    """The images to hold out, by content hash: that share of each answer's, rounded down.

    Only what people labelled is held out. Which ones depends on the content hashes alone.
    """
    chosen: set[str] = set()
    for answer in {example.answer for example in examples}:
        own = sorted(e.content_hash for e in examples if e.answer == answer and e.by == "person")
        chosen |= set(own[: int(len(own) * share + 1e-9)])
    return frozenset(chosen)
