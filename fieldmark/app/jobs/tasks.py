"""What jobs do: one record a sort of work, with what it needs, and how it is done."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from fieldmark.records import Record, UsageLimits
from fieldmark.tools.runs.events import Progress


class BuildTask(Record):
    """Build the classifier of a concept, or go on with its build."""

    KIND: ClassVar = "build"

    kind: Literal["build"] = "build"
    name: str
    """The concept."""
    version: int | None = None
    """Of its definition; the one in force where not given."""
    annotate: int = Field(default=1500, ge=8, le=100_000)
    rounds: int = Field(default=2, ge=0, le=20)
    debates: int = Field(default=40, ge=0, le=10_000)
    limits: UsageLimits = UsageLimits()

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; nothing is asked twice, also where an earlier process did a part of it."""
        from fieldmark.agents.build.options import BuildOptions
        from fieldmark.app.concepts.builder import ConceptBuilder

        options = BuildOptions(annotate=self.annotate, rounds=self.rounds, debates=self.debates)
        builder = ConceptBuilder.open(
            self.name, version=self.version, options=options, limits=self.limits, progress=progress
        )
        return {"version": builder.build().version}


class EvaluateTask(Record):
    """Measure a classifier on the blind test, once a version."""

    KIND: ClassVar = "evaluate"

    kind: Literal["evaluate"] = "evaluate"
    name: str
    version: int | None = None

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; where something stops it, the test was not looked at."""
        from fieldmark.app.concepts.builder import ConceptBuilder

        return {
            "version": ConceptBuilder.open(self.name, version=self.version, progress=progress)
            .evaluate()
            .version
        }


class TalkTask(Record):
    """Make a concept that was wished, go on with its conversation, and wait a while for the next answer."""

    KIND: ClassVar = "talk"

    kind: Literal["talk"] = "talk"

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; see `keep_going`."""
        from fieldmark.app.concepts.stepping import keep_going
        from fieldmark.tools.concepts.folder import ConceptFolder

        keep_going(ConceptFolder(folder), progress=progress)
        return None


Task = Annotated[BuildTask | EvaluateTask | TalkTask, Field(discriminator="kind")]
"""Any of them."""
