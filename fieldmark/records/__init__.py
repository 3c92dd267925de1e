"""The frozen records that cross a border of the package, and nothing that acts on them."""

from fieldmark.records._base import Record
from fieldmark.records.annotation import Board, Call, ClauseVerdict, Finding, Verdict
from fieldmark.records.concepts import (
    Clause,
    ClauseRole,
    Concept,
    Costs,
    Decision,
    Definition,
    Edit,
    Label,
    LabelValue,
    Version,
)
from fieldmark.records.predictions import Candidate, Mark, Prediction, Skipped, Status, StopReason
from fieldmark.records.prompts import Origin, OriginKind, Pooling, Prompt, PromptBook
from fieldmark.records.questions import (
    ContextFactor,
    ContextValue,
    Family,
    ImagePart,
    MarkEdit,
    Message,
    Question,
    Vote,
)
from fieldmark.records.runs import RunConfig, RunManifest
from fieldmark.records.usage import EncoderUsage, Limits, Price, Usage

__all__ = [
    "Board",
    "Call",
    "Candidate",
    "Clause",
    "ClauseRole",
    "ClauseVerdict",
    "Concept",
    "ContextFactor",
    "ContextValue",
    "Costs",
    "Decision",
    "Definition",
    "Edit",
    "EncoderUsage",
    "Family",
    "Finding",
    "ImagePart",
    "Label",
    "LabelValue",
    "Limits",
    "Mark",
    "MarkEdit",
    "Message",
    "Origin",
    "OriginKind",
    "Pooling",
    "Prediction",
    "Price",
    "Prompt",
    "PromptBook",
    "Question",
    "Record",
    "RunConfig",
    "RunManifest",
    "Skipped",
    "Status",
    "StopReason",
    "Usage",
    "Verdict",
    "Version",
    "Vote",
]
