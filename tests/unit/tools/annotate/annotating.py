"""Annotators and clauses that the tests of the annotator share."""

from typing import Any

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.records import Verdict
from fieldmark.tools.annotate.verdict_store import VerdictStore
from fieldmark.tools.annotate.vlm import VlmAnnotator
from fieldmark.tools.llm.chat import ChatModel
from tests.faulty_endpoint import FaultyEndpoint
from tests.seeing import definition

RED = definition("The picture is red.")


def annotator(llm: Any, store: Any = None, **options: Any) -> VlmAnnotator:
    kept = MemoryByteStore() if store is None else store
    return VlmAnnotator(llm, model="m@e", store=VerdictStore(kept), **options)


def chat(endpoint: FaultyEndpoint, store: Any = None, **options: Any) -> ChatModel:
    options = {"timeout_s": 5.0, "max_retries": 0, **options}
    kept = MemoryByteStore() if store is None else store
    return ChatModel("test-model", base_url=endpoint.base_url, api_key=None, store=kept, **options)


def calls(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [verdict.call for verdict in verdicts]
