"""The same patients and the same luck under scenarios that differ by some numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from allocation.scenario import Scenario
from allocation.simulation.demand import Floats
from allocation.simulation.engine import play
from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.replicate import Play, processes
from allocation.simulation.results import result_of
from allocation.simulation.world import World, build_world

__all__ = ["Outcomes", "Variants", "revised", "variants_of"]

Outcomes = dict[str, Floats]
"""Each outcome of :data:`allocation.simulation.OUTCOMES` by name: one value a replication, NaN where there is none."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One replication of one scenario; scenarios are told apart by number."""

    number: int
    scenario: Scenario
    replication: int


_Played = tuple[int, int, dict[str, float]]

_last: dict[int, World] = {}
"""World of the scenario played last in this process: its replications follow one another."""


def revised(world: World, scenario: Scenario) -> World:
    """The world with another scenario, its patients as they are.

    The scenario must begin on the same day: patients are graded and due as of it.

    Raises
    ------
    InputError
        As :func:`allocation.simulation.world.build_world` does.
    """
    return build_world(
        scenario,
        start=world.start,
        acute=world.acute,
        places=world.places,
        panels=world.panels,
        products=world.products,
        tiers=world.tiers,
        solver=world.solver,
        counts=world.counts,
        forecast=world.forecast,
    )


@dataclass(slots=True)
class Variants:
    """Plays scenarios on the patients of one world.

    Replications of one number meet the same luck under every scenario: streams are named by number, purpose and
    entity, and the seed is that of the scenario.
    """

    world: World
    _play: Play | None
    _played: int = field(init=False, default=0)

    def outcomes(
        self, scenarios: Sequence[Scenario], progress: Callable[[int, int], None] | None = None
    ) -> list[Outcomes]:
        """Every outcome of every replication of each scenario, in the order of their numbers.

        Parameters
        ----------
        progress
            Called with replications played and replications in all.

        Raises
        ------
        InputError, VerificationError, SolverError, IgallocError
            As :func:`revised` and :func:`allocation.simulation.replications` do.
        """
        first, self._played = self._played, self._played + len(scenarios)
        jobs = [
            _Job(number, scenario, replication)
            for number, scenario in enumerate(scenarios, start=first)
            for replication in range(scenario.run.replications)
        ]
        found: dict[tuple[int, int], dict[str, float]] = {}
        for number, replication, outcomes in self._results(jobs):
            found[number, replication] = outcomes
            if progress is not None:
                progress(len(found), len(jobs))
        return [
            {
                name: np.array([found[number, one][name] for one in range(scenario.run.replications)], dtype=np.float64)
                for name in OUTCOMES
            }
            for number, scenario in enumerate(scenarios, start=first)
        ]

    def _results(self, jobs: Sequence[_Job]) -> Iterable[_Played]:
        if self._play is None:
            _last.clear()
            return (_one(self.world, job) for job in jobs)
        return self._play(_one, jobs)


@contextmanager
def variants_of(world: World, *, workers: int = 1) -> Iterator[Variants]:
    """Something that plays scenarios in so many processes, which last as long as the block."""
    if workers <= 1:
        yield Variants(world, None)
    else:
        with processes(world, workers) as played:
            yield Variants(world, played)


def _one(world: World, job: _Job) -> _Played:
    if job.number not in _last:
        _last.clear()
        _last[job.number] = revised(world, job.scenario)
    country = play(_last[job.number], seed=job.scenario.run.seed, replication=job.replication)
    return job.number, job.replication, result_of(country).outcomes
