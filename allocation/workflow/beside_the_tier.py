"""Side limits of an allocation, from a planner's file to the demand and the stock they speak of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.rules.limits import LimitSet, LoadedLimits, load_limits
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.optimise.side_limits import SideLimits

__all__ = ["BesideTier", "put_beside", "read_limits", "told_of", "told_wrong"]

_PLAN = "grade_order"


@dataclass(frozen=True, slots=True)
class BesideTier:
    """Side limits put to a demand table and a stock.

    Attributes
    ----------
    limits
        None where no file was given.
    demand
        Marked with fences and locks where one was.
    """

    limits: SideLimits | None
    demand: pd.DataFrame
    faults: tuple[Fault, ...]

    @property
    def set_aside(self) -> int:
        """How many limits were left out or cut; one may have several faults."""
        numbered = {fault.column.split(".")[0] for fault in self.faults if "]" in fault.column}
        return len(numbered) + sum("]" not in fault.column for fault in self.faults)


def read_limits(path: Path | None, *, policy: str, rules: RulesInUse, strict: bool) -> LoadedLimits | None:
    """The limits of a file, or None where there is no file.

    Raises
    ------
    InputError
        Where the file cannot be used, some limit cannot and ``strict`` is asked for, or another policy than the plan's
        shares out.
    """
    if path is None:
        return None
    if policy != _PLAN:
        raise InputError(Fault("--limits", f"--policy {_PLAN}, which alone keeps side limits", value=policy))
    loaded = load_limits(path, products=rules.products, panels=rules.panels, rulebook=rules.rulebook)
    if not loaded.faults and not told_of(loaded.limits):
        raise InputError(Fault(str(path), "one limit or more", remedy="Leave --limits out where there is none."))
    if strict and loaded.faults:
        raise InputError(loaded.faults)
    return loaded


def put_beside(
    loaded: LoadedLimits | None, path: Path | None, *, demand: pd.DataFrame, stock_mg: pd.DataFrame, rules: RulesInUse
) -> BesideTier:
    """Limits in milligrams of this stock, and the demand marked by them.

    Parameters
    ----------
    stock_mg
        ``location``, ``product`` and ``mg``.
    """
    from allocation.optimise.side_limits import limits_in_use, mark_patients

    if loaded is None:
        return BesideTier(None, demand, ())
    panels = tuple(rules.panels.by_code)
    limits, cut = limits_in_use(loaded.limits, stock_mg, panels=panels, source=str(path))
    return BesideTier(limits, mark_patients(demand, loaded.limits), (*loaded.faults, *cut))


def told_wrong(faults: tuple[Fault, ...]) -> pd.DataFrame:
    """Limits that were set aside or cut, and why."""
    import pandas as pd

    columns = ["limit", "value", "expected", "remedy"]
    return pd.DataFrame([(f.column, f.value, f.expected, f.remedy) for f in faults], columns=columns)


def told_of(limits: LimitSet) -> dict[str, object]:
    """The limits for the record of a run: what each says, with its source or assumption."""
    return {
        name: [limit.model_dump(mode="json", exclude_none=True) for limit in of]
        for name, of in ((name, getattr(limits, name)) for name in LimitSet.model_fields)
        if of
    }
