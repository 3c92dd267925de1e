"""Label Studio: tasks with predictions to import, and the annotations of its JSON export."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.people import NONE_OF_THESE, PERSON, RUN

_CONTROL, _OBJECT = "label", "image"
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio addresses files below its local root."""
_ADDRESSES = ("/data/", "http://", "https://")


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
        path = data.get("path") or _path_of(str(data[_OBJECT]))
        yield TaggedImage(
            path=str(path),
            label=choices[0] if len(choices) == 1 else "",
            labels=tuple(dict.fromkeys(choices)),
            content_hash=str(data.get("image_hash", "")),
            confidence=None if annotated else said.get("score"),
            status=str(data.get("status", "")),
            by=PERSON if annotated and choices else RUN if choices else "",
        )


def _path_of(address: str) -> str:
    """The path behind an address; a bare path is no address and stands as it is."""
    if not address.startswith(_ADDRESSES):
        return address
    return unquote(address.rpartition("?d=")[2])


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
        # Storages such as s3:// take a name as it is; a web address ends at "#", and reads "+" as a blank.
        "image": prefix
        + (quote(image.path, errors="replace") if prefix.startswith(_ADDRESSES) else image.path),
        "path": image.path,
        "image_hash": image.content_hash,
        "status": image.status,
    }
    if not image.label:
        return {"data": data}
    if image.by == PERSON:
        return {"data": data, "annotations": [{"result": result}]}
    prediction: Mapping[str, Any] = {"model_version": made_by, "score": image.confidence, "result": result}
    return {"data": data, "predictions": [prediction]}
