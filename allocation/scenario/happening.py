"""What all that happens in a scenario shares: when it starts, and how sure its numbers are.

Weeks count from 0, the first week of the run. What happens starts on the first day of ``start_week`` and ends
before the first day of ``start_week + weeks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Model, RunWeek, RunWeeks

__all__ = ["Happening", "Share", "Spread", "Week", "Weeks", "Weight", "lasting", "percent"]

Week = RunWeek
Weeks = RunWeeks
Share = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e6)]


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.4g} %"


def lasting(weeks: int) -> str:
    """How long, in words."""
    return f"for {weeks} week{'' if weeks == 1 else 's'}"


class Spread(Model):
    """Between what limits a number lies; each replication draws its own.

    ``triangular`` has its peak at the number the spread belongs to, ``uniform`` favours none.
    """

    distribution: Literal["triangular", "uniform"] = "triangular"
    low: float
    high: float

    def at(self, uniform: float, peak: float) -> float:
        """The number at a uniform draw from 0 to 1, by the inverse of the distribution."""
        width = self.high - self.low
        if width == 0:
            return self.low
        if self.distribution == "uniform":
            return self.low + uniform * width
        left = (peak - self.low) / width
        if uniform < left:
            return self.low + width * float((uniform * left) ** 0.5)
        return self.high - width * float(((1 - uniform) * (1 - left)) ** 0.5)


class Happening(Model):
    """Something that happens in a scenario.

    ``spread`` names numbers that are drawn anew for each replication; the number itself stays the one that is
    told, and the peak of a triangular spread.
    """

    start_week: Week
    text: str = ""
    spread: dict[str, Spread] = {}

    @property
    def from_week(self) -> int:
        """Week in which patients' supply or demand first feels it."""
        return self.start_week

    @model_validator(mode="after")
    def _spread_is_possible(self) -> Self:
        for key, spread in self.spread.items():
            value = getattr(self, key, None) if key in type(self).model_fields else None
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is None or not is_number:
                raise ValueError(f"spread.{key} belongs to no number of this table")
            if not spread.low <= value <= spread.high:
                raise ValueError(f"{key} must lie within its spread, from {spread.low:g} to {spread.high:g}")
            # Both ends must be numbers that could have been written in the place of the middle one.
            for end in (spread.low, spread.high):
                self._with({key: round(end) if isinstance(value, int) else end})
        return self

    def drawn(self, luck: Mapping[str, float]) -> Self:
        """The same with its spread numbers drawn; a whole number stays one.

        Parameters
        ----------
        luck
            Uniform draw for each key of ``spread``.
        """
        changed: dict[str, Any] = {}
        for key, spread in self.spread.items():
            value = getattr(self, key)
            number = spread.at(luck[key], float(value))
            changed[key] = round(number) if isinstance(value, int) else number
        return self._with(changed) if changed else self

    def _with(self, changed: Mapping[str, Any]) -> Self:
        return type(self).model_validate(self.model_dump() | {"spread": {}} | dict(changed))
