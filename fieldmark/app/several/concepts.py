"""Asks many exported concepts about the same images: one table with a column a concept."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fieldmark.app.arguments import checked_arguments
from fieldmark.app.encoding import GivenVectors, encode_given
from fieldmark.app.inputs import Images
from fieldmark.app.models import choose_models
from fieldmark.app.several.rows import label_rows
from fieldmark.app.stores import name_of, open_stores
from fieldmark.errors import InputError
from fieldmark.records.label_sets import ClassThreshold, LabelSets
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.heads.config import CONFIG, HeadConfig, read_config
from fieldmark.tools.concepts.heads.export import load_head
from fieldmark.tools.images.files import given_list
from fieldmark.tools.runs.events import Progress, no_progress


def exports_in(folders: Sequence[Path]) -> list[Path]:
    """The exports among folders: each by itself, or all those that lie in it, by name.

    Raises:
        InputError: A folder neither is an export nor holds any.
    """
    found: list[Path] = []
    for folder in folders:
        inside = [folder] if (folder / CONFIG).is_file() else sorted(folder.glob(f"*/{CONFIG}"))
        if not inside:
            raise InputError(
                f"{folder} holds no exported classifier: {CONFIG} is missing.",
                hint="Give folders that `fieldmark concept export` wrote, or one with such folders in it.",
            )
        found += [path if path == folder else path.parent for path in inside]
    return found


@checked_arguments
def predict_concepts(
    folders: Sequence[Path | str],
    images: Images,
    *,
    clip: Encoder | str | None = None,
    device: str | None = None,
    home: Path | None = None,
    progress: Progress = no_progress,
) -> LabelSets:
    """Say of each image which concepts it is in; each image is encoded once for each CLIP model.

    Args:
        folders: Exports, or folders of exports.
        images: Files, folders, PIL images, arrays uint8 `[H, W, 3]` in RGB, or any mix of them in a list.
        clip: An `Encoder`, or the name of a CLIP model; each concept's own where not given.
        device: "auto", "cpu", "cuda", "mps"; the settings' where not given.
        home: Where vectors are kept; the settings' where not given.
        progress: Called with progress events.

    Returns:
        A "class" for each concept, with its own threshold. Versions of one are told apart.

    Raises:
        InputError: A folder holds no export, or a file of it is damaged.
        ModelError: A CLIP model cannot be loaded, or is not the one that a concept was made with.
        NoImagesError: Not one image is usable.
    """
    exports = exports_in([Path(folder) for folder in folders])
    images = given_list(images)
    configs: list[HeadConfig] = [read_config(each) for each in exports]
    columns: list[list[float]] = []
    encoded: dict[str, tuple[Encoder, GivenVectors]] = {}
    with open_stores(home) as stores:
        for folder, config in zip(exports, configs, strict=True):
            name = name_of(clip) or config.encoder.name
            if name not in encoded:
                chosen = choose_models(clip=name, device=device)
                encoder = stores.encoder_of(clip, chosen.clip, device=chosen.device)
                encoded[name] = encoder, encode_given(images, encoder, progress)
            encoder, given = encoded[name]
            head, _ = load_head(folder, encoder)
            with torch.no_grad():
                columns.append(head.probabilities(given.vectors)[0].tolist())
    given = next(iter(encoded.values()))[1]
    names = _names(configs)
    shares = np.array(columns).T
    holds = shares >= np.array([config.threshold for config in configs])
    made = label_rows(given.images, names, shares, holds, every=True)
    held = Counter(name for each in made for name in each.labels)
    return LabelSets(
        run="",
        method="concepts",
        classes=tuple(
            ClassThreshold(class_name=name, threshold=config.threshold, images=held[name])
            for name, config in zip(names, configs, strict=True)
        ),
        images=made,
        skipped=given.skipped,
        passed_over=given.passed_over,
        inputs=given.inputs,
    )


def _names(configs: Sequence[HeadConfig]) -> list[str]:
    """Names of the concepts: with the version where one is there twice, and a number where both are alike."""
    counts = Counter(config.concept for config in configs)
    seen: Counter[str] = Counter()
    names: list[str] = []
    for config in configs:
        name = config.concept if counts[config.concept] == 1 else f"{config.concept} v{config.version}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
