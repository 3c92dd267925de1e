"""Open Images' labels and Pascal VOC's files say which classes an image shows."""

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.interchange.published import PublishedTags, read_published

LABELS = (
    "ImageID,Source,LabelName,Confidence\n0a,verification,/m/01,1\n0a,verification,/m/02,0\n0b,x,/m/02,1\n"
)
VOC = "<annotation><filename>{}</filename>{}</annotation>"
OBJECT = "<object><name>{}</name><bndbox><xmin>1</xmin></bndbox></object>"


@pytest.mark.parametrize("head", ["LabelName,DisplayName\n", ""])
def test_open_images_say_what_is_shown_and_what_is_not(tmp_path, head):
    (tmp_path / "oidv7-class-descriptions.csv").write_text(f'{head}/m/01,Cat\n/m/02,"Fox, red"\n')
    path = tmp_path / "oidv7-test-annotations-human-imagelabels.csv"
    path.write_text(LABELS)
    assert read_published(path) == [
        PublishedTags("0a.jpg", {"Cat": True, "Fox, red": False}, whole=False),
        PublishedTags("0b.jpg", {"Fox, red": True}, whole=False),
    ]
    path.write_text(LABELS.replace(",1\n", ",0.7\n"))
    with pytest.raises(InputError, match="a machine's"):
        read_published(path)
    path.write_text(LABELS.replace("/m/02", "/m/09"))
    with pytest.raises(InputError, match="has no name"):
        read_published(path)


def test_open_images_without_names_say_what_is_missing(tmp_path):
    (tmp_path / "labels.csv").write_text(LABELS)
    with pytest.raises(InputError, match="class-descriptions"):
        read_published(tmp_path / "labels.csv")


def test_the_objects_of_a_painting_are_its_classes(tmp_path):
    objects = OBJECT.format("crown of thorns") + OBJECT.format("angel") + OBJECT.format("angel")
    (tmp_path / "b.xml").write_text(VOC.format("b.jpg", ""))
    (tmp_path / "a.xml").write_text(VOC.format("a.jpg", objects))
    assert read_published(tmp_path) == [
        PublishedTags("a.jpg", {"crown of thorns": True, "angel": True}, whole=True),
        PublishedTags("b.jpg", {}, whole=True),
    ]


@pytest.mark.parametrize("text", ["<annotation>", "<other/>", VOC.format("", "")])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=r"a\.xml"):
        read_published(tmp_path)


def test_anything_else_is_left_to_others(tmp_path):
    (tmp_path / "labels.csv").write_text("image,labels\na.jpg,cat\n")
    assert read_published(tmp_path / "labels.csv") is None
    assert read_published(tmp_path) is None
    assert read_published(tmp_path / "labels.json") is None
