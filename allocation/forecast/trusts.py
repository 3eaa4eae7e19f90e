"""Which trust belongs to which panel, and which trust took over from which."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.tables import read_table

__all__ = ["UNMAPPED", "TrustMap", "load_trusts"]

UNMAPPED = "UNMAPPED"
"""Panel of the trusts that the map does not name: they count in the national total, and are listed."""


@dataclass(frozen=True, slots=True)
class TrustMap:
    """Panel of each trust that stands today, and the successor of each that was merged into another.

    Attributes
    ----------
    panel_of
        Panel code by trust code.
    successor_of
        Code of the trust standing today by code of a predecessor; chains are followed to their end.
    """

    panel_of: dict[str, str] = field(default_factory=dict)
    successor_of: dict[str, str] = field(default_factory=dict)

    def today(self, trust: str) -> str:
        """The trust that stands for a code today."""
        return self.successor_of.get(trust, trust)

    def panel(self, trust: str) -> str:
        """Panel of a trust, old code or new."""
        return self.panel_of.get(self.today(trust), UNMAPPED)


def load_trusts(path: Path | None) -> TrustMap:
    """Trust map of a file with columns ``trust``, ``panel`` and, where trusts merged, ``successor``.

    A row says either which panel a trust is in, or which trust took it over. Without a file no trust is mapped.

    Raises
    ------
    InputError
        Where a column is missing, a trust comes twice, a row says both or neither, or a chain of successors
        ends in a trust without a row or runs in a circle.
    """
    if path is None:
        return TrustMap()
    frame = read_table(path)
    source = str(path)
    missing = [name for name in ("trust", "panel") if name not in frame.columns]
    if missing:
        remedy = "The map has the columns trust, panel and, for merged trusts, successor."
        raise InputError([Fault(source, "this column", row=1, column=name, remedy=remedy) for name in missing])
    faults: list[Fault] = []
    panel_of: dict[str, str] = {}
    direct: dict[str, str] = {}
    row_of: dict[str, int] = {}
    successors = frame["successor"] if "successor" in frame.columns else [""] * len(frame)
    for row, (code, panel, successor) in enumerate(zip(frame["trust"], frame["panel"], successors, strict=True), 2):
        trust = code.upper()
        if not trust:
            faults.append(Fault(source, "a trust's ODS code", row=row, column="trust"))
        elif trust in row_of:
            remedy = f"It also stands in row {row_of[trust]}."
            faults.append(Fault(source, "each trust once", row=row, column="trust", value=code, remedy=remedy))
        elif bool(panel) == bool(successor):
            remedy = "Give a trust of today its panel, and a merged one only its successor."
            value = f"{panel}, {successor}" if panel else ""
            faults.append(Fault(source, "a panel or a successor", row=row, column="panel", value=value, remedy=remedy))
        else:
            (panel_of if panel else direct)[trust] = panel or successor.upper()
        row_of.setdefault(trust, row)
    if faults:
        raise InputError(faults)
    return TrustMap(panel_of, _followed(direct, panel_of, row_of, source))


def _followed(direct: dict[str, str], panel_of: dict[str, str], row_of: dict[str, int], source: str) -> dict[str, str]:
    """Each predecessor's trust of today, along the chain of successors."""
    faults: list[Fault] = []
    ends: dict[str, str] = {}
    for trust, first in direct.items():
        seen, at = {trust}, first
        while at in direct and at not in seen:
            seen.add(at)
            at = direct[at]
        if at in seen:
            remedy = "Each successor must lead to a trust that has a panel."
            faults.append(
                Fault(
                    source, "no circle of successors", row=row_of[trust], column="successor", value=first, remedy=remedy
                )
            )
        elif at not in panel_of:
            remedy = "Add a row with the panel of this trust."
            faults.append(
                Fault(
                    source,
                    "a successor with a row of its own",
                    row=row_of[trust],
                    column="successor",
                    value=at,
                    remedy=remedy,
                )
            )
        ends[trust] = at
    if faults:
        raise InputError(faults)
    return ends
