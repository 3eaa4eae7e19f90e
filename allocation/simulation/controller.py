"""Which tier is in force: thresholds of cover, a margin to leave them, a lag, and a minimum stay."""

from __future__ import annotations

from dataclasses import dataclass, field

from allocation.scenario import Controller

__all__ = ["TierController"]

_LOWEST, _HIGHEST = 1, 4


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
    tier
        Tier in force.
    entered_week
        Week in which it came into force.
    """

    settings: Controller
    tier: int = field(init=False)
    entered_week: int = field(init=False, default=0)
    _ups: list[tuple[int, int]] = field(init=False, default_factory=list)
    _down_week: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.tier = self.settings.starting_tier

    def called_for(self, cover_weeks: float, product_cover_weeks: float) -> int:
        """The tier that cover calls for, looked at on its own.

        Parameters
        ----------
        cover_weeks
            National usable stock over expected weekly demand.
        product_cover_weeks
            The same of the product with the least, among those that meet enough of demand.
        """
        settings = self.settings
        if _below(cover_weeks, settings.enter_tier_4_below_weeks):
            return _HIGHEST
        if _below(cover_weeks, settings.enter_tier_3_below_weeks):
            return 3
        if _below(cover_weeks, settings.enter_tier_2_below_weeks):
            return 2
        return 2 if _below(product_cover_weeks, settings.product_enter_tier_2_below_weeks) else _LOWEST

    def step(self, week: int, cover_weeks: float, product_cover_weeks: float) -> int:
        """Review where a review is due, let decisions take effect, and return the tier in force this week."""
        if week % self.settings.review_every_weeks == 0:
            self._review(week, cover_weeks, product_cover_weeks)
        due = [tier for effect, tier in self._ups if effect <= week]
        self._ups = [(effect, tier) for effect, tier in self._ups if effect > week]
        if due and max(due) > self.tier:
            self._enter(max(due), week)
        elif self._down_week is not None and self._down_week <= week:
            self._enter(self.tier - 1, week)
        return self.tier

    def _review(self, week: int, cover_weeks: float, product_cover_weeks: float) -> None:
        wanted = self.called_for(cover_weeks, product_cover_weeks)
        effect = week + self.settings.decision_lag_weeks
        highest_decided = max([self.tier, *(tier for _, tier in self._ups)])
        if wanted > highest_decided:
            self._ups.append((effect, wanted))
        may_leave = self.tier > _LOWEST and not self._ups and self._calm(cover_weeks, product_cover_weeks)
        if not may_leave:
            self._down_week = None
        elif self._down_week is None and effect - self.entered_week >= self.settings.minimum_stay_weeks:
            self._down_week = effect

    def _calm(self, cover_weeks: float, product_cover_weeks: float) -> bool:
        margin = self.settings.leave_margin_weeks
        below = self.called_for(cover_weeks - margin, product_cover_weeks - margin)
        return below < self.tier

    def _enter(self, tier: int, week: int) -> None:
        self.tier = tier
        self.entered_week = week
        self._down_week = None


def _below(cover_weeks: float, threshold_weeks: float) -> bool:
    # A threshold of 0 turns its trigger off, also where a margin has been taken from the cover.
    return threshold_weeks > 0 and cover_weeks < threshold_weeks
