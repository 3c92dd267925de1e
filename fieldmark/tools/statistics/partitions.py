"""How well two ways to sort the same things into groups agree."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def contingency(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """How many things lie in each group of the first and of the second way [rows, columns].

    Args:
        first: Group of each thing [N], by any name.
        second: The same by the other way [N].
    """
    row = np.unique(np.asarray(first), return_inverse=True)[1]
    column = np.unique(np.asarray(second), return_inverse=True)[1]
    table = np.zeros((row.max(initial=-1) + 1, column.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(table, (row, column), 1)
    return table


def adjusted_rand(table: NDArray[np.int64]) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985): 1 where both ways agree, 0 on average by chance.

    Args:
        table: See `contingency`. Where both put all things together, or all apart, they agree.
    """
    both, rows, columns, every = (_pairs(each) for each in (table, table.sum(1), table.sum(0), table.sum()))
    expected = rows * columns / every if every else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _pairs(counts: Any) -> float:
    held = np.asarray(counts, dtype=np.float64)
    return float((held * (held - 1) / 2).sum())
