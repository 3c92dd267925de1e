"""Maps spellings of class names to the standard names, and loads the standard lists of other packages.

Names are the same where they have the same words, whatever the order and case: "2012 Audi TTS Coupe" is
"Audi TTS Coupe 2012", and "indoor apse" is "apse_indoor".
"""

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from fieldmark.errors import InputError
from fieldmark.reading import read_text
from fieldmark.tools.books.templates import IMAGENET_80
from fieldmark.tools.datasets.domain import Domain

NAMED_TWICE = {"n04008634": "projectile", "n04356056": "dark sunglasses"}
"""ImageNet's list has "missile" and "sunglasses" twice; the second of each gets WordNet's other word."""
_SMALL_WORDS = frozenset({"a", "an", "and", "of", "or", "the"})
_SYNSETS = {
    "imagenet": "imagenet_synsets.txt",
    "imagenet-a": "imagenet_a_synsets.txt",
    "imagenet-r": "imagenet_r_synsets.txt",
}


def standard_classes(domain: Domain) -> tuple[str, ...]:
    """The class names of a set in the standard order; none where only the data have them.

    ImageNet's are `open_clip.zero_shot_metadata.IMAGENET_CLASSNAMES`, but for `NAMED_TWICE`; those of its
    variants are the ones whose synsets timm lists.

    Raises:
        InputError: The packages with ImageNet's names lack them.
    """
    if isinstance(domain.classes, tuple):
        return domain.classes
    if domain.classes == "from data":
        return ()
    names = dict(zip(synsets("imagenet"), _imagenet_names(), strict=True)) | NAMED_TWICE
    return tuple(names[synset] for synset in synsets(domain.classes))


def standard_templates(domain: Domain) -> tuple[str, ...]:
    """The templates of CLIP's authors for a set; the one of the few-shot protocol where they had none."""
    if domain.templates == "IMAGENET_80":
        return IMAGENET_80
    return domain.templates or (domain.template,)


def synsets(source: str) -> tuple[str, ...]:
    """The WordNet synsets of ImageNet or a variant, such as "n01440764", in the order of the classes.

    Raises:
        InputError: timm, which open_clip brings, is not there or has no such list.
    """
    try:
        path = Path(str(distribution("timm").locate_file(f"timm/data/_info/{_SYNSETS[source]}")))
        return tuple(read_text(path).split())
    except (PackageNotFoundError, OSError) as error:
        raise InputError(
            f"The list of the classes of {source} cannot be read from the package timm: {error}.",
            hint="Install it again: pip install timm",
        ) from error


def _imagenet_names() -> tuple[str, ...]:
    # Here and not above: it loads torch.
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    wanted = len(synsets("imagenet"))
    if len(IMAGENET_CLASSNAMES) != wanted:
        raise InputError(f"open_clip names {len(IMAGENET_CLASSNAMES)} classes of ImageNet; timm, {wanted}.")
    return tuple(IMAGENET_CLASSNAMES)


class Spellings:
    """Finds the class that a name in the data means."""

    def __init__(self, domain: Domain, classes: Sequence[str]) -> None:
        """Prepare for one set.

        Args:
            domain: The set.
            classes: Its classes in the standard order, not empty.
        """
        place = {name: number for number, name in enumerate(classes)}
        self._exact = dict(place)
        if domain.classes in _SYNSETS:
            own = synsets(str(domain.classes))
            self._exact |= {name: number for number, name in enumerate(own)}
            # ImageNet-V2 names its folders by number.
            self._exact |= {str(number): number for number in range(len(classes))}
            apart = dict(zip(synsets("imagenet"), distinct_names(_imagenet_names()), strict=True))
            self._exact |= {
                apart[synset]: place[NAMED_TWICE[synset]] for synset in NAMED_TWICE if synset in own
            }
        self._exact |= {name: place[meant] for name, meant in domain.spellings.items()}
        self._words: dict[frozenset[str], int] = {}
        for name, number in self._exact.items():
            # The first one keeps its words: classes stand before other spellings.
            self._words.setdefault(words_of(name), number)

    def place(self, name: str) -> int | None:
        """The class's place in the standard order; None where no class has that name."""
        if name in self._exact:
            return self._exact[name]
        words = words_of(name)
        return self._words.get(words) if words else None


def words_of(name: str) -> frozenset[str]:
    """The words of a class name without case, order, small words, and a number in front ("001.Albatross")."""
    plain = re.sub(r"^\d+\.", "", name).casefold()
    return frozenset(re.findall(r"[^\W_]+", plain)) - _SMALL_WORDS


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names with their number behind each that stood there before: "missile (744)"."""
    seen: set[str] = set()
    apart: list[str] = []
    for place, name in enumerate(names):
        apart.append(f"{name} ({place})" if name in seen else name)
        seen.add(name)
    return tuple(apart)


def spaced(name: str) -> str:
    """A name with blanks where the data have underscores."""
    return " ".join(name.replace("_", " ").split())
