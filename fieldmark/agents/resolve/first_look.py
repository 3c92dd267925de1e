"""The first look: a prompt book out of descriptors, names or the user's own, and its class scores."""

from torch import Tensor

from fieldmark.agents.resolve.context import ResolveContext
from fieldmark.agents.shared.notes import Note
from fieldmark.errors import InputError
from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books.wording import class_text
from fieldmark.tools.scoring.books import book_scores
from fieldmark.tools.scoring.candidates import spread_temperature


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
