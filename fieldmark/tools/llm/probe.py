"""Finds out in a few short calls what a language-model endpoint can do."""

import base64
import io
import time
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from fieldmark.errors import EndpointError, FieldmarkError, QuestionFailed
from fieldmark.records import ChatMessage, ImagePart, Question
from fieldmark.tools.llm.address import is_here
from fieldmark.tools.llm.answers import BadAnswerError, read_answer
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.completion import Completion, HttpStatusError, ModelList, one_line
from fieldmark.tools.llm.dialect import WIDER, Dialect, ResponseFormat
from fieldmark.tools.llm.endpoint import Endpoint

T = TypeVar("T", bound=BaseModel)
Support = Literal["yes", "no", "unclear", "not tried"]

Outcome = Literal["answered", "off schema", "cut off", "thought and said nothing", "no answer", "not asked"]

_MOST_TOKENS = 512  # room for a model that thinks aloud first
_MOST_LESSONS = 6
_SHOWN = 200
_ELSEWHERE_S, _LOCAL_S = 30.0, 120.0
_MORE_ROOM = (
    "Set FIELDMARK_ANSWER_TOKENS to more, or FIELDMARK_EFFORT to low where it thinks first; "
    "a server that enforces JSON schemas ends answers, too."
)


class _Bird(BaseModel):
    """The answer of the probe."""

    model_config = ConfigDict(extra="forbid")
    bird: str
    number_of_legs: int


class _Seen(BaseModel):
    """The answer of the probe with a picture."""

    model_config = ConfigDict(extra="forbid")
    colour: str


@dataclass(frozen=True, kw_only=True)
class EndpointReport:
    """What an endpoint can do.

    Attributes:
        model: The model's name.
        url: The endpoint's base URL in normal form.
        reachable: Whether it answers HTTP at all.
        served: The models it lists; `None` where it lists none.
        answers: Whether the model answered a question.
        outcome: What the first answers were; "off schema" where there was text, and not what was asked for.
        said: The first 200 characters of it, in one line.
        json_schema: Whether it keeps to a JSON schema it is sent.
        json_object: Whether it has a JSON mode.
        images: Whether it sees images in messages.
        latency_s: Seconds of the first call that was answered.
        problem: What stands in the way, in words; empty where nothing does.
        fix: What to do about it.
    """

    model: str
    url: str
    reachable: bool
    served: tuple[str, ...] | None = None
    answers: bool = False
    outcome: Outcome = "not asked"
    said: str = ""
    json_schema: Support = "not tried"
    json_object: Support = "not tried"
    images: Support = "not tried"
    latency_s: float | None = None
    problem: str = ""
    fix: str = ""

    @property
    def model_listed(self) -> bool | None:
        """Whether the model is among those listed; `None` where there is no list."""
        return None if self.served is None else self.model in self.served

    def lines(self) -> list[str]:
        """The report in words, a fact a line."""
        lines = [f"language model: {self.model} at {self.url}"]
        if not self.reachable:
            return [*lines, f"reachable: no. {self.problem} {self.fix}".rstrip()]
        lines.append("reachable: yes")
        if self.served is None:
            lines.append("models listed: no")
        else:
            listed = "yes" if self.model_listed else f"no, it lists {', '.join(self.served[:8]) or 'none'}"
            lines.append(f"model listed: {listed}")
        if self.latency_s is not None:
            lines.append(f"first answer: {self.latency_s:.2f} s")
        lines += [
            f"keeps to a JSON schema: {self.json_schema}",
            f"JSON mode: {self.json_object}",
            f"sees images: {self.images}",
        ]
        if self.outcome not in ("answered", "not asked"):
            lines.append(f"outcome: {self.outcome}" + (f"; it said: {self.said}" if self.said else ""))
        return [*lines, f"problem: {self.problem} {self.fix}".rstrip()] if self.problem else lines


@dataclass
class _Findings:
    reachable: bool = False
    answers: bool = False
    latency_s: float | None = None
    problem: str = ""
    fix: str = ""
    outcome: Outcome = "not asked"
    said: str = ""
    detail: str = ""
    refused: tuple[str, str] | None = None
    support: dict[str, Support] = field(default_factory=dict[str, Support])

    def note(self, outcome: Outcome, said: str, detail: str) -> None:
        """Keeps what came back; nothing takes the place of an answer."""
        if self.outcome != "answered":
            self.outcome, self.said, self.detail = outcome, one_line(said)[:_SHOWN], detail

    def in_words(self) -> tuple[str, str]:
        """Why there is no answer, and what to do about it."""
        if self.outcome in ("cut off", "thought and said nothing"):
            return f"It answers, and nothing can be read: {self.detail}.", _MORE_ROOM
        if self.outcome == "no answer":
            return f"It gives no answer: {self.detail}.", "Look at the server's log."
        return self.refused or ("", "")


