"""An allocation under a policy: the rounds it asks for, the programs behind them, and one plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.optimise.network import index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.policies.base import Ints, Round
from allocation.optimise.policies.case import Claims, claims_of_demand, make_case, usual_mg_by_panel
from allocation.optimise.policies.check import ask, priority_of
from allocation.optimise.policies.grade_order import GradeOrder
from allocation.optimise.policies.registry import FoundPolicy
from allocation.optimise.policies.rounds import (
    HOLD,
    Proven,
    find_estate,
    given_by_class,
    rounds_before_reserve,
    solve_rounds,
)
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.solvers import SolverName
from allocation.quantities import to_g
from allocation.rules.supply import Stage, Tier, TierSet

__all__ = ["RoundTotal", "Settled", "settle", "settle_demand", "tier_under", "tiers_under"]


@dataclass(frozen=True, slots=True)
class RoundTotal:
    """Grams that a round claims, and what the plan gives of them."""

    name: str
    claimed_g: float
    planned_g: float


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """An allocation under a policy.

    Attributes
    ----------
    problem, plan
        The problem with the stages in which patients are served, and the plan by its classes and cells. For the tier's
        own order these are the problem given and its optimum.
    proofs
        The programs behind the plan, the last of them the plan's own.
    rounds
        What each round claims and gets, and then what none claims; empty for the tier's own order.
    priority
        Who of a class goes first, lowest first, by claim, shape (claims,).
    claims, asked, asked_of, estate_mg, usual_mg
        What the policy was asked about, and the rounds it gave; for asking it again.
    estate_plan
        The plan behind ``estate_mg``, where the policy looks at it.
    """

    found: FoundPolicy
    problem: Problem
    plan: Plan
    proofs: tuple[Proven, ...]
    rounds: tuple[RoundTotal, ...]
    priority: Ints
    claims: Claims | None
    asked: tuple[Round, ...]
    asked_of: Problem
    estate_mg: Mapping[str, int]
    usual_mg: Mapping[str, float]
    estate_plan: Plan | None = None

    @property
    def by_tier(self) -> bool:
        """Whether the tier's own order is all there is."""
        return self.claims is None

    @property
    def program(self) -> tuple[Problem, Plan]:
        """The last program solved and its plan, whose stages are the rounds."""
        last = self.proofs[-1]
        return last.problem, last.plan

    def priority_of_rows(self) -> Ints:
        """Who goes first inside a class, lowest first, for each row the claims were made from."""
        if self.claims is None:
            return np.zeros(0, dtype=np.int64)
        ranked = np.append(self.priority, 0)
        return ranked[self.claims.of_row]


def tier_under(found: FoundPolicy, tier: Tier) -> Tier:
    """The tier as it stands under a policy: nobody is suspended unless the policy keeps the tier's order."""
    return tier if found.policy.keeps_tier_order else tier.model_copy(update={"suspend_grades": ()})


def tiers_under(found: FoundPolicy, tiers: TierSet) -> TierSet:
    """All tiers under a policy, each as :func:`tier_under` says."""
    if found.policy.keeps_tier_order:
        return tiers
    return tiers.model_copy(update={"tier": tuple(tier_under(found, tier) for tier in tiers.tier)})


def settle(
    found: FoundPolicy,
    problem: Problem,
    claims: Claims | None,
    *,
    usual_mg: Mapping[str, float] | None = None,
    solver: SolverName = "highs",
) -> Settled:
    """Allocate under a policy.

    Parameters
    ----------
    problem
        With the tier as it stands without a policy.
    claims
        Of that problem, as :mod:`allocation.optimise.policies.case` makes them; they may be left out for the tier's own
        order, which does not look at them.
    usual_mg
        Milligrams a week that each panel has been used to.

    Raises
    ------
    InputError
        Where the policy raises or says what it must not; the fault names it and its package.
    SolverError
        Where a program has no proven optimum.
    ValueError
        Where a policy that looks at claims is given none.
    """
    if isinstance(found.policy, GradeOrder):
        plan = solve(problem, solver=solver)
        whole = Proven(problem, plan, problem.classes["class_id"].to_numpy(dtype=np.int64))
        nothing = np.zeros(0, dtype=np.int64)
        return Settled(found, problem, plan, (whole,), (), nothing, None, (), problem, {}, {})
    if claims is None:
        raise ValueError(f"{found.whence} needs claims")
    problem = replace(problem, tier=tier_under(found, problem.tier))
    estate = find_estate(problem, claims, solver) if found.policy.uses_estate else None
    estate_mg = {} if estate is None else estate.mg
    usual = dict(usual_mg or {})
    asked = ask(found, make_case(problem, claims, estate_mg=estate_mg, usual_mg=usual))
    rounds = tuple(one for one in asked if one.claims_mg.any())
    proofs = solve_rounds(problem, claims, rounds, rounds_before_reserve(found, problem, claims, rounds), solver)
    served = replace(problem, tier=_service_tier(found, problem, rounds))
    return Settled(
        found=found,
        problem=served,
        plan=_folded(served, proofs[-1]),
        proofs=proofs,
        rounds=_totals(proofs),
        priority=_priority(problem, claims, rounds),
        claims=claims,
        asked=asked,
        asked_of=problem,
        estate_mg=estate_mg,
        usual_mg=usual,
        estate_plan=None if estate is None else estate.plan,
    )


