"""Faults gathered while a cohort is checked, in any order, and handed back in the order of the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from allocation.cohort.cells import Problem
from allocation.errors import Fault

__all__ = ["FaultBook", "reason_of"]

_HEADER_ROWS = 2
_LONGEST_VALUE = 60

Rows = npt.NDArray[np.int64]


class FaultBook:
    """Every fault of one table.

    Parameters
    ----------
    source
        The file, as the user named it.
    rows
        Rows of the table.
    order
        Columns in the order in which the faults of a row are listed.
    """

    def __init__(self, source: str, rows: int, order: tuple[str, ...]) -> None:
        self.source = source
        self.closed = np.zeros(rows, dtype=bool)
        """Rows of which nothing more is said: blank, or not readable whole."""
        self._order = {name: place for place, name in enumerate(order)}
        self._found: list[tuple[int, int, Fault]] = []
        self._cells: set[tuple[int, str]] = set()

    def add_read(self, faults: tuple[Fault, ...]) -> None:
        """Take in the faults met while reading; one of a whole row closes the row."""
        for fault in faults:
            position = (fault.row or _HEADER_ROWS) - _HEADER_ROWS
            self._found.append((position, self._order.get(fault.column, -1), fault))
            if fault.column:
                self._cells.add((position, fault.column))
            else:
                self.closed[position] = True

    def add(self, where: npt.NDArray[np.bool_] | Rows, column: str, tell: Callable[[int], tuple[str, Problem]]) -> None:
        """Note a fault in every row named.

        Parameters
        ----------
        where
            Mask of rows, or their positions.
        column
            The column at fault.
        tell
            For a row's position, the text met and what is wrong with it.
        """
        positions = np.flatnonzero(where) if where.dtype == bool else where
        place = self._order.get(column, len(self._order))
        for position in positions[~self.closed[positions]].tolist():
            if (position, column) in self._cells:
                continue
            value, problem = tell(position)
            fault = Fault(
                self.source,
                problem.expected,
                row=position + _HEADER_ROWS,
                column=column,
                value=_shortened(value),
                remedy=problem.remedy,
            )
            self._found.append((position, place, fault))

    def close(self, rows: npt.NDArray[np.bool_], problem: Problem) -> None:
        """Note one fault for each whole row and say nothing more of it."""
        for position in np.flatnonzero(rows & ~self.closed).tolist():
            fault = Fault(self.source, problem.expected, row=position + _HEADER_ROWS, remedy=problem.remedy)
            self._found.append((position, -1, fault))
        self.closed |= rows

    def in_order(self) -> tuple[Fault, ...]:
        """Every fault by row, then by column."""
        return tuple(fault for _, _, fault in sorted(self._found, key=lambda item: item[:2]))

    def reasons(self) -> dict[int, str]:
        """All reasons of a row in one line, by its position."""
        texts: defaultdict[int, list[str]] = defaultdict(list)
        for position, _, fault in sorted(self._found, key=lambda item: item[:2]):
            texts[position].append(reason_of(fault))
        return {position: "; ".join(lines) for position, lines in texts.items()}


def reason_of(fault: Fault) -> str:
    """A fault in words, without file and row; it holds no ``; ``, which parts the reasons of a row."""
    column = f"{fault.column}: " if fault.column else ""
    found = f"found {fault.value!r}, " if fault.value else ""
    remedy = f". {fault.remedy.removesuffix('.')}" if fault.remedy else ""
    return f"{column}{found}expected {fault.expected}{remedy}".replace("; ", ", ")


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..."
