"""More replications take more time and disk, but no more memory: neither to be played nor to be put together."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import allocation.simulation
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import load_scenario, with_run
from allocation.simulation import PartStore, World, played_in_parts, prepare
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.results import ReplicationResult, RunHead, result_of
from allocation.tables import write_table
from allocation.workflow.rules_in_use import load_rules
from allocation.workflow.simulating import simulate

FEW, MANY = 20, 80
MOST_BYTES = 5_000
"""A replication leaves the names of its files and, at each step from its file to the summary, the numbers that
quantiles need, eight bytes each: 2,000 bytes in all. With the sums of its panels and grades it left 40,000 here."""

_pools: list[Any] = []
"""Arrow counts in these; what it has taken from one may be given back at any time, so they must last."""


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return {
        "rulebook": load_rulebook(),
        "panels": load_panels(),
        "products": load_products(),
        "epidemiology": load_epidemiology(),
    }


@pytest.mark.parametrize("scenario", ["no_disruption", "infusion_chairs_short"])
def test_a_country_goes_as_soon_as_it_has_been_played(given: dict[str, Any], scenario: str) -> None:
    # At the end deliveries are on the road and patients wait for a chair. What they hold must not wait for the garbage
    # collector, which is the slower to come the more there is in memory.
    cohort = generate_cohort(patients=60, seed=7, as_of=date(2026, 11, 1), **given)
    world = prepare(with_run(load_scenario(scenario), weeks=2), cohort, tiers=load_tiers(), **given)
    gc.collect()
    gc.disable()
    try:
        result_of(play(world, seed=1, replication=0))
        left = [one for one in gc.get_objects() if isinstance(one, Country | ReplicationResult)]
    finally:
        gc.enable()
    assert left == []


@pytest.mark.slow
def test_putting_many_together_takes_no_more_than_few(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few rows at a time that not all of the fewer replications are read or written at once, either.
    monkeypatch.setattr("allocation.reporting.batches._BATCH_ROWS", 20)
    monkeypatch.setattr("allocation.simulation.write._GROUP_ROWS", 1500)
    monkeypatch.setattr(allocation.simulation, "played_in_parts", _copied_and_weighed)
    cohort = tmp_path / "cohort.csv"
    write_table(generate_cohort(patients=80, seed=7, as_of=date(2026, 11, 1), **given), cohort)
    # The first also loads what the others find loaded.
    most = {count: _most_bytes(cohort, tmp_path / f"run {count}", count) for count in (2, FEW, MANY)}
    assert (most[MANY] - most[FEW]) / (MANY - FEW) < MOST_BYTES


def _most_bytes(cohort: Path, out: Path, count: int) -> int:
    """The most that Python, NumPy and Arrow held at a time while a run was put together."""
    usual = pa.default_memory_pool()
    how: dict[str, Any] = {"cohort": cohort, "weeks": 3, "seed": None, "workers": 1, "strict": False, "progress": None}
    try:
        simulate("no_disruption", replications=count, out=out, rules=load_rules(), **how)
        return tracemalloc.get_traced_memory()[1] + int(_pools[-1].max_memory())
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)


def _copied_and_weighed(world: World, head: RunHead, store: PartStore, **how: Any) -> tuple[tuple[Path, ...], None]:
    """Play two replications, copy the second under the numbers of all others, and begin to weigh."""
    two = replace(world, scenario=with_run(world.scenario, replications=2))
    played_in_parts(two, head, store)
    count = world.scenario.run.replications
    parts = tuple(store.path(number) for number in range(count))
    for number, part in enumerate(parts[2:], start=2):
        part.mkdir()
        for path in store.path(1).glob("*.parquet"):
            table = pq.read_table(path)
            if "replication" in table.column_names:
                place = table.column_names.index("replication")
                column = pa.array([number] * table.num_rows, pa.int32())
                table = table.set_column(place, table.schema.field(place), column)
            pq.write_table(table, part / path.name, compression="zstd")
    _pools.append(pa.proxy_memory_pool(pa.system_memory_pool()))
    pa.set_memory_pool(_pools[-1])
    gc.collect()
    tracemalloc.start()
    return parts, None
