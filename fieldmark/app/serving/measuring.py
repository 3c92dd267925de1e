"""Measures how many questions of our own kind a server answers in a second: in words, and with an image."""

import asyncio
import base64
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import EndpointError
from fieldmark.prompts.choose import ask_choose
from fieldmark.prompts.describe import ask_describe
from fieldmark.records import ImagePart, Question
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.image_messages import LONGEST_SIDE, QUALITY
from fieldmark.tools.llm.serving.throughput import ROUNDS, Throughput, best, measure_throughput
from fieldmark.tools.llm.serving.vllm import LOCAL_KEY, Server

IN_WORDS, WITH_IMAGE = "in words", "with an image"
_LOOKS = ("black", "blue", "brown", "crested", "great", "green", "grey", "lesser", "red", "white")
_BIRDS = (
    "bunting", "crane", "duck", "eagle", "finch", "grebe", "gull", "heron", "jay", "kite", "lark", "owl",
    "plover", "rail", "shrike", "swift", "tern", "wren",
)  # fmt: skip
_PICTURES = 1 + ROUNDS * (1 + 4 + 16)
"""Questions with an image: those of 1, 4 and 16 at a time, and the one that is not counted."""


def measure_server(
    server: Server, *, sees: bool, warn: Callable[[str], None]
) -> dict[str, tuple[Throughput, ...]]:
    """Asks a server questions, a minute for each kind at most.

    Args:
        server: A healthy server. Its answers are not kept.
        sees: Whether it is asked about images, too.
        warn: Told of a kind of question that got no answer.

    Returns:
        By kind of question, what was measured; a kind without an answer has nothing.

    Raises:
        ServerError: The server has ended.
    """

    def open_model(at_once: int) -> ChatModel:
        return ChatModel(
            server.model,
            base_url=server.base_url,
            api_key=LOCAL_KEY,
            store=MemoryByteStore(),
            concurrency=at_once,
            answer_retries=0,
        )

    found: dict[str, tuple[Throughput, ...]] = {}
    for kind, questions in ((IN_WORDS, text_questions), (WITH_IMAGE, picture_questions)):
        if kind == WITH_IMAGE and not sees:
            continue
        try:
            found[kind] = asyncio.run(measure_throughput(open_model, tuple(questions())))
        except EndpointError as error:
            if server.returncode is not None:
                raise server.died("answering its first questions") from error
            found[kind] = ()
            warn(f"Questions {kind} cannot be asked. {error.message} {error.hint}")
            continue
        if not found[kind]:
            warn(f"Questions {kind}: not one usable answer within a minute. fieldmark doctor says more.")
    return found


def text_questions() -> Iterator[Question[Any]]:
    """As a run begins: which marks a class has."""
    return (ask_describe(f"{look} {bird}", noun="bird") for bird in _BIRDS for look in _LOOKS)


def picture_questions() -> Iterator[Question[Any]]:
    """As an open image is asked about: two candidates, and a picture of the size that is sent, of noise."""
    for _ in range(_PICTURES):
        file = io.BytesIO()
        noise = Image.effect_noise((LONGEST_SIDE // 16, LONGEST_SIDE // 16), 60)
        noise.resize((LONGEST_SIDE, LONGEST_SIDE)).convert("RGB").save(file, "JPEG", quality=QUALITY)
        url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
        yield ask_choose(ImagePart(data_url=url), ("grey heron", "crane"), noun="bird")


def best_concurrency(measured: Mapping[str, tuple[Throughput, ...]]) -> int | None:
    """Questions at a time that serve best: by the first kind that was answered, which is asked most."""
    found = next(filter(None, measured.values()), None)
    return best(found).at_once if found else None
