"""Tells what is wrong with what was given, before a network, a graph or an image is loaded.

The user hears all of it at once, and within a moment. What is checked here is checked again where it is used.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fieldmark.app.by_method.choice import LOOP, lacks_llm
from fieldmark.app.checks import check_folds_fit, check_operators
from fieldmark.app.inputs import check_classes, check_images_there, read_book, read_class_names
from fieldmark.app.models import ASKED, ChosenModels, choose_models, lacks_vlm
from fieldmark.app.stores import price_of
from fieldmark.errors import FieldmarkError, InputError, SettingsError, SeveralMistakes
from fieldmark.evals.table.chosen_names import fed_with, keys_named, names_book, refuse_beside, settings_named
from fieldmark.evals.table.options import BASELINE
from fieldmark.records import UsageLimits
from fieldmark.settings import read_settings
from fieldmark.tools.clip.weights import check_spec
from fieldmark.tools.datasets.reading import check_source
from fieldmark.tools.images.given_paths import is_there
from fieldmark.tools.llm.address import read_address
from fieldmark.tools.llm.budget import Budget
from fieldmark.tools.search.own_code import names_own_code

AVIARY = "aviary"
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
NO_LLM = "No language model is named."
NO_LLM_HINT = "Start from names with no rounds, and none is asked; or name one, or set FIELDMARK_LLM."


class Mistakes:
    """Collects what is wrong, to tell it at once."""

    def __init__(self) -> None:
        self.found: list[FieldmarkError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note an error that was raised on purpose, and go on behind the block."""
        try:
            yield
        except FieldmarkError as error:
            self.found.append(error)

    def note(self, errors: Iterable[FieldmarkError]) -> None:
        """Note errors that nobody raised."""
        self.found += errors

    def tell(self) -> None:
        """Raise what was found, if anything.

        Raises:
            FieldmarkError: The one mistake.
            SeveralMistakes: All of them, each said once.
        """
        distinct = {(each.message, each.hint): each for each in self.found}
        if len(distinct) == 1:
            raise next(iter(distinct.values()))
        if distinct:
            raise SeveralMistakes(" ".join(map(str, distinct.values())), mistakes=tuple(distinct.values()))


def check_models(
    mistakes: Mistakes,
    *,
    clip: str | None = None,
    also_clip: Sequence[str] = (),
    llm: str | None = None,
    vlm: str | None = None,
    base_url: str | None = None,
    vlm_base_url: str | None = None,
    device: str | None = None,
    max_cost: float | None = None,
    asks: bool = False,
    by: str = LOOP,
) -> None:
    """Note what is wrong with the models that a new run would use, as `choose_models` settles them.

    Args:
        mistakes: Where it is noted.
        clip: The CLIP model, where given.
        also_clip: Further ones.
        llm: The language model, where given.
        vlm: The vision-language model, where given.
        base_url: The endpoint, where given.
        vlm_base_url: Its endpoint, where given.
        device: The device, where given.
        max_cost: The most that may be spent.
        asks: Whether nothing can be done without a language model.
        by: The method that labels.
    """
    with mistakes.noted():
        settings = read_settings()
        chosen = choose_models(clip=clip, device=device, llm=llm, base_url=base_url, settings=settings)
        with mistakes.noted():
            check_asks(chosen, asks=asks, by=by)
        if chosen.llm is not None:
            with mistakes.noted():
                Budget(UsageLimits(max_cost=max_cost), price_of(settings))
        for spec in (chosen.clip, *also_clip):
            with mistakes.noted():
                check_spec(spec)
        for url in (chosen.base_url, vlm_base_url):
            if url and (asks or url in (base_url, vlm_base_url)):
                with mistakes.noted():
                    read_address(url)
        with mistakes.noted():
            check_device(chosen.device)
    if vlm_base_url and not vlm:
        mistakes.note([lacks_vlm()])


def check_asks(chosen: ChosenModels, *, asks: bool, by: str = LOOP) -> None:
    """Refuse a run that would ask where no language model is named.

    Args:
        chosen: The models.
        asks: Whether it would ask.
        by: The method that labels.

    Raises:
        SettingsError: None is.
    """
    if asks and chosen.llm is None:
        raise SettingsError(NO_LLM, hint=NO_LLM_HINT, field="llm") if by == LOOP else lacks_llm(by)


