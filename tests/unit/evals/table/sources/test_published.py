"""Published figures: which row each may stand beside."""

from fieldmark.evals.methods.registry import BY_KEY
from fieldmark.evals.table.sources.published import PUBLISHED, PublishedFigure


def fitting(method: str, *, data: str, clip: str, shots: int = 16) -> list[PublishedFigure]:
    return [each for each in PUBLISHED if each.fits(method, data=data, clip=clip, shots=shots)]


def test_a_figure_fits_its_method_data_and_clip_model() -> None:
    assert [each.figure for each in fitting("dclip", data="imagenet", clip="ViT-B-32:openai")] == ["63.12"]
    assert [each.figure for each in fitting("dclip", data="ImageNet", clip="ViT-L/14:openai")] == ["75.26"]
    assert [each.figure for each in fitting("clip", data="eurosat", clip="ViT-B-32-quickgelu:openai")] == [
        "40.76"
    ]
    assert fitting("fudd", data="cub200", clip="ViT-L-14-336:openai")[0].figure == "65.90"


def test_nothing_fits_another_model_data_set_or_method() -> None:
    assert not fitting("dclip", data="imagenet", clip="ViT-B-32:laion2b_s34b_b79k")
    assert not fitting("dclip", data="imagenet", clip="ViT-B-32:random")
    assert not fitting("dclip", data="imagenet", clip="ViT-B-32:openai, ViT-L-14:openai")
    assert not fitting("dclip", data="aviary", clip="ViT-B-32:openai")
    assert not fitting("dclip-max", data="imagenet", clip="ViT-B-32:openai")
    assert not fitting("", data="", clip="")


def test_a_figure_of_few_shots_fits_as_many_shots() -> None:
    assert fitting("tip-adapter", data="cars", clip="RN50:openai")[0].figure == "66.77"
    assert not fitting("tip-adapter", data="cars", clip="RN50:openai", shots=4)


def test_every_figure_says_who_measured_it_and_only_once() -> None:
    assert all(each.source and each.figure for each in PUBLISHED)
    places = [(each.method, each.data, each.backbone) for each in PUBLISHED]
    assert len(set(places)) == len(places)
    assert {each.key for each in PUBLISHED if each.key} <= set(BY_KEY)
    # What a row may stand beside is a plain accuracy.
    assert all(0 < float(each.figure) < 100 for each in PUBLISHED if each.key)
