"""INQUIRE's queries become a book: each a class, word for word."""

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.books.formats import import_book

HEAD = ",query_id,query_text,supercategory,category,iconic_group\n"
ROWS = (
    "83,109,Eurasian Black Grouse male,Appearance,Sex identification,Birds\n"
    '55,74,A frigatebird with an inflated throat pouch ,Behavior,"Mating, Courtship, Reproduction",Birds\n'
)


def test_a_query_is_a_class_with_itself_as_its_prompt(tmp_path):
    path = tmp_path / "inquire_queries_val.csv"
    path.write_text(HEAD + ROWS)
    made = import_book(path, noun="animal")
    assert (made.format, made.lost, made.book.noun) == ("inquire", {}, "animal")
    assert made.book.classes == (
        "Eurasian Black Grouse male",
        "A frigatebird with an inflated throat pouch",
    )
    assert [prompt.text for prompt in made.book.prompts] == list(made.book.classes)
    assert made.book.prompts[1].origin.attribute == "Mating, Courtship, Reproduction"


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\n1,2\n", "query_text"), (HEAD, "query_text"), (HEAD + "1,2, ,a,b,c\n", "row 2"),
     (HEAD + ROWS + ROWS, "twice"), ("\xff", "query_text")],
)  # fmt: skip
def test_what_is_no_such_file_is_told(tmp_path, text, says):
    path = tmp_path / "queries.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=says if text != "\xff" else "cannot be read"):
        import_book(path)
