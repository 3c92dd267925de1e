"""Labels as a table: CSV, Parquet, and Parquet with the pictures, as Hugging Face's `datasets` reads it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from fieldmark.tools.interchange.tagged import TaggedImage
from fieldmark.tools.parquet import arrow
from fieldmark.tools.people import NONE_OF_THESE
from fieldmark.tools.runs.csv_table import csv_text

_TEXTS = ("status", "by", "image_hash")
COLUMNS = ("image", "label", "confidence", *_TEXTS)
_GROUP = 100
"""Pictures of a row group, as `datasets` has it: so many are held at once."""


def write_labels_csv(images: Sequence[TaggedImage]) -> str:
    """A CSV table of `COLUMNS`."""
    return csv_text(
        COLUMNS,
        [(i.path, i.label, i.confidence, i.status, i.by, i.content_hash) for i in images],
    )


def write_labels_parquet(file: IO[bytes], images: Sequence[TaggedImage]) -> None:
    """A Parquet table of `COLUMNS`.

    Raises:
        InputError: pyarrow is not installed.
        OSError: It cannot be written.
    """
    arrow("pyarrow.parquet").write_table(
        arrow().table(
            {"image": [i.path for i in images], "label": [i.label for i in images], **_said(images)}
        ),
        file,
    )


def write_pictures(
    file: IO[bytes], images: Sequence[TaggedImage], pictures: Iterable[bytes], *, classes: Sequence[str]
) -> None:
    """A Parquet table of `COLUMNS` whose `image` is the picture and whose `label` is a number with a name.

    `datasets.load_dataset("parquet", data_files=…)` gives its columns the types Image and ClassLabel. An
    image without a label has none; "none of these" is the last class, where an image has it.

    Args:
        file: What it is written to.
        images: The images.
        pictures: The bytes of each file.
        classes: The classes.

    Raises:
        InputError: pyarrow is not installed.
        OSError: It cannot be written.
    """
    none = (NONE_OF_THESE,) if any(image.label == NONE_OF_THESE for image in images) else ()
    names = (*classes, *none)
    number = {name: at for at, name in enumerate(names)}
    text = {"dtype": "string", "_type": "Value"}
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(names), "_type": "ClassLabel"},
        "confidence": {"dtype": "float64", "_type": "Value"},
        **dict.fromkeys(_TEXTS, text),
    }
    pa = arrow()
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    types = [picture, pa.int64(), pa.float64(), *[pa.string()] * len(_TEXTS)]
    schema = pa.schema(
        list(zip(COLUMNS, types, strict=True)),
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    more = iter(pictures)
    with arrow("pyarrow.parquet").ParquetWriter(file, schema) as table:
        for start in range(0, len(images), _GROUP):
            part = images[start : start + _GROUP]
            shown = [
                {"bytes": data, "path": each.path}
                for each, data in zip(part, islice(more, len(part)), strict=True)
            ]
            labels = [number.get(each.label) for each in part]
            columns: Mapping[str, Any] = {"image": shown, "label": labels, **_said(part)}
            table.write_table(pa.table(columns, schema=schema))


def _said(images: Sequence[TaggedImage]) -> dict[str, Any]:
    """The columns beside image and label."""
    return {
        "confidence": arrow().array([i.confidence for i in images], type=arrow().float64()),
        "status": [i.status for i in images],
        "by": [i.by for i in images],
        "image_hash": [i.content_hash for i in images],
    }
