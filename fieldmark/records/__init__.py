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
    DefinitionEdit,
    Label,
    LabelValue,
    Version,
)
from fieldmark.records.predictions import CandidateClass, Mark, Prediction, Skipped, Status, StopReason
from fieldmark.records.prompts import Origin, OriginKind, Pooling, Prompt, PromptBook
from fieldmark.records.questions import (
    ContextFactor,
    ContextValue,
    Family,
    ImagePart,
    MarkEdit,
    Message,
    Question,
    QuestionSpec,
    Statements,
    Vote,
)
from fieldmark.records.runs import RunConfig, RunManifest
from fieldmark.records.usage import EncoderUsage, Limits, Price, Usage

__all__ = [
    "Board",
    "Call",
    "CandidateClass",
    "Clause",
    "ClauseRole",
    "ClauseVerdict",
    "Concept",
    "ContextFactor",
    "ContextValue",
    "Costs",
    "Decision",
    "Definition",
    "DefinitionEdit",
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
    "QuestionSpec",
    "Record",
    "RunConfig",
    "RunManifest",
    "Skipped",
    "Statements",
    "Status",
    "StopReason",
    "Usage",
    "Verdict",
    "Version",
    "Vote",
]
