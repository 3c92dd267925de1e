"""Chooses the device and the precision that a network runs in."""

from typing import Literal

import torch

from fieldmark.errors import ModelError

Precision = Literal["fp32", "bf16", "fp16"]


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA, else MPS, else the CPU.

    Raises:
        ModelError: It is not here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f'"{name}" is no device.', hint='Take "auto", "cpu", "cuda", "cuda:1" or "mps".'
        ) from error
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False) or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        raise ModelError(f'There is no device "{name}" here.', hint='Take "auto" or "cpu".')
    return device


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision of that name; "auto" is bfloat16 on CUDA where the device has it, else float32.

    Raises:
        ModelError: No such precision.
    """
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if name not in ("fp32", "bf16", "fp16"):
        raise ModelError(f'"{name}" is no precision.', hint='Take "auto", "fp32", "bf16" or "fp16".')
    return name


def free_memory(device: torch.device) -> None:
    """Give what torch keeps in reserve back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
