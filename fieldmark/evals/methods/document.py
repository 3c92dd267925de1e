"""Labelling instructions out of answers and labelled images, read by somebody who sees nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from fieldmark.agents.shared.estimate import longest_first
from fieldmark.evals.methods.shared.questions import answers, pair_notes
from fieldmark.evals.methods.vlm import MOST_NAMES, NO_PICTURE, Asked, AskOfImage, by_showing
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, FollowUps, MethodScores, Run
from fieldmark.evals.table.test_set import MethodNeed, TestSet
from fieldmark.prompts.choose import ask_choose_by_document
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.prompts.tabulate import SeenValues, TabulateAttribute, ask_tabulate
from fieldmark.records import QuestionSpec
from fieldmark.tools.labelling.document import ClassMark, ClassSection, LabellingDocument, as_markdown
from fieldmark.tools.labelling.sections import LOOK_ALIKES, MOST_MARKS, look_alikes, sections_of
from fieldmark.tools.scoring.field_guide import FieldGuide, build_field_guide, value_cosines
from fieldmark.tools.scoring.table import TableOptions, table_rule

MOST_ATTRIBUTES = 24
"""Attributes that every class is asked about: the most voted."""
TRUST = 8.0
"""Weight of labelled images against what was said of a class: the table rule's cap on it."""
_LONGEST_VALUE = "a long and curved bright crimson bill"


async def written(bench: EvalBench, *, checked: bool = True) -> LabellingDocument:
    """Write labelling instructions for the classes of a bench, and keep them in its folder.

    1. Look-alikes: the two classes whose labelled images have the likest mean vectors.
    2. One question for each pair of look-alikes: what sets them apart.
    3. One question a class: its value in each attribute that was named.
    4. The table rule reads the answers as a table and corrects it by the labelled images, each of which can
       only be of its own class. What the images contradict is left out, or replaced by the value that they
       show where another class was given it.

    Args:
        bench: The bench, with labelled images and a language model.
        checked: Whether the labelled images correct what was said.

    Raises:
        EndpointError: The language model cannot be asked.
        LimitReached: A limit kept a question back.
    """
    classes, vectors, labels = bench.classes, bench.train_vectors, bench.train_labels
    rivals = look_alikes(vectors, labels, len(classes))
    pairs = sorted({(min(c, r), max(c, r)) for c, own in enumerate(rivals.tolist()) for r in own})
    votes = [vote for note in await pair_notes(pairs, bench) for vote in note.votes]
    found = build_field_guide(votes, classes, bench.encode, noun=bench.noun)
    columns = found.attributes[:MOST_ATTRIBUTES]
    prompted: set[str] = set()
    if columns:
        seen = SeenValues(values=dict(zip(columns, found.values, strict=False)))
        material = bench.arrays.put_json(seen.model_dump(mode="json"))
        rows = [
            QuestionSpec(kind="tabulate", classes=(name,), attributes=columns, material=material)
            for name in classes
        ]
        own = [vote for note in await answers(rows, bench) for vote in note.votes]
        prompted = {vote.source for vote in own}
        votes += own
    guide = build_field_guide(votes, classes, bench.encode, noun=bench.noun, prompted=prompted)
    q = corrected(guide, vectors, labels, bench, rounds=int(checked))
    sections = sections_of(guide, q, vectors, labels, bench.test.train)
    document = LabellingDocument(
        noun=bench.noun,
        sections=sections,
        labels=len(labels),
        corrected=sum(mark.by == "pictures" for section in sections for mark in section.marks),
    )
    bench.run.write(LabellingDocument.FILE, document)
    return document


def corrected(guide: FieldGuide, vectors: Tensor, labels: Tensor, bench: EvalBench, *, rounds: int) -> Tensor:
    """How likely each class has each value [C, T, V], after labelled images had their say."""
    if not guide.attributes:
        return guide.counts
    reference = bench.encoder.reference
    return table_rule(
        value_cosines(guide, vectors, bench.encode),
        guide.counts,
        labels[:, None],
        TableOptions(rounds=rounds, kappa=TRUST, share="mean"),
        reference=None if reference is None else value_cosines(guide, reference, bench.encode),
    ).q


