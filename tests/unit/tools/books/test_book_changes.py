"""What changed between two books, class by class."""

from fieldmark.records import Origin, Prompt, PromptBook
from fieldmark.tools.books.changes import BookChanges, ClassChange, changes
from tests.unit.tools.books.test_book_formats import field_guide


def test_changes_between_books() -> None:
    before = field_guide()
    assert changes(before, before) == BookChanges(
        same=True,
        classes_added=(),
        classes_removed=(),
        reordered=False,
        noun=("bird", "bird"),
        pooling=("mean_cosine", "mean_cosine"),
        prompts_added=0,
        prompts_removed=0,
        classes=(),
    )
    first, second, *others = before.prompts
    new = Prompt(class_name="crow", text="new", origin=Origin(kind="name"))
    after = PromptBook(
        classes=("raven", "crow", "tit"),
        noun="corvid",
        prompts=(
            first.model_copy(update={"weight": 1.0}),
            second.model_copy(update={"origin": Origin(kind="book")}),
            new,
            new,
            *(p for p in others if p.class_name == "raven" and "big" in p.text),
            new.model_copy(update={"class_name": "tit"}),
        ),
    )
    found = changes(before, after)
    assert (found.same, found.reordered, found.noun) == (False, True, ("bird", "corvid"))
    assert (found.classes_added, found.classes_removed) == (("tit",), ("wren",))
    assert (found.prompts_added, found.prompts_removed) == (3, 2)
    assert found.classes == (
        ClassChange(class_name="raven", removed=("a photo of a bird, which has a huge body.",)),
        ClassChange(
            class_name="crow", added=("new", "new"), reweighed=(first.text,), reattributed=(second.text,)
        ),
    )


def test_another_pooling_is_a_change() -> None:
    book = field_guide()
    found = changes(book, book.model_copy(update={"pooling": "prototype"}))
    assert (found.same, found.pooling, found.classes) == (False, ("mean_cosine", "prototype"), ())


def test_only_the_order_of_prompts_is_no_change() -> None:
    book = field_guide()
    assert changes(book, book.model_copy(update={"prompts": book.prompts[::-1]})).same
    assert not changes(book, book.model_copy(update={"classes": book.classes[::-1]})).same
