"""Telling an NHS number from a pseudonym, so that none is ever taken in, shown or written again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MASKED", "are_nhs_numbers"]

MASKED = "**********"
"""What stands in messages and files where an NHS number was given."""

_DIGITS = 10
_MODULUS = 11
_CANDIDATE = r"^(?:[Nn][Hh][Ss])?([0-9]{10})$"


def are_nhs_numbers(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Which texts are an NHS number, however they are spaced, shape as ``texts``.

    A text counts when, without spaces, dashes, dots and the like, without a leading ``NHS`` and without the ``.0``
    that spreadsheets add, it is ten digits of which the last is the check digit of the others.

    Source
    ------
    NHS Data Dictionary, NHS NUMBER: weights 10 to 2, modulus 11; a remainder that would need 10 is no number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(texts):
        return np.zeros(0, dtype=bool)
    plain = pc.utf8_normalize(pa.array(texts, type=pa.large_string()), form="NFKC")
    plain = pc.replace_substring_regex(plain, pattern=r"\.0+$", replacement="")
    plain = pc.replace_substring_regex(plain, pattern=r"[^0-9A-Za-z]", replacement="")
    ten = pc.match_substring_regex(plain, pattern=_CANDIDATE).to_numpy(zero_copy_only=False)
    found = np.zeros(len(texts), dtype=bool)
    numbers = pc.utf8_slice_codeunits(plain.filter(pa.array(ten)), start=-_DIGITS).to_pylist()
    found[np.flatnonzero(ten)] = _pass_check_digit(numbers)
    return found


def _pass_check_digit(numbers: list[str]) -> npt.NDArray[np.bool_]:
    digits = np.frombuffer("".join(numbers).encode("ascii"), dtype=np.uint8).reshape(-1, _DIGITS).astype(np.int64)
    digits -= ord("0")
    sums = digits[:, :-1] @ np.arange(_DIGITS, 1, -1)
    check = (_MODULUS - sums % _MODULUS) % _MODULUS
    return np.asarray(check == digits[:, -1])
