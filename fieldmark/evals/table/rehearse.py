"""Says what methods would ask: each is run up to the first image or text that it would encode."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel

from fieldmark.agents.shared.estimate import longest
from fieldmark.errors import FieldmarkError, LimitReached
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps
from fieldmark.evals.table.needs import question_name
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.run import tasks
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.records import Question
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.llm.budget import TokenCount
from fieldmark.tools.llm.chat import ModelAnswer, concurrency_of
from fieldmark.tools.llm.given import AskedModel
from fieldmark.tools.runs.folder import RunFolder

T = TypeVar("T", bound=BaseModel)


@dataclass
class Rehearsed:
    """What the methods of one test set would ask.

    Attributes:
        questions: Those that are known, each once.
        follow_ups: Bounds on those that depend on images or answers, by what they are about and their seed.
    """

    questions: dict[str, Question[Any]] = field(default_factory=dict[str, Question[Any]])
    follow_ups: dict[tuple[str, int], FollowUps] = field(default_factory=dict[tuple[str, int], FollowUps])

    def bound(self, llm: AskedModel) -> tuple[int, TokenCount]:
        """The most follow-up questions, and the tokens of so many of the longest."""
        most, prompt, completion = 0, 0, 0
        for each in self.follow_ups.values():
            room = longest(each.longest, llm)
            most += each.most
            prompt, completion = prompt + room.prompt * each.most, completion + room.completion * each.most
        return most, TokenCount(prompt, completion)


async def rehearse(
    test: TestSet,
    methods: Sequence[EvalMethod],
    options: EvalOptions,
    *,
    encoder: Encoder,
    llm: AskedModel,
) -> Rehearsed:
    """Find out what methods would ask; asks nothing but the cache, and encodes nothing.

    A method goes on with answers that the cache holds. It ends where it would ask anew, or would encode.

    Args:
        test: The test set.
        methods: What would be run.
        options: Seeds and shots.
        encoder: The CLIP encoder, which is not used.
        llm: The language model.
    """
    found = Rehearsed()
    offers = test.offers(llm=True, vlm=True)
    with TemporaryDirectory(prefix="fieldmark-") as work:
        for number, (method, seed) in enumerate(tasks(methods, options)):
            lacking = test.lacking(method.key, method.needs, offers)
            if MethodNeed.LLM not in method.needs or lacking:
                continue
            bench = EvalBench.of(
                test,
                encoder=_RehearsingEncoder(encoder),  # pyright: ignore[reportArgumentType]
                llm=_RehearsingModel(llm, found.questions),
                run=RunFolder(Path(work) / str(number)),
                seed=seed,
            )
            with suppress(FieldmarkError):
                await method.run(bench)
            for each in method.follows(test):
                if each.shown:
                    continue
                place = (each.name, seed if each.each_seed else 0)
                known = found.follow_ups.get(place)
                if known is None or known.most < each.most:
                    found.follow_ups[place] = each
    return found


class _RehearsingModel:
    """Answers what the cache holds, and notes every question; a method takes the rest for a limit."""

    def __init__(self, llm: AskedModel, asked: dict[str, Question[Any]]) -> None:
        self._llm = llm
        self._asked = asked
        self.model = llm.model
        self.concurrency = concurrency_of(llm)

    async def ask(self, question: Question[T]) -> ModelAnswer[T]:
        """See `LanguageModel`."""
        self._asked.setdefault(question_name(question), question)
        if await self._llm.peek(question):
            return await self._llm.ask(question)
        raise LimitReached("Nothing is asked in a rehearsal.")


class _RehearsingEncoder:
    """An encoder that ends a rehearsal where it is used; what is known of it without a network is its own."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def encode_images(self, images: Sequence[Any], **more: Any) -> NoReturn:
        """End it."""
        raise LimitReached("Nothing is encoded in a rehearsal.")

    def encode_texts(self, texts: Sequence[str], **more: Any) -> NoReturn:
        """End it."""
        raise LimitReached("Nothing is encoded in a rehearsal.")

    def encode_features(self, images: Sequence[Any], **more: Any) -> NoReturn:
        """End it."""
        raise LimitReached("Nothing is encoded in a rehearsal.")