async def by_encoder(bench: EvalBench) -> MethodScores:
    """The encoder goes by the instructions: naive Bayes over the corrected table, without the names."""
    document = await written(bench)
    values = {mark.value: 0 for section in document.sections for mark in section.marks}
    texts = [f"a photo of a {bench.noun}, which has {value}." for value in values]
    if not texts:
        return MethodScores(scores=torch.zeros(len(bench.images), len(bench.classes)))
    cosines = bench.vectors @ bench.encode(texts).T
    place = {value: row for row, value in enumerate(values)}
    own = [
        cosines[:, [place[mark.value] for mark in section.marks]].mean(1)
        if section.marks
        else cosines.mean(1)
        for section in document.sections
    ]
    return MethodScores(scores=bench.logit_scale * torch.stack(own, 1))


def by_reading(*, checked: bool = True, shuffled: bool = False) -> Run:
    """Somebody who knows only the instructions labels each image; `shuffled` gives each class another's."""

    async def prepare(bench: EvalBench) -> Asked:
        document = await written(bench, checked=checked)
        if shuffled:
            document = among_others(document, seed=bench.seed)

        def asked(names: Sequence[str], order: Sequence[int]) -> AskOfImage:
            text = as_markdown(document, within=frozenset(names))
            return partial(ask_choose_by_document, candidates=names, document=text, noun=bench.noun)

        return asked

    return by_showing(prepare)


def among_others(document: LabellingDocument, *, seed: int) -> LabellingDocument:
    """The same document with every class's part under the name of another class."""
    order = torch.randperm(len(document.sections), generator=torch.Generator().manual_seed(seed)).tolist()
    moved = dict(zip(order, (*order[1:], order[0]), strict=True))
    named = {document.sections[k].class_name: document.sections[c].class_name for c, k in moved.items()}

    def renamed(at: int, name: str) -> ClassSection:
        rivals = document.sections[at].look_alikes
        # Its look-alikes change names, too: else "not a red bill" stands beside the name whose bill is red.
        return document.sections[at].model_copy(
            update={
                "class_name": name,
                "look_alikes": tuple(each.model_copy(update={"other": named[each.other]}) for each in rivals),
            }
        )

    sections = tuple(renamed(moved[c], section.class_name) for c, section in enumerate(document.sections))
    return document.model_copy(update={"sections": sections})


def _questions(test: TestSet) -> tuple[FollowUps, ...]:
    """A question for each pair of look-alikes, and one a class."""
    classes = len(test.classes)
    first, second = longest_first(test.classes)[:2]
    pairs = min(classes * (classes - 1) // 2, classes * LOOK_ALIKES)
    attributes = [
        TabulateAttribute(f"attribute number {n}", (_LONGEST_VALUE,) * 3) for n in range(MOST_ATTRIBUTES)
    ]
    row = ask_tabulate(first, attributes, noun=test.noun)
    return (
        FollowUps(
            name="look-alikes", most=pairs, longest=(ask_differentiate(first, second, noun=test.noun),)
        ),
        FollowUps(name="rows", most=classes, longest=(row,)),
    )


def _shown(name: str, test: TestSet) -> tuple[FollowUps, ...]:
    """The same, and a question an image with the document in it."""
    names = sorted(test.classes, key=len)[-MOST_NAMES:]
    marks = (ClassMark(attribute="attribute number", value=_LONGEST_VALUE, sure=1.0),) * (2 * MOST_MARKS)
    sections = tuple(ClassSection(class_name=each, marks=marks) for each in names)
    text = as_markdown(LabellingDocument(noun=test.noun, sections=sections))
    longest = ask_choose_by_document(NO_PICTURE, names, text, noun=test.noun)
    distinct = {image.content_hash for image in test.images}
    return (*_questions(test), FollowUps(name=name, most=len(distinct), longest=(longest,), shown=True))


_NEEDS = frozenset({MethodNeed.NAMES, MethodNeed.LLM, MethodNeed.LABELS})
_READ = EvalMethod(
    key="document",
    title="Vision-language model, labelling instructions",
    source="Fieldmark",
    needs=_NEEDS | {MethodNeed.VLM},
    run=by_reading(),
    follows=partial(_shown, "images by instructions"),
    scale="a question an image",
)
METHODS = (
    EvalMethod(
        key="instructions",
        title="Labelling instructions, by the encoder",
        source="Fieldmark",
        needs=_NEEDS,
        run=by_encoder,
        follows=_questions,
    ),
    _READ,
    replace(
        _READ,
        key="document-shuffled",
        title="Instructions under other classes' names",
        run=by_reading(shuffled=True),
        follows=partial(_shown, "images by shuffled instructions"),
    ),
)
