"""What a run leaves behind for the record: its configuration and its manifest."""

from typing import Literal

from pydantic import Field, JsonValue

from fieldmark.records._base import Record
from fieldmark.records.predictions import SkippedInput
from fieldmark.records.usage import EncoderUsage, Usage


class RunConfig(Record):
    """Everything that a resumed run needs; written before anything else."""

    format: Literal["fieldmark.run/1"] = "fieldmark.run/1"
    kind: str
    """"classify", "demo", ..."""
    run_id: str
    created: str
    """ISO 8601, UTC."""
    options: dict[str, JsonValue]


class RunManifest(Record):
    """What was run, with what, and why it stopped; written last, atomically."""

    format: Literal["fieldmark.manifest/1"] = "fieldmark.manifest/1"
    run_id: str
    kind: str
    created: str
    finished: str
    versions: dict[str, str]
    encoder: dict[str, JsonValue]
    language_model: dict[str, JsonValue]
    vision_model: dict[str, JsonValue] = Field(default_factory=dict)
    """The vision-language model that open images were shown to; empty where there was none."""
    prompts: dict[str, str]
    """Prompt id → SHA-256 of its file."""
    seed: int | None = None
    data_hash: str
    usage: Usage
    vision_usage: Usage = Usage()
    """What was spent on the vision-language model; no part of `usage`, as its price is another."""
    encoder_usage: EncoderUsage
    stop_reason: str
    counts: dict[str, int] = Field(default_factory=dict)
    skipped: tuple[SkippedInput, ...] = ()
    passed_over: dict[str, int] = Field(default_factory=dict)
    """Files in folders that were not looked at because their suffix is no image's: suffix → number."""
    labels_hash: str = ""
    """Of what people had said of its images when it was scored last; empty where that was nothing."""
    notes: tuple[str, ...] = ()
