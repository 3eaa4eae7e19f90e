"""From a policy's rounds to one plan.

Rounds are stages of one program: a class that claims in several rounds stands in it once for each, with what it claims
there. So each round is served as fully as the rounds before leave, and fairly inside, by the same solver and under the
same proof as the tier's own stages; and no round ties up a product, a switch or a delivery that a later one needs more,
as it would if rounds were allocated one after the other.

What no round claims is served last, in the order of the tier. The emergency reserve is held before all rounds; under a
policy that keeps the tier's order, after the tier's first stage. The reserve has its place after the first stage of a
program, so where several rounds come before it, what each class gets of them is found by a program of its own, and is
then the first stage of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.optimise.network import NONE, index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.policies.base import Ints, Round
from allocation.optimise.policies.case import Claims, claims_of_demand, make_case, usual_mg_by_panel
from allocation.optimise.policies.check import ask, priority_of
from allocation.optimise.policies.grade_order import GradeOrder
from allocation.optimise.policies.registry import FoundPolicy
from allocation.optimise.problem import Problem
from allocation.optimise.program import SolverName, solve
from allocation.quantities import MG_PER_G, to_g
from allocation.rules import NATIONAL
from allocation.rules.supply import Stage, Tier, TierSet

__all__ = ["Proven", "RoundTotal", "Settled", "settle", "settle_demand", "tier_under", "tiers_under"]


_HOLD = "before all, the emergency reserve"
_EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class RoundTotal:
    """Grams that a round claims, and what the plan gives of them."""

    name: str
    claimed_g: float
    planned_g: float


@dataclass(frozen=True, slots=True, eq=False)
class Proven:
    """A program as it was solved, and its plan: what the verifier proves best.

    Attributes
    ----------
    class_of
        Class of the problem that each class of the program is a part of, by position, shape (classes,).
    """

    problem: Problem
    plan: Plan
    class_of: Ints


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
    estate = _estate_mg(problem, claims, solver) if found.policy.uses_estate else {}
    usual = dict(usual_mg or {})
    asked = ask(found, make_case(problem, claims, estate_mg=estate, usual_mg=usual))
    rounds = tuple(one for one in asked if one.claims_mg.any())
    reserve = problem.reserve_mg is not None
    first = _before_reserve(claims, rounds) if reserve and found.policy.keeps_tier_order else 0
    proofs: list[Proven] = []
    if first > 1:
        early = replace(problem, reserve_mg=None)
        proofs.append(_solved(early, claims, [_part(one) for one in rounds[:first]], solver))
        parts = _after(problem, claims, rounds, first, proofs[0])
    else:
        parts = [*([_hold(claims)] if reserve and not first else []), *(_part(one) for one in rounds)]
    proofs.append(_solved(problem, claims, [*parts, *_rest(problem.tier, claims, parts)], solver))
    served = replace(problem, tier=_service_tier(found, problem, rounds))
    return Settled(
        found=found,
        problem=served,
        plan=_folded(served, proofs[-1]),
        proofs=tuple(proofs),
        rounds=_totals(proofs),
        priority=_priority(problem, claims, rounds),
        claims=claims,
        asked=asked,
        asked_of=problem,
        estate_mg=estate,
        usual_mg=usual,
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


def _estate_mg(problem: Problem, claims: Claims, solver: SolverName) -> dict[str, int]:
    """Milligrams of each pool's stock that some claim can be given, the reserve set aside first."""
    everyone = Stage(name=_EVERYONE), claims.frame["due_mg"].to_numpy(dtype=np.int64)
    parts = [everyone] if problem.reserve_mg is None else [_hold(claims), everyone]
    proven = _solved(problem, claims, parts, solver)
    panel = proven.problem.classes.set_index("class_id")["panel"]
    pool_of = dict(zip(claims.frame["panel"], claims.frame["pool"], strict=True))
    estate = dict.fromkeys(problem.pools, 0)
    given = proven.plan.given
    for code, mg in zip(panel.loc[given["class_id"]].tolist(), given["mg"].tolist(), strict=True):
        estate[pool_of[code]] += mg
    # A plan rounds the share of each panel down to a milligram; its objective tells what that leaves out.
    unmet_g = next(item.value for item in proven.plan.objectives if item.name == f"{_EVERYONE}: unmet, g")
    cut_off = int(everyone[1].sum()) - round(unmet_g * MG_PER_G) - sum(estate.values())
    for pool, spare in _spare_mg(problem, proven.plan).items():
        more = min(cut_off, spare)
        estate[pool] += more
        cut_off -= more
    return estate


def _spare_mg(problem: Problem, plan: Plan) -> dict[str, int]:
    """At most a milligram for each panel of a pool, where stock is left in it."""
    net = index_problem(problem)
    place_of = {code: place for place, code in enumerate((*problem.panels, NATIONAL))}
    left = net.stock_mg.sum(axis=1)
    np.subtract.at(left, [place_of[code] for code in plan.flows["from_location"].tolist()], plan.flows["mg"].to_numpy())
    held = plan.reserve.groupby("pool")["mg"].sum().to_dict()
    spare = {}
    for pool in net.pools:
        there = int(left[pool.locations].sum()) - int(held.get(pool.name, 0))
        spare[pool.name] = min(max(there, 0), len(pool.panels))
    return spare


