"""Label Studio: tasks with predictions to import, and the annotations of its JSON export."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

from fieldmark.tools.interchange.tagged import NONE_OF_THESE, TaggedImage

_CONTROL, _OBJECT = "label", "image"
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio addresses files below its local root."""


def write_tasks(images: Sequence[TaggedImage], *, made_by: str, prefix: str = "") -> str:
    """A list of tasks, each with one prediction, or one annotation where a person gave the label.

    Args:
        images: The images.
        made_by: What Label Studio shows as the model's version.
        prefix: What stands before each path: an address, or `LOCAL_FILES`.
    """
    return (
        json.dumps([_task(image, made_by, prefix) for image in images], ensure_ascii=False, indent=1) + "\n"
    )


def label_config(classes: Sequence[str]) -> str:
    """The labelling configuration of a project for these tasks, to be pasted into its settings."""
    choices = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in (*classes, NONE_OF_THESE))
    return (
        f'<View>\n  <Image name="{_OBJECT}" value="$image"/>\n'
        f'  <Choices name="{_CONTROL}" toName="{_OBJECT}" choice="single">{choices}\n  </Choices>\n</View>\n'
    )


def read_tasks(tasks: Sequence[Any]) -> Iterator[TaggedImage]:
    """The images of an export, each with the choice of its last annotation that was not cancelled.

    Several choices leave `label` empty. Predictions are what a model said, and are read where nobody
    annotated.

    Raises:
        KeyError, TypeError, ValueError: They have another form.
    """
    for task in tasks:
        data = task["data"]
        annotated = [each for each in task.get("annotations") or () if not each.get("was_cancelled")]
        said = annotated[-1] if annotated else _model_said(task)
        parts = said.get("result") or ()
        choices = [str(choice) for part in parts for choice in part.get("value", {}).get("choices", ())]
        path = data.get("path") or unquote(str(data[_OBJECT]).rpartition("?d=")[2])
        yield TaggedImage(
            path=str(path),
            label=choices[0] if len(choices) == 1 else "",
            labels=tuple(dict.fromkeys(choices)),
            content_hash=str(data.get("image_hash", "")),
            confidence=None if annotated else said.get("score"),
            status=str(data.get("status", "")),
            by="person" if annotated else "run",
        )


def _model_said(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first prediction of a task; older exports have nothing but their numbers."""
    first = next(iter(task.get("predictions") or ()), {})
    return first if isinstance(first, Mapping) else {}


def _task(image: TaggedImage, made_by: str, prefix: str) -> dict[str, Any]:
    result = [
        {
            "from_name": _CONTROL,
            "to_name": _OBJECT,
            "type": "choices",
            "value": {"choices": [image.label]},
        }
    ]
    data = {
        "image": prefix + image.path,
        "path": image.path,
        "image_hash": image.content_hash,
        "status": image.status,
    }
    if not image.label:
        return {"data": data}
    if image.by == "person":
        return {"data": data, "annotations": [{"result": result}]}
    prediction: Mapping[str, Any] = {"model_version": made_by, "score": image.confidence, "result": result}
    return {"data": data, "predictions": [prediction]}
