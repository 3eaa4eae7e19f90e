"""How long a replication takes, against one SimPy process a patient with the plain program each week; and how it grows.

    python tests/benchmark/bench_simulation.py [--rounds 5] [--naive-weeks 13] [--out reports/bench_simulation.json]
                                               [--parts ratio,growth,many,workers]

20,000 patients in 24 panels in a shortage: output 30 % lower for good from the first week, two weeks of stock at the
start. ``ratio`` plays the same first weeks in both ways, taking turns, since the plain way would take most of an hour
for 104 weeks; it stops where due or given grams differ by more than two in a hundred. ``growth`` plays ours alone, with
more patients, panels, products and weeks, each size in a process of its own. ``many`` runs the command line on the
sample cohort with more and more replications. ``workers`` plays as many replications in one process, in two, and on a
cluster of one and of two workers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from simulation_one_process_a_patient import play_processes

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.quantities import MG_PER_G
from allocation.resources import SAMPLE_COHORT, bundled
from allocation.rules import PanelSet, ProductSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare, replications
from allocation.simulation.cluster import on_cluster
from allocation.simulation.country import Country
from allocation.simulation.engine import play

PATIENTS, PANELS, WEEKS, AS_OF = 20_000, 24, 104, date(2026, 11, 1)
CLOSE = 0.02
GROWTH = {
    "patients": [(number, PANELS, WEEKS, 1) for number in (2_000, 5_000, 20_000, 100_000, 1_000_000, 2_000_000)],
    "panels": [(PATIENTS, number, WEEKS, 1) for number in (24, 100, 500)],
    "products": [(PATIENTS, PANELS, WEEKS, copies) for copies in (1, 2, 4)],
    "weeks": [(PATIENTS, PANELS, number, 1) for number in (52, 104, 520)],
}
"""Patients, panels, weeks, and how many brands each product comes as."""
MANY = (10, 100, 400, 1000)


def panels_of(count: int) -> PanelSet:
    """So many panels: the national ones over and over, under codes of their own."""
    every = load_panels()
    known = every.panel
    made = [known[number % len(known)].model_copy(update={"code": f"P{number:04d}"}) for number in range(count)]
    return every.model_copy(update={"panel": tuple(made)})


def brands_of(products: ProductSet, cohort: pd.DataFrame, copies: int) -> tuple[ProductSet, pd.DataFrame]:
    """Each product as so many brands of the same maker and route, and patients on one of them in turn."""
    made = [
        product.model_copy(update={"code": product.code if not copy else f"{product.code}_b{copy}"})
        for product in products.product
        for copy in range(copies)
    ]
    turn = np.arange(len(cohort)) % copies
    code = cohort["product"].astype(object)
    named = code.where((turn == 0) | (code == ""), code + "_b" + turn.astype(str))
    every = products.model_dump() | {"product": [product.model_dump() for product in made]}
    return ProductSet.model_validate(every), cohort.assign(product=named)


def world_of(patients: int, panels: int, weeks: int, copies: int = 1) -> World:
    """A shortage for so many patients in so many panels."""
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": weeks, "replications": 1}
    data["supply"] |= {"opening_cover_weeks": 2.0}
    data["disruption"] = [{"kind": "output_cut", "start_week": 0, "fraction": 0.3, "weeks": weeks}]
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": panels_of(panels), "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=patients, seed=1, as_of=AS_OF, **given)
    if copies > 1:
        given["products"], cohort = brands_of(given["products"], cohort, copies)
    return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)


def shortened(world: World, weeks: int) -> World:
    """The same run, ended early."""
    run = world.scenario.run.model_copy(update={"weeks": weeks})
    return replace(world, scenario=world.scenario.model_copy(update={"run": run}))


def grams(country: Country) -> dict[str, float]:
    return {name: float(country.record.total_mg(name)) / MG_PER_G for name in ("due", "issued", "deferred")}


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = job()
    return time.perf_counter() - start, result


def ratio(rounds: int, weeks: int) -> dict[str, Any]:
    world = shortened(world_of(PATIENTS, PANELS, WEEKS), weeks)
    ways: dict[str, Callable[[], Country]] = {
        "ours": lambda: play(world, seed=1, replication=0),
        "one process a patient": lambda: play_processes(world, seed=1, replication=0),
    }
    totals = {}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, job in ways.items():
            spent, country = timed(job)
            seconds[way].append(spent)
            totals[way] = grams(country)
            print(f"  {way}: {spent:.2f} s", flush=True)
    ours, plain = totals.values()
    for name in ("due", "issued"):
        if abs(ours[name] - plain[name]) > CLOSE * ours[name]:
            sys.exit(f"grams {name} differ: {ours[name]:.0f} against {plain[name]:.0f}")
    each = [slow / fast for fast, slow in zip(*seconds.values(), strict=True)]
    solved = sum(week.solved for week in play(world, seed=1, replication=0).national)
    told = {"weeks": weeks, "weeks_solved": solved, "seconds": seconds, "grams": totals, "ratios": each}
    print(f"{weeks} weeks, {solved} in need of the program: {statistics.median(each):.0f} times as long ", end="")
    print(f"(from {min(each):.0f} to {max(each):.0f} in {rounds} rounds)", flush=True)
    return told


def growth(limit_s: float) -> list[dict[str, Any]]:
    """One replication of ours by size; a size is left out once the one before took longer than the limit."""
    found: list[dict[str, Any]] = []
    seen: dict[tuple[int, ...], dict[str, float]] = {}
    for what, sizes in GROWTH.items():
        last = 0.0
        for size in sizes:
            about = dict(zip(("patients", "panels", "weeks", "brands"), size, strict=True))
            if last > limit_s:
                print(f"  {what}: {about} left out, the one before took {last:.0f} s", flush=True)
                found.append({"what": what, **about, "seconds": None})
                continue
            if size not in seen:
                seen[size] = _in_a_process(["--one-size", ",".join(map(str, size))])
            last = seen[size]["seconds"]
            found.append({"what": what, **about, **seen[size]})
            print(f"  {what}: {about}: {last:.1f} s, {seen[size]['peak_mb']:.0f} MB", flush=True)
    return found


def one_size(size: tuple[int, ...]) -> None:
    """Play one replication of a size and print its seconds of processor time and the most memory."""
    world = world_of(*size)
    start = time.process_time()
    play(world, seed=1, replication=0)
    spent = time.process_time() - start
    print(json.dumps({"seconds": spent, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _in_a_process(options: list[str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, *options], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def many() -> list[dict[str, float]]:
    """Seconds and memory of a whole run of the command line by how many replications it has."""
    found = []
    cohort = bundled(SAMPLE_COHORT)
    for count in MANY:
        with tempfile.TemporaryDirectory() as folder:
            options = ["simulate", "uk_2021_output_fall", "--cohort", str(cohort), "--weeks", "20", "--replications"]
            command = [sys.executable, "-m", "allocation", *options, str(count), "--out", f"{folder}/run"]
            start = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, process.returncode
        spent, peak_mb = time.perf_counter() - start, used.ru_maxrss / 1024
        found.append({"replications": count, "seconds": spent, "peak_mb": peak_mb})
        print(f"  {count} replications: {spent:.1f} s, {peak_mb:.0f} MB", flush=True)
    return found


def workers(rounds: int, count: int) -> dict[str, Any]:
    world = world_of(PATIENTS, PANELS, 26)
    numbers = range(count)

    def local(of: int) -> None:
        assert len(list(replications(world, numbers, workers=of))) == count

    seconds: dict[str, list[float]] = {"1 process": [], "2 processes": [], "cluster of 1": [], "cluster of 2": []}
    with tempfile.TemporaryDirectory() as folder:
        clusters = {of: _Cluster(Path(folder) / str(of), of) for of in (1, 2)}

        def far(of: int) -> None:
            with on_cluster(world, clusters[of].address) as played:
                assert len(list(played(numbers))) == count

        try:
            for _ in range(rounds):
                jobs = (lambda: local(1), lambda: local(2), lambda: far(1), lambda: far(2))
                for way, job in zip(seconds, jobs, strict=True):
                    spent, _ = timed(job)
                    seconds[way].append(spent)
                    print(f"  {way}: {spent:.1f} s", flush=True)
        finally:
            for one in clusters.values():
                one.stop()
    base = seconds["1 process"]
    gain = {way: [one / two for one, two in zip(base, found, strict=True)] for way, found in seconds.items()}
    for way, found in gain.items():
        print(f"{count} replications, {way}: {statistics.median(found):.2f} times as fast as in 1 process", flush=True)
    return {"replications": count, "weeks": 26, "seconds": seconds, "gain": gain}


class _Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir()
        record = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(record)]
        self.processes = [self._start("dask_scheduler", options)]
        while not (record.exists() and '"address"' in record.read_text(encoding="utf-8")):
            time.sleep(0.1)
        self.address = json.loads(record.read_text(encoding="utf-8"))["address"]
        more = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
        self.processes += [self._start("dask_worker", more) for _ in range(count)]

    @staticmethod
    def _start(module: str, options: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--naive-weeks", type=int, default=13)
    parser.add_argument("--replications", type=int, default=8)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which growth goes no further")
    parser.add_argument("--parts", default="ratio,growth,many,workers")
    parser.add_argument("--one-size", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.one_size:
        one_size(tuple(map(int, given.one_size.split(","))))
        return
    parts = given.parts.split(",")
    found: dict[str, Any] = {
        "machine": {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    }
    if "ratio" in parts:
        found["ratio"] = ratio(given.rounds, given.naive_weeks)
    if "growth" in parts:
        found["growth"] = growth(given.limit)
    if "many" in parts:
        found["many"] = many()
    if "workers" in parts:
        found["workers"] = workers(given.rounds, given.replications)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
