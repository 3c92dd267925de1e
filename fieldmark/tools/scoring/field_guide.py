"""A field guide: votes merged by meaning into a class × attribute → value table with counts."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.records import AttributeVote
from fieldmark.tools.scoring.merge import (
    is_negative,
    merge_attributes,
    merge_values,
    normal_name,
    normal_phrase,
)
from fieldmark.tools.scoring.vectors import BlockCosines, Encode, Rows, encode_unit


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """When texts count as one.

    Attributes:
        value_threshold: Least mean cosine of centred text vectors at which two groups of value phrases of
            one attribute merge; above 1 nothing merges but equal phrases.
        attribute_threshold: The same for whole attributes.
        contrasts: Whether two phrases that one answer sets against each other (two classes, the same
            attribute) stay apart whatever their vectors say.
        polarity: Whether "no crest" and "a crest" stay apart whatever their vectors say.
    """

    value_threshold: float = 0.8
    attribute_threshold: float = 0.7
    contrasts: bool = True
    polarity: bool = True


@dataclass(frozen=True)
class FieldGuide:
    """Which class has which value of which attribute, by votes.

    Attributes:
        classes: Class names, in the order of the rows of `counts`.
        noun: The generic word for all classes ("bird").
        attributes: Most voted name of each attribute, most voted attribute first.
        attribute_names: All normalised names that were merged into each attribute.
        values: Most voted phrase of each value per attribute, most voted value first.
        texts: All phrases of each value, [T][V] tuples of (phrase, votes), most voted first.
        counts: Votes [C, T, V] float32; V is the largest number of values, entries beyond an attribute's
            own values are 0.
        mask: Which of the T × V entries are values [T, V] bool.
    """

    classes: tuple[str, ...]
    noun: str
    attributes: tuple[str, ...]
    attribute_names: tuple[tuple[str, ...], ...]
    values: tuple[tuple[str, ...], ...]
    texts: tuple[tuple[tuple[tuple[str, int], ...], ...], ...]
    counts: Tensor
    mask: Tensor

    def prompts(self) -> list[str]:
        """All distinct texts that `value_cosines` compares with images, in table order."""
        phrases = [phrase for row in self.texts for value in row for phrase, _ in value]
        return list(dict.fromkeys(value_prompt(self.noun, phrase) for phrase in phrases))


def value_prompt(noun: str, value: str) -> str:
    """The text compared with images: "a photo of a {noun}, which has {value}."."""
    article = "an" if noun[:1].lower() in tuple("aeiou") else "a"
    return f"a photo of {article} {noun}, which has {value}."


def build_field_guide(
    votes: Sequence[AttributeVote],
    classes: Sequence[str],
    encode: Encode,
    *,
    noun: str = "object",
    prompted: Collection[str] = (),
    options: MergeOptions | None = None,
) -> FieldGuide:
    """Merge votes into a table. The same votes in any order give the same guide.

    Attribute names merge by spelling (case, punctuation, plural, colour/color), then by the meaning of
    their phrases; attributes that one answer names side by side for one class stay apart. Phrases of an
    attribute merge by average linkage on the cosines of their centred text vectors. A statement repeated
    within one answer counts once.

    Args:
        votes: Statements; each names one of `classes`.
        classes: Class names, in the order of the rows wanted.
        encode: Texts to vectors [M, D]; called once with the distinct texts.
        noun: The generic word for all classes.
        prompted: Sources (`AttributeVote.source`) whose attributes the question named. Two names side by side
            in such an answer need not be two attributes: the question asked for both.
        options: Thresholds and guards; defaults where not given.

    Raises:
        InputError: If a vote names a class that is not listed, or classes repeat.
    """
    options = options or MergeOptions()
    rows = {name: index for index, name in enumerate(classes)}
    if len(rows) != len(classes):
        raise InputError("Class names repeat.", hint="Name every class once.")
    unlisted = sorted({vote.class_name for vote in votes} - set(rows))
    if unlisted:
        raise InputError(f"Votes for classes that are not listed: {unlisted[:5]}.", hint="Drop them first.")
    tally = _Tally(votes)
    if not tally.phrases:
        empty = torch.zeros(len(classes), 0, 0)
        return FieldGuide(tuple(classes), noun, (), (), (), (), empty, torch.zeros(0, 0, dtype=torch.bool))
    names = tally.names
    prompts = [value_prompt(noun, value) for _, value in tally.phrases]
    place = {text: index for index, text in enumerate(dict.fromkeys(prompts))}
    vectors = encode_unit(list(place), encode)[torch.tensor([place[text] for text in prompts])]
    name_index = {name: index for index, name in enumerate(names)}
    attribute = [name_index[name] for name, _ in tally.phrases]
    weights = [float(tally.votes[phrase]) for phrase in tally.phrases]
    merged = merge_attributes(
        vectors,
        attribute,
        weights,
        threshold=options.attribute_threshold,
        apart=tally.named_together(frozenset(prompted)),
    )
    column = [merged[index] for index in attribute]
    apart = tally.contrasted(column) if options.contrasts else set()
    if options.polarity:
        apart |= _opposed([value for _, value in tally.phrases], column)
    value = merge_values(vectors, column, threshold=options.value_threshold, apart=apart)
    return _assemble(tally, column, value, classes=tuple(classes), noun=noun)


def value_cosines(guide: FieldGuide, image_vectors: Tensor, encode: Encode) -> Tensor:
    """Cosine of each image with each value: the vote-weighted mean over the value's phrases.

    Args:
        guide: The field guide.
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once with the guide's distinct texts.

    Returns:
        S [N, T, V] float32; 0 where an attribute has no such value.
    """
    if not guide.attributes:
        return torch.zeros(len(image_vectors), *guide.mask.shape)
    means = value_vectors(guide, encode)
    return (image_vectors.to(torch.float32) @ means.flatten(0, 1).T).unflatten(1, guide.mask.shape)


def block_cosines(guide: FieldGuide, images: Rows, encode: Encode) -> BlockCosines:
    """The cosines of `value_cosines`, computed for whichever images are asked for.

    Args:
        guide: The field guide, with at least one attribute.
        images: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once with the guide's distinct texts.
    """
    return BlockCosines(images, value_vectors(guide, encode))


def value_vectors(guide: FieldGuide, encode: Encode) -> Tensor:
    """Vote-weighted mean vector of each value's phrases [T, V, D] float32; zeros where there is no value.

    Args:
        guide: The field guide, with at least one attribute.
        encode: Texts to vectors [M, D]; called once with the guide's distinct texts.
    """
    attributes, width = guide.mask.shape
    prompts = guide.prompts()
    place = {text: index for index, text in enumerate(prompts)}
    vectors = encode_unit(prompts, encode)
    means = torch.zeros(attributes, width, vectors.shape[1])
    for t, row in enumerate(guide.texts):
        for v, phrases in enumerate(row):
            rows = torch.tensor([place[value_prompt(guide.noun, phrase)] for phrase, _ in phrases])
            share = torch.tensor([float(votes) for _, votes in phrases])
            means[t, v] = (share / share.sum()) @ vectors[rows]
    return means


class _Tally:
    """Distinct statements, sorted, with everything that is counted about them."""

    def __init__(self, votes: Sequence[AttributeVote]) -> None:
        statements = {
            (
                vote.source,
                normal_name(vote.attribute),
                normal_phrase(vote.value),
                vote.class_name,
            ): vote.attribute
            for vote in sorted(votes, key=lambda vote: vote.attribute)
            if normal_phrase(vote.value)
        }
        self.statements = sorted(statements)
        self.votes = Counter((name, value) for _, name, value, _ in self.statements)
        self.phrases = sorted(self.votes)
        self.names = sorted({name for name, _ in self.phrases})
        self.spellings: dict[str, Counter[str]] = {name: Counter() for name in self.names}
        for statement, spelling in statements.items():
            self.spellings[statement[1]][" ".join(spelling.split())] += 1

    def named_together(self, prompted: frozenset[str]) -> set[tuple[int, int]]:
        """Pairs of names that one answer chose to use side by side for one class."""
        index = {name: place for place, name in enumerate(self.names)}
        by_answer: dict[tuple[str, str], set[int]] = {}
        for source, name, _, class_name in self.statements:
            if source not in prompted:
                by_answer.setdefault((source, class_name), set()).add(index[name])
        return {(a, b) for group in by_answer.values() for a in group for b in group if a < b}

    def contrasted(self, column: Sequence[int]) -> set[tuple[int, int]]:
        """Pairs of phrases that an answer about two classes sets against each other."""
        index = {phrase: place for place, phrase in enumerate(self.phrases)}
        by_answer: dict[tuple[str, int], dict[str, set[int]]] = {}
        for source, name, value, class_name in self.statements:
            place = index[name, value]
            by_answer.setdefault((source, column[place]), {}).setdefault(class_name, set()).add(place)
        apart: set[tuple[int, int]] = set()
        for sides in by_answer.values():
            if len(sides) == 2:
                first, second = sides.values()
                apart |= {(min(a, b), max(a, b)) for a in first for b in second if a != b}
        return apart


def _opposed(values: Sequence[str], column: Sequence[int]) -> set[tuple[int, int]]:
    negative: dict[int, list[int]] = {}
    positive: dict[int, list[int]] = {}
    for index, (value, owner) in enumerate(zip(values, column, strict=True)):
        (negative if is_negative(value) else positive).setdefault(owner, []).append(index)
    return {
        (min(a, b), max(a, b))
        for owner, own in negative.items()
        for a in own
        for b in positive.get(owner, [])
    }


def _assemble(
    tally: _Tally, column: Sequence[int], value: Sequence[int], *, classes: tuple[str, ...], noun: str
) -> FieldGuide:
    grouped: dict[int, dict[int, Counter[str]]] = {}
    names: dict[int, Counter[str]] = {}
    for (name, phrase), owner, group in zip(tally.phrases, column, value, strict=True):
        votes = tally.votes[name, phrase]
        grouped.setdefault(owner, {}).setdefault(group, Counter())[phrase] += votes
        names.setdefault(owner, Counter())[name] += votes
    order = sorted(grouped, key=lambda owner: (-names[owner].total(), _most_voted(names[owner])))
    attributes: list[str] = []
    values: list[tuple[str, ...]] = []
    texts: list[tuple[tuple[tuple[str, int], ...], ...]] = []
    place: dict[int, tuple[int, int]] = {}
    for t, owner in enumerate(order):
        groups = grouped[owner]
        ranked = sorted(groups, key=lambda group: (-groups[group].total(), _most_voted(groups[group])))
        place |= {group: (t, v) for v, group in enumerate(ranked)}
        attributes.append(_most_voted(tally.spellings[_most_voted(names[owner])]))
        values.append(tuple(_most_voted(groups[group]) for group in ranked))
        texts.append(tuple(_ranked(groups[group]) for group in ranked))
    counts = torch.zeros(len(classes), len(order), max(map(len, values)))
    rows = {name: index for index, name in enumerate(classes)}
    group_of = dict(zip(tally.phrases, value, strict=True))
    for _, name, phrase, class_name in tally.statements:
        t, v = place[group_of[name, phrase]]
        counts[rows[class_name], t, v] += 1
    return FieldGuide(
        classes=classes,
        noun=noun,
        attributes=tuple(attributes),
        attribute_names=tuple(tuple(sorted(names[owner])) for owner in order),
        values=tuple(values),
        texts=tuple(texts),
        counts=counts,
        mask=torch.tensor([[v < len(row) for v in range(counts.shape[2])] for row in values]),
    )


def _ranked(counter: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _most_voted(counter: Counter[str]) -> str:
    return _ranked(counter)[0][0]
