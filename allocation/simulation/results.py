"""The results of a run: what each replication leaves, and the summary of all."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from allocation.scenario import Scenario
from allocation.simulation.country import Country, NationalWeek
from allocation.simulation.demand import Places
from allocation.simulation.outcomes import OUTCOMES, Affected, affected_of, outcomes_of
from allocation.simulation.record import Event, Weeks
from allocation.simulation.statistics import interval
from allocation.simulation.world import World

__all__ = ["ReplicationResult", "RunResults", "result_of", "summary", "tier_names"]


@dataclass(frozen=True, slots=True)
class ReplicationResult:
    """What one replication leaves; only replication 0 keeps its log."""

    replication: int
    weeks: Weeks
    national: tuple[NationalWeek, ...]
    outcomes: dict[str, float]
    affected: Affected
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class RunResults:
    """A whole run.

    Attributes
    ----------
    scenario
        As run: the weeks, replications and seed in it are those used.
    places
        What index stands for what in the replications.
    tier_names
        Names of tiers 1 to 4.
    cohort_name, cohort_patients, cohort_counts
        Which cohort, how many rows it had, and what became of them.
    replications
        In the order of their numbers.
    """

    scenario: Scenario
    places: Places
    tier_names: tuple[str, ...]
    cohort_name: str
    cohort_patients: int
    cohort_counts: dict[str, int]
    replications: tuple[ReplicationResult, ...]


def result_of(country: Country) -> ReplicationResult:
    """What is kept of a replication that has been played."""
    return ReplicationResult(
        replication=country.replication,
        weeks=country.record.cells(),
        national=tuple(country.national),
        outcomes=outcomes_of(country),
        affected=affected_of(country),
        events=tuple(country.record.events) if country.replication == 0 else (),
    )


def tier_names(world: World) -> tuple[str, ...]:
    """Names of tiers 1 to 4."""
    return tuple(tier.name for tier in world.tiers.tier)


def summary(results: RunResults) -> dict[str, object]:
    """Each outcome with its interval, and what a reader must know to judge it; ready for JSON."""
    scenario = results.scenario
    outcomes = {}
    for name, (label, unit) in OUTCOMES.items():
        values = np.array([one.outcomes[name] for one in results.replications])
        outcomes[name] = {"label": label, "unit": unit, **asdict(interval(values))}
    return {
        "kind": "simulation",
        "scenario": scenario.name,
        "title": scenario.title,
        "description": " ".join(scenario.description.split()),
        "weeks": scenario.run.weeks,
        "replications": scenario.run.replications,
        "seed": scenario.run.seed,
        "as_of": scenario.run.as_of,
        "cohort": {"patients": results.cohort_patients, "name": results.cohort_name, **results.cohort_counts},
        "outcomes": outcomes,
        "assumptions": [
            {**one.model_dump(exclude={"keys"}), "text": " ".join(one.text.split())} for one in scenario.assumption
        ],
        "disruptions": [
            {
                "kind": one.kind,
                "start_week": one.start_week,
                "weeks": one.weeks,
                "size": one.size,
                "text": one.describe(),
            }
            for one in scenario.disruption
        ],
        "sources": [one.model_dump() for one in scenario.source],
        "tiers": [{"tier": number, "name": name} for number, name in enumerate(results.tier_names, start=1)],
    }
