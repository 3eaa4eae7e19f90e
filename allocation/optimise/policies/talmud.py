"""Half of what is due, equally, before anybody's second half."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_panels
from allocation.optimise.policies.rationing import talmud

__all__ = ["Talmud"]


class Talmud(Policy):
    """Half of what is due, equally, before anybody's second half; inside a panel, the order of the tier."""

    name = "talmud"
    title = "Talmud"
    rule = (
        "panels share the stock by the Talmud's rule (equal awards up to half of each claim, equal losses beyond), "
        "and inside a panel the order of the tier holds"
    )

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: the Talmud's rule between the panels of each pool of stock."""
        awards = award_panels(case, lambda claims, estate, _: talmud(claims, estate))
        return (Round("awards by the Talmud's rule between panels", awards, "panels"),)
