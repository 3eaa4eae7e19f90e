"""Checking an allocation under a policy, and telling patients by which rule it was made."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd

from allocation.errors import InputError
from allocation.optimise.certificate import Certificate, Check, check
from allocation.optimise.patients import PatientResult
from allocation.optimise.policies.case import make_case
from allocation.optimise.policies.check import ask
from allocation.optimise.policies.run import Settled
from allocation.optimise.verify import verify
from allocation.optimise.verify_patients import verify_patients
from allocation.optimise.verify_plan import verify_plan

__all__ = ["told", "verify_settled", "with_priority"]


def with_priority(settled: Settled, demand: pd.DataFrame) -> pd.DataFrame:
    """The demand table with what decides who of a class goes first, where the policy has a say in it."""
    if settled.by_tier:
        return demand
    return demand.assign(priority=settled.priority_of_rows())


def told(settled: Settled, result: PatientResult) -> PatientResult:
    """The patient list with the policy's rule in every reason it decided."""
    if settled.by_tier:
        return result
    words = f" Policy {settled.found.name}: {settled.found.policy.rule}."
    reason = result.patients["reason"].mask(
        result.patients["status"] != "not_funded", result.patients["reason"].astype(str) + words
    )
    return replace(result, patients=result.patients.assign(reason=reason))


def verify_settled(
    settled: Settled,
    *,
    demand: pd.DataFrame | None = None,
    stock: pd.DataFrame | None = None,
    result: PatientResult | None = None,
) -> Certificate:
    """Check the programs of a policy, that the plan is what they say, and the whole vials where they are given too.

    Each program is proven best by the verifier of plans: every round served as far as the rounds before leave, fairly
    inside, with the fewest switches and moves.

    Parameters
    ----------
    demand, stock, result
        As for :func:`allocation.optimise.verify.verify`; ``demand`` as :func:`with_priority` made it.
    """
    if settled.by_tier:
        return verify(settled.problem, settled.plan, demand=demand, stock=stock, result=result)
    checks: list[Check] = []
    for number, proven in enumerate(settled.proofs):
        early = number < len(settled.proofs) - 1
        found = verify_plan(proven.problem, proven.plan)
        checks += [replace(item, name=f"{item.name}, rounds before the reserve") for item in found] if early else found
    checks.append(check("policy: asked again, it says the same", _again_broken(settled), "the same rounds"))
    checks.append(
        check("policy: rounds claim what is due, each gram once", _claims_broken(settled), "every class of patients")
    )
    checks.append(check("policy: the plan is the sum of its rounds", _sum_broken(settled), "every class and product"))
    if demand is not None and stock is not None and result is not None:
        checks += verify_patients(settled.problem, demand, stock, result)
    return Certificate(tuple(checks))


def _again_broken(settled: Settled) -> list[str]:
    if settled.claims is None:
        return []
    case = make_case(settled.asked_of, settled.claims, estate_mg=settled.estate_mg, usual_mg=settled.usual_mg)
    try:
        again = ask(settled.found, case)
    except InputError as error:
        return [str(fault) for fault in error.faults]
    if len(again) != len(settled.asked):
        return [f"{len(again)} rounds, not {len(settled.asked)}"]
    return [
        one.name
        for one, other in zip(settled.asked, again, strict=True)
        if one.name != other.name
        or one.fair_between != other.fair_between
        or not np.array_equal(one.claims_mg, other.claims_mg)
    ]


def _claims_broken(settled: Settled) -> list[str]:
    classes = settled.problem.classes
    due = dict(zip(classes["class_id"].tolist(), classes["due_mg"].tolist(), strict=True))
    broken = []
    for proven in settled.proofs:
        total: dict[int, int] = defaultdict(int)
        for code, mg in zip(proven.class_of.tolist(), proven.problem.classes["due_mg"].tolist(), strict=True):
            total[code] += mg
        broken += [f"class {code}" for code, mg in due.items() if total[code] != mg]
    return broken


def _sum_broken(settled: Settled) -> list[str]:
    proven = settled.proofs[-1]
    of_part = dict(zip(proven.problem.classes["class_id"].tolist(), proven.class_of.tolist(), strict=True))
    parts, whole = _sums(proven.plan.given), _sums(settled.plan.given)
    summed: dict[tuple[int, str], int] = defaultdict(int)
    for (part, product), mg in parts.items():
        summed[of_part[part], product] += mg
    broken = [f"{key[1]} for class {key[0]}" for key in {*summed, *whole} if summed.get(key, 0) != whole.get(key, 0)]
    if int(settled.plan.cells["planned_mg"].sum()) != sum(whole.values()):
        broken.append("the cells")
    return broken


def _sums(given: pd.DataFrame) -> dict[tuple[int, str], int]:
    total: dict[tuple[int, str], int] = defaultdict(int)
    columns = (given[name].tolist() for name in ("class_id", "product", "mg"))
    for class_id, product, mg in zip(*columns, strict=True):
        total[class_id, product] += mg
    return total
