"""A vision-language model for tests: it really looks at the picture it is sent, and knows colours alone.

A clause, a document or a candidate that names a colour holds for a picture of that colour; one that says
"hidden" cannot be told.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fieldmark.records import Clause, Definition, Question
from fieldmark.testing import ScriptedModel, data_of
from fieldmark.tools.images.files import ImageFile, find_images
from tests.faulty_endpoint import Received, Reply, completion

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (30, 50, 220), "grey": (128, 128, 128)}
SURE = 90

Fault = Callable[[Question[Any]], Exception | None]


def draw(folder: Path, colours: Sequence[str], *, size: tuple[int, int] = (24, 16)) -> list[ImageFile]:
    """One picture for each colour named, all of them different."""
    folder.mkdir(exist_ok=True)
    for number, colour in enumerate(colours):
        picture = Image.new("RGB", size, COLOURS[colour])
        picture.putpixel((number % size[0], number // size[0]), (0, 0, 0))
        picture.save(folder / f"{number:03}-{colour}.png")
    return list(find_images(folder).images)


def definition(*texts: str, role: Any = "necessary") -> Definition:
    """Clauses of one role, named c1, c2, …"""
    return Definition(
        clauses=tuple(Clause(id=f"c{i}", role=role, text=text) for i, text in enumerate(texts, 1))
    )


def colour_of(data_url: str) -> str:
    """The colour of the picture inside a data URL."""
    picture = Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2]))).convert("RGB")
    pixel = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return min(COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, COLOURS[name], strict=True)))


def hash_of(data_url: str) -> str:
    return hashlib.sha256(base64.b64decode(data_url.partition(",")[2])).hexdigest()


def data_of_chat(asked: Sequence[str]) -> dict[str, Any]:
    """The data of the last of the messages by the user, and those before it that still hold."""
    *before, last = map(data_of, asked)
    return {name: v for each in before for name, v in each.items() if name != "round"} | last


def answer(data: dict[str, Any], data_url: str, text: str = "") -> dict[str, Any]:
    """What the model says to the question that carries these data and this picture."""
    if "answers" in data:  # whoever weighs sees nothing
        weighed = [
            {"clause": each["clause"], "finding": each["answer"], "confidence": SURE}
            for each in data["answers"]
        ]
        return {"rationale": data["caption"], "findings": weighed}
    colour = colour_of(data_url)
    if '{"shows"' in text:
        return {"shows": f"A {colour} picture."}
    if "candidates" in data:
        choice = next((name for name in data["candidates"] if colour in name), "none")
        return {"rationale": f"It is {colour}.", "choice": choice, "confidence": SURE}
    if "document" in data:
        if "hidden" in data["document"]:
            return {"rationale": "Not to be seen.", "label": "unsure", "confidence": 50}
        inside = "in" if colour in data["document"] else "out"
        return {"rationale": f"It is {colour}.", "label": inside, "confidence": SURE}
    if "round" in data:
        side = "in" if all(colour in clause["text"] for clause in data["clauses"]) else "out"
        return {"rationale": f"It is {colour}.", "side": side, "confidence": SURE}
    if "side" in data:
        return {"argument": f"It is {colour}, so it is {data['side']}.", "concedes": False}
    if "call" in data:
        return {"gaps": [{"gap": f"{colour} pictures"}]}
    findings = [
        {
            "clause": clause["id"],
            "finding": "cannot_tell"
            if "hidden" in clause["text"]
            else "yes"
            if colour in clause["text"]
            else "no",
            "confidence": SURE,
        }
        for clause in data["clauses"]
    ]
    if "caption" in data:
        rows = [{"clause": f["clause"], "evidence": colour, "answer": f["finding"]} for f in findings]
        return {"answers": rows}
    return {"seen": f"A {colour} picture.", "findings": findings, "rationale": f"All of it is {colour}."}


def reply(request: Received) -> Reply:
    """The same behind HTTP, as a script of `FaultyEndpoint`."""
    asked = [message["content"] for message in request.body["messages"] if message["role"] == "user"]
    texts, urls = [], [""]
    for said in asked:
        parts = [{"type": "text", "text": said}] if isinstance(said, str) else said
        texts.append("".join(part.get("text", "") for part in parts))
        urls += [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return completion(json.dumps(answer(data_of_chat(texts), urls[-1], texts[-1])))


class SeeingModel(ScriptedModel):
    """A `LanguageModel` that answers from the picture, and remembers what it was asked.

    Args:
        fault: What to raise instead of answering, if anything.
        told: Answers other than the true ones: (data, true answer) → answer.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        told: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(self._said)
        self.fault, self.told = fault, told

    def _said(self, question: Question[Any]) -> Exception | dict[str, Any]:
        if self.fault is not None and (error := self.fault(question)) is not None:
            return error
        asked = [message for message in question.messages if message.role == "user"]
        data = data_of_chat([message.content for message in asked])
        shown = [part.data_url for message in asked for part in message.images]
        said = answer(data, shown[-1] if shown else "", asked[-1].content)
        return said if self.told is None else self.told(data, said)

    def clauses_asked(self) -> list[list[str]]:
        """The clause texts of each question so far."""
        return [[clause["text"] for clause in data_of(question)["clauses"]] for question in self.asked]
