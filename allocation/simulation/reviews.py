"""Annual reviews: who lets one lapse, who has it done, and what that does to the grade."""

from __future__ import annotations

from allocation.scenario import Demand
from allocation.simulation.demand import Ints
from allocation.simulation.luck import Luck
from allocation.simulation.state import State

__all__ = ["review_week"]


def review_week(state: State, demand: Demand, present: Ints, *, done_share: float, luck: Luck, day: int) -> bool:
    """The reviews of one week.

    A review whose day has come is done on time, or lapses, and the grade with it. Of those overdue from before a share
    is done: the grade is restored, but some are found to need no more treatment and stop. A patient who waits for a
    course keeps the grade it fell due with, so that a backlog never changes grade: that review is seen to once the
    course has been given.

    Parameters
    ----------
    present
        Indices of those on treatment whose review is due or overdue.
    done_share
        Share of overdue reviews done this week.

    Returns
    -------
    bool
        Whether a grade has changed.
    """
    people = state.people
    who = present[state.owed_mg[present] == 0]
    was_open = state.review_open[who]
    late, new = who[was_open], who[~was_open]
    on_time = luck.draw(new, "review on time", day) < demand.reviews_on_time_share
    done = late[luck.draw(late, "review done", day) < done_share]
    stops = luck.draw(done, "stop at review", day) < demand.review_stop_share
    state.leaves_day[done[stops]] = day
    lapsed, renewed = new[~on_time], new[on_time]
    # One done on time is done on its last day, one done late on the day of this week.
    state.review_due_day[renewed] += people.review_days[renewed]
    state.review_due_day[done] = day + people.review_days[done]
    state.review_open[done] = False
    state.review_open[lapsed] = True
    state.grade[done] = people.grade_if_reviewed[done]
    state.grade[lapsed] = people.grade_if_lapsed[lapsed]
    return bool(done.size or lapsed.size)
