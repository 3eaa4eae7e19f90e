"""Infusion chairs: how many each panel has, who asks for one when and for how long, and what waiting came to.

The queue itself is the engine's, as it is about time. Its time runs while chairs are open: an hour on a chair is one of
the hours of a day in which chairs are open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocation.quantities import DAYS_PER_WEEK
from allocation.scenario import Panels
from allocation.simulation.demand import ROUTES, Floats, Ints
from allocation.simulation.luck import Luck
from allocation.simulation.state import State

__all__ = ["Chairs", "Infusion", "chairs_of"]

_IV = ROUTES.index("IV")
# A course given on a day is asked for after that day's stock has been handed out, whoever was given it.
_AFTER_ISSUE = 0.7


@dataclass(frozen=True, slots=True)
class Infusion:
    """One course on a chair: who, where, from which moment it is asked for, and how long it takes, in days."""

    person: int
    panel: int
    asked_day: float
    days: float


def chairs_of(settings: Panels, iv_per_week: Floats) -> Ints:
    """Chairs of each panel; none where they are not modelled, at least one where somebody needs them otherwise.

    Parameters
    ----------
    iv_per_week
        Expected intravenous courses a week, by panel.
    """
    some = iv_per_week > 0
    if not settings.chairs_modelled or not some.any():
        return np.zeros(len(iv_per_week), dtype=np.int64)
    if settings.infusion_chair_load:
        open_hours = DAYS_PER_WEEK * settings.infusion_chair_hours_per_day * settings.infusion_chair_load
        exact = iv_per_week * settings.infusion_hours.mean / open_hours
        chairs = np.ceil(exact - 1e-9)
    else:
        exact = settings.infusion_chairs * iv_per_week / iv_per_week.sum()
        chairs = np.floor(exact)
        left = settings.infusion_chairs - int(chairs.sum())
        chairs[np.argsort(chairs - exact, kind="stable")[:left]] += 1
    found: Ints = np.where(some, np.maximum(chairs, 1), 0).astype(np.int64)
    return found


@dataclass(slots=True)
class Chairs:
    """Bookings of one replication, and what waiting came to.

    Parameters
    ----------
    settings
        The scenario's.
    number
        Chairs of each panel.
    """

    settings: Panels
    number: Ints
    state: State
    luck: Luck
    _booked: list[Infusion] = field(init=False, default_factory=list)
    _queue: dict[int, tuple[Infusion, float]] = field(init=False, default_factory=dict)
    _seated: int = field(init=False, default=0)
    _waited_days: list[float] = field(init=False, default_factory=list)

    def book(self, index: Ints, day: int, purpose: str) -> None:
        """These patients have been given a course today or later this week; intravenous ones ask for a chair."""
        if not self.settings.chairs_modelled:
            return
        people, settings = self.state.people, self.settings
        who = index[people.route[index] == _IV]
        if not who.size:
            return
        from scipy.special import gammaincinv

        asks, takes = (self.luck.draw(who, "infusion", purpose, day, what) for what in ("asks", "takes"))
        given = np.full(len(who), float(day))
        lasting = np.isfinite(self.state.interval_days[who])
        given[lasting] = self.state.due_day[who[lasting]] - self.state.interval_days[who[lasting]]
        asked = np.floor(np.maximum(given, float(day))) + _AFTER_ISSUE + asks
        hours = settings.infusion_hours
        if hours.sd:
            taken = gammaincinv((hours.mean / hours.sd) ** 2, takes) * (hours.sd**2 / hours.mean)
        else:
            taken = np.full(len(who), hours.mean)
        days = taken / settings.infusion_chair_hours_per_day
        columns = (who, people.panel[who], asked, days)
        self._booked += [Infusion(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def booked(self) -> list[Infusion]:
        """Infusions not handed out yet."""
        handed, self._booked = self._booked, []
        return handed

    def asked(self, infusion: Infusion, day: float) -> None:
        """A patient is there and waits for a chair, be it for no time."""
        self._queue[id(infusion)] = (infusion, day)

    def seated(self, infusion: Infusion, day: float) -> None:
        """A patient has a chair; one who waited a day or longer is given the course that much later."""
        self._seated += 1
        self._waited(*self._queue.pop(id(infusion)), day)

    def close(self, days: int) -> None:
        """Count the time waited so far by those who wait when a run of so many days ends."""
        for infusion, asked_day in self._queue.values():
            self._waited(infusion, asked_day, float(days))

    def _waited(self, infusion: Infusion, asked_day: float, day: float) -> None:
        waited_days = day - asked_day
        self._waited_days.append(waited_days)
        if waited_days >= 1:
            self.state.wait_for_chair(infusion.person, int(waited_days))

    def outcomes(self, days: int) -> dict[str, float]:
        """What waiting came to over a run of so many days that is closed; NaN where chairs are not modelled.

        The shares and means are of all who asked for a chair, with the wait so far of those who still wait.
        """
        names = (
            "infusions",
            "infusions_waiting_at_end",
            "chair_wait_share_percent",
            "mean_chair_wait_hours",
            "mean_chair_queue",
        )
        waited = np.array(self._waited_days)
        if not waited.size:
            return dict.fromkeys(names, np.nan)
        values = (
            self._seated,
            len(self._queue),
            100 * float((waited > 0).mean()),
            float(waited.mean()) * self.settings.infusion_chair_hours_per_day,
            float(waited.sum()) / days,
        )
        return dict(zip(names, values, strict=True))
