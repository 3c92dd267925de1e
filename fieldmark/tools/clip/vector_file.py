"""Reads image vectors out of an `.npy` file in blocks; never more than one block is held."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.reading import open_regular
from fieldmark.tools.clip.encoder import unit_rows

SUFFIX = ".npy"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_TYPES = (np.dtype("<f2"), np.dtype("<f4"))


@dataclass(frozen=True)
class VectorFile:
    """A file of vectors as `numpy.save` writes it: float16 or float32 `[N, D]`, little-endian, in C order.

    It is read, not mapped: what a map has shown counts as memory of the process until the system wants it.

    Attributes:
        path: Where it lies.
        rows: N.
        width: D.
        dtype: float16 or float32.
        start: Where its first row begins, in bytes.
    """

    path: Path
    rows: int
    width: int
    dtype: "np.dtype[Any]"
    start: int

    @classmethod
    def open(cls, path: Path) -> "VectorFile":
        """Read its header.

        Raises:
            InputError: It cannot be read, is no such file, or is shorter than it says.
        """
        try:
            with open_regular(path) as file:
                read = _HEADERS.get(np.lib.format.read_magic(file))
                if read is None:
                    raise ValueError("another version of the npy format")
                shape, fortran, dtype = read(file)
                start = file.tell()
                size = file.seek(0, 2)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror or error}.", hint="Check the path."
            ) from error
        except (ValueError, SyntaxError, TypeError, RecursionError) as error:
            raise _no_vectors(path, str(error).splitlines()[0] if str(error) else "damaged") from None
        if fortran or dtype not in _TYPES or len(shape) != 2 or min(shape) < 1:
            raise _no_vectors(path, f"an array {shape} of {dtype}")
        if size - start < shape[0] * shape[1] * dtype.itemsize:
            raise _no_vectors(path, "it is cut short")
        return cls(path, shape[0], shape[1], dtype, start)

    def __len__(self) -> int:
        """N."""
        return self.rows

    def __getitem__(self, rows: slice) -> Tensor:
        """Some of its vectors at unit length, float32 `[n, D]`; see `blocks`.

        Raises:
            InputError: See `blocks`; or a step other than 1.
        """
        first, end, step = rows.indices(self.rows)
        if step != 1:
            raise InputError(f"Every {step}th row cannot be read.", hint="Take rows that lie side by side.")
        return self._unit(first, max(0, end - first))

    def blocks(self, rows: int) -> Iterator[Tensor]:
        """Its vectors at unit length, float32 `[n, D]`, up to so many rows at a time.

        Rows of float16 come out as the encoder's own stored vectors do, to the bit.

        Raises:
            InputError: It cannot be read any more, or a row holds NaN, an infinity, or nothing but zeros.
        """
        for start in range(0, self.rows, rows):
            yield self._unit(start, min(rows, self.rows - start))

    def _unit(self, first: int, count: int) -> Tensor:
        block = np.empty((count, self.width), self.dtype)
        bytes_a_row = self.width * self.dtype.itemsize
        try:
            with open_regular(self.path) as file:
                file.seek(self.start + first * bytes_a_row)
                read = file.readinto(block.data.cast("B"))
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error}.", hint="Check the disk.") from error
        if read != block.nbytes:
            raise _no_vectors(self.path, "it was cut short meanwhile")
        if self.dtype.itemsize == 2:
            unit = unit_rows(block)
        else:
            unit = torch.from_numpy(block)
            unit.div_(torch.linalg.vector_norm(unit, dim=1, keepdim=True))
        # A row of zeros is left as it is by one way, and becomes NaN by the other: neither has a length of 1.
        lengths = torch.linalg.vector_norm(unit, dim=1)
        wrong = (~((lengths - 1).abs() < 0.01)).nonzero()[:, 0]
        if len(wrong):
            raise InputError(
                f"Row {first + int(wrong[0]):,} of {self.path} is no vector: NaN, infinite or all zeros.",
                hint="Leave such rows out.",
            )
        return unit


def _no_vectors(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} is no file of vectors: {why}.",
        hint="Save them with `numpy.save`: float16 or float32, one row an image.",
    )
