"""Prompt templates of the field, with `{}` where the class name goes.

Source: Radford et al. 2021 (CLIP): the eighty that its authors wrote for ImageNet, and the seven they
selected by forward selection ("Prompt_Engineering_for_ImageNet").
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

PLAIN = "a photo of a {}."
"""The template that prompts of Fieldmark's own are made with."""

IMAGENET_80: tuple[str, ...] = (
    "a bad photo of a {}.", "a photo of many {}.", "a sculpture of a {}.", "a photo of the hard to see {}.",
    "a low resolution photo of the {}.", "a rendering of a {}.", "graffiti of a {}.",
    "a bad photo of the {}.", "a cropped photo of the {}.", "a tattoo of a {}.", "the embroidered {}.",
    "a photo of a hard to see {}.", "a bright photo of a {}.", "a photo of a clean {}.",
    "a photo of a dirty {}.", "a dark photo of the {}.", "a drawing of a {}.", "a photo of my {}.",
    "the plastic {}.", "a photo of the cool {}.", "a close-up photo of a {}.",
    "a black and white photo of the {}.", "a painting of the {}.", "a painting of a {}.",
    "a pixelated photo of the {}.", "a sculpture of the {}.", "a bright photo of the {}.",
    "a cropped photo of a {}.", "a plastic {}.", "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.", "a blurry photo of the {}.", "a photo of the {}.",
    "a good photo of the {}.", "a rendering of the {}.", "a {} in a video game.", "a photo of one {}.",
    "a doodle of a {}.", "a close-up photo of the {}.", "a photo of a {}.", "the origami {}.",
    "the {} in a video game.", "a sketch of a {}.", "a doodle of the {}.", "a origami {}.",
    "a low resolution photo of a {}.", "the toy {}.", "a rendition of the {}.", "a photo of the clean {}.",
    "a photo of a large {}.", "a rendition of a {}.", "a photo of a nice {}.", "a photo of a weird {}.",
    "a blurry photo of a {}.", "a cartoon {}.", "art of a {}.", "a sketch of the {}.", "a embroidered {}.",
    "a pixelated photo of a {}.", "itap of the {}.", "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.", "a plushie {}.", "a photo of the nice {}.", "a photo of the small {}.",
    "a photo of the weird {}.", "the cartoon {}.", "art of the {}.", "a drawing of the {}.",
    "a photo of the large {}.", "a black and white photo of a {}.", "the plushie {}.",
    "a dark photo of a {}.", "itap of a {}.", "graffiti of the {}.", "a toy {}.", "itap of my {}.",
    "a photo of a cool {}.", "a photo of a small {}.", "a tattoo of the {}.",
)  # fmt: skip
"""The eighty templates that CLIP's authors used for ImageNet, in their order."""


def fill(templates: Sequence[str], name: str) -> list[str]:
    """Put a class name into templates; a brace in the name is left as it is."""
    return [template.replace("{}", name, 1) for template in templates]


def fill_phrase(template: str, phrase: str) -> str:
    """Put a phrase into a template, "a" before it becoming "an" where its first letter asks for that."""
    if "a {}" in template and phrase[:1].lower() in "aeiou" and phrase[:1]:
        start = template.index("a {}")
        if start == 0 or not template[start - 1].isalnum():
            return f"{template[:start]}an {phrase}{template[start + 4 :]}"
    return template.replace("{}", phrase, 1)


def library(noun: str = "", domain_words: Sequence[str] = ()) -> tuple[str, ...]:
    """The eighty templates and variants with words for the task.

    The noun varies the plain template and the seven, each other word the plain one alone. Source: Qu et al.
    2025 (ProAPO), section 3.2; the released code varies all templates with every word, which multiplies the
    texts to encode: a template costs one text a class. With a colon its authors write "a photo of a
    texture: {}."; "texture: a photo of a {}." is ours.

    Args:
        noun: The generic word for all classes.
        domain_words: Other words for the kind of picture or thing: "texture", "satellite photo".
    """
    made = dict.fromkeys(IMAGENET_80)
    for word in dict.fromkeys((noun, *domain_words)):
        safe = word.replace("{", "").replace("}", "").strip()
        bases = (PLAIN, *IMAGENET_7) if word == noun else (PLAIN,)
        for base in bases if safe else ():
            made[f"{base.removesuffix('.')}, a type of {safe}."] = None
            made[base.replace(" {}", f" {safe}: {{}}", 1)] = None
            made[f"{safe}: {base}"] = None
            if "photo" in base:
                if "photo" not in safe:  # nobody writes "a satellite photo photo"
                    made[base.replace("photo", f"{safe} photo", 1)] = None
                made[base.replace("photo", safe, 1)] = None
    return tuple(made)
