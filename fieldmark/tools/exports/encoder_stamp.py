"""Which encoder an export belongs to: vectors of another one are refused."""

from fieldmark.errors import ModelError
from fieldmark.records import Record
from fieldmark.tools.clip.encoder import Encoder


class EncoderStamp(Record):
    """The encoder whose vectors an exported classifier takes."""

    name: str
    """What the user called it."""
    identity: str
    """SHA-256 over weights, preprocessing, tokenizer and precision: all that determines a vector."""
    width: int

    @classmethod
    def of(cls, encoder: Encoder) -> "EncoderStamp":
        """The stamp of an encoder."""
        return cls(name=encoder.name, identity=encoder.identity, width=encoder.width)

    def check(self, encoder: Encoder, *, what: str, again: str) -> None:
        """Refuse an encoder that gives other vectors.

        Args:
            encoder: The encoder that is to be used.
            what: What belongs to the encoder of this stamp; begins the message.
            again: What else can be done, after "or".

        Raises:
            ModelError: Its weights, preprocessing or precision differ.
        """
        if encoder.identity == self.identity:
            return
        other = (
            f"{encoder.name} with other weights, preprocessing or precision"
            if encoder.name == self.name
            else f"{encoder.name}"
        )
        raise ModelError(
            f"{what} was made with {self.name} ({self.identity[:12]}), "
            f"not with {other} ({encoder.identity[:12]}).",
            hint=f"Use {self.name} as it was, or {again}.",
        )
