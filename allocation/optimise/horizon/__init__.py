"""Looking ahead over several weeks: known deliveries, expiry, and what may wait."""

from allocation.optimise.horizon.first import FirstWeeks, first_weeks, with_waiting
from allocation.optimise.horizon.plan import HorizonPlan, look_ahead
from allocation.optimise.horizon.problem import HorizonProblem, build_horizon
from allocation.optimise.horizon.verify import verify_horizon

__all__ = [
    "FirstWeeks",
    "HorizonPlan",
    "HorizonProblem",
    "build_horizon",
    "first_weeks",
    "look_ahead",
    "verify_horizon",
    "with_waiting",
]
