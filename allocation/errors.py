"""The errors a user can meet, and the faults they are made of.

The tree::

    IgallocError
    ├── InputError          what was given cannot be used; carries every fault found
    ├── SolverError         the program did not reach a proven optimum
    └── VerificationError   a result broke a rule it must keep (a defect of ours)

An :class:`InputError` is shown one line a fault and ends the command with exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Fault", "IgallocError", "InputError", "SolverError", "VerificationError", "expected_by"]

_EXPECTED = {
    "missing": "a value",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "at least {min_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "too_short": "at least {min_length} of them",
}
"""What would have been right, by the kind of a fault that a data model finds."""

_FORMS = {
    r"^[a-z][a-z0-9_]*$": "a code of small letters, digits and _, such as octagam_10",
    r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$": "a code, or a code/situation, of small letters, digits and _",
    r"^[A-Z][A-Z0-9_-]*$": "the code of a place, of capital letters, digits, _ and -, such as SRIAP01",
    r"^[A-Z]{1,4}[0-9]{2,3}$": "capital letters and then digits, such as SRC01",
}
"""The patterns of our models in words."""


def expected_by(found: Mapping[str, Any]) -> str:
    """What a data model expected, in our words: its own are made for programmers.

    Parameters
    ----------
    found
        One fault of a model, with ``type``, ``msg`` and, where the words need a number, ``ctx``.
    """
    words = _EXPECTED.get(found["type"])
    if words is None:
        return str(found["msg"]).removeprefix("Value error, ")
    told = found.get("ctx", {})
    if told.get("pattern") in _FORMS:
        return _FORMS[told["pattern"]]
    return words.format(
        **{name: f"{value:,.15g}" if isinstance(value, float) else value for name, value in told.items()}
    )


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