def settle_demand(
    found: FoundPolicy, problem: Problem, demand: pd.DataFrame, *, solver: SolverName = "highs"
) -> Settled:
    """Allocate under a policy to the patients of the demand table that the problem was built from.

    As :func:`settle`, with claims and panels' usual use taken from the table.
    """
    if isinstance(found.policy, GradeOrder):
        return settle(found, problem, None, solver=solver)
    claims = claims_of_demand(problem, demand)
    return settle(found, problem, claims, usual_mg=usual_mg_by_panel(demand), solver=solver)


def _priority(problem: Problem, claims: Claims, rounds: tuple[Round, ...]) -> Ints:
    """First by round; what vials leave over then goes by the tier's order."""
    stage = claims.frame["stage"].to_numpy(dtype=np.int64)
    priority: Ints = priority_of(rounds, len(stage)) * len(problem.tier.stage) + stage
    return priority


def _service_tier(found: FoundPolicy, problem: Problem, rounds: Sequence[Round]) -> Tier:
    """The stages in which patients are served whole vials: the tier's own, or one for everybody.

    Where the tier's order does not hold, an earlier stage must not take what the plan gives a later one.
    """
    if found.policy.keeps_tier_order:
        return problem.tier
    served = [stage for stage in problem.tier.stage if not stage.emergencies_only]
    everyone = Stage(
        name=found.policy.title,
        grades=tuple(sorted({grade for stage in problem.tier.stage for grade in stage.grades}, reverse=True)),
        include_ungraded=any(stage.include_ungraded for stage in problem.tier.stage),
        emergencies_only=not served,
        fair_between=rounds[0].fair_between if len(rounds) == 1 else "panels",
    )
    hold = (Stage(name=HOLD),) if problem.reserve_mg is not None else ()
    return problem.tier.model_copy(update={"stage": (*hold, everyone)})


def _folded(problem: Problem, proven: Proven) -> Plan:
    """The plan by the classes and cells of the problem in which patients are served."""
    given = given_by_class(proven)
    net = index_problem(problem)
    total = given.groupby("class_id")["mg"].sum().reindex(net.class_id, fill_value=0).to_numpy(dtype=np.int64)
    planned = np.zeros(len(net.cell_due_mg), dtype=np.int64)
    served = net.cell >= 0
    np.add.at(planned, net.cell[served], total[served])
    cells = pd.DataFrame(
        {
            "stage": net.cell_stage,
            "panel": np.array(problem.panels, dtype=object)[net.cell_panel],
            "due_mg": net.cell_due_mg,
            "planned_mg": planned,
        }
    )
    return replace(proven.plan, given=given, cells=cells)


def _totals(proofs: Sequence[Proven]) -> tuple[RoundTotal, ...]:
    """What each round claims and gets, and after them what none claims."""
    totals = []
    for proven in proofs:
        # Rounds before the reserve have been told with their own program.
        told_already = 0 if proven is not proofs[0] else -1
        classes, given = proven.problem.classes, proven.plan.given
        stage_of = classes.set_index("class_id")["stage"]
        got = given.groupby(stage_of.loc[given["class_id"]].to_numpy())["mg"].sum().to_dict()
        claimed = classes.groupby("stage")["due_mg"].sum().to_dict()
        for number, rule in enumerate(proven.problem.tier.stage):
            if number in claimed and number != told_already:
                totals.append(RoundTotal(rule.name, to_g(int(claimed[number])), to_g(int(got.get(number, 0)))))
    return tuple(totals)
