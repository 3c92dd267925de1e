"""The `Annotator` protocol: labels images by the definition of a concept."""

from collections.abc import Callable, Sequence
from typing import Protocol

from fieldmark.records import Definition, Verdict
from fieldmark.tools.images.files import ImageFile

AnnotationProgress = Callable[[int, int], None]
"""Called with how many of how many images have been judged."""


class Annotator(Protocol):
    """Judges images clause by clause.

    Failure contract: an image that cannot be judged (refused, unreadable, no usable answer within bounds)
    gets the call "refused" or "abstain", is counted, and the others go on. `EndpointError` means that nothing
    can be judged now, `LimitReached` comes before the call that would pass a limit; what was judged is kept.
    """

    @property
    def identity(self) -> str:
        """What its verdicts depend on beside image and clause: the model, its version, the question."""
        ...

    @property
    def calls(self) -> int:
        """Questions asked anew so far, for reports."""
        ...

    async def judge(
        self,
        images: Sequence[ImageFile],
        definition: Definition,
        *,
        progress: AnnotationProgress | None = None,
    ) -> tuple[Verdict, ...]:
        """Judge images by the active clauses of a definition; one verdict for each, in order."""
        ...
