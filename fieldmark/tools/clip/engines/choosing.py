"""Opens the engine of a name, and has an encoder use it."""

import os
from contextlib import ExitStack
from functools import partial
from typing import Literal

from fieldmark.tools.clip.clip import ClipEncoder
from fieldmark.tools.clip.engines.filling import fill
from fieldmark.tools.clip.engines.processes import ProcessEngine, local_devices
from fieldmark.tools.clip.engines.ray_data import RayEngine
from fieldmark.tools.clip.engines.work import Encode, LocalEngine, worker_model

EngineName = Literal["local", "processes", "ray"]


def open_encode(
    encoder: ClipEncoder, engine: EngineName, *, device: str, address: str | None, closing: ExitStack
) -> Encode:
    """What encodes shards as an encoder would.

    Args:
        encoder: The encoder whose vectors they shall be.
        engine: "local" is this process.
        device: As `open_encoder` takes it; "cpu" leaves GPUs unused.
        address: Of a Ray cluster; None starts Ray on this machine.
        closing: Stops what the engine started.

    Raises:
        InputError: The engine is not installed.
    """
    if engine == "ray":
        started = closing.enter_context(RayEngine(address, device=device)).encode
    elif engine == "processes":
        started = ProcessEngine(local_devices() if device in ("auto", "cuda") else (device,)).encode
    else:
        started = LocalEngine().encode
    return partial(started, model=worker_model(encoder, threads=min(16, os.cpu_count() or 1)))


def use_engine(
    encoder: ClipEncoder, engine: EngineName, *, device: str, address: str | None, closing: ExitStack
) -> None:
    """Have an encoder leave files without a vector to an engine; see `open_encode`."""
    if engine != "local":
        encode = open_encode(encoder, engine, device=device, address=address, closing=closing)
        encoder.elsewhere = partial(fill, encode=encode)