def _before_reserve(claims: Claims, rounds: Sequence[Round]) -> int:
    """How many rounds are of the tier's first stage; each is of one stage, and they come first."""
    stage = claims.frame["stage"].to_numpy()
    return sum(not stage[one.claims_mg > 0].any() for one in rounds)


Part = tuple[Stage, Ints]
"""A stage of a program, and the milligrams that each claim asks for in it."""


def _part(one: Round) -> Part:
    return Stage(name=one.name, fair_between=one.fair_between), one.claims_mg


def _hold(claims: Claims) -> Part:
    """A stage with nobody in it: the reserve has its place after the first stage."""
    return Stage(name=_HOLD), np.zeros(len(claims.frame), dtype=np.int64)


def _rest(tier: Tier, claims: Claims, parts: Sequence[Part]) -> list[Part]:
    """What no part asks for, in the tier's stages."""
    left = claims.frame["due_mg"].to_numpy(dtype=np.int64) - sum(mg for _, mg in parts)
    stage = claims.frame["stage"].to_numpy()
    rest = []
    for number, rule in enumerate(tier.stage):
        mg = np.where(stage == number, left, 0)
        if mg.any():
            rest.append((Stage(name=f"what is left, {rule.name}", fair_between=rule.fair_between), mg))
    return rest


def _after(problem: Problem, claims: Claims, rounds: Sequence[Round], first: int, early: Proven) -> list[Part]:
    """What the early rounds give, as the first stage of the whole, and the rounds after it."""
    given = _by_class(early).groupby("class_id")["mg"].sum()
    class_id = claims.frame["class_id"].to_numpy()
    claimed = np.sum([one.claims_mg for one in rounds[:first]], axis=0)
    got = np.zeros(len(class_id), dtype=np.int64)
    # Which claims of a class make up its first stage does not matter to the program; they are filled in order.
    for code, total in given.items():
        left = int(total)
        for row in np.flatnonzero(class_id == code).tolist():
            got[row] = min(left, int(claimed[row]))
            left -= int(got[row])
    return [(Stage(name=problem.tier.stage[0].name), got), *(_part(one) for one in rounds[first:])]


def _solved(problem: Problem, claims: Claims, parts: Sequence[Part], solver: SolverName) -> Proven:
    """Solve the problem with a class for each class and stage; what no stage asks for keeps its place without one.

    Limits that are shares of what is due thus stay what they are.
    """
    classes = problem.classes.reset_index(drop=True)
    at = {code: place for place, code in enumerate(classes["class_id"].tolist())}
    place = np.array([at[code] for code in claims.frame["class_id"].tolist()], dtype=np.int64)
    due = classes["due_mg"].to_numpy(dtype=np.int64)
    left = due.copy()
    none = np.zeros(0, dtype=np.int64)
    of_class, stage, mg = [none], [none], [none]
    for number, (_, claims_mg) in enumerate(parts):
        total = np.zeros(len(classes), dtype=np.int64)
        np.add.at(total, place, claims_mg)
        left -= total
        _append(of_class, stage, mg, total, number)
    _append(of_class, stage, mg, left, NONE)
    rows, due_mg = np.concatenate(of_class), np.concatenate(mg)
    frame = classes.iloc[rows].reset_index(drop=True)
    frame = frame.assign(class_id=np.arange(len(frame), dtype=np.int64), due_mg=due_mg, stage=np.concatenate(stage))
    if "courses" in frame:
        # A part of a class holds at least its part of the courses.
        share = due_mg / np.maximum(due[rows], 1)
        frame["courses"] = np.ceil(frame["courses"].to_numpy(dtype=np.int64) * share).astype(np.int64)
    stages = tuple(rule for rule, _ in parts) or problem.tier.stage
    staged = replace(problem, tier=problem.tier.model_copy(update={"stage": stages}), classes=frame)
    return Proven(staged, solve(staged, solver=solver), classes["class_id"].to_numpy(dtype=np.int64)[rows])


def _append(of_class: list[Ints], stage: list[Ints], mg: list[Ints], total: Ints, number: int) -> None:
    there = np.flatnonzero(total > 0)
    of_class.append(there)
    stage.append(np.full(len(there), number, dtype=np.int64))
    mg.append(total[there])


def _by_class(proven: Proven) -> pd.DataFrame:
    """What a plan gives, by class of the problem and product."""
    given = proven.plan.given
    named = given.assign(class_id=proven.class_of[given["class_id"].to_numpy(dtype=np.int64)])
    return named.groupby(["class_id", "product"], sort=True)["mg"].sum().reset_index()


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
    hold = (Stage(name=_HOLD),) if problem.reserve_mg is not None else ()
    return problem.tier.model_copy(update={"stage": (*hold, everyone)})


def _folded(problem: Problem, proven: Proven) -> Plan:
    """The plan by the classes and cells of the problem in which patients are served."""
    given = _by_class(proven)
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
