"""A run in parts holds one replication at a time: more of them take more time and disk, but no more memory."""

from __future__ import annotations

import gc
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import load_scenario, with_run
from allocation.simulation import PartStore, head_of, played_in_parts, prepare
from allocation.simulation.country import Country
from allocation.simulation.results import ReplicationResult

REPLICATIONS = 16


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_few_replications_are_held_at_a_time(workers: int, tmp_path: Path) -> None:
    # Counted rather than weighed: what an allocator keeps from the system differs from machine to machine.
    every = load_panels()
    given: dict[str, Any] = {"rulebook": load_rulebook(), "products": load_products()}
    given |= {"panels": PanelSet(source=every.source, panel=every.panel[:2]), "epidemiology": load_epidemiology()}
    cohort = generate_cohort(patients=60, seed=7, as_of=date(2026, 11, 1), **given)
    scenario = with_run(load_scenario("no_disruption"), weeks=1, replications=REPLICATIONS)
    world = prepare(scenario, cohort, tiers=load_tiers(), **given)
    store = PartStore.open(
        tmp_path / "work", decided={"run": "one"}, resume=False, building=tmp_path / ".out.part-fedc9876"
    )
    held: list[int] = []

    def count(done: int, total: int) -> None:
        gc.collect()
        held.append(sum(isinstance(one, ReplicationResult | Country) for one in gc.get_objects()))

    parts, _ = played_in_parts(world, head_of(world, "small"), store, workers=workers, progress=count)
    assert len(parts) == REPLICATIONS
    assert len(held) == REPLICATIONS + 1
    # One just written; with workers also what they have handed over and nobody has taken yet, and the same once more.
    assert max(held) <= (2 if workers == 1 else 2 + 4 * workers)
    assert max(held) < REPLICATIONS
