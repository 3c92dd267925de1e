"""Imports what takes seconds and reads nothing of the environment, for `warm_process`."""

import torch
import torch._dynamo  # torchvision wants it

import fieldmark.cli
import fieldmark.records

__all__ = ["fieldmark", "torch"]
