"""How far a build is: what its checkpoints hold."""

from pydantic import BaseModel, ConfigDict


class BuildState(BaseModel):
    """What a checkpoint holds: hashes and counts; verdicts lie in their store, vectors in theirs."""

    model_config = ConfigDict(frozen=True)

    sample: str = ""
    """Hash of the images chosen so far."""
    verdicts: str = ""
    """Hash of the annotator's verdicts on them: one that it refused is not asked for again in this build."""
    round: int = 0
    """Rounds of uncertain images done."""
    settled: str = ""
    """Hash of what debates came to."""
    debated: int = 0
    done: bool = False
