"""The weekly plans of a replication put before the verifier, which shares no code with what made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from allocation.errors import VerificationError
from allocation.quantities import DAYS_PER_WEEK
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.policy import WeekPlan
from allocation.simulation.world import World

__all__ = ["verify_weeks"]


def verify_weeks(
    world: World, *, replication: int = 0, every_weeks: int = 1, expected: Mapping[str, float] | None = None
) -> dict[str, object]:
    """Play a replication again and check the plans of its weeks.

    Parameters
    ----------
    every_weeks
        1 checks every plan; 4 those of weeks 0, 4, 8 and so on.
    expected
        Outcomes it had before, which must come again.

    Returns
    -------
    dict
        How many plans were checked, how many weeks needed none since everybody could be served, and how many plans
        passed each check; ready for JSON.

    Raises
    ------
    VerificationError
        Where a plan breaks a rule, naming the week, or the replication does not come out as before.
    """
    passed: Counter[str] = Counter()
    plans = 0

    def watch(day: int, plan: WeekPlan) -> None:
        nonlocal plans
        week = day // DAYS_PER_WEEK
        if week % every_weeks:
            return
        certificate = plan.prove()
        try:
            certificate.raise_if_failed()
        except VerificationError as error:
            raise VerificationError(f"week {week} of replication {replication}: {error}") from None
        passed.update(item.name for item in certificate.checks)
        plans += 1

    country = play(world, seed=world.scenario.run.seed, replication=replication, watch=watch)
    found = outcomes_of(country)
    differ = [name for name, value in (expected or {}).items() if value != found[name] and value == value]
    if differ:
        raise VerificationError(f"replication {replication} played again differs in {', '.join(differ)}")
    return {
        "replication": replication,
        "every_weeks": every_weeks,
        "weeks_without_program": sum(not week.solved for week in country.national),
        "plans": plans,
        "passed": dict(sorted(passed.items())),
    }
