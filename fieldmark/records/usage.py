"""Counters and limits of what a run spends: language-model calls, tokens, encodings."""

from pydantic import Field

from fieldmark.records._base import Options, Record


class Usage(Record):
    """Language-model use. Prices are unknown (`None`), never 0, where none is configured."""

    requests: int = 0
    """Fresh questions that got a usable answer or a final failure."""
    cached: int = 0
    """Questions answered from the cache."""
    failed: int = 0
    """Questions that got no usable answer within bounds."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unreported: int = 0
    """Fresh answers whose endpoint reported no token usage (counted by estimate)."""
    http_tries: int = 0
    """HTTP requests for answers: questions asked again and retries of a request are among them."""
    widened: int = 0
    """Questions asked again with more room, since their answer was cut off."""
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of all of it; `None` where that of some call is unknown, and where nothing was asked."""

    @property
    def of_unknown_cost(self) -> bool:
        """Whether something was asked and nobody knows at what cost; answers from the cache cost nothing."""
        return self.cost is None and any((self.requests, self.prompt_tokens, self.completion_tokens))

    def __add__(self, other: "Usage") -> "Usage":
        known = [each.cost for each in (self, other) if each.cost is not None]
        unknown = self.of_unknown_cost or other.of_unknown_cost
        cost = None if unknown or not known else sum(known)
        return Usage(
            requests=self.requests + other.requests,
            cached=self.cached + other.cached,
            failed=self.failed + other.failed,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            unreported=self.unreported + other.unreported,
            http_tries=self.http_tries + other.http_tries,
            widened=self.widened + other.widened,
            cost=cost,
        )


class Price(Record):
    """Price of a model per million tokens, in any one currency."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class UsageLimits(Options):
    """The most a run may spend; `None` means no limit."""

    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0)


class EncoderUsage(Record):
    """Encoder use in one run."""

    images_encoded: int = 0
    texts_encoded: int = 0
    distinct_images: int = 0
    """Distinct images (by content) the run asked vectors for."""
    distinct_texts: int = 0
    texts_too_long: int = 0
    """Distinct texts longer than the encoder's context, that were shortened by rule."""
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def after(self, earlier: "EncoderUsage") -> "EncoderUsage":
        """This use on top of an earlier process's on the same run: work adds up, distinct things do not."""
        return EncoderUsage(
            images_encoded=self.images_encoded + earlier.images_encoded,
            texts_encoded=self.texts_encoded + earlier.texts_encoded,
            distinct_images=max(self.distinct_images, earlier.distinct_images),
            distinct_texts=max(self.distinct_texts, earlier.distinct_texts),
            texts_too_long=max(self.texts_too_long, earlier.texts_too_long),
            seconds=self.seconds + earlier.seconds,
        )
