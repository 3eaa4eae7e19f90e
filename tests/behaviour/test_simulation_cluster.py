"""Runs on a real cluster of separate processes: workers die, the run is killed, and the bytes stay what they are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import IgallocError, InputError
from allocation.rules import load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import PartStore, World, head_of, join_parts, played_in_parts, prepare
from allocation.simulation import cluster as of_cluster
from allocation.simulation.cluster import on_cluster
from allocation.tables import write_table

pytestmark = pytest.mark.slow

REPLICATIONS = 8
_WAIT_S = 60


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own."""

    folder: Path
    scheduler: subprocess.Popen[bytes] = field(init=False)
    address: str = field(init=False)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        record = self.folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(record)]
        self.scheduler = self._process("dask_scheduler", options)
        self._until(lambda: record.exists() and '"address"' in record.read_text(encoding="utf-8"))
        self.address = json.loads(record.read_text(encoding="utf-8"))["address"]

    def add_workers(self, count: int) -> None:
        options = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory"]
        self.workers += [self._process("dask_worker", [*options, str(self.folder)]) for _ in range(count)]
        self._until(lambda: len(self.ask("nthreads")) == self.alive())

    def alive(self) -> int:
        return sum(worker.poll() is None for worker in self.workers)

    def ask(self, name: str) -> Any:
        from distributed import Client

        with Client(self.address, timeout=_WAIT_S, set_as_default=False) as client:
            return getattr(client, name)()

    def kill_workers(self, count: int) -> None:
        for worker in [one for one in self.workers if one.poll() is None][:count]:
            worker.kill()
            worker.wait()

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _process(self, module: str, options: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _WAIT_S
        while not holds():
            assert time.monotonic() < end, "the cluster did not come up"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    one.start()
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def world() -> World:
    """200 patients over all panels in a deep cut, 6 weeks."""
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=200, seed=7, as_of=date(2026, 11, 1), **given)
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": 6, "replications": REPLICATIONS}
    data["disruption"] = [{"kind": "output_cut", "start_week": 1, "weeks": 30, "fraction": 0.4}]
    return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)


def played(world: World, folder: Path, **how: Any) -> dict[str, bytes]:
    head = head_of(world, "small")
    building = folder.with_name(f".{folder.name}.part-fedc9876")
    store = PartStore.open(
        folder.with_name(f".{folder.name}.work"), decided={"run": "one"}, resume=False, building=building
    )
    parts, _ = played_in_parts(world, head, store, **how)
    folder.mkdir()
    join_parts(head, parts, folder)
    return bytes_of(folder)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def expected(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return played(world, tmp_path_factory.mktemp("local") / "out", workers=1)


def test_two_local_workers_give_the_same_bytes(world: World, expected: dict[str, bytes], tmp_path: Path) -> None:
    assert played(world, tmp_path / "out", workers=2) == expected


def test_three_workers_one_of_them_killed(
    cluster: Cluster, world: World, expected: dict[str, bytes], tmp_path: Path
) -> None:
    cluster.add_workers(3 - cluster.alive())
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        if done == 2:
            cluster.kill_workers(1)

    assert played(world, tmp_path / "out", cluster=cluster.address, progress=tell) == expected
    assert told == [(done, REPLICATIONS) for done in range(REPLICATIONS + 1)]
    assert len(cluster.ask("nthreads")) == 2, "it ended without the one killed"


def test_all_workers_killed_and_another_come(
    cluster: Cluster, world: World, expected: dict[str, bytes], tmp_path: Path
) -> None:
    cluster.add_workers(max(1 - cluster.alive(), 0))

    def tell(done: int, total: int) -> None:
        if done == 1:
            cluster.kill_workers(cluster.alive())
            cluster.add_workers(1)

    assert played(world, tmp_path / "out", cluster=cluster.address, progress=tell) == expected


def test_ending_early_leaves_nothing_on_the_cluster(cluster: Cluster, world: World) -> None:
    cluster.add_workers(max(1 - cluster.alive(), 0))
    with on_cluster(world, cluster.address) as play, closing(play(range(REPLICATIONS))) as playing:
        next(playing)
    end = time.monotonic() + _WAIT_S
    while any(cluster.ask("has_what").values()):
        assert time.monotonic() < end, "the scheduler still keeps what was handed to it"
        time.sleep(0.2)


def test_a_run_that_is_killed_goes_on_on_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_workers(max(1 - cluster.alive(), 0))
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
    cohort = generate_cohort(patients=200, seed=7, as_of=date(2026, 11, 1), epidemiology=load_epidemiology(), **given)
    write_table(cohort, tmp_path / "cohort.csv")
    begin = [sys.executable, "-m", "allocation", "simulate", "uk_2021_output_fall", "--cohort"]
    begin += [str(tmp_path / "cohort.csv"), "--weeks", "6", "--replications", "8", "--out"]
    subprocess.run([*begin, str(tmp_path / "whole")], check=True, capture_output=True)
    on_it = [*begin, str(tmp_path / "out"), "--cluster", cluster.address]
    process = subprocess.Popen(on_it, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    work = tmp_path / ".out.work"
    while process.poll() is None and len(list(work.glob("replication-*"))) < 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert work.exists(), "killed before its end"
    gone_on = subprocess.run([*on_it, "--resume"], check=True, capture_output=True, text=True)
    assert "replication 8 of 8 done" in gone_on.stderr
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_scheduler_that_goes_away_and_one_without_workers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Cluster(tmp_path)
    other.start()
    try:
        monkeypatch.setattr(of_cluster, "_WORKERS_S", 0.5)
        with on_cluster(world, other.address) as play, pytest.raises(InputError, match="with a worker at least"):
            list(play([0]))
        monkeypatch.undo()
        other.add_workers(1)
        with on_cluster(world, other.address) as play, closing(play(range(6))) as playing:
            next(playing)
            other.scheduler.kill()
            other.scheduler.wait()
            with pytest.raises(IgallocError, match="--resume"):
                list(playing)
    finally:
        other.stop()
