"""Which tier is in force: thresholds of cover, a margin to leave them, a lag, and a minimum stay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocation.scenario import Controller
from allocation.simulation.demand import Floats

__all__ = ["TierController"]

_LOWEST = 1


@dataclass(slots=True)
class TierController:
    """The national decision, week by week.

    On the way up a decision goes straight to the tier that cover calls for; on the way down one tier is left at a
    time. A decision takes effect ``decision_lag_weeks`` after the review. One to go up stands once taken; one to
    go down is dropped if cover no longer allows it when it is due.

    Attributes
    ----------
    settings
        The scenario's numbers.
    limits
        Of each trigger for tiers 2, 3 and 4; see :func:`allocation.simulation.cover.trigger_limits`.
    tier
        Tier in force.
    entered_week
        Week in which it came into force.
    """

    settings: Controller
    limits: Floats
    tier: int = field(init=False)
    entered_week: int = field(init=False, default=0)
    _ups: list[tuple[int, int]] = field(init=False, default_factory=list)
    _down_week: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.tier = self.settings.starting_tier

    def called_for(self, cover_weeks: Floats) -> int:
        """The tier that cover calls for, looked at on its own: the highest of all triggers.

        Parameters
        ----------
        cover_weeks
            Of each trigger; see :func:`allocation.simulation.cover.cover_weeks`.
        """
        # A threshold of 0 turns its trigger off, also where a margin has been taken from the cover.
        below = (self.limits > 0) & (cover_weeks[:, None] < self.limits)
        called = np.flatnonzero(below.any(axis=0))
        return int(called[-1]) + 2 if called.size else _LOWEST

    def step(self, week: int, cover_weeks: Floats, left_weeks: Floats) -> int:
        """Review where a review is due, let decisions take effect, and return the tier in force this week.

        Parameters
        ----------
        cover_weeks
            Of each trigger, which calls for a tier.
        left_weeks
            The same less what the backlog will take, by which alone a tier is left.
        """
        if week % self.settings.review_every_weeks == 0:
            self._review(week, cover_weeks, left_weeks)
        due = [tier for effect, tier in self._ups if effect <= week]
        self._ups = [(effect, tier) for effect, tier in self._ups if effect > week]
        if due and max(due) > self.tier:
            self._enter(max(due), week)
        elif self._down_week is not None and self._down_week <= week:
            self._enter(self.tier - 1, week)
        return self.tier

    def _review(self, week: int, cover_weeks: Floats, left_weeks: Floats) -> None:
        wanted = self.called_for(cover_weeks)
        effect = week + self.settings.decision_lag_weeks
        highest_decided = max([self.tier, *(tier for _, tier in self._ups)])
        if wanted > highest_decided:
            self._ups.append((effect, wanted))
        may_leave = self.tier > _LOWEST and not self._ups and self._calm(left_weeks)
        if not may_leave:
            self._down_week = None
        elif self._down_week is None and effect - self.entered_week >= self.settings.minimum_stay_weeks:
            self._down_week = effect

    def _calm(self, left_weeks: Floats) -> bool:
        return self.called_for(left_weeks - self.settings.leave_margin_weeks) < self.tier

    def _enter(self, tier: int, week: int) -> None:
        self.tier = tier
        self.entered_week = week
        self._down_week = None
