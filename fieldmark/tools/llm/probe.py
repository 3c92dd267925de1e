"""Finds out in a few short calls what a language-model endpoint can do."""

import base64
import io
import time
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from fieldmark.errors import EndpointError, FieldmarkError, QuestionFailed
from fieldmark.records import ChatMessage, ImagePart, Question
from fieldmark.tools.llm.answers import BadAnswerError, read_answer
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.dialect import Dialect, ResponseFormat
from fieldmark.tools.llm.endpoint import Endpoint, HttpStatusError

T = TypeVar("T", bound=BaseModel)
Support = Literal["yes", "no", "unclear", "not tried"]

_MOST_TOKENS = 512  # room for a model that thinks aloud first
_MOST_LESSONS = 3


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
        return [*lines, f"problem: {self.problem} {self.fix}".rstrip()] if self.problem else lines


@dataclass
class _Findings:
    reachable: bool = False
    answers: bool = False
    latency_s: float | None = None
    problem: str = ""
    fix: str = ""
    support: dict[str, Support] = field(default_factory=dict[str, Support])


async def probe_endpoint(model: ChatModel, *, timeout_s: float = 15.0) -> EndpointReport:
    """Asks the endpoint for its models and three tiny questions.

    At most one listing and a dozen calls, each tried once; stops at the first sign that none can succeed.

    Args:
        model: The language model; its cache and limits are not used.
        timeout_s: Seconds for each call.

    Returns:
        The report. A bad endpoint is a report too, never an error.
    """
    endpoint = model.endpoint
    served = await endpoint.models()
    found = _Findings(reachable=served is not None)
    dialect = Dialect()
    words = "Name one bird and say how many legs it has."
    text = _question(words, _Bird)
    picture = _question(
        "Which colour is this picture? One word.", _Seen, images=(ImagePart(data_url=_red()),)
    )
    await _try(endpoint, dialect, text, ResponseFormat.SCHEMA, found, name="json_schema", timeout_s=timeout_s)
    if not found.problem:
        await _try(
            endpoint, dialect, text, ResponseFormat.JSON, found, name="json_object", timeout_s=timeout_s
        )
    if not found.problem:
        form = ResponseFormat.SCHEMA if found.support["json_schema"] == "yes" else ResponseFormat.TEXT
        await _try(endpoint, dialect, picture, form, found, name="images", timeout_s=timeout_s)
    return EndpointReport(
        model=model.model,
        url=endpoint.url,
        reachable=found.reachable,
        served=None if served is None else served.ids,
        answers=found.answers,
        json_schema=found.support.get("json_schema", "not tried"),
        json_object=found.support.get("json_object", "not tried"),
        images=found.support.get("images", "not tried"),
        latency_s=found.latency_s,
        problem=found.problem,
        fix=found.fix,
    )


async def _try(
    endpoint: Endpoint,
    dialect: Dialect,
    question: Question[_Bird] | Question[_Seen],
    form: ResponseFormat,
    found: _Findings,
    *,
    name: str,
    timeout_s: float,
) -> None:
    """Asks one question in one format and notes what that shows."""
    for _ in range(1 + _MOST_LESSONS):
        body = dialect.body(question, endpoint.model, form=form)
        started = time.monotonic()
        try:
            completion = await endpoint.complete(body, timeout_s=timeout_s, max_retries=0)
        except HttpStatusError as refused:
            found.reachable = True
            wanted = dialect.learn(
                refused.status, refused.complaint, body=body, form=form, endpoint=endpoint.name
            )
            if wanted is form:
                continue
            found.support[name] = "no"
            # A refusal that is not about the format or the picture would meet every question.
            if wanted is None and not found.answers and name != "images":
                failure = endpoint.failure(refused)
                found.problem, found.fix = failure.message, _fix(failure)
            return
        except FieldmarkError as error:
            found.reachable = found.reachable or not isinstance(error, EndpointError)
            found.support[name] = "unclear"
            found.problem, found.fix = error.message, _fix(error)
            return
        found.reachable = True
        seconds = time.monotonic() - started
        found.support[name] = "unclear"
        if completion.fault is not None:
            if completion.fault.reason == "not_json":
                found.problem = f"{completion.fault.detail}."
                found.fix = "Check that the base URL ends in /v1."
            return
        found.answers = True
        found.latency_s = seconds if found.latency_s is None else found.latency_s
        try:
            value, bare = read_answer(completion.text, question.answer_model)
        except BadAnswerError:
            found.support[name] = "unclear" if name == "images" else "no"
            return
        if isinstance(value, _Seen):
            found.support[name] = "yes" if "red" in value.colour.lower() else "unclear"
        else:
            found.support[name] = "yes" if bare else "no"
        return


def _fix(failure: FieldmarkError) -> str:
    """What to do about it now; hints on a failed question are for runs, which keep what was answered."""
    if not isinstance(failure, QuestionFailed):
        return failure.hint
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
