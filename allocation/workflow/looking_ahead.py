"""Looking ahead before an allocation: weeks of demand and stock from the files, and what is kept for later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.quantities import to_g
from allocation.workflow.cohorts import CohortRead, demand_of
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.optimise import Certificate, LoadedStock, PatientResult, Plan, Problem
    from allocation.optimise.horizon import FirstWeeks, HorizonPlan, HorizonProblem
    from allocation.optimise.side_limits import SideLimits
    from allocation.rules.limits import LoadedLimits
    from allocation.rules.supply import Tier

__all__ = ["LookedAhead", "Offered", "check_horizon", "look"]

_MOST_WEEKS = 52
_PLAN = "grade_order"


@dataclass(frozen=True, slots=True)
class LookedAhead:
    """What the look-ahead said: its plan, who is served now and from which vials, and the verifier's word."""

    horizon: HorizonProblem
    plan: HorizonPlan
    first: FirstWeeks
    everybody: pd.DataFrame
    demand: pd.DataFrame
    certificate: Certificate

    def offered(
        self, people: PatientResult, certificate: Certificate, *, stock: pd.DataFrame, seed: int, solver: str,
        rules: RulesInUse,
    ) -> Offered:  # fmt: skip
        """What is left over offered to those who stood back, and everybody in one list.

        Parameters
        ----------
        people, certificate
            Those who did not stand back, and what the verifier said of them.
        stock
            All vials there now.

        Raises
        ------
        SolverError
            Where a program has no proven optimum.
        VerificationError
            Where the result breaks a rule; a defect of ours.
        """
        from allocation.optimise import Certificate
        from allocation.optimise.horizon import offer_rest, told_ahead, verify_first

        rest = offer_rest(
            self.first, self.everybody, people, tier=self.horizon.total.tier, panels=rules.panels,
            products=rules.products, seed=seed, stock=stock, solver="cbc" if solver == "cbc" else "highs",
        )  # fmt: skip
        parts: tuple[tuple[Problem, Plan], ...] = ()
        checks = certificate.checks
        if rest is not None:
            people, parts, checks = rest.people, ((rest.problem, rest.plan),), (*checks, *rest.certificate.checks)
        checks += tuple(verify_first(self.first, self.everybody, stock, people))
        people, planned = told_ahead(self.horizon, self.first, self.everybody, people)
        found = Offered(people, Certificate(checks), parts, planned)
        found.certificate.raise_if_failed()
        return found

    def released(self, people: PatientResult) -> LookedAhead | None:
        """The look-ahead with fewer vials kept; None where nobody waits for a vial kept for a later stage."""
        from allocation.optimise.horizon import released

        first = released(self.horizon, self.plan, self.first, self.demand, people)
        return None if first is None else replace(self, first=first)

    def record(self, offered: Offered) -> dict[str, object]:
        """For the record of the run."""
        from allocation.optimise.horizon import kept_by_grade

        problem = self.horizon.total
        coming = self.horizon.stock[self.horizon.stock["from_week"] > 0]
        kept = kept_by_grade(self.horizon, self.plan, self.first)
        return {
            "weeks": self.horizon.weeks,
            "patients_who_stood_back": int(self.first.waits.sum()),
            "patients_planned_for_later": offered.planned,
            "kept_for_later_g": to_g(self.first.kept_mg),
            "later_use_of_stock_there_now_g": {str(grade or "ungraded"): to_g(mg) for grade, mg in kept.items()},
            "deliveries_counted_g": to_g(int(coming["mg"].sum())),
            "objectives": [asdict(value) for value in self.plan.objectives([one.name for one in problem.tier.stage])],
            "programs_solved": self.plan.programs,
            "certificate": self.certificate.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Offered:
    """Everybody due in the first weeks; problems and plans beside the first; how many are planned for later."""

    people: PatientResult
    certificate: Certificate
    parts: tuple[tuple[Problem, Plan], ...]
    planned: int


def check_horizon(horizon: int | None, *, weeks: float, policy: str) -> None:
    """Refuse a look-ahead that cannot be made.

    Raises
    ------
    InputError
        Where the weeks are out of range or not whole, or another policy than the plan's shares out.
    """
    if horizon is None:
        return
    faults = []
    if not weeks <= horizon <= _MOST_WEEKS:
        expected = f"at least the {weeks:g} weeks of the allocation and at most {_MOST_WEEKS}"
        faults.append(Fault("--horizon-weeks", expected, value=str(horizon)))
    if weeks != int(weeks):
        faults.append(Fault("--weeks", "whole weeks where --horizon-weeks is given", value=f"{weeks:g}"))
    if policy != _PLAN:
        faults.append(Fault("--horizon-weeks", f"--policy {_PLAN}, which alone looks ahead", value=policy))
    if faults:
        raise InputError(faults)


def look(
    found: CohortRead,
    demand: pd.DataFrame,
    shelf: LoadedStock,
    *,
    tier: Tier,
    as_of: date,
    weeks: float,
    horizon: int,
    seed: int,
    reserve: pd.DataFrame,
    solver: str,
    rules: RulesInUse,
    side: LoadedLimits | None = None,
    limits: SideLimits | None = None,
) -> LookedAhead:
    """Plan the weeks and split off the first of them.

    Parameters
    ----------
    demand
        The demand table of the first weeks; where there are side limits, marked by them.
    side, limits
        Side limits of an allocation of ``weeks`` weeks: those of the file, and those put to the stock there now.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    VerificationError
        Where the look-ahead breaks a rule; a defect of ours.
    """
    import pandas as pd

    from allocation.optimise.horizon import build_horizon, first_weeks, look_ahead, verify_horizon
    from allocation.optimise.side_limits import mark_patients
    from allocation.optimise.solvers import open_session

    _, ahead = demand_of(found, as_of=as_of, weeks=horizon, strict=False, rules=rules)
    if side is not None:
        ahead = mark_patients(ahead, side.limits)
    now_there = shelf.good.assign(available_from=pd.to_datetime(pd.Series("", index=shelf.good.index)))
    stock = pd.concat([now_there, shelf.deliveries], ignore_index=True)
    problem = build_horizon(
        ahead,
        stock,
        tier=tier,
        panels=rules.panels,
        products=rules.products,
        as_of=as_of,
        weeks=horizon,
        first=int(weeks),
        reserve=reserve,
        limits=None if side is None else side.limits,
    )
    plan = look_ahead(problem, open_session("cbc" if solver == "cbc" else "highs"))
    certificate = verify_horizon(problem, plan)
    certificate.raise_if_failed()
    first = first_weeks(problem, plan, demand, shelf.good, as_of=as_of, seed=seed, limits=limits)
    now = demand.loc[~first.waits].reset_index(drop=True)
    return LookedAhead(problem, plan, first, demand, now, certificate)
