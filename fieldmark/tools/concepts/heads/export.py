"""Writes a head into a folder of its own, and loads it: weights, configuration, an ONNX model with `onnx`.

Nothing it reads is executed.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.concepts.heads.config import ONNX, WEIGHTS, HeadConfig, read_config, write_files
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer
from fieldmark.tools.concepts.heads.onnx_graph import onnx_model
from fieldmark.tools.exports.encoder_stamp import EncoderStamp
from fieldmark.tools.exports.folder import damaged, first_words, hashes, read_verified
from fieldmark.tools.exports.onnx_nodes import onnx_installed


def export_head(folder: Path, head: Head, *, concept: str, version: int, encoder: Encoder) -> HeadConfig:
    """Write `head.safetensors`, `head.onnx` and, last, `config.json` into a folder.

    Without the package `onnx` there is no `head.onnx`; `add_onnx` makes it later.

    Args:
        folder: The folder; made where it is missing.
        head: The head.
        concept: Name of the concept.
        version: Version of its definition.
        encoder: The encoder whose vectors it was fitted on.

    Raises:
        ModelError: The head does not fit the encoder.
        InputError: The folder cannot be written.
    """
    if head.network.width != encoder.width:
        raise ModelError(
            f"A head of width {head.network.width} does not belong to {encoder.name}, whose vectors have "
            f"{encoder.width} numbers.",
            hint="Fit it on that encoder's vectors.",
        )
    contents = {WEIGHTS: save_tensors(_tensors(head.network))}
    if onnx_installed():
        contents[ONNX] = onnx_model(head).SerializeToString()
    config = HeadConfig(
        concept=concept,
        version=version,
        encoder=EncoderStamp.of(encoder),
        kind=head.kind,
        route=head.route,
        definition=head.definition,
        slope=head.slope,
        intercept=head.intercept,
        threshold=head.threshold,
        files=hashes(contents),
    )
    write_files(folder, contents, config)
    return config


def add_onnx(folder: Path) -> HeadConfig:
    """Write `head.onnx` into an export that was made without the package `onnx`, where it is there now.

    Raises:
        InputError: The folder holds no export, or a file of it is damaged, or it cannot be written.
    """
    config = read_config(folder)
    if ONNX in config.files or not onnx_installed():
        return config
    data = onnx_model(_head(folder, config)).SerializeToString()
    files = config.files | hashes({ONNX: data})
    config = config.model_copy(update={"files": files})
    write_files(folder, {ONNX: data}, config)
    return config


def load_head(folder: Path, encoder: Encoder | None) -> tuple[Head, HeadConfig]:
    """Load an exported head for use with an encoder; None for vectors that were made elsewhere.

    Raises:
        InputError: The folder holds no export, or a file of it is damaged.
        ModelError: It was made with another encoder, or another preprocessing of the same.
    """
    config = read_config(folder)
    if encoder is not None:
        check_encoder(config, encoder)
    return _head(folder, config), config


def _head(folder: Path, config: HeadConfig) -> Head:
    data = read_verified(folder / WEIGHTS, config.files.get(WEIGHTS))
    try:
        tensors = load_tensors(data)
        return Head(
            _network(tensors, clauses=len(config.definition.active), width=config.encoder.width),
            config.route,
            config.definition,
            slope=config.slope,
            intercept=config.intercept,
            threshold=config.threshold,
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise damaged(folder / WEIGHTS, first_words(error)) from None


def check_encoder(config: HeadConfig, encoder: Encoder) -> None:
    """Refuse an encoder that gives other vectors than those the head was fitted on.

    Raises:
        ModelError: Its weights, preprocessing or precision differ.
    """
    config.encoder.check(
        encoder,
        what=f"The classifier of {config.concept!r}",
        again="build the classifier again on this encoder",
    )


def _tensors(network: HeadNetwork) -> dict[str, Tensor]:
    layers = {"output": network.output} | ({"hidden": network.hidden} if network.hidden else {})
    return {
        f"{name}.{part}": getattr(layer, part).to(torch.float32).contiguous()
        for name, layer in layers.items()
        for part in ("weight", "bias")
    }


def _network(tensors: dict[str, Tensor], *, clauses: int, width: int) -> HeadNetwork:
    def layer(name: str) -> Layer:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or not bool(torch.isfinite(weight).all()):
            raise ValueError(f"the layer {name!r} has an impossible shape or numbers")
        return Layer(weight.to(torch.float32), bias.to(torch.float32))

    network = HeadNetwork(layer("output"), layer("hidden") if "hidden.weight" in tensors else None)
    outputs, inputs = network.output.weight.shape
    joined = network.hidden is None or network.hidden.weight.shape[0] == inputs
    if outputs != clauses + 1 or network.width != width or not joined:
        raise ValueError("its layers do not fit the configuration")
    return network
