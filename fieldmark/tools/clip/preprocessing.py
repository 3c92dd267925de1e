"""Makes a network's input of a picture; where only that is wanted, no network is built."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from open_clip.model import CLIPVisionCfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from open_clip.utils import to_2tuple
from PIL import Image
from torchvision.transforms import Compose, Normalize

from fieldmark.cache.keys import content_key
from fieldmark.tools.clip.model_source import ModelSource

logger = logging.getLogger(__name__)


class Preprocessing:
    """A model's own resizing and cropping; its last steps are left to be done for a whole batch.

    Args:
        config: The fields of open_clip's `PreprocessCfg`.

    Attributes:
        mean: float32 `[1, 3, 1, 1]`, still to be subtracted; empty where nothing is left to do.
        std: float32 `[1, 3, 1, 1]`, still to be divided by, after that.
        key: SHA-256 over the config: the same key, the same pixels.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.key = content_key({**config, "size": to_2tuple(config["size"])})
        steps = cast("Compose", image_transform_v2(PreprocessCfg(**config), is_train=False)).transforms
        names = [type(step).__name__ for step in steps[-3:]]
        if names == ["MaybeConvertMode", "MaybeToTensor", "Normalize"]:
            last = cast("Normalize", steps[-1])
            self._shape = Compose(steps[:-3])
            self.mean, self.std = (
                torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
                for values in (last.mean, last.std)
            )
        else:
            logger.info("This preprocessing ends in %s and is done image by image.", names)
            self._shape = Compose(steps)
            self.mean = self.std = torch.zeros(0)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Resize and crop one RGB image as the model wants it. Safe to call from many threads.

        Returns:
            uint8 `[H, W, 3]`, or float32 `[3, H, W]` for a preprocessing that ends in an unusual way.
        """
        shaped = self._shape(image)
        if isinstance(shaped, torch.Tensor):
            return shaped
        return torch.from_numpy(np.array(shaped.convert("RGB")))


def preprocessing_of(source: ModelSource) -> Preprocessing:
    """The preprocessing that a model's network would have; compare its `key` with the network's.

    As `open_clip.create_model`: the network has its size from its configuration, and what a name or a file
    says of it counts for a model without a folder.
    """
    vision = cast("Mapping[str, Any]", source.model_cfg["vision_cfg"])
    stated = cast("dict[str, Any]", source.preprocess_cfg)
    size = {"size": to_2tuple(vision.get("image_size", CLIPVisionCfg().image_size))}
    config = asdict(PreprocessCfg())
    for overlay in (stated, size) if source.folder is not None else (size, stated):
        config = merge_preprocess_dict(config, overlay)
    return Preprocessing(config)
