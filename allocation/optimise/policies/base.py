"""What a policy is: values in, rounds of claims out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.optimise.policies.rationing import pro_rata, whole
from allocation.rules.supply import Tier

__all__ = ["CLAIM_COLUMNS", "Case", "Ints", "Policy", "Round", "award_panels", "award_rows", "in_order"]

Ints = npt.NDArray[np.int64]

CLAIM_COLUMNS = (
    *("class_id", "pool", "stage", "panel", "grade", "emergency", "route", "product", "locked"),
    *("indication", "situation", "days_overdue", "patients", "due_mg"),
)
"""Columns of the claims of a case."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What a policy is asked about.

    Attributes
    ----------
    claims
        One row for patients alike in all of :data:`CLAIM_COLUMNS`, in an order that depends on what they are, not on
        how they came. ``pool``: places that share stock; ``stage``: the stage of the tier that serves them, 0 first;
        ``grade``: 4 to 1, 0 for ungraded; ``days_overdue``: 0 where due in the window; ``due_mg``: of the row's
        ``patients`` together. Nobody is in it whom the tier does not serve.
    tier
        What may be done.
    estate_mg
        Milligrams of the stock of each pool that some patient can be given, the emergency reserve set aside; empty for
        a policy that says it does not use it.
    usual_mg
        Milligrams a week that each panel's long-term patients are on: what it has been used to.
    """

    claims: pd.DataFrame
    tier: Tier
    estate_mg: Mapping[str, int]
    usual_mg: Mapping[str, float]

    def ints(self, column: str) -> Ints:
        """A column of whole numbers, shape (rows,)."""
        return self.claims[column].to_numpy(dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One step of a policy: served as fully as stock allows before the next round is looked at.

    Attributes
    ----------
    name
        In words, for the record of the run.
    claims_mg
        Milligrams claimed for each row of the case, shape (rows,). All rounds together claim at most what is due.
    fair_between
        Whose shares of the claims are raised together from the lowest up, where stock does not do for all.
    """

    name: str
    claims_mg: Ints
    fair_between: Literal["panels", "classes"] = "panels"


class Policy(ABC):
    """Who goes first.

    A policy says nothing of stock, products and vials: what it claims is served by the same program, within the same
    reach of the tier, and checked by the same verifier as everything else. What it does not claim, or what its claims
    leave, is served last in the order of the tier, so nothing usable lies idle.

    Attributes
    ----------
    name
        As people type it; the name of the entry point.
    title
        A few words.
    rule
        Half a sentence that a patient's reason can end with.
    keeps_tier_order
        Whether nobody of a later stage of the tier goes before anybody of an earlier one. Then the emergency reserve is
        held after the tier's first stage and grades are suspended as the tier says; otherwise the reserve is held
        before all, and the tier suspends nobody.
    uses_estate
        Whether ``estate_mg`` is needed; finding it takes a program of its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rule: ClassVar[str]
    keeps_tier_order: ClassVar[bool] = False
    uses_estate: ClassVar[bool] = True

    @abstractmethod
    def rounds(self, case: Case) -> Sequence[Round]:
        """Rounds of claims, first served first. The same case must always give the same rounds."""

    def assumptions(self) -> tuple[str, ...]:
        """What a reader must know of the figures behind it, one sentence each."""
        return ()


Rule = Callable[[Sequence[int], int, Ints], list[Fraction]]
"""Awards from claims, the estate, and the rows (or panels) that claim."""


def award_rows(case: Case, rule: Rule) -> Ints:
    """Share each pool's estate between the rows of its claims, in whole milligrams, shape (rows,)."""
    awards = np.zeros(len(case.claims), dtype=np.int64)
    due, pool = case.ints("due_mg"), case.claims["pool"].to_numpy()
    for name, estate in case.estate_mg.items():
        rows = np.flatnonzero(pool == name)
        if len(rows):
            awards[rows] = whole(rule(due[rows].tolist(), estate, rows))
    return awards


def award_panels(case: Case, rule: Rule) -> Ints:
    """Share each pool's estate between its panels, then inside each panel in the order of the tier's stages.

    Returns
    -------
    ndarray
        Whole milligrams, shape (rows,). The stage at which a panel's award ends shares what is left of it pro rata.
    """
    awards = np.zeros(len(case.claims), dtype=np.int64)
    due, stage = case.ints("due_mg"), case.ints("stage")
    pool, panel = case.claims["pool"].to_numpy(), case.claims["panel"].to_numpy()
    for name, estate in case.estate_mg.items():
        inside = np.flatnonzero(pool == name)
        panels, at = np.unique(panel[inside].astype(str), return_inverse=True)
        of_panel = [inside[at == number] for number in range(len(panels))]
        claims = [int(due[rows].sum()) for rows in of_panel]
        for mine, award in zip(of_panel, whole(rule(claims, estate, panels)).tolist(), strict=True):
            left = award
            for step in np.unique(stage[mine]).tolist():
                rows = mine[stage[mine] == step]
                # Shares are worked out in fractions only where there are any.
                enough = left >= int(due[rows].sum())
                awards[rows] = due[rows] if enough else whole(pro_rata(due[rows].tolist(), left)) if left else 0
                left -= int(awards[rows].sum())
    return awards


def in_order(case: Case, rank: npt.NDArray[np.generic], name: Callable[[int], str]) -> tuple[Round, ...]:
    """A round for each value of a rank, the lowest first, that claims all that is due to its rows.

    Parameters
    ----------
    rank
        Shape (rows,).
    name
        Name of a round, from the position of one of its rows.
    """
    due = case.ints("due_mg")
    values, first = np.unique(rank, return_index=True)
    return tuple(
        Round(name(at), np.where(rank == value, due, 0)) for value, at in zip(values, first.tolist(), strict=True)
    )
