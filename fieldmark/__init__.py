"""Fieldmark tells look-alike image classes apart; this module names what is public.

It loads nothing heavy: each name is imported on first use, and importing it does no I/O.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.agents.build.options import BuildOptions
    from fieldmark.agents.define.options import DefineOptions
    from fieldmark.agents.optimize.options import OptimizeOptions
    from fieldmark.agents.optimize.search_run import OptimizeResult
    from fieldmark.agents.resolve.options import ResolveOptions
    from fieldmark.app.advice.adviser import Adviser
    from fieldmark.app.advice.next_class import next_classes
    from fieldmark.app.classifier import Classifier
    from fieldmark.app.concepts.builder import ConceptBuilder
    from fieldmark.app.concepts.classifier import ConceptClassifier
    from fieldmark.app.concepts.conversation import ConceptConversation
    from fieldmark.app.concepts.words import search_clause_words
    from fieldmark.app.discover.discoverer import Discoverer
    from fieldmark.app.evaluate.evaluator import Evaluator
    from fieldmark.app.instructions.concept import ConceptInstructions
    from fieldmark.app.instructions.writer import InstructionWriter
    from fieldmark.app.learned.adapt import adapt
    from fieldmark.app.learned.aspects import AspectOptions, StudentAspects
    from fieldmark.app.learned.classifier import LearnedClassifier
    from fieldmark.app.learned.export import export_run
    from fieldmark.app.learned.to_table import LabelledTable, label_to_table
    from fieldmark.app.learned.watching import watch_folders
    from fieldmark.app.optimizer import Optimizer
    from fieldmark.app.pools.embedding import EmbeddedPool, embed_pool
    from fieldmark.app.resolution import Resolution
    from fieldmark.app.several.classifier import MultiLabelClassifier
    from fieldmark.app.several.concepts import predict_concepts
    from fieldmark.app.stores import open_stores
    from fieldmark.app.tuning.export import export_rft
    from fieldmark.app.words.file import read_words
    from fieldmark.app.words.questions import QuestionRewording
    from fieldmark.cache.arrays import ArrayStore
    from fieldmark.cache.bytestore import MemoryByteStore, open_byte_store
    from fieldmark.cache.keys import content_key
    from fieldmark.cache.shard_folder import read_shards
    from fieldmark.cache.vectorstore import open_vector_store
    from fieldmark.errors import (
        EndpointError,
        FieldmarkError,
        InputError,
        LimitReached,
        QuestionFailed,
        RunError,
    )
    from fieldmark.evals.report.ask import write_ask_page
    from fieldmark.evals.report.classify import write_classify_report
    from fieldmark.evals.table.bench import EvalBench
    from fieldmark.evals.table.method import EvalMethod, MethodScores
    from fieldmark.evals.table.options import EvalOptions
    from fieldmark.evals.table.records import EvalResult
    from fieldmark.evals.table.sources.aviary_source import Aviary
    from fieldmark.evals.table.test_set import MethodNeed
    from fieldmark.prompts.describe import ask_describe
    from fieldmark.prompts.judge import ask_judge
    from fieldmark.records import (
        AnswerStatements,
        AttributeVote,
        ChatMessage,
        Clause,
        Definition,
        EncoderUsage,
        Prediction,
        Prompt,
        PromptBook,
        Question,
        QuestionSpec,
        RejectedGroup,
        RunManifest,
        SkippedInput,
        UsageLimits,
        Words,
    )
    from fieldmark.records.conversation import (
        ConversationQuestion,
        ConversationReply,
        EditOffer,
        ImageLabel,
        LabelReply,
        OfferReply,
        RevealReply,
        ScopeQuestion,
        ScopeReply,
        VerdictReveal,
    )
    from fieldmark.tools.annotate.clip import ClipAnnotator
    from fieldmark.tools.annotate.verdict_store import VerdictStore
    from fieldmark.tools.annotate.vlm import VlmAnnotator
    from fieldmark.tools.books.formats import export_book, import_book
    from fieldmark.tools.books.wording import descriptor_prompts
    from fieldmark.tools.clip.clip import open_encoder
    from fieldmark.tools.clip.encoder import EncodedImages, Encoder
    from fieldmark.tools.clip.weakened import WeakenedEncoder, Weakness
    from fieldmark.tools.datasets.domain import published_dataset
    from fieldmark.tools.datasets.reading import read_test_set
    from fieldmark.tools.images.files import decode_image, find_images
    from fieldmark.tools.images.image_file import ImageFile
    from fieldmark.tools.llm.answer_store import ModelAnswer
    from fieldmark.tools.llm.chat import ChatModel, LanguageModel
    from fieldmark.tools.llm.image_messages import image_to_send
    from fieldmark.tools.llm.probe import probe_endpoint
    from fieldmark.tools.runs.folder import RunFolder
    from fieldmark.tools.scoring.contributions import explain_labels
    from fieldmark.tools.scoring.dclip import mean_cosine_scores
    from fieldmark.tools.scoring.field_guide import build_field_guide, value_cosines
    from fieldmark.tools.scoring.prototype import ensemble_scores
    from fieldmark.tools.scoring.table import table_rule
    from fieldmark.tools.search.candidates import PromptCandidate, PromptEdit, PromptMenu
    from fieldmark.tools.tuning.reward import accuracy_reward, classification_reward, format_reward

__version__ = "0.1.0"

_NAMES = {
    "fieldmark.agents.build.options": ("BuildOptions",),
    "fieldmark.agents.define.options": ("DefineOptions",),
    "fieldmark.agents.optimize.options": ("OptimizeOptions",),
    "fieldmark.agents.optimize.search_run": ("OptimizeResult",),
    "fieldmark.agents.resolve.options": ("ResolveOptions",),
    "fieldmark.app.advice.adviser": ("Adviser",),
    "fieldmark.app.advice.next_class": ("next_classes",),
    "fieldmark.app.classifier": ("Classifier",),
    "fieldmark.app.concepts.builder": ("ConceptBuilder",),
    "fieldmark.app.concepts.classifier": ("ConceptClassifier",),
    "fieldmark.app.concepts.conversation": ("ConceptConversation",),
    "fieldmark.app.discover.discoverer": ("Discoverer",),
    "fieldmark.app.evaluate.evaluator": ("Evaluator",),
    "fieldmark.app.instructions.concept": ("ConceptInstructions",),
    "fieldmark.app.instructions.writer": ("InstructionWriter",),
    "fieldmark.app.concepts.words": ("search_clause_words",),
    "fieldmark.app.words.file": ("read_words",),
    "fieldmark.app.words.questions": ("QuestionRewording",),
    "fieldmark.app.learned.classifier": ("LearnedClassifier",),
    "fieldmark.app.learned.adapt": ("adapt",),
    "fieldmark.app.learned.aspects": ("AspectOptions", "StudentAspects"),
    "fieldmark.app.learned.export": ("export_run",),
    "fieldmark.app.pools.embedding": ("EmbeddedPool", "embed_pool"),
    "fieldmark.app.optimizer": ("Optimizer",),
    "fieldmark.app.resolution": ("Resolution",),
    "fieldmark.app.several.classifier": ("MultiLabelClassifier",),
    "fieldmark.app.several.concepts": ("predict_concepts",),
    "fieldmark.app.stores": ("open_stores",),
    "fieldmark.app.tuning.export": ("export_rft",),
    "fieldmark.app.learned.to_table": ("LabelledTable", "label_to_table"),
    "fieldmark.app.learned.watching": ("watch_folders",),
    "fieldmark.cache.arrays": ("ArrayStore",),
    "fieldmark.cache.bytestore": ("MemoryByteStore", "open_byte_store"),
    "fieldmark.cache.keys": ("content_key",),
    "fieldmark.cache.shard_folder": ("read_shards",),
    "fieldmark.cache.vectorstore": ("open_vector_store",),
    "fieldmark.errors": (
        "EndpointError",
        "FieldmarkError",
        "InputError",
        "LimitReached",
        "QuestionFailed",
        "RunError",
    ),
    "fieldmark.evals.report.ask": ("write_ask_page",),
    "fieldmark.evals.report.classify": ("write_classify_report",),
    "fieldmark.evals.table.sources.aviary_source": ("Aviary",),
    "fieldmark.evals.table.bench": ("EvalBench",),
    "fieldmark.evals.table.method": ("EvalMethod", "MethodScores"),
    "fieldmark.evals.table.options": ("EvalOptions",),
    "fieldmark.evals.table.records": ("EvalResult",),
    "fieldmark.evals.table.test_set": ("MethodNeed",),
    "fieldmark.prompts.describe": ("ask_describe",),
    "fieldmark.prompts.judge": ("ask_judge",),
    "fieldmark.records": (
        "Clause",
        "Definition",
        "EncoderUsage",
        "UsageLimits",
        "ChatMessage",
        "Prediction",
        "Prompt",
        "PromptBook",
        "Question",
        "QuestionSpec",
        "RejectedGroup",
        "RunManifest",
        "SkippedInput",
        "AnswerStatements",
        "AttributeVote",
        "Words",
    ),
    "fieldmark.records.conversation": (
        "EditOffer",
        "ImageLabel",
        "LabelReply",
        "OfferReply",
        "ConversationQuestion",
        "ConversationReply",
        "VerdictReveal",
        "RevealReply",
        "ScopeQuestion",
        "ScopeReply",
    ),
    "fieldmark.tools.annotate.clip": ("ClipAnnotator",),
    "fieldmark.tools.annotate.verdict_store": ("VerdictStore",),
    "fieldmark.tools.annotate.vlm": ("VlmAnnotator",),
    "fieldmark.tools.books.formats": ("export_book", "import_book"),
    "fieldmark.tools.books.wording": ("descriptor_prompts",),
    "fieldmark.tools.clip.clip": ("open_encoder",),
    "fieldmark.tools.clip.encoder": ("EncodedImages", "Encoder"),
    "fieldmark.tools.datasets.domain": ("published_dataset",),
    "fieldmark.tools.clip.weakened": ("WeakenedEncoder", "Weakness"),
    "fieldmark.tools.datasets.reading": ("read_test_set",),
    "fieldmark.tools.images.files": ("decode_image", "find_images"),
    "fieldmark.tools.images.image_file": ("ImageFile",),
    "fieldmark.tools.llm.answer_store": ("ModelAnswer",),
    "fieldmark.tools.llm.chat": ("ChatModel", "LanguageModel"),
    "fieldmark.tools.llm.image_messages": ("image_to_send",),
    "fieldmark.tools.llm.probe": ("probe_endpoint",),
    "fieldmark.tools.runs.folder": ("RunFolder",),
    "fieldmark.tools.scoring.contributions": ("explain_labels",),
    "fieldmark.tools.scoring.dclip": ("mean_cosine_scores",),
    "fieldmark.tools.scoring.field_guide": ("build_field_guide", "value_cosines"),
    "fieldmark.tools.scoring.prototype": ("ensemble_scores",),
    "fieldmark.tools.scoring.table": ("table_rule",),
    "fieldmark.tools.search.candidates": ("PromptCandidate", "PromptEdit", "PromptMenu"),
    "fieldmark.tools.tuning.reward": ("accuracy_reward", "classification_reward", "format_reward"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Adviser",
    "AnswerStatements",
    "ArrayStore",
    "AspectOptions",
    "AttributeVote",
    "Aviary",
    "BuildOptions",
    "ChatMessage",
    "ChatModel",
    "Classifier",
    "Clause",
    "ClipAnnotator",
    "ConceptBuilder",
    "ConceptClassifier",
    "ConceptConversation",
    "ConceptInstructions",
    "ConversationQuestion",
    "ConversationReply",
    "DefineOptions",
    "Definition",
    "Discoverer",
    "EditOffer",
    "EmbeddedPool",
    "EncodedImages",
    "Encoder",
    "EncoderUsage",
    "EndpointError",
    "EvalBench",
    "EvalMethod",
    "EvalOptions",
    "EvalResult",
    "Evaluator",
    "FieldmarkError",
    "ImageFile",
    "ImageLabel",
    "InputError",
    "InstructionWriter",
    "LabelReply",
    "LabelledTable",
    "LanguageModel",
    "LearnedClassifier",
    "LimitReached",
    "MemoryByteStore",
    "MethodNeed",
    "MethodScores",
    "ModelAnswer",
    "MultiLabelClassifier",
    "OfferReply",
    "OptimizeOptions",
    "OptimizeResult",
    "Optimizer",
    "Prediction",
    "Prompt",
    "PromptBook",
    "PromptCandidate",
    "PromptEdit",
    "PromptMenu",
    "Question",
    "QuestionFailed",
    "QuestionRewording",
    "QuestionSpec",
    "RejectedGroup",
    "Resolution",
    "ResolveOptions",
    "RevealReply",
    "RunError",
    "RunFolder",
    "RunManifest",
    "ScopeQuestion",
    "ScopeReply",
    "SkippedInput",
    "StudentAspects",
    "UsageLimits",
    "VerdictReveal",
    "VerdictStore",
    "VlmAnnotator",
    "WeakenedEncoder",
    "Weakness",
    "Words",
    "__version__",
    "accuracy_reward",
    "adapt",
    "ask_describe",
    "ask_judge",
    "build_field_guide",
    "classification_reward",
    "content_key",
    "decode_image",
    "descriptor_prompts",
    "embed_pool",
    "ensemble_scores",
    "explain_labels",
    "export_book",
    "export_rft",
    "export_run",
    "find_images",
    "format_reward",
    "image_to_send",
    "import_book",
    "label_to_table",
    "mean_cosine_scores",
    "next_classes",
    "open_byte_store",
    "open_encoder",
    "open_stores",
    "open_vector_store",
    "predict_concepts",
    "probe_endpoint",
    "published_dataset",
    "read_shards",
    "read_test_set",
    "read_words",
    "search_clause_words",
    "table_rule",
    "value_cosines",
    "watch_folders",
    "write_ask_page",
    "write_classify_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fieldmark' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
