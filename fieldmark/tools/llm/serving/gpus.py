"""Finds the GPUs of this machine as NVIDIA's own program lists them."""

import os
import shutil
import subprocess
from dataclasses import dataclass

_ASK = ("--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: What its maker calls it.
        memory: Its memory in bytes.
    """

    name: str
    memory: int


def find_gpus(program: str = "nvidia-smi") -> tuple[Gpu, ...]:
    """The GPUs that a server started now would see; none where the program that lists them is not here.

    Not by torch: Fieldmark's may be a build for the CPU, and asking it would hold memory of the GPUs that the
    server is to have. `CUDA_VISIBLE_DEVICES` counts as CUDA reads it: up to the first name that it does not
    know.

    Args:
        program: The program that lists them.
    """
    found = shutil.which(program)
    if found is None:
        return ()
    try:
        said = subprocess.run(  # noqa: S603 - a fixed question
            [found, *_ASK], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer
        return ()
    listed: dict[str, tuple[str, Gpu]] = {}
    for line in said.splitlines():
        number, uuid, name, mebibytes = (*(part.strip() for part in line.split(",")), "", "", "", "")[:4]
        if mebibytes.isdecimal():
            listed[number] = (uuid, Gpu(name, int(mebibytes) << 20))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(gpu for _, gpu in listed.values())
    seen: list[Gpu] = []
    for wanted in visible.split(","):
        gpu = next((g for at, (uuid, g) in listed.items() if _is(wanted.strip(), at, uuid)), None)
        if gpu is None:
            break
        seen.append(gpu)
    return tuple(seen)


def _is(wanted: str, number: str, uuid: str) -> bool:
    return wanted == number or (wanted.startswith("GPU-") and uuid.startswith(wanted))
