"""Figures that papers print, to be read beside ours: none of them was measured here."""

from fieldmark.records import Record

_ROTH = "Roth et al. 2023"
_MIRZA = "Mirza et al. 2024"
_AN = "An et al. 2024"
_ZANELLA = "Zanella et al. 2024"
_ZHANG = "Zhang et al. 2022"
_SEEDS = "mean of 7 seeds"


class PublishedFigure(Record):
    """One figure of a paper."""

    method: str
    data: str
    backbone: str
    """The CLIP model, as papers call it: "ViT-B/32"; with OpenAI's weights."""
    figure: str
    """As it is printed; accuracies in percent."""
    source: str
    """Who measured it."""
    remark: str = ""
    key: str = ""
    """The method's name here; empty where no row of a table is comparable."""
    data_key: str = ""
    """The data set's name here."""
    shots: int | None = None
    """Labelled images a class that it used."""

    def fits(self, method: str, *, data: str, clip: str, shots: int) -> bool:
        """Whether a row measures the same: method, data set, CLIP model and labelled images.

        Args:
            method: Key of the row's method.
            data: What the user calls the data set.
            clip: Name of the encoder, "ViT-B-32:openai".
            shots: Labelled images a class.
        """
        if not self.key or (self.key, self.data_key) != (method, data.casefold()):
            return False
        network, _, weights = clip.partition(":")
        named = network.replace("/", "-").removesuffix("-quickgelu")
        same = (named, weights) == (self.backbone.replace("/", "-").replace("@", "-"), "openai")
        return same and self.shots in (None, shots)


def _top1(
    method: tuple[str, str],
    data: tuple[str, str],
    backbone: str,
    figure: str,
    source: str,
    remark: str = "",
    shots: int | None = None,
) -> PublishedFigure:
    return PublishedFigure(
        method=method[0], key=method[1], data=data[0], data_key=data[1], backbone=backbone,
        figure=figure, source=source, remark=remark, shots=shots,
    )  # fmt: skip


def _gain(
    method: str, data: str, backbone: str, figure: str, source: str, remark: str = ""
) -> PublishedFigure:
    return PublishedFigure(
        method=method, data=data, backbone=backbone, figure=figure, source=source, remark=remark
    )


_ONE = ("CLIP, “A photo of a X.”", "clip")
_EIGHTY = ("CLIP, 80 templates", "clip-80")
_DCLIP = ("DCLIP", "dclip")
_WAFFLE = ("WaffleCLIP", "waffle")
_WAFFLE_MIXED = ("WaffleCLIP with descriptors", "waffle-descriptors")
_FUDD = ("FuDD, k = 10", "fudd")
_CUPL = ("CuPL", "cupl")
_MPVR = ("MPVR", "mpvr")
_TRANSCLIP = ("TransCLIP-ZS", "transclip-zs")
_TIP = ("Tip-Adapter", "tip-adapter")

_IMAGENET = ("ImageNet", "imagenet")
_CUB = ("CUB-200", "cub200")
_PETS = ("Oxford Pets", "pets")
_DTD = ("DTD", "dtd")
_EUROSAT = ("EuroSAT", "eurosat")
_FLOWERS = ("Flowers-102", "flowers102")
_CARS = ("Stanford Cars", "cars")

_B32, _B16, _L14, _L14_336 = "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336"

PUBLISHED: tuple[PublishedFigure, ...] = (
    _top1(_ONE, _IMAGENET, _B32, "62.00", _ROTH),
    _top1(_EIGHTY, _IMAGENET, _B32, "63.3", "OpenAI’s weights, as commonly reproduced"),
    _top1(_ONE, _IMAGENET, _L14, "73.37", _ROTH),
    _top1(_ONE, _CUB, _B32, "51.28", _ROTH),
    _top1(_ONE, _PETS, _B32, "85.06", _ROTH),
    _top1(_ONE, _DTD, _B32, "43.14", _ROTH),
    _top1(_ONE, _EUROSAT, _B32, "40.76", _ROTH),
    _top1(_DCLIP, _IMAGENET, _B32, "63.12", _ROTH),
    _top1(_DCLIP, _IMAGENET, _L14, "75.26", _ROTH),
    _top1(_DCLIP, _CUB, _B32, "52.47", _ROTH),
    _top1(_DCLIP, _PETS, _B32, "86.54", _ROTH),
    _top1(_DCLIP, _DTD, _B32, "43.99", _ROTH),
    _top1(_WAFFLE, _IMAGENET, _B32, "63.31", _ROTH, _SEEDS),
    _top1(_WAFFLE, _IMAGENET, _L14, "75.30", _ROTH, _SEEDS),
    _top1(_WAFFLE, _EUROSAT, _B32, "44.31", _ROTH, _SEEDS),
    _top1(_WAFFLE_MIXED, _IMAGENET, _B32, "63.44", _ROTH, _SEEDS),
    _top1(_WAFFLE_MIXED, _IMAGENET, _L14, "75.57", _ROTH, _SEEDS),
    _top1(_WAFFLE_MIXED, _EUROSAT, _B32, "44.97", _ROTH, _SEEDS),
    _top1(_FUDD, _CUB, _L14_336, "65.90", "Esfandiarpoor & Bach 2024", "63.48 before"),
    _gain("FuDD", "largest of 12 sets", "not said", "+13.95 points", "Esfandiarpoor & Bach 2024"),
    _top1(_CUPL, _IMAGENET, _B32, "64.3", _MIRZA),
    _top1(_CUPL, _DTD, _B32, "48.9", _MIRZA),
    _top1(_MPVR, _IMAGENET, _B32, "65.0", _MIRZA),
    _top1(_MPVR, _DTD, _B32, "50.8", _MIRZA),
    _top1(_MPVR, _EUROSAT, _B32, "55.6", _MIRZA),
    _gain("PerceptionCLIP", "Waterbirds", _L14, "+16.5 points", _AN, "worst group"),
    _gain("PerceptionCLIP", "CelebA", _L14, "+3.5 points", _AN, "worst group"),
    _top1(_TRANSCLIP, _IMAGENET, _B16, "70.38", _ZANELLA, "66.72 before"),
    _gain("TransCLIP-ZS", "mean of 12 sets", _B16, "69.80", _ZANELLA, "64.35 before"),
    _top1(_TIP, _FLOWERS, "RN50", "89.89", _ZHANG, "16 shots; 66.02 before", 16),
    _top1(_TIP, _CARS, "RN50", "66.77", _ZHANG, "16 shots; 55.74 before", 16),
    _gain(
        "Modeling Collaborator",
        "subjective concepts",
        "not CLIP alone",
        "100 labels and a conversation instead of 2,000",
        "CVPR 2024",
    ),
    _gain(
        "Agile Deliberation",
        "subjective concepts",
        "not CLIP alone",
        "+7.5% F1 over automated, over +3% over manual decomposition",
        "2025",
        "18 sessions",
    ),
)
"""Prompts, answers of language models and preprocessing differ between papers, and from ours."""
