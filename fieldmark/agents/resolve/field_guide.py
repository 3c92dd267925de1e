"""What the answers so far make: the notebook, and the field guide read out of it."""

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.shared.notes import Notebook
from fieldmark.tools.scoring.field_guide import FieldGuide, build_field_guide


def load_notebook(notebook: str, context: ResolveContext) -> Notebook:
    """All answers so far, by their hash; empty for ""."""
    return Notebook.model_validate(context.arrays.get_json(notebook)) if notebook else Notebook()


def load_array(name: str, context: ResolveContext) -> Tensor:
    """An array that the state names by its hash."""
    return torch.from_numpy(context.arrays.get(name))


def guide_of(notebook: Notebook, context: ResolveContext) -> FieldGuide | None:
    """The answers merged by meaning into a table of votes; None without any vote."""
    if not notebook.votes:
        return None
    encode = context.encoder.encode_texts
    guide = build_field_guide(
        notebook.votes,
        context.classes,
        encode,
        noun=context.options.noun,
        prompted={vote.source for note in notebook.notes if note.spec.attributes for vote in note.votes},
    )
    return guide if guide.attributes else None
