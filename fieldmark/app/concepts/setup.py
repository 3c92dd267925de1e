"""The models that a concept was made with, by name; loads none of them."""

from pydantic import ValidationError, field_serializer

from fieldmark.app.models import choose_models
from fieldmark.errors import InputError
from fieldmark.reading import read_bytes
from fieldmark.records import Record
from fieldmark.tools.concepts.folder import SETUP, ConceptFolder
from fieldmark.tools.llm.address import normal_url

NO_VLM = "none"
"""Given as the vision-language model, it has CLIP alone judge images."""


class ConceptSetup(Record):
    """The models that a concept was made with; None takes what the settings say at the time."""

    clip: str
    llm: str | None = None
    """The settings' where not given, else the vision-language model where that is given."""
    vlm: str | None = None
    """The language model where not given; `NO_VLM` for none."""
    base_url: str | None = None
    """Their endpoint; a user and password in it are not kept."""

    @field_serializer("base_url")
    def _without_password(self, url: str | None) -> str | None:
        return url and normal_url(url)

    def changed(self, *, llm: str | None, vlm: str | None, base_url: str | None) -> "ConceptSetup":
        """The setup with what was given now in the place of what was kept."""
        return self.model_copy(
            update={"llm": llm or self.llm, "vlm": vlm or self.vlm, "base_url": base_url or self.base_url}
        )

    def settled(self) -> "ConceptSetup":
        """The setup in which the settings have no say any more in who drafts and who judges."""
        llm = choose_models(llm=self.llm).llm
        return self.model_copy(update={"llm": llm, "vlm": self.vlm or llm or NO_VLM})


def read_setup(folder: ConceptFolder) -> ConceptSetup:
    """The models of a concept.

    Raises:
        InputError: The file is missing or not well formed.
    """
    try:
        return ConceptSetup.model_validate_json(read_bytes(folder.path / SETUP))
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{folder.path / SETUP} cannot be read.", hint="Restore it, or make the concept anew."
        ) from error
