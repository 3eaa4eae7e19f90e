"""What a comparison of policies may say to others, for its page and its workbook alike.

A count of people is hidden where it, the one beside it or their difference is small, and with it all else that is told
of the same panel, grade or policy. What stays is rounded like every shared number, differences are those of the rounded
numbers, and intervals of counts and grams are left out: they would tell the rounded numbers more finely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from allocation.reporting.disclosure import HIDDEN, is_hidden, shared_count, shared_grams
from allocation.reporting.frames import records
from allocation.reporting.simulation_measures import counts_people, grade_in, is_share, rests_on_people

__all__ = ["shared_comparison"]

_SIDES = ("mean", "mean_against")
_GAP = "difference"
_ENDS = ("low", "high")


def shared_comparison(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of a comparison as it may be shared.

    Parameters
    ----------
    frame
        Rows of policies with ``unit``, ``mean`` and, where there are any, ``mean_against``, ``difference``, ``low`` and
        ``high``; a whole-run row names its ``outcome``, another its ``grade``, ``panel`` or ``group`` and ``key``.

    Returns
    -------
    DataFrame
        The same rows; a hidden cell holds ``*``.
    """
    rows = records(frame)
    few = {_group(row) for row in rows if _is_few(row)}
    made = [_shared(row, few) for row in rows]
    names = [name for name in (*_SIDES, _GAP, *_ENDS) if name in frame.columns]
    return frame.assign(
        **{name: pd.Series([row[name] for row in made], index=frame.index, dtype=object) for name in names}
    )


def _is_few(row: Mapping[str, Any]) -> bool:
    numbers = (abs(float(row[name])) for name in (*_SIDES, _GAP) if name in row)
    return counts_people(str(row["unit"])) and any(is_hidden(shared_count(number)) for number in numbers)


def _is_whole(row: Mapping[str, Any]) -> bool:
    return row.get("group", "all") == "all" and "grade" not in row and "panel" not in row


def _group(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Whose numbers a row tells; outcomes of the whole run are of one grade or of all."""
    if _is_whole(row):
        return str(row["policy"]), str(grade_in(str(row.get("outcome", row.get("measure")))))
    return tuple(str(row.get(name, "")) for name in ("policy", "group", "key", "grade", "panel"))


def _shared(row: Mapping[str, Any], few: set[tuple[str, ...]]) -> dict[str, Any]:
    unit, made = str(row["unit"]), dict(row)
    if not rests_on_people(unit):
        return made
    counted, grams = counts_people(unit), unit == "g"
    # A count or a share of all patients of the run does not rest on the few who lost; in a panel or grade it may.
    apart = _is_whole(row) and (counted or is_share(unit))
    if _is_few(row) or (not apart and _group(row) in few):
        return made | dict.fromkeys((*_SIDES, _GAP, *_ENDS), HIDDEN)
    if counted or grams:
        made |= dict.fromkeys(_ENDS, HIDDEN)
        for name in (one for one in _SIDES if one in row):
            value = float(row[name])
            made[name] = shared_count(value) if counted else shared_grams(value)
        if _GAP in row:
            made[_GAP] = made["mean"] - made["mean_against"]
    return made
