"""What is told of an allocation besides its result: sound inputs that serve nobody, and vials that will not last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from allocation.quantities import to_g
from allocation.workflow.cohorts import CohortRead, demand_of
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.optimise import LoadedStock, PatientResult, Problem
    from allocation.rules.limits import LoadedLimits

__all__ = ["Noticed", "notice", "over_weeks"]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Sentences for the person at the terminal, and the same for ``result.json``."""

    texts: tuple[str, ...]
    record: dict[str, object]


def over_weeks(
    problem: Problem, found: CohortRead, shelf: LoadedStock, *, as_of: date, weeks: float, rules: RulesInUse
) -> Problem:
    """A problem with the demand of a look-ahead's weeks and all stock there now: what serves later serves somebody."""
    from allocation.optimise import build_problem

    _, demand = demand_of(found, as_of=as_of, weeks=weeks, strict=False, rules=rules)
    return build_problem(demand, shelf.good, tier=problem.tier, panels=rules.panels, products=rules.products)


def notice(
    problem: Problem,
    people: PatientResult,
    *,
    over: Problem,
    demand: pd.DataFrame,
    shelf: LoadedStock,
    side: LoadedLimits | None,
    source: str,
) -> Noticed:
    """Everything to be told of one allocation.

    Parameters
    ----------
    problem
        What was allocated, by the tier's own stages.
    over
        The same, or with a look-ahead the problem of all its weeks.
    demand
        The demand table of ``problem``.
    side, source
        The limits, and what to call them.
    """
    from allocation.optimise.expiry import gone_off
    from allocation.optimise.limit_notices import limit_notices
    from allocation.optimise.network import index_problem
    from allocation.optimise.notices import expiry_notices, stock_notices, unusable_mg

    wide, off = index_problem(over), gone_off(demand, people.issues)
    rows_at = {*shelf.good["location"], *shelf.deliveries["location"]}
    found = [*stock_notices(wide, rows_at=rows_at), *expiry_notices(off, ahead=over is not problem)]
    if side is not None:
        found += limit_notices(side.limits, index_problem(problem), demand, source=source)
    record: dict[str, object] = {
        "left_unusable_g": to_g(unusable_mg(wide, people.left)),
        "given_gone_off": [
            {"panel": panel, "patients": patients, "grams": to_g(mg)}
            for panel, patients, mg in off[["panel", "patients", "mg"]].itertuples(index=False, name=None)
        ],
        "notices": [one.record() for one in found],
    }
    return Noticed(tuple(one.text for one in found), record)
