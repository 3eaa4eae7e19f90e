"""The results of a run: what each replication leaves, and the summary of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from allocation.scenario import Scenario
from allocation.simulation.consequences import consequences_of, consequences_summary
from allocation.simulation.country import Country
from allocation.simulation.demand import Floats, Places
from allocation.simulation.national import NationalWeek
from allocation.simulation.outcomes import OUTCOMES, Affected, affected_of, outcomes_of
from allocation.simulation.record import Event, Weeks
from allocation.simulation.statistics import CONFIDENCE, Interval, interval, quantiles
from allocation.simulation.stock_outs import StockOuts
from allocation.simulation.world import World

__all__ = [
    "ReplicationResult",
    "RunHead",
    "RunResults",
    "head_of",
    "head_summary",
    "outcome_interval",
    "result_of",
    "summary",
]


@dataclass(frozen=True, slots=True)
class ReplicationResult:
    """What one replication leaves; only replication 0 keeps its log."""

    replication: int
    weeks: Weeks
    national: tuple[NationalWeek, ...]
    outcomes: dict[str, float]
    affected: Affected
    events: tuple[Event, ...]
    stock_outs: StockOuts
    consequences: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class RunHead:
    """What a run is about, known before it is played.

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
    """

    scenario: Scenario
    places: Places
    tier_names: tuple[str, ...]
    cohort_name: str
    cohort_patients: int
    cohort_counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class RunResults(RunHead):
    """A whole run in memory; its replications stand in the order of their numbers."""

    replications: tuple[ReplicationResult, ...]

    @property
    def outcomes(self) -> dict[str, Floats]:
        """Every outcome of every replication."""
        return {name: np.array([one.outcomes[name] for one in self.replications]) for name in OUTCOMES}


def result_of(country: Country) -> ReplicationResult:
    """What is kept of a replication that has been played."""
    return ReplicationResult(
        replication=country.replication,
        weeks=country.record.cells(),
        national=tuple(country.national),
        outcomes=outcomes_of(country),
        affected=affected_of(country),
        events=tuple(country.record.events) if country.replication == 0 else (),
        stock_outs=country.stock_outs,
        consequences=consequences_of(country) if country.world.scenario.consequences.enabled else None,
    )


def head_of(world: World, cohort_name: str) -> RunHead:
    """What is known of a run before it is played."""
    return RunHead(
        scenario=world.scenario,
        places=world.places,
        tier_names=tuple(tier.name for tier in world.tiers.tier),
        cohort_name=cohort_name,
        cohort_patients=sum(world.counts.values()),
        cohort_counts=dict(world.counts),
    )


def summary(
    results: RunHead,
    outcomes: Mapping[str, Floats],
    *,
    precision: Mapping[str, object] | None = None,
    verification: Mapping[str, object] | None = None,
    consequences: Mapping[str, Floats] | None = None,
) -> dict[str, object]:
    """Each outcome with its interval and quantiles, and what a reader must know to judge it; ready for JSON.

    Parameters
    ----------
    outcomes
        Value of each replication, NaN where there is none, by the names of :data:`OUTCOMES`.
    precision
        What was asked of the intervals, where something was.
    verification
        What the verifier said of weekly plans, where it was asked.
    consequences
        What :func:`allocation.simulation.consequences.consequences_of` told of each replication, where it was asked.

    Notes
    -----
    No outcome can be below 0, and no percentage above 100, so an interval is cut there; the mean never is.
    """
    told = {}
    for name, (label, unit) in OUTCOMES.items():
        found = asdict(outcome_interval(name, outcomes[name]))
        told[name] = {"label": label, "unit": unit, **found, **quantiles(outcomes[name])}
    asked = {
        "precision": precision,
        "verification": verification,
        "consequences": consequences_summary(consequences) if consequences else None,
    }
    more = {name: dict(found) for name, found in asked.items() if found}
    played = {"replications": len(outcomes["grams_due_g"]), "outcomes": told}
    return head_summary(results) | played | more


def outcome_interval(name: str, values: Floats) -> Interval:
    """Mean and interval of an outcome, cut where no value of its unit can lie."""
    return interval(values, lowest=0.0, highest=100.0 if OUTCOMES[name][1] == "%" else np.inf)


def head_summary(head: RunHead) -> dict[str, object]:
    """What a summary says of a run before any result: scenario, cohort, what happens, assumptions; ready for JSON."""
    scenario = head.scenario
    return {
        "kind": "simulation",
        "scenario": scenario.name,
        "title": scenario.title,
        "description": " ".join(scenario.description.split()),
        "weeks": scenario.run.weeks,
        "replications": scenario.run.replications,
        "confidence_level": CONFIDENCE,
        "seed": scenario.run.seed,
        "as_of": scenario.run.as_of,
        "cohort": {"patients": head.cohort_patients, "name": head.cohort_name, **head.cohort_counts},
        "assumptions": [
            {**one.model_dump(exclude={"keys"}), "text": " ".join(one.text.split())} for one in scenario.assumption
        ],
        "disruptions": [
            {
                "kind": one.kind,
                "role": role,
                "start_week": one.from_week,
                "weeks": one.weeks,
                "size": one.size,
                "text": one.describe(),
                "spread": {key: spread.model_dump() for key, spread in one.spread.items()},
            }
            for role, listed in (("disruption", scenario.disruption), ("mitigation", scenario.mitigation))
            for one in listed
        ],
        "sources": [one.model_dump() for one in scenario.source],
        "tiers": [{"tier": number, "name": name} for number, name in enumerate(head.tier_names, start=1)],
    }
