"""A policy's rounds as programs.

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

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.optimise.network import NONE, index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.policies.base import Ints, Round
from allocation.optimise.policies.case import Claims
from allocation.optimise.policies.registry import FoundPolicy
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.solvers import SolverName
from allocation.rules.supply import Stage, Tier

__all__ = ["HOLD", "Estate", "Proven", "find_estate", "given_by_class", "rounds_before_reserve", "solve_rounds"]

HOLD = "before all, the emergency reserve"
# Milligrams: how far below a whole number a solver may tell it.
_WHOLE_MG = 1e-3


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
class Estate:
    """What claims can be given, and the plan that shows it.

    Attributes
    ----------
    mg
        Milligrams of each pool's stock that some claim can be given, the reserve set aside first.
    """

    mg: dict[str, int]
    plan: Plan


def rounds_before_reserve(found: FoundPolicy, problem: Problem, claims: Claims, rounds: Sequence[Round]) -> int:
    """How many rounds are served before the emergency reserve is held; 0 where it is held before all, or none is.

    Under a policy that keeps the tier's order they are those of its first stage: each is of one stage, and they come
    first.
    """
    if problem.reserve_mg is None or not found.policy.keeps_tier_order:
        return 0
    stage = claims.frame["stage"].to_numpy()
    return sum(not stage[one.claims_mg > 0].any() for one in rounds)


def solve_rounds(
    problem: Problem, claims: Claims, rounds: Sequence[Round], before_reserve: int, solver: SolverName
) -> tuple[Proven, ...]:
    """The programs of a policy's rounds, the last of them the whole.

    Parameters
    ----------
    problem
        With the tier as it stands under the policy.
    before_reserve
        As :func:`rounds_before_reserve` says.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    """
    proofs: list[Proven] = []
    if before_reserve > 1:
        early = replace(problem, reserve_mg=None)
        proofs.append(_solved(early, claims, [_part(one) for one in rounds[:before_reserve]], solver))
        parts = _after(problem, claims, rounds, before_reserve, proofs[0])
    else:
        held_first = problem.reserve_mg is not None and not before_reserve
        parts = [*([_hold(claims)] if held_first else []), *(_part(one) for one in rounds)]
    proofs.append(_solved(problem, claims, [*parts, *_rest(problem.tier, claims, parts)], solver))
    return tuple(proofs)


def find_estate(problem: Problem, claims: Claims, solver: SolverName) -> Estate:
    """The estate that a policy is told of.

    Raises
    ------
    SolverError
        Where the program has no proven optimum.
    """
    everyone = Stage(name="everyone"), claims.frame["due_mg"].to_numpy(dtype=np.int64)
    parts = [everyone] if problem.reserve_mg is None else [_hold(claims), everyone]
    plan = _solved(problem, claims, parts, solver).plan
    # Not the sum of what is given, for which the share of each panel is rounded down.
    stages = zip(index_problem(problem).pools, plan.pool_stages, strict=True)
    return Estate({pool.name: int(np.floor(of_pool[-1].served_mg + _WHOLE_MG)) for pool, of_pool in stages}, plan)


Part = tuple[Stage, Ints]
"""A stage of a program, and the milligrams that each claim asks for in it."""


def _part(one: Round) -> Part:
    return Stage(name=one.name, fair_between=one.fair_between), one.claims_mg


def _hold(claims: Claims) -> Part:
    """A stage with nobody in it: the reserve has its place after the first stage."""
    return Stage(name=HOLD), np.zeros(len(claims.frame), dtype=np.int64)


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
    given = given_by_class(early).groupby("class_id")["mg"].sum()
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
        # Not rounded up, or how a class is cut into rounds would change how much of it can be infused.
        frame["courses"] = frame["courses"].to_numpy(dtype=np.float64) * (due_mg / np.maximum(due[rows], 1))
    stages = tuple(rule for rule, _ in parts) or problem.tier.stage
    staged = replace(problem, tier=problem.tier.model_copy(update={"stage": stages}), classes=frame)
    return Proven(staged, solve(staged, solver=solver), classes["class_id"].to_numpy(dtype=np.int64)[rows])


def _append(of_class: list[Ints], stage: list[Ints], mg: list[Ints], total: Ints, number: int) -> None:
    there = np.flatnonzero(total > 0)
    of_class.append(there)
    stage.append(np.full(len(there), number, dtype=np.int64))
    mg.append(total[there])


def given_by_class(proven: Proven) -> pd.DataFrame:
    """What a plan gives, by class of the problem and product."""
    given = proven.plan.given
    named = given.assign(class_id=proven.class_of[given["class_id"].to_numpy(dtype=np.int64)])
    return named.groupby(["class_id", "product"], sort=True)["mg"].sum().reset_index()
