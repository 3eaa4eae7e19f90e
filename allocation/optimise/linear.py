"""A linear program in arrays, and what a solver must be able to do with it. Knows no solver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from allocation.optimise.network import Floats, Ints

__all__ = ["INFINITY", "LinearProgram", "OpenSession", "Row", "RowBlock", "Session", "Solution"]

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """``low <= sum of values x columns <= high``."""

    columns: Sequence[int]
    values: Sequence[float]
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class RowBlock:
    """Rows as arrays: how many columns each has, these and their values one row after the other, and its bounds."""

    lengths: Ints
    columns: Ints
    values: Floats
    low: Floats
    high: Floats

    def apart(self) -> list[Row]:
        """Each row by itself."""
        ends = np.cumsum(self.lengths).tolist()
        columns, values = self.columns.tolist(), self.values.tolist()
        bounds = zip([0, *ends[:-1]], ends, self.low.tolist(), self.high.tolist(), strict=True)
        return [Row(columns[start:end], values[start:end], low, high) for start, end, low, high in bounds]


@dataclass(slots=True)
class LinearProgram:
    """Columns with bounds, and rows; the objective comes with each solve.

    Attributes
    ----------
    low, high
        Bounds of the columns; ``inf`` for none.
    blocks
        The rows, in order.
    whole
        Columns that must be whole numbers; only what opens programs in whole numbers may be given any.
    """

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    blocks: list[Row | RowBlock] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """Every row by itself, in order."""
        return [row for block in self.blocks for row in (block.apart() if isinstance(block, RowBlock) else [block])]

    def add_columns(self, high: Floats | Sequence[float], low: float = 0.0) -> Ints:
        """Add columns with these upper bounds; return their indices."""
        first = len(self.high)
        self.high.extend(np.asarray(high, dtype=np.float64).tolist())
        self.low.extend([low] * (len(self.high) - first))
        return np.arange(first, len(self.high), dtype=np.int64)

    def add_row(self, columns: Sequence[int], values: Sequence[float], *, low: float, high: float) -> None:
        """Add a row."""
        self.blocks.append(Row(columns, values, low, high))

    def add_limit(self, columns: Sequence[int], weights: Sequence[float], high: float) -> None:
        """Add a row: columns, weighed, come to no more than a limit.

        Weights are divided by the largest, so that the row is in the unit of its columns. What a solver lets a
        row be off is small for that unit, and not for a thousand times it.
        """
        largest = max(weights, default=0.0) or 1.0
        self.add_row(columns, [weight / largest for weight in weights], low=-INFINITY, high=high / largest)

    def add_rows(self, block: RowBlock) -> None:
        """Add many rows."""
        self.blocks.append(block)

    def matrix(self) -> RowBlock:
        """All rows together."""
        blocks = [block if isinstance(block, RowBlock) else _block(block) for block in self.blocks] or [_NO_ROWS]
        return RowBlock(
            np.concatenate([block.lengths for block in blocks]),
            np.concatenate([block.columns for block in blocks]),
            np.concatenate([block.values for block in blocks]),
            np.concatenate([block.low for block in blocks]),
            np.concatenate([block.high for block in blocks]),
        )


def _block(row: Row) -> RowBlock:
    columns, values = np.array(row.columns, dtype=np.int64), np.array(row.values, dtype=np.float64)
    return RowBlock(np.array([len(columns)]), columns, values, np.array([row.low]), np.array([row.high]))


_NO_ROWS = RowBlock(*(np.zeros(0, dtype=np.int64),) * 2, *(np.zeros(0),) * 3)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A proven optimum: value of each column, dual of each row (its sign is the solver's), objective."""

    x: Floats
    row_dual: Floats
    objective: float


class Session(Protocol):
    """A program held by a solver and solved again and again with other objectives and bounds."""

    def minimise(self, columns: Sequence[int] | Ints, costs: Sequence[float] | Floats) -> Solution:
        """Least total cost; columns not named cost nothing.

        Raises
        ------
        SolverError
            Where no optimum was proven.
        """

    def bound(self, columns: Sequence[int] | Ints, low: Floats, high: Floats) -> None:
        """Give columns other bounds."""

    def add_rows(self, rows: Sequence[Row]) -> Ints:
        """Add rows; return their indices."""

    def free(self, rows: Ints) -> None:
        """Let rows bind no more."""


OpenSession = Callable[[LinearProgram], Session]
