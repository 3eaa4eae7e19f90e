"""One spelling for every value, whatever file it came from or goes to.

======================  ==================================================
value                   text
======================  ==================================================
missing (None, NaN)     empty
text                    as it is, without white space at either end
whole number            its digits; 5.0 is ``5``
other number            the shortest digits that give the same number back
true, false             ``yes``, ``no``
date                    ``2026-02-13``
date and time           ``2026-02-13``, or ``2026-02-13T10:30:00``
======================  ==================================================

Columns are turned by their distinct values, since a cohort of millions has few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Encoded", "cell_text", "encode", "encode_series", "text_frame"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column of text as distinct values and, for each row, which of them it is.

    Attributes
    ----------
    codes
        Position in ``texts`` for each row, shape (rows,).
    texts
        Distinct texts as ``str`` objects, shape (distinct,).
    """

    codes: npt.NDArray[np.integer]
    texts: npt.NDArray[np.object_]

    def objects(self) -> npt.NDArray[np.object_]:
        """The column as ``str`` objects, shape (rows,)."""
        return self.texts[self.codes] if len(self.texts) else np.empty(0, dtype=object)

    def is_text(self, text: str) -> npt.NDArray[np.bool_]:
        """Which rows hold this text, shape (rows,)."""
        return np.asarray((self.texts == text)[self.codes], dtype=bool) if len(self.texts) else np.empty(0, dtype=bool)


def cell_text(value: object) -> str:
    """Text of one value, by the table at the top of this module.

    Raises
    ------
    TypeError
        For a value that is no plain cell, such as a list or bytes.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return _float_texts(np.array([value]))[0]
    if isinstance(value, datetime):
        midnight = value.hour == value.minute == value.second == value.microsecond == 0
        return value.date().isoformat() if midnight else value.replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return "" if value.is_nan() else _plain_decimal(value)
    raise TypeError(f"a cell cannot hold a {type(value).__name__}")


def _plain_decimal(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _float_texts(values: npt.NDArray[Any]) -> list[str]:
    if values.dtype != np.float64:
        # By way of text, so that a 32-bit 70.1 is 70.1 and not 70.0999984741211.
        values = values.astype(str).astype(np.float64)
    texts = [text[:-2] if text.endswith(".0") else text for text in map(repr, values.tolist())]
    return ["" if text == "nan" else text for text in texts]


def encode(values: pa.ChunkedArray, *, source: str, column: str) -> Encoded:
    """Text of an Arrow column.

    Raises
    ------
    InputError
        Where the column holds lists, bytes, durations or the like.
    """
    import pyarrow as pa

    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not any(is_kind(kind) for is_kind in _plain_kinds()):
        expected = "a column of text, numbers, dates or yes and no"
        raise InputError(Fault(source, expected, column=column, value=str(kind), remedy="Save it as one of these."))
    if not len(values):
        return Encoded(np.empty(0, dtype=np.int64), np.empty(0, dtype=object))
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    joined = values.unify_dictionaries().combine_chunks()
    texts = _texts_of(joined.dictionary)
    indices = joined.indices
    if indices.null_count:
        texts = pa.concat_arrays([texts, pa.array([""], type=texts.type)])
        indices = indices.cast(pa.int64()).fill_null(len(texts) - 1)
    codes = indices.to_numpy(zero_copy_only=False)
    distinct = texts.dictionary_encode()
    if len(distinct.dictionary) < len(texts):  # values that differ only in white space or spelling of a number
        codes = distinct.indices.to_numpy(zero_copy_only=False)[codes]
    return Encoded(codes, distinct.dictionary.to_numpy(zero_copy_only=False).astype(object))


def encode_series(values: pd.Series | npt.NDArray[np.object_]) -> Encoded:
    """A column of text in memory; categories are used as they are, and a missing value is a blank."""
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype):
        codes, texts = np.asarray(values.cat.codes), np.asarray(values.cat.categories, dtype=object)
    else:
        found, distinct = pd.factorize(np.asarray(values, dtype=object))
        codes, texts = np.asarray(found), np.asarray(distinct, dtype=object)
    if (codes < 0).any():
        texts = np.append(texts, "")
        codes = np.where(codes < 0, len(texts) - 1, codes)
    return Encoded(codes, texts)


def _plain_kinds() -> tuple[Callable[[pa.DataType], bool], ...]:
    from pyarrow import types

    return (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_floating,
        types.is_integer,
        types.is_boolean,
        types.is_decimal,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )


def _texts_of(distinct: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = distinct.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.fill_null(pc.utf8_trim_whitespace(distinct.cast(pa.large_string())), "")
    if pa.types.is_floating(kind):
        texts = _float_texts(distinct.to_numpy(zero_copy_only=False))
    else:
        if pa.types.is_timestamp(kind):
            local = pc.local_timestamp(distinct) if kind.tz else distinct
            distinct = local.cast(pa.timestamp("us"), safe=False)
        texts = [cell_text(value) for value in distinct.to_pylist()]
    return pa.array(texts, type=pa.large_string())


def text_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with every cell as text, for writing or for checking as if it had been read.

    Raises
    ------
    TypeError
        Where a column holds something that is no plain cell.
    """
    columns = {name: _series_texts(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, index=frame.index, columns=frame.columns, dtype=object)


def _series_texts(values: pd.Series) -> npt.NDArray[np.object_]:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    if isinstance(distinct.dtype, np.dtype) and distinct.dtype.kind == "f":
        texts = _float_texts(np.asarray(distinct))
    else:
        texts = [cell_text(value) for value in distinct]
    return np.array([*texts, ""], dtype=object)[codes]
