"""What jobs do: one record a sort of work, with what it needs, and how it is done."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from fieldmark.cache.keys import content_key
from fieldmark.records import Record, UsageLimits
from fieldmark.settings import read_settings
from fieldmark.tools.runs.events import Progress


class BuildTask(Record):
    """Build the classifier of a concept, or go on with its build."""

    KIND: ClassVar = "build"

    kind: Literal["build"] = "build"
    version: int | None = None
    """Of its definition; the one in force where not given."""
    annotate: int = Field(default=1500, ge=8, le=100_000)
    rounds: int = Field(default=2, ge=0, le=20)
    debates: int = Field(default=0, ge=0, le=10_000)
    limits: UsageLimits = UsageLimits()

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; nothing is asked twice, also where an earlier process did a part of it."""
        from fieldmark.agents.build.options import BuildOptions
        from fieldmark.app.concepts.builder import ConceptBuilder

        builder = ConceptBuilder.open(
            _name_of(folder),
            version=self.version,
            options=BuildOptions(annotate=self.annotate, rounds=self.rounds, debates=self.debates),
            limits=self.limits,
            progress=progress,
        )
        return {"version": builder.build().version}


class EvaluateTask(Record):
    """Measure a classifier on the blind test, once a version."""

    KIND: ClassVar = "evaluate"

    kind: Literal["evaluate"] = "evaluate"
    version: int | None = None

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; where something stops it, the test was not looked at."""
        from fieldmark.app.concepts.builder import ConceptBuilder

        builder = ConceptBuilder.open(_name_of(folder), version=self.version, progress=progress)
        return {"version": builder.evaluate().version}


class TalkTask(Record):
    """Make a concept that was wished, go on with its conversation, and wait a while for the next answer."""

    KIND: ClassVar = "talk"

    kind: Literal["talk"] = "talk"
    models: str = ""
    """What the settings say of models and endpoint; a process that was started under others is ended."""

    @classmethod
    def by_settings(cls) -> "TalkTask":
        """The task under the settings of now."""
        settings = read_settings()
        return cls(models=content_key([settings.clip, settings.llm, settings.base_url]))

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; see `keep_going`."""
        from fieldmark.app.concepts.stepwise.stepping import keep_going
        from fieldmark.tools.concepts.folder import ConceptFolder

        keep_going(ConceptFolder(folder), progress=progress)
        return None


class PredictTask(Record):
    """Use a concept's classifier on photographs."""

    KIND: ClassVar = "predict"

    kind: Literal["predict"] = "predict"
    version: int | None = None
    paths: tuple[str, ...]
    """Files, and folders of them."""
    out: str
    """File for what comes of it, within the concept's folder."""

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; nothing of the concept changes, and nobody is asked."""
        from fieldmark.app.concepts.builder import ConceptBuilder
        from fieldmark.app.concepts.classifier import ConceptClassifier
        from fieldmark.tools.runs.folder import RunFolder

        built = ConceptBuilder.open(_name_of(folder), version=self.version).out
        with ConceptClassifier(built, progress=progress) as classifier:
            found = classifier.predict([Path(each) for each in self.paths])
        RunFolder(folder).write(self.out, found)
        return {"images": len(found.predictions)}


class ScoreTask(Record):
    """Score a run of `classify` anew with the labels that people gave since; no model is asked."""

    KIND: ClassVar = "score"

    kind: Literal["score"] = "score"

    def work(self, folder: Path, progress: Progress) -> JsonValue:
        """Do it; where something stops it, the run stays as it had ended, and labels are kept."""
        from fieldmark.app.review.rescoring import score_anew
        from fieldmark.tools.runs.folder import RunFolder

        score_anew(RunFolder(folder), progress=progress)
        return None


Task = Annotated[BuildTask | EvaluateTask | PredictTask | ScoreTask | TalkTask, Field(discriminator="kind")]
"""Any of them."""


def _name_of(folder: Path) -> str:
    """What the concept in a folder is called by now."""
    from fieldmark.tools.concepts.folder import ConceptFolder

    return ConceptFolder(folder).load().name
