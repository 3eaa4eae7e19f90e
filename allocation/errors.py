"""The errors a user can meet, and the faults they are made of.

The tree::

    IgallocError
    ├── InputError          what was given cannot be used; carries every fault found
    ├── SolverError         the program did not reach a proven optimum
    └── VerificationError   a result broke a rule it must keep (a defect of ours)

An :class:`InputError` is shown one line a fault and ends the command with exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Fault", "IgallocError", "InputError", "SolverError", "VerificationError"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was given.

    Attributes
    ----------
    source
        The file or option at fault, as the user named it.
    expected
        What would have been right.
    row
        Line of the file as a person counts it in a spreadsheet (the header is row 1); None for the file.
    column
        Column or key, empty for the whole row.
    value
        The value met, as text.
    remedy
        What to do about it.
    """

    source: str
    expected: str
    row: int | None = None
    column: str = ""
    value: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        where = [self.source]
        if self.row is not None:
            where.append(f"row {self.row}")
        if self.column:
            where.append(self.column)
        found = f" found {self.value!r};" if self.value else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{', '.join(where)}:{found} expected {self.expected}.{remedy}"


class IgallocError(Exception):
    """Anything igalloc raises on purpose."""


class InputError(IgallocError):
    """What was given cannot be used.

    Parameters
    ----------
    faults
        Every fault found, in the order of the file.
    """

    def __init__(self, faults: Iterable[Fault] | Fault) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Fault, ...]]]:
        # Worker processes send errors back by pickle, which would otherwise rebuild from the message.
        return (InputError, (self.faults,))


class SolverError(IgallocError):
    """The program did not reach a proven optimum, so there is no result."""


class VerificationError(IgallocError):
    """A result broke a rule that every result must keep."""
