"""Prompt templates of the field, with `{}` where the class name goes.

It knows nothing of encoders or scoring. Source: Radford et al. 2021 (CLIP), the seven templates that its
authors selected for ImageNet by forward selection ("Prompt_Engineering_for_ImageNet").
"""

from collections.abc import Sequence

IMAGENET_7: tuple[str, ...] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def fill(templates: Sequence[str], name: str) -> list[str]:
    """Put a class name into templates; a brace in the name is left as it is."""
    return [template.replace("{}", name, 1) for template in templates]
