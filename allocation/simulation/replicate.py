"""Many replications, in this process or in several. The result does not depend on how many."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

from allocation.errors import IgallocError
from allocation.simulation.engine import play
from allocation.simulation.results import ReplicationResult, RunResults, result_of, tier_names
from allocation.simulation.world import World

__all__ = ["run_replications"]

Progress = Callable[[int, int], None]

_shared: dict[str, World] = {}


def run_replications(
    world: World,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    cohort_name: str = "",
) -> RunResults:
    """Play as many replications as the scenario says.

    Parameters
    ----------
    world
        From :func:`allocation.simulation.prepare`. Its scenario gives replications and seed.
    workers
        Processes. 1 plays them here, one after the other.
    progress
        Called with replications done and replications in all: once at the start, then after each.
    cohort_name
        For the summary.

    Raises
    ------
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep, or an allocation has no proven optimum.
    IgallocError
        Where a worker process is ended from outside.

    Notes
    -----
    A replication draws from streams named by its number alone, and results are put in the order of the numbers.
    Workers are started afresh (spawn), as Windows does, so no platform differs. Ctrl-C ends them at once.
    """
    run = world.scenario.run
    report = progress or _silent
    report(0, run.replications)
    if workers <= 1 or run.replications == 1:
        results = []
        for replication in range(run.replications):
            results.append(_one(world, replication))
            report(replication + 1, run.replications)
    else:
        results = _in_processes(world, min(workers, run.replications), report)
    return RunResults(
        scenario=world.scenario,
        places=world.places,
        tier_names=tier_names(world),
        cohort_name=cohort_name,
        cohort_patients=sum(world.counts.values()),
        cohort_counts=dict(world.counts),
        replications=tuple(results),
    )


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def _one(world: World, replication: int) -> ReplicationResult:
    return result_of(play(world, seed=world.scenario.run.seed, replication=replication))


def _in_processes(world: World, workers: int, report: Progress) -> list[ReplicationResult]:
    total = world.scenario.run.replications
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker, initargs=(world,)
    )
    finished = False
    try:
        futures = [pool.submit(_in_worker, replication) for replication in range(total)]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            report(done, total)
        finished = True
        return [future.result() for future in futures]
    except BrokenProcessPool:
        raise IgallocError(
            "a worker process was ended from outside; run again, with fewer workers if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
        if not finished:
            # A replication takes seconds; nobody who has pressed Ctrl-C, or met an error, waits for the others.
            _end(set(multiprocessing.active_children()) - others)


def _end(workers: set[BaseProcess]) -> None:
    for process in workers:
        process.terminate()
    for process in workers:
        process.join()


def _begin_worker(world: World) -> None:
    # Ctrl-C reaches every process of a terminal; ours ends its workers itself, without a traceback from each.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared["world"] = world


def _in_worker(replication: int) -> ReplicationResult:
    return _one(_shared["world"], replication)