def check_device(name: str) -> None:
    """Refuse what is no device's name; whether the device is here is known only once torch is loaded.

    Raises:
        InputError: It is none.
    """
    if not DEVICE.fullmatch(name):
        raise InputError(
            f'"{name}" is no device.', hint='Take "auto", "cpu", "cuda", "cuda:1" or "mps".', field="device"
        )


def check_there(path: Path | str | None, what: str, *, field: str = "") -> None:
    """Refuse a path that leads nowhere; None is fine.

    Raises:
        InputError: Nothing is there.
    """
    if path is not None and not is_there(path):
        raise InputError(f"{what} {str(path)!r} does not exist.", hint="Check the path.", field=field)


def check_search(given: Mapping[str, Any]) -> None:
    """Tell all that is wrong with a new prompt search, by the names of its options.

    Raises:
        FieldmarkError: What is wrong.
    """
    mistakes, data = Mistakes(), given["data"]
    if data == AVIARY:
        with mistakes.noted():
            refuse_beside(AVIARY, [name for name in ("images", "classes", "noun", *ASKED) if given.get(name)])
    else:
        with mistakes.noted():
            check_there(data, "The data", field="data")
        with mistakes.noted():
            check_there(given.get("images"), "The folder of the images", field="images")
    with mistakes.noted():
        if given.get("classes"):
            check_classes(read_class_names(given["classes"]))
    with mistakes.noted():
        if given.get("book"):
            read_book(given["book"])
    for path in given.get("descriptions", ()):
        with mistakes.noted():
            check_there(path, "The file of descriptions", field="descriptions")
    with mistakes.noted():
        if given.get("operators"):
            check_operators(given["operators"], strategy=given.get("strategy", "proapo"))
    with mistakes.noted():
        check_folds_fit(given.get("folds", 0), given.get("shots", 1))
    _check_models_of(mistakes, given)
    mistakes.tell()


def check_evaluation(given: Mapping[str, Any]) -> None:
    """Tell all that is wrong with a new evaluation, by the names of its options.

    Raises:
        FieldmarkError: What is wrong.
    """
    mistakes, data = Mistakes(), given["data"]
    beside = ("noun", *ASKED, "root", "domain", "part", "images", "pool", "captions", "tree")
    if data == AVIARY:
        with mistakes.noted():
            settings_named(given.get("settings", ()))
        with mistakes.noted():
            refuse_beside(AVIARY, [name for name in beside if given.get(name)])
    else:
        with mistakes.noted():
            check_source(data, given.get("root"))
        for name in ("images", "pool", "captions", "tree"):
            with mistakes.noted():
                check_there(given.get(name), f"The path of {name!r},", field=name)
    with mistakes.noted():
        if "methods" in given and not given["methods"]:
            raise InputError("methods is empty.", hint="Name some, or leave it out.", field="methods")
    for name in (*given.get("methods", ()), given.get("baseline", BASELINE)):
        with mistakes.noted():
            if names_book(name):
                read_book(Path(fed_with(name)[1]))
            elif not names_own_code(name):
                keys_named([name])
    _check_models_of(mistakes, given)
    mistakes.tell()


def check_prediction(export: Path, images: Sequence[Path], *, device: str | None) -> None:
    """Tell all that is wrong with what an exported classifier is to label.

    Raises:
        FieldmarkError: What is wrong.
    """
    mistakes = Mistakes()
    with mistakes.noted():
        check_there(export, "The exported classifier")
    with mistakes.noted():
        check_images_there(images)
    with mistakes.noted():
        check_device(device or "auto")
    mistakes.tell()


def _check_models_of(mistakes: Mistakes, given: Mapping[str, Any]) -> None:
    clip = given.get("clip") or (AVIARY if given["data"] == AVIARY else None)
    check_models(
        mistakes,
        clip=clip,
        also_clip=given.get("also_clip", ()),
        llm=given.get("llm"),
        vlm=given.get("vlm"),
        base_url=given.get("base_url"),
        vlm_base_url=given.get("vlm_base_url"),
        device=given.get("device"),
        max_cost=given.get("max_cost"),
    )
