"""Looking ahead over several weeks: known deliveries, expiry, and what may wait."""

from allocation.optimise.horizon.first import FirstWeeks, first_weeks
from allocation.optimise.horizon.plan import HorizonPlan, look_ahead
from allocation.optimise.horizon.problem import HorizonProblem, build_horizon
from allocation.optimise.horizon.release import released
from allocation.optimise.horizon.rest import Rest, joined_objectives, offer_rest, verify_first
from allocation.optimise.horizon.told import kept_by_grade, told_ahead
from allocation.optimise.horizon.verify import verify_horizon

__all__ = [
    "FirstWeeks",
    "HorizonPlan",
    "HorizonProblem",
    "Rest",
    "build_horizon",
    "first_weeks",
    "joined_objectives",
    "kept_by_grade",
    "look_ahead",
    "offer_rest",
    "released",
    "told_ahead",
    "verify_first",
    "verify_horizon",
]
