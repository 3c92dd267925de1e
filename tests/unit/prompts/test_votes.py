from fieldmark.prompts import differentiate, differentiate_again, differentiate_group, tabulate
from fieldmark.prompts.differentiate import Differences
from fieldmark.prompts.differentiate_group import GroupDifferences
from fieldmark.prompts.question_kind import PlannedQuestion
from fieldmark.prompts.tabulate import TableRow
from fieldmark.records import QuestionSpec


def read_as(module, answer, *classes, attributes=()):
    spec = QuestionSpec(kind=module.KIND.name, classes=classes, attributes=attributes)
    return module.KIND.read(answer, PlannedQuestion(spec=spec, noun="bird"), "k")


def differences(*rows):
    names = ("attribute", "first_value", "second_value", "first_caption", "second_caption")
    return Differences.model_validate({"differences": [dict(zip(names, row, strict=True)) for row in rows]})


def group(**attributes):
    return GroupDifferences.model_validate(
        {
            "differences": [
                {"attribute": name, "values": [{"class_name": c, "value": v} for c, v in values]}
                for name, values in attributes.items()
            ]
        }
    )


def row(*entries):
    return TableRow.model_validate({"entries": [{"attribute": a, "value": v} for a, v in entries]})


def test_a_pair_gives_two_votes_an_attribute_with_captions():
    answer = differences(("bill colour", "a red bill", "a blue bill", "A photo of a x.", "A photo of a y."))
    read = read_as(differentiate, answer, "x", "y")
    assert [(v.class_name, v.attribute, v.value, v.caption, v.source) for v in read.votes] == [
        ("x", "bill colour", "a red bill", "A photo of a x.", "k"),
        ("y", "bill colour", "a blue bill", "A photo of a y.", "k"),
    ]
    assert read.dropped == {}


def test_what_was_not_asked_for_is_dropped_and_counted_and_names_are_spelled_as_asked():
    answer = group(crest=[("The  X", "a crest"), ("y", "no crest"), ("z", "no crest")])
    read = read_as(differentiate_group, answer, "the x", "y")
    assert [(v.class_name, v.value) for v in read.votes] == [("the x", "a crest"), ("y", "no crest")]
    assert read.dropped == {"unlisted_class": 1}


def test_names_that_differ_in_case_alone_need_the_exact_spelling():
    answer = group(crest=[("polish", "a crest"), ("POLISH", "no crest")])
    read = read_as(differentiate_group, answer, "Polish", "polish")
    assert [v.class_name for v in read.votes] == ["polish"]
    assert read.dropped == {"unlisted_class": 1}


def test_rows_are_held_to_the_attributes_asked_for():
    answer = row(("Crest", "no crest"), ("song", "a loud song"), ("tail", "Unclear."))
    read = read_as(tabulate, answer, "x", attributes=("crest", "tail"))
    assert [(v.attribute, v.value) for v in read.votes] == [("crest", "no crest")]
    assert read.dropped == {"unlisted_attribute": 1, "unclear": 1}


def test_tried_attributes_are_dropped_and_repeats_count_once():
    answer = group(
        crest=[("x", "a crest")],
        tail=[("x", "a long tail"), ("x", "a short tail"), ("y", "a short tail")],
        Tail=[("y", "a long tail")],
    )
    read = read_as(differentiate_again, answer, "x", "y", attributes=("CREST",))
    assert [(v.class_name, v.value) for v in read.votes] == [("x", "a long tail"), ("y", "a short tail")]
    assert read.dropped == {"tried_attribute": 1, "repeated": 2}
