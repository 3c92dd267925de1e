"""The first look: a prompt book out of descriptors, names or the user's own, and its class scores."""

import torch
from torch import Tensor

from fieldmark.agents.resolve.context import SHORTLIST, ResolveContext
from fieldmark.agents.shared.notes import Note
from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books.wording import class_text
from fieldmark.tools.scoring.books import book_scores, book_vectors
from fieldmark.tools.scoring.candidates import SPREAD_IMAGES, class_probabilities, spread_temperature
from fieldmark.tools.scoring.vectors import image_steps


def first_book(notes: tuple[Note, ...], context: ResolveContext) -> PromptBook:
    """The prompts of the first look; a class without any gets its bare name.

    Raises:
        InputError: A given book does not have these classes in this order.
    """
    given = context.book if context.options.start == "book" else None
    if given is not None and given.classes != context.classes:
        raise InputError(
            "The prompt book lists other classes than the run, or in another order.",
            hint="Take the classes from the book.",
        )
    prompts: dict[str, list[Prompt]] = {name: [] for name in context.classes}
    source = given.prompts if given else tuple(prompt for note in notes for prompt in note.prompts)
    for prompt in source:
        # Two samples of an answer may repeat a descriptor; counted twice it would only weigh more.
        if given or prompt not in prompts[prompt.class_name]:
            prompts[prompt.class_name].append(prompt)
    for name, own in prompts.items():
        if not own:
            own.append(Prompt(class_name=name, text=class_text(name), origin=Origin(kind="name")))
    return PromptBook(
        classes=context.classes,
        noun=context.options.noun,
        prompts=tuple(prompt for own in prompts.values() for prompt in own),
        pooling=given.pooling if given else "mean_cosine",
    )


def first_scores(book: PromptBook, context: ResolveContext) -> tuple[Tensor, float]:
    """Class scores by the book's own rule `[N, C]`, and the temperature that spreads them over the rivals."""
    scores = book_scores(book, context.vectors, context.encoder.encode_texts)
    return scores, spread_temperature(scores, rivals=context.options.rivals)


def shortlisted(book: PromptBook, context: ResolveContext) -> tuple[Tensor, Tensor, Tensor, float]:
    """The first look at a pool that is too large for the scores of all classes.

    Returns:
        Each image's likeliest classes in the order of the classes `[N, K]` int32, their scores and their
        probabilities among all classes `[N, K]` float32, and the temperature, as `first_scores` has it.
    """
    vectors = context.vectors
    classes = book_vectors(book, context.encoder.encode_texts)
    some = vectors[:: max(1, len(vectors) // SPREAD_IMAGES)]
    temperature = spread_temperature(some @ classes.T, rivals=context.options.rivals)
    count = min(SHORTLIST, len(classes))
    columns = torch.empty(len(vectors), count, dtype=torch.int32)
    scores, shares = torch.empty(columns.shape), torch.empty(columns.shape)
    for step in image_steps(len(vectors), len(classes)):
        every = vectors[step] @ classes.T
        own = every.topk(count, dim=1).indices.sort(1).values
        columns[step] = own
        scores[step] = every.gather(1, own)
        shares[step] = class_probabilities(every, temperature).gather(1, own)
    return columns, scores, shares, temperature
