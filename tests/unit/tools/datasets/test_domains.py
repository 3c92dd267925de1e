"""What is known of published sets is well formed, is found by any name, and agrees with published files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fieldmark.errors import InputError
from fieldmark.tools.datasets.class_names import (
    Spellings,
    distinct_names,
    spaced,
    standard_classes,
    standard_templates,
    synsets,
    words_of,
)
from fieldmark.tools.datasets.domain import Domain, domain_ids, domains, published_dataset, read_domain
from fieldmark.tools.datasets.reading import where_to_put

IDS = domain_ids()


def test_all_are_there() -> None:
    wanted = (
        "aircraft caltech101 cars celeba cifar10 cifar100 country211 cub200 dtd eurosat flowers102 food101 "
        "galaxy10 imagenet imagenet-a imagenet-r imagenet-sketch imagenet-v2 iwildcam let-it-wag mame "
        "objectnet pets places365 resisc45 sun397 ucf101 waterbirds"
    )
    assert wanted.split() == list(IDS)
    assert [each.id for each in domains()] == list(IDS)


@pytest.mark.parametrize("name", IDS)
def test_one_is_whole(name: str) -> None:
    known = published_dataset(name)
    assert known.id == name
    classes = standard_classes(known)
    assert len(classes) == (0 if known.classes == "from data" else known.class_count)
    assert len(set(classes)) == len(classes)
    # Names are told apart by their words alone, so that no spelling can lead to two classes.
    assert len({words_of(each) for each in classes}) == len(classes)
    assert all(words_of(each) for each in classes)
    templates = standard_templates(known)
    assert templates
    assert all(template.count("{}") == 1 for template in templates)
    assert known.splits
    assert known.layouts
    assert all(layout.stated in where_to_put(known) for layout in known.layouts)
    assert Domain.model_validate_json(known.model_dump_json()) == known


@pytest.mark.parametrize("name", [each for each in IDS if published_dataset(each).classes != "from data"])
def test_every_spelling_leads_to_its_class(name: str) -> None:
    known = published_dataset(name)
    classes = standard_classes(known)
    spellings = Spellings(known, classes)
    for place, given in enumerate(classes):
        assert spellings.place(given) == place
        assert spellings.place(given.upper().replace(" ", "_")) == place
        words = spaced(given).split(" ")
        assert spellings.place(" ".join([*words[-1:], *words[:-1]])) == place
    for given, meant in known.spellings.items():
        assert classes[spellings.place(given) or 0] == meant
    assert spellings.place("no such thing at all") is None
    assert spellings.place("") is None


def test_names_with_their_facts() -> None:
    assert published_dataset("eurosat").class_count == 10
    assert (
        published_dataset("oxford_pets") is published_dataset("pets") is published_dataset("Oxford-IIIT Pets")
    )
    assert published_dataset("FGVC-Aircraft").template == "a photo of a {}, a type of aircraft."
    assert published_dataset("caltech-101").split("CoOp").test == 2465
    assert standard_classes(published_dataset("caltech101"))[:4] == (
        "face",
        "leopard",
        "motorbike",
        "accordion",
    )
    assert standard_classes(published_dataset("country211"))[::210] == ("Andorra", "Zimbabwe")
    sun = standard_classes(published_dataset("sun397"))
    # As in ClassName.txt, where "/" comes before "_"; CLIP's list has them the other way round.
    assert sun.index("jail indoor") + 1 == sun.index("jail cell")
    ucf = standard_classes(published_dataset("ucf101"))
    assert ucf.index("Hammering") + 1 == ucf.index("Hammer Throw")
    pets = published_dataset("pets").superclasses
    assert (len(pets["cat"]), len(pets["dog"])) == (12, 25)
    assert {len(each) for each in published_dataset("cifar100").superclasses.values()} == {5}
    assert len(standard_templates(published_dataset("imagenet"))) == 80


def test_imagenet_and_its_variants() -> None:
    names = dict(zip(synsets("imagenet"), standard_classes(published_dataset("imagenet")), strict=True))
    assert names["n01440764"] == "tench"
    assert (names["n03773504"], names["n04008634"]) == ("missile", "projectile")
    assert (names["n04355933"], names["n04356056"]) == ("sunglasses", "dark sunglasses")
    for variant in ("imagenet-a", "imagenet-r"):
        own = standard_classes(published_dataset(variant))
        assert own == tuple(names[each] for each in synsets(variant))
        assert len(own) == 200
        assert Spellings(published_dataset(variant), own).place(synsets(variant)[7]) == 7
    every = Spellings(published_dataset("imagenet-v2"), tuple(names.values()))
    assert [every.place(each) for each in ("0", "999", "n01440764")] == [0, 999, 0]
    assert [every.place(each) for each in ("missile", "missile (744)", "sunglasses (837)")] == [657, 744, 837]


def test_told_apart() -> None:
    assert distinct_names(["a", "b", "a", "a"]) == ("a", "b", "a (2)", "a (3)")


def test_words() -> None:
    assert words_of("2012 Audi TTS Coupe") == words_of("Audi TTS Coupe 2012")
    assert words_of("001.Black_footed_Albatross") == words_of("black footed albatross")
    assert words_of("pink and yellow dahlia") == words_of("Pink-Yellow Dahlia?")
    assert words_of("737-300") != words_of("737-400")
    assert spaced(" car_side  view") == "car side view"


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"No published data set 'eurosatt'.*Do you mean eurosat") as told:
        published_dataset("eurosatt")
    assert told.value.exit_code == 2
    with pytest.raises(InputError, match="Known are aircraft, "):
        published_dataset("§§§")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"class_count": 4}, "class_count is 4, but there are 3 classes"),
        ({"classes": ["a", "a", "b"], "spellings": {}}, "the class 'a' stands there twice"),
        ({"classes": ["a", " b", "c"], "spellings": {}}, "blank"),
        ({"classes": "guessed"}, "classes"),
        ({"spellings": {"x": "heron"}}, "leads to 'heron'"),
        ({"superclasses": {"owl": ["barn owl"]}}, "do not hold each class once"),
        ({"template": "a photo"}, "needs one {}"),
        ({"templates": ["{} {}"]}, "needs one {}"),
        ({"splits": []}, "has the split 'usual'"),
        ({"id": "Two Words"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"layouts": [{"kind": "zip", "split": "usual", "folder": "x"}]}, "layouts"),
    ],
)
def test_a_wrong_description_is_refused(
    made_up: Any, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    right = json.loads(made_up().model_dump_json())
    path = tmp_path / "set.json"
    path.write_text(json.dumps(right))
    assert read_domain(path) == made_up()
    path.write_text(json.dumps(right | wrong))
    with pytest.raises(InputError, match="describes no data set") as told:
        read_domain(path)
    assert says in told.value.message


def test_a_description_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_domain(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text('{"id": ')
    with pytest.raises(InputError, match="describes no data set"):
        read_domain(tmp_path / "broken.json")


def test_class_names_are_those_of_published_files() -> None:
    folder = os.environ.get("FIELDMARK_INTEROP_DIR")
    if not folder:
        pytest.skip("FIELDMARK_INTEROP_DIR names no folder of published files")
    root = Path(folder)

    def read(name: str) -> Any:
        return json.loads((root / name).read_text(encoding="utf-8"))

    split = read("coop/split_zhou_DescribableTextures.json")
    rows = {(label, name) for part in split.values() for _, label, name in part}
    assert [name for _, name in sorted(rows)] == list(standard_classes(published_dataset("dtd")))
    assert list(read("proapo/dtd/label_to_category_name.json").values()) == list(
        standard_classes(published_dataset("dtd"))
    )
    counts = published_dataset("dtd").split("CoOp")
    assert [len(split[part]) for part in ("train", "val", "test")] == [counts.train, counts.val, counts.test]
    assert list(read("dclip/descriptors_food101.json")) == list(
        standard_classes(published_dataset("food101"))
    )
    pets = Spellings(published_dataset("pets"), standard_classes(published_dataset("pets")))
    assert sorted(pets.place(name) or 0 for name in read("dclip/descriptors_pets.json")) == list(range(37))
    coarse = {frozenset(each) for each in published_dataset("cifar100").superclasses.values()}
    theirs = {frozenset(each) for name, each in read("chils/cifar20-true.json").items() if name != "vehicles"}
    assert theirs < coarse
