"""Every patient the same grams, at most what is due."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_rows
from allocation.optimise.policies.rationing import equal_awards

__all__ = ["EqualPerPatient"]


class EqualPerPatient(Policy):
    """The same grams for every patient, but no more than is due; whatever the grade."""

    name = "equal_per_patient"
    title = "Equal per patient"
    rule = "every patient is planned the same grams, at most what is due, whatever the grade"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: equal awards, each row weighing as many as it has patients."""
        patients = case.ints("patients")
        awards = award_rows(case, lambda claims, estate, rows: equal_awards(claims, estate, patients[rows].tolist()))
        return (Round("the same grams for every patient", awards, "classes"),)
