"""Refusing what a policy must not say. Its code may come from another package."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from allocation.errors import Fault, InputError
from allocation.optimise.policies.base import Case, Ints, Round
from allocation.optimise.policies.registry import FoundPolicy

__all__ = ["ask", "priority_of"]


def ask(found: FoundPolicy, case: Case) -> tuple[Round, ...]:
    """The rounds that a policy gives for a case.

    Raises
    ------
    InputError
        Naming the policy and its package, where it raises, gives something other than rounds of whole milligrams from 0
        to what is due, or says that it keeps the tier's order and does not.
    """
    due = case.claims["due_mg"].to_numpy(dtype=np.int64).copy()
    stage = case.claims["stage"].to_numpy(dtype=np.int64).copy()
    try:
        given = found.policy.rounds(case)
        rounds = tuple(given) if isinstance(given, Iterable) else None
    except Exception as error:
        raise InputError(Fault(found.whence, "rounds of claims", value=f"{type(error).__name__}: {error}")) from error
    if rounds is None or not all(isinstance(one, Round) for one in rounds):
        raise InputError(Fault(found.whence, "a sequence of Round", value=type(given).__name__))
    faults = [fault for number, one in enumerate(rounds) for fault in _faults(found, number, one, due)]
    if faults:
        raise InputError(faults)
    claimed = np.zeros(len(due), dtype=np.int64)
    for number, one in enumerate(rounds):
        claimed += np.asarray(one.claims_mg, dtype=np.int64)
        if (claimed > due).any():
            row = int(np.flatnonzero(claimed > due)[0])
            raise InputError(
                Fault(
                    found.whence,
                    "claims of at most what is due, all rounds together",
                    column=f"round {number + 1}",
                    value=f"{claimed[row]} mg of {due[row]} mg due",
                )
            )
    if found.policy.keeps_tier_order and not _keeps_order(rounds, stage, due):
        raise InputError(
            Fault(
                found.whence,
                "rounds of one stage of the tier each, and no claim of a stage before all of the one above is claimed",
                remedy="It says that it keeps the tier's order.",
            )
        )
    return tuple(Round(one.name, np.asarray(one.claims_mg, dtype=np.int64), one.fair_between) for one in rounds)


def _faults(found: FoundPolicy, number: int, one: Round, due: Ints) -> list[Fault]:
    place = f"round {number + 1}"
    claims = np.asarray(one.claims_mg)
    faults = []
    if not isinstance(one.name, str) or not one.name.strip():
        faults.append(Fault(found.whence, "a name in words", column=place))
    if one.fair_between not in ("panels", "classes"):
        faults.append(Fault(found.whence, "panels or classes", column=f"{place}, fair_between", value=one.fair_between))
    if claims.shape != due.shape:
        faults.append(
            Fault(found.whence, f"one claim for each of {len(due)} rows", column=place, value=str(claims.shape))
        )
    elif not np.issubdtype(claims.dtype, np.integer):
        faults.append(Fault(found.whence, "claims in whole milligrams", column=place, value=str(claims.dtype)))
    elif (claims < 0).any():
        faults.append(Fault(found.whence, "claims of 0 mg or more", column=place, value=str(int(claims.min()))))
    elif (claims > due).any():
        row = int(np.flatnonzero(claims > due)[0])
        faults.append(
            Fault(
                found.whence,
                "claims of at most what is due",
                column=place,
                value=f"{int(claims[row])} mg of {due[row]} mg due",
            )
        )
    return faults


def _keeps_order(rounds: tuple[Round, ...], stage: Ints, due: Ints) -> bool:
    claimed = np.zeros(len(due), dtype=np.int64)
    for one in rounds:
        used = np.unique(stage[one.claims_mg > 0])
        if len(used) > 1 or (len(used) and (claimed < due)[stage < used[0]].any()):
            return False
        claimed += one.claims_mg
    return True


def priority_of(rounds: tuple[Round, ...], rows: int) -> Ints:
    """First round in which each row claims anything, shape (rows,); one beyond the last where it never does."""
    priority = np.full(rows, len(rounds), dtype=np.int64)
    for number in reversed(range(len(rounds))):
        priority[rounds[number].claims_mg > 0] = number
    return priority
