"""The order of the tier: the plan as it stands."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round

__all__ = ["GradeOrder"]


class GradeOrder(Policy):
    """The stages of the tier in their order and nothing else: grades 4, 3, 2, 1 when the plan is in force."""

    name = "grade_order"
    title = "Grade order"
    rule = "the order of the tier: grade 4, 3, 2, 1 when the plan is in force"
    keeps_tier_order = True
    uses_estate = False

    def rounds(self, case: Case) -> Sequence[Round]:  # noqa: ARG002 - it claims nothing of its own
        """No round: all is left to the order of the tier."""
        return ()
