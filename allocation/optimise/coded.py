"""Tables whose codes are numbers: arrays for what computes, frames for what reads.

A problem and a plan are tables of codes and milligrams. Whoever makes many of them, as a simulation does each week,
has numbers already and wants numbers back; writing them out as text in frames and looking them up again costs more than
the allocation itself. So a table may be given as either, and each form is made from the other only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["BLANK", "Coded", "Codes", "OptionalTable", "Table", "coded", "held"]

Codes = Mapping[str, tuple[str, ...]]
"""For each column of codes, the codes that its numbers stand for."""

BLANK = -1
"""Stands for a blank code."""


@dataclass(frozen=True, eq=False)
class Coded:
    """A table as arrays.

    Attributes
    ----------
    columns
        Arrays of one length by name. In columns of codes they hold places among the codes, :data:`BLANK` for a blank.
    codes
        The codes of each column of codes.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    codes: Codes

    @classmethod
    def of(cls, frame: pd.DataFrame, codes: Codes) -> Coded:
        """A frame's table.

        Raises
        ------
        KeyError
            Where a code of the frame is not among the codes.
        """
        columns = {}
        for name in frame.columns:
            if name in codes:
                at = {**{code: place for place, code in enumerate(codes[name])}, "": BLANK}
                columns[name] = np.array([at[code] for code in frame[name].tolist()], dtype=np.int64)
            else:
                columns[name] = frame[name].to_numpy()
        return cls(columns, {name: codes[name] for name in columns if name in codes})

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table with its codes written out."""
        return pd.DataFrame(
            {
                name: np.array([*self.codes[name], ""], dtype=object)[values] if name in self.codes else values
                for name, values in self.columns.items()
            }
        )


class Table:
    """A field of a dataclass without slots that is given a frame or a :class:`Coded`, and is read as a frame."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: object, value: pd.DataFrame | Coded) -> None:
        instance.__dict__[self._name] = value

    def __get__(self, instance: object | None, owner: type | None = None) -> pd.DataFrame:
        if instance is None:
            # A dataclass asks its class for a default; there is none.
            raise AttributeError(self._name)
        value = held(instance, self._name)
        return value.frame if isinstance(value, Coded) else value


class OptionalTable:
    """As :class:`Table`, but None where there is none, which is the default."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: object, value: pd.DataFrame | Coded | None) -> None:
        instance.__dict__[self._name] = value

    def __get__(self, instance: object | None, owner: type | None = None) -> pd.DataFrame | None:
        value = None if instance is None else instance.__dict__[self._name]
        return value.frame if isinstance(value, Coded) else value


def held(instance: object, name: str) -> Any:
    """A table in the form in which it was given: a frame, a :class:`Coded`, or None."""
    return instance.__dict__[name]


def coded(instance: object, name: str, codes: Codes) -> Coded:
    """A table by numbers among these codes: as it is where it was given so.

    Raises
    ------
    KeyError
        Where it holds another code.
    """
    value = held(instance, name)
    if isinstance(value, Coded):
        if all(value.codes.get(column) == known for column, known in codes.items()):
            return value
        value = value.frame
    return Coded.of(value, codes)
