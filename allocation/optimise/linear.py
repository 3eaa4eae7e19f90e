"""A linear program in arrays, and what a solver must be able to do with it. Knows no solver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from allocation.optimise.network import Floats, Ints

__all__ = ["INFINITY", "LinearProgram", "OpenSession", "Row", "Session", "Solution"]

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """``low <= sum of values x columns <= high``."""

    columns: Sequence[int]
    values: Sequence[float]
    low: float
    high: float


@dataclass(slots=True)
class LinearProgram:
    """Columns with bounds, and rows; the objective comes with each solve.

    Attributes
    ----------
    low, high
        Bounds of the columns; ``inf`` for none.
    """

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add_columns(self, high: Floats | Sequence[float], low: float = 0.0) -> Ints:
        """Add columns with these upper bounds; return their indices."""
        first = len(self.high)
        self.high.extend(np.asarray(high, dtype=np.float64).tolist())
        self.low.extend([low] * (len(self.high) - first))
        return np.arange(first, len(self.high), dtype=np.int64)

    def add_row(self, columns: Sequence[int], values: Sequence[float], *, low: float, high: float) -> None:
        """Add a row."""
        self.rows.append(Row(columns, values, low, high))


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
