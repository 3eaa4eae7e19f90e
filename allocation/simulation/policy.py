"""The policy of a run: what it changes of the tiers and the reserve, and the plan of a week under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from allocation.optimise.certificate import Certificate
from allocation.optimise.plan import Plan
from allocation.optimise.policies import DEFAULT_POLICY, gather_claims, settle, verify_settled
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.verify import verify
from allocation.simulation.demand import Floats, Ints, People
from allocation.simulation.world import World

__all__ = ["WeekPlan", "plan_week"]


@dataclass(frozen=True, slots=True, eq=False)
class WeekPlan:
    """The plan of a week, and who of those who wait goes first inside a class, the lowest first.

    ``priority`` is None where the policy leaves that to the tier; ``prove`` puts the plan before the verifier.
    """

    plan: Plan
    priority: Ints | None
    prove: Callable[[], Certificate]


def plan_week(
    world: World, problem: Problem, who: People, *, group: Ints, owed_mg: Ints, due_day: Floats, day: int
) -> WeekPlan:
    """Solve the week's problem under the policy of the run.

    Parameters
    ----------
    who, group, owed_mg, due_day
        Those who wait: the class of the problem, milligrams owed and the day they fell due, shape (people,).
    """
    if world.scenario.run.policy == DEFAULT_POLICY:
        plan = solve(problem, solver=world.solver)
        return WeekPlan(plan, None, partial(verify, problem, plan))
    places = world.places
    of_entry = [np.array(part, dtype=object)[who.entry] for part in zip(*places.entries, strict=True)]
    rows = pd.DataFrame(
        {
            "class_id": group,
            "indication": of_entry[0],
            "situation": of_entry[1],
            "days_overdue": np.maximum(np.floor(day - due_day), 0).astype(np.int64),
            "due_mg": owed_mg,
        }
    )
    usual = dict(zip(places.panels, world.use_mg.sum(axis=1).tolist(), strict=True))
    settled = settle(world.policy, problem, gather_claims(problem, rows), usual_mg=usual, solver=world.solver)
    return WeekPlan(settled.plan, settled.priority_of_rows(), partial(verify_settled, settled))