async def probe_endpoint(model: ChatModel, *, timeout_s: float | None = None) -> EndpointReport:
    """Asks the endpoint for its models and a few tiny questions.

    At most one listing and two dozen calls, each tried once; stops at the first sign that none can succeed.

    Args:
        model: The language model; its cache and limits are not used.
        timeout_s: Seconds for each call; `None` for 30, and for 120 where the endpoint is on this machine.

    Returns:
        The report. A bad endpoint is a report too, never an error.
    """
    endpoint = model.endpoint
    if timeout_s is None:
        timeout_s = _LOCAL_S if is_here(endpoint.url) else _ELSEWHERE_S
    served = await endpoint.models()
    found = _Findings(reachable=served is not None)
    look = _Look(
        endpoint, Dialect(answer_tokens=model.answer_tokens, effort=model.effort), found, timeout_s, served
    )
    words = "Name one bird and say how many legs it has."
    text = _question(words, _Bird)
    picture = _question(
        "Which colour is this picture? One word.", _Seen, images=(ImagePart(data_url=_red()),)
    )
    await look.ask(text, ResponseFormat.SCHEMA, name="json_schema")
    if not found.problem:
        await look.ask(text, ResponseFormat.JSON, name="json_object")
    if not found.problem and not found.answers:
        await look.ask(text, ResponseFormat.TEXT, name="text")
    if not found.problem and found.answers:
        form = ResponseFormat.SCHEMA if found.support["json_schema"] == "yes" else ResponseFormat.TEXT
        await look.ask(picture, form, name="images")
    if not found.answers and not found.problem:
        found.problem, found.fix = found.in_words()
    return EndpointReport(
        model=model.model,
        url=endpoint.url,
        reachable=found.reachable,
        served=None if served is None else served.ids,
        answers=found.answers,
        outcome=found.outcome,
        said=endpoint.hide(found.said),
        json_schema=found.support.get("json_schema", "not tried"),
        json_object=found.support.get("json_object", "not tried"),
        images=found.support.get("images", "not tried"),
        latency_s=found.latency_s,
        problem=found.problem,
        fix=found.fix,
    )


@dataclass
class _Look:
    """Asks tiny questions of one endpoint and notes what that shows."""

    endpoint: Endpoint
    dialect: Dialect
    found: _Findings
    timeout_s: float
    served: ModelList | None

    async def ask(
        self, question: Question[_Bird] | Question[_Seen], form: ResponseFormat, *, name: str
    ) -> None:
        """Asks one question in one format."""
        endpoint, dialect, found = self.endpoint, self.dialect, self.found
        asked = put = replace(dialect.wording, form=form)
        for _ in range(1 + _MOST_LESSONS):
            body = dialect.body(question, endpoint.model, wording=put)
            started = time.monotonic()
            try:
                completion = await endpoint.complete(body, timeout_s=self.timeout_s, max_retries=0)
            except HttpStatusError as refused:
                found.reachable = True
                other = dialect.rephrased(refused.status, refused.complaint, question=question, refused=put)
                if other is not None and other.form is form:
                    put = other
                    continue
                found.support[name] = "no"
                # A refusal that is not about the format or the picture would meet every question.
                if not found.answers and name != "images" and (other is None or not found.refused):
                    failure = endpoint.failure(refused, served=self.served)
                    found.refused = (failure.message, _fix(failure))
                    if other is None:
                        found.problem, found.fix = found.refused
                return
            except FieldmarkError as error:
                found.reachable = found.reachable or not isinstance(error, EndpointError)
                found.support[name] = "unclear"
                found.problem, found.fix = error.message, _fix(error)
                return
            found.reachable = True
            seconds = time.monotonic() - started
            found.support[name] = "unclear"
            if completion.fault is not None and completion.fault.reason == "not_json":
                found.problem = f"{completion.fault.detail}."
                found.fix = "Check that the base URL ends in /v1."
                return
            dialect.took(question, asked, put, endpoint=endpoint.name)
            if completion.fault is not None and completion.fault.reason == "truncated" and put.room < WIDER:
                put = replace(put, room=WIDER)
                dialect.widen(WIDER, endpoint=endpoint.name)
                continue
            self._judge(completion, question, name, seconds)
            return

    def _judge(
        self, completion: Completion, question: Question[_Bird] | Question[_Seen], name: str, seconds: float
    ) -> None:
        found = self.found
        if completion.fault is not None:
            outcome: Outcome = "no answer"
            if completion.fault.reason == "truncated":
                outcome = "cut off"
            elif completion.fault.reason == "empty" and completion.thoughts:
                outcome = "thought and said nothing"
            found.note(outcome, completion.text or completion.thoughts, completion.fault.detail)
            return
        try:
            value, bare = read_answer(completion.text, question.answer_model)
        except BadAnswerError as bad:
            unfinished = bad.reason in ("truncated", "empty")  # its thinking stands in the text
            if not unfinished:
                found.support[name] = "unclear" if name == "images" else "no"
            if name != "images":
                outcome = "thought and said nothing" if unfinished else "off schema"
                found.note(outcome, completion.text, bad.detail)
            if unfinished:
                return
        else:
            if isinstance(value, _Seen):
                found.support[name] = "yes" if "red" in value.colour.lower() else "unclear"
            else:
                found.support[name] = "yes" if bare else "no"
            found.note("answered", completion.text, "")
        found.answers = True
        found.latency_s = seconds if found.latency_s is None else found.latency_s


def _fix(failure: FieldmarkError) -> str:
    """What to do about it now; hints on a failed question are for runs, which keep what was answered."""
    if not isinstance(failure, QuestionFailed):
        return failure.hint
    if failure.reason == "timeout":
        return "It may be slow, not broken: FIELDMARK_LLM_TIMEOUT is what a run waits for an answer."
    if failure.status == 429:
        return "Wait a little, and look again."
    return "Look at the server's log: no question can be answered like this."


def _question(text: str, answer_model: type[T], *, images: tuple[ImagePart, ...] = ()) -> Question[T]:
    message = ChatMessage(role="user", content=text, images=images)
    return Question(
        prompt_id="probe.v1", messages=(message,), answer_model=answer_model, max_tokens=_MOST_TOKENS
    )


def _red() -> str:
    """A red square as a data URL; large enough for models that refuse tiny pictures."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 64), (220, 20, 20)).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
