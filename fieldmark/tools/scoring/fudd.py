"""FuDD: class texts chosen per image, from the differences between the classes it may be."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.tools.scoring.prototype import ensemble_scores
from fieldmark.tools.scoring.side_by_side import side_by_side
from fieldmark.tools.scoring.vectors import CACHE_ELEMENTS, Encode, encode_unit, image_steps, unit

PairTexts = Mapping[tuple[int, int], tuple[Sequence[str], Sequence[str]]]
"""(i, j) to the sentences of class i and of class j that tell the two apart."""


def fudd_scores(
    image_vectors: Tensor,
    encode: Encode,
    first_scores: Tensor,
    pairs: PairTexts,
    default_texts: Sequence[str],
    *,
    k: int = 10,
) -> Tensor:
    """Score the k likeliest classes of each image by the sentences that tell them apart.

    For every pair among an image's k best classes each side's sentences join that class's list; a pair
    that is not given adds the class's default sentence. The list loses its duplicates, then each
    sentence is capitalised with `str.capitalize` (first letter up, rest down; sentences that differ only
    in case therefore count twice, as in the released code). The class's vector **for this image** is the
    unit mean of the unit vectors of its list. The first scores choose the k classes and are then
    dropped. A class whose list stays empty (k = 1, or given pairs without sentences) uses its default.

    Source: Esfandiarpoor & Bach 2024, section 3 and released code.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct sentence once.
        first_scores: Scores [N, C] that choose the k classes (cosines with "A photo of a {c}.").
        pairs: Sentences per unordered pair of class indices; each pair once, either way round.
        default_texts: One sentence per class, for pairs that are not given.
        k: How many classes stay per image, among equals the first ones; C pools every given pair.

    Returns:
        Cosines [N, C], float32; -inf outside the k.

    Raises:
        InputError: If k is below 1, shapes do not fit, or a pair is repeated or out of range.
    """
    count, classes = first_scores.shape
    if k < 1:
        raise InputError(f"k is {k}.", hint="Keep at least one class per image.")
    _check(image_vectors, default_texts, count, classes)
    if k >= classes:  # every image has the same lists, whatever the order of its classes
        top = torch.arange(classes).expand(count, classes)
    else:
        top = first_scores.argsort(dim=1, descending=True, stable=True)[:, :k]
    return _scores(image_vectors, encode, top, pairs, default_texts)


def fudd_all_scores(
    image_vectors: Tensor, encode: Encode, pairs: PairTexts, default_texts: Sequence[str]
) -> Tensor:
    """Score all classes by everything that is said of them, the authors' all-classes mode.

    Each class's list has the sentences of all given pairs; its default sentence stands only where that
    leaves it empty. `fudd_scores` with k = C differs: there every pair that is not given adds the default.
    Duplicates and capitals are treated as in `fudd_scores`.

    Source: Esfandiarpoor & Bach 2024, released code (`get_all_classes_prompts`).

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct sentence once.
        pairs: See `fudd_scores`.
        default_texts: One sentence per class, for classes of which nothing is said.

    Returns:
        Cosines [N, C], float32.

    Raises:
        InputError: If a pair is repeated or out of range.
    """
    texts: list[list[str]] = []
    for own, default in zip(_sentences_by_class(pairs, default_texts), default_texts, strict=True):
        said = {column for columns in own.given.values() for column in columns}
        given = [text for text, column in own.texts.items() if column in said]
        texts.append([text.capitalize() for text in given or [default]])
    return ensemble_scores(image_vectors, encode, texts)


def fudd_scores_within(
    image_vectors: Tensor,
    encode: Encode,
    candidates: Tensor,
    pairs: PairTexts,
    default_texts: Sequence[str],
) -> Tensor:
    """Score each image's own candidates, however many, by the sentences that tell them apart.

    FuDD's second step (see `fudd_scores`) for sets that differ in size, as the margin and the conformal
    rule leave them: rivals are the image's candidates and no other class. An image with one candidate
    compares with that class's default sentence alone; one with none scores -inf throughout. With the k
    best classes as candidates the scores are those of `fudd_scores`.

    Source: Esfandiarpoor & Bach 2024, section 3, which knows a fixed k only; sets of other sizes are ours.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct sentence once.
        candidates: Classes left [N, C] bool.
        pairs: See `fudd_scores`.
        default_texts: See `fudd_scores`.

    Returns:
        Cosines [N, C], float32; -inf outside the candidates.

    Raises:
        InputError: If shapes do not fit, candidates are not bool, or a pair is repeated or out of range.
    """
    if candidates.ndim != 2 or candidates.dtype != torch.bool:
        raise InputError(
            f"Candidates {tuple(candidates.shape)} ({candidates.dtype}).",
            hint="Give one bool per image and class; use fudd_scores for scores and a k.",
        )
    count, classes = candidates.shape
    _check(image_vectors, default_texts, count, classes)
    width = int(candidates.sum(1).max()) if count else 0
    order = torch.arange(classes).masked_fill(~candidates, classes)
    # Classes that are out become the index C, past the last class: it brings no sentence up.
    return _scores(image_vectors, encode, order.sort(dim=1).values[:, :width], pairs, default_texts)


def _check(image_vectors: Tensor, default_texts: Sequence[str], count: int, classes: int) -> None:
    if len(default_texts) != classes or len(image_vectors) != count:
        raise InputError(
            f"{len(default_texts)} default sentences and {len(image_vectors)} image vectors do not fit "
            f"{count} images and {classes} classes.",
            hint="Give one default sentence per class and one image vector per row.",
        )


def _scores(
    image_vectors: Tensor, encode: Encode, rivals: Tensor, pairs: PairTexts, default_texts: Sequence[str]
) -> Tensor:
    """Cosines [N, C] from each image's candidates [N, k], the index C where one has fewer."""
    images = image_vectors.to(torch.float32)
    count, classes = len(images), len(default_texts)
    sentences = _sentences_by_class(pairs, default_texts)
    place = {
        text: index
        for index, text in enumerate(
            dict.fromkeys(text.capitalize() for own in sentences for text in own.texts)
        )
    }
    vectors = encode_unit(list(place), encode)
    everyone = torch.arange(classes)
    if rivals.shape[1] == classes and bool((rivals == everyone).all()):
        prototypes = torch.cat(
            [
                _prototypes(own.brought_up(index, classes), everyone[None], _own_vectors(own, vectors, place))
                for index, own in enumerate(sentences)
            ]
        )
        return images @ prototypes.T
    scores = images.new_full((count, classes), -torch.inf)
    rows_of = _rows_by_class(rivals, classes)

    def score(index: int) -> None:
        own, rows = sentences[index], rows_of[index]
        brought_up = own.brought_up(index, classes)
        local = _own_vectors(own, vectors, place)
        per_image = len(own.texts) + vectors.shape[1] + rivals.shape[1]
        for step in image_steps(len(rows), per_image, most=2 * CACHE_ELEMENTS):
            some = rows[step]
            prototypes = _prototypes(brought_up, rivals[some], local)
            scores[some, index] = (images[some] * prototypes).sum(-1)

    list(side_by_side(score, range(classes)))
    return scores


