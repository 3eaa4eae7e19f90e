"""Shadow prices under a policy: with other stock the policy is asked anew and its rounds are solved again.

A kilogram concerns one pool, so only that pool is solved again: its estate, and the rounds of its claims. The policy
sees the whole case each time; should it claim otherwise in another pool too, all is settled again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from allocation.optimise.network import Bools, Ints, Network, Pool, index_problem
from allocation.optimise.policies.base import Round
from allocation.optimise.policies.case import Claims, make_case
from allocation.optimise.policies.check import ask
from allocation.optimise.policies.rounds import (
    Proven,
    find_estate,
    given_by_class,
    rounds_before_reserve,
    solve_rounds,
)
from allocation.optimise.policies.run import Settled, settle
from allocation.optimise.problem import Problem
from allocation.optimise.shadow import ShadowPrices, Trials, price_pools, shadow_prices
from allocation.optimise.solvers import SolverName
from allocation.rules import NATIONAL

__all__ = ["settled_prices"]

_GRADES = 5


def settled_prices(settled: Settled, *, solver: SolverName = "highs") -> ShadowPrices:
    """What a kilogram more or fewer of a product at a panel adds to an allocation under a policy, or takes from it.

    As :func:`allocation.optimise.shadow.shadow_prices`; where the policy looks at the stock, it claims anew.

    Raises
    ------
    InputError
        Where the policy, asked about other stock, raises or says what it must not.
    SolverError
        Where a program has no proven optimum.
    """
    if settled.claims is None or (not settled.found.policy.uses_estate and len(settled.proofs) == 1):
        # No round depends on the stock, so the program stays the same.
        return shadow_prices(*settled.program, solver=solver)
    claims = settled.claims

    def trials(net: Network, pool: Pool) -> Trials:
        return _PoolAgain(settled, claims, net, pool, solver)

    rests_on = [proven.plan for proven in settled.proofs]
    if settled.estate_plan is not None:
        rests_on.append(settled.estate_plan)
    return price_pools(index_problem(settled.problem), settled.plan, trials, rests_on=rests_on)


class _PoolAgain:
    """A pool under a policy, settled again with other stock."""

    def __init__(self, settled: Settled, claims: Claims, net: Network, pool: Pool, solver: SolverName) -> None:
        self.settled, self.claims, self.pool, self.solver = settled, claims, pool, solver
        self.cost = len(pool.classes)
        self.estate_of: dict[bytes, dict[str, int]] = {}
        self.rounds_of: dict[tuple[int, ...], tuple[Round, ...]] = {}
        self.part = _part_of(settled.asked_of, pool)
        self.mine = claims.frame["panel"].isin(self.part.panels).to_numpy(dtype=np.bool_)
        frame = claims.frame[self.mine].reset_index(drop=True)
        self.my_claims = Claims(frame, np.zeros(0, dtype=np.int64))
        self.grade_of = settled.problem.classes.set_index("class_id")["grade"]
        there = np.array(net.problem.panels, dtype=object)[pool.panels]
        panel_of = settled.problem.classes.set_index("class_id")["panel"]
        given = settled.plan.given
        self.before = self._by_grade(given[panel_of.loc[given["class_id"]].isin(there).to_numpy(dtype=np.bool_)])

    def with_stock(self, changed: Network, *, more: bool) -> tuple[Ints, bool]:
        """As :meth:`allocation.optimise.shadow.Trials.with_stock` says."""
        del more
        settled = self.settled
        problem = _with_stock_of(self.part, changed, self.pool.locations)
        asked = self._asked(problem, changed) if settled.found.policy.uses_estate else settled.asked
        if not _same(asked, settled.asked, ~self.mine):
            return self._settled_anew(changed)
        rounds = [one for one in asked if one.claims_mg.any()]
        first = rounds_before_reserve(settled.found, settled.asked_of, self.claims, rounds)
        mine = [replace(one, claims_mg=one.claims_mg[self.mine]) for one in rounds]
        proofs = solve_rounds(problem, self.my_claims, mine, first, self.solver)
        last = len(proofs) - 1
        by_shares = all(_told_by_shares(proven, by_class=number < last) for number, proven in enumerate(proofs))
        return self._by_grade(given_by_class(proofs[-1])), by_shares

    def _asked(self, problem: Problem, changed: Network) -> tuple[Round, ...]:
        """The rounds with other stock. Where stock moves freely in the pool, it makes no difference where it lies."""
        rows, there_mg = changed.rows, changed.stock_mg[self.pool.locations]
        if rows is not None and changed.limited_by_rows(self.pool):
            key = there_mg.tobytes() + rows.fence_mg[:, self.pool.locations].tobytes()
        else:
            key = there_mg.sum(axis=0).tobytes()
        if key not in self.estate_of:
            self.estate_of[key] = find_estate(problem, self.my_claims, self.solver).mg
        mine = self.estate_of[key]
        amounts = tuple(mine.values())
        if amounts not in self.rounds_of:
            settled = self.settled
            estate = {**settled.estate_mg, **mine}
            case = make_case(settled.asked_of, self.claims, estate_mg=estate, usual_mg=settled.usual_mg)
            self.rounds_of[amounts] = ask(settled.found, case)
        return self.rounds_of[amounts]

    def _settled_anew(self, changed: Network) -> tuple[Ints, bool]:
        """What changes in all pools together, added to what was served in this one."""
        settled = self.settled
        problem = _with_stock_of(settled.asked_of, changed, np.arange(len(changed.stock_mg)))
        anew = settle(settled.found, problem, self.claims, usual_mg=settled.usual_mg, solver=self.solver)
        return self.before + self._by_grade(anew.plan.given) - self._by_grade(settled.plan.given), False

    def _by_grade(self, given: pd.DataFrame) -> Ints:
        grade = self.grade_of.loc[given["class_id"]].to_numpy(dtype=np.int64)
        return np.bincount(grade, weights=given["mg"].to_numpy(), minlength=_GRADES).astype(np.int64)


def _part_of(problem: Problem, pool: Pool) -> Problem:
    """The problem of a pool alone. Classes that no stage takes stay, since limits are shares of all that is due."""
    panels = tuple(problem.panels[number] for number in pool.panels.tolist())
    classes, reserve = problem.classes, problem.reserve_mg
    return replace(
        problem,
        panels=panels,
        region_of=tuple(problem.region_of[number] for number in pool.panels.tolist()),
        classes=classes[classes["panel"].isin(panels)].reset_index(drop=True),
        stock=problem.stock[:0],
        reserve_mg=None if reserve is None else reserve[reserve["pool"] == pool.name],
    )


def _with_stock_of(problem: Problem, net: Network, places: Ints) -> Problem:
    """The problem with the stock of a network at some places, and what of it is inside fences."""
    names = np.array([*net.problem.panels, NATIONAL], dtype=object)[places]
    at, product = np.nonzero(net.stock_mg[places])
    stock = pd.DataFrame(
        {
            "location": names[at],
            "product": np.array(net.product_codes, dtype=object)[product],
            "mg": net.stock_mg[places[at], product],
        }
    )
    limits, rows = problem.limits, net.rows
    if limits is not None and rows is not None:
        inside = [dict(zip(names.tolist(), of_fence.tolist(), strict=True)) for of_fence in rows.fence_mg[:, places]]
        fences = (replace(fence, mg=mg) for fence, mg in zip(limits.fences, inside, strict=True))
        limits = replace(limits, fences=tuple(fences))
    return replace(problem, stock=stock, limits=limits)


def _same(asked: tuple[Round, ...], before: tuple[Round, ...], rows: Bools) -> bool:
    """Whether rounds are the same but for what they claim for other rows."""
    return len(asked) == len(before) and all(
        one.fair_between == other.fair_between and np.array_equal(one.claims_mg[rows], other.claims_mg[rows])
        for one, other in zip(asked, before, strict=True)
    )


def _told_by_shares(proven: Proven, *, by_class: bool) -> bool:
    """Whether each cell served in part is of one grade, or for a program that others rest on, of one class."""
    net = index_problem(proven.problem)
    whose = proven.class_of[net.class_id] if by_class else net.grade
    served = net.cell >= 0
    cells = np.unique(np.stack([net.cell[served], whose[served]]), axis=1)[0]
    planned = proven.plan.cells["planned_mg"].to_numpy(dtype=np.int64)
    in_part = (planned > 0) & (planned < net.cell_due_mg)
    return bool((np.bincount(cells, minlength=len(planned))[in_part] == 1).all())