class _ClassSentences:
    """The distinct sentences of one class, and which rivals bring up which."""

    def __init__(self, default: str) -> None:
        self.texts: dict[str, int] = {default: 0}
        self.given: dict[int, list[int]] = {}

    def add(self, rival: int, texts: Sequence[str]) -> None:
        self.given[rival] = [self.texts.setdefault(text, len(self.texts)) for text in texts]

    def brought_up(self, index: int, classes: int) -> Tensor:
        """[C + 1, texts] float32: 1 where the pair with that rival brings the sentence up; row C is empty."""
        table = torch.zeros(classes + 1, len(self.texts))
        table[:classes, 0] = 1.0
        table[index] = 0.0
        for rival, columns in self.given.items():
            table[rival] = 0.0
            table[rival, columns] = 1.0
        return table


def _sentences_by_class(pairs: PairTexts, default_texts: Sequence[str]) -> list[_ClassSentences]:
    classes = len(default_texts)
    sentences = [_ClassSentences(text) for text in default_texts]
    for (first, second), (first_texts, second_texts) in pairs.items():
        if first == second or not (0 <= first < classes and 0 <= second < classes):
            raise InputError(
                f"Pair ({first}, {second}) does not name two of {classes} classes.",
                hint="Use indices from 0 in the order of the scores' columns.",
            )
        if second in sentences[first].given:
            raise InputError(
                f"Pair ({first}, {second}) is given twice.", hint="Give each unordered pair once."
            )
        if isinstance(first_texts, str) or isinstance(second_texts, str):
            raise InputError(
                f"A side of pair ({first}, {second}) is one string.", hint="Give a list of sentences a side."
            )
        sentences[first].add(second, first_texts)
        sentences[second].add(first, second_texts)
    return sentences


def _own_vectors(own: _ClassSentences, vectors: Tensor, place: Mapping[str, int]) -> Tensor:
    """Vectors of a class's sentences [texts, D]."""
    return vectors[torch.tensor([place[text.capitalize()] for text in own.texts])]


def _prototypes(brought_up: Tensor, candidates: Tensor, local: Tensor) -> Tensor:
    """Unit vectors [n, D] of one class from those of its sentences [texts, D], per candidates [n, k]."""
    # Summing the k rows of a 0/1 table says which sentences any rival brings up: the de-duplicated list.
    member = torch.nn.functional.embedding_bag(candidates, brought_up, mode="sum").gt(0)
    member[:, 0] |= ~member.any(dim=1)
    return unit(member.to(torch.float32) @ local)


def _rows_by_class(rivals: Tensor, classes: int) -> list[Tensor]:
    """For each class, the images that have it among their candidates, ascending."""
    flat = rivals.reshape(-1)
    order = flat.argsort(stable=True)
    sizes = torch.bincount(flat, minlength=classes + 1)
    return list((order // max(1, rivals.shape[1])).split(sizes.tolist()))[:classes]
