"""Many replications, in this process or in several. The result does not depend on how many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import fields
from itertools import islice
from multiprocessing.connection import wait as wait_for
from typing import Protocol, TypeVar

from allocation.errors import IgallocError
from allocation.simulation.engine import play
from allocation.simulation.results import ReplicationResult, RunResults, head_of, result_of
from allocation.simulation.world import World

__all__ = ["Play", "processes", "replications", "run_replications"]

Progress = Callable[[int, int], None]
Job = TypeVar("Job")
Result = TypeVar("Result")


class Play(Protocol):
    """Plays jobs in worker processes; see :func:`processes`."""

    def __call__(self, one: Callable[[World, Job], Result], jobs: Iterable[Job], /) -> Generator[Result]:
        """Results of the jobs as they are done, in any order."""


_shared: dict[str, World] = {}

_AHEAD = 2
"""Replications handed to each worker at a time: one to play, one to go on with."""


def replications(world: World, numbers: Sequence[int], *, workers: int = 1) -> Generator[ReplicationResult]:
    """Play the replications of these numbers and yield each as it is done.

    Parameters
    ----------
    world
        From :func:`allocation.simulation.prepare`. Its scenario gives the seed.
    workers
        Processes. 1 plays them here, in their order.

    Raises
    ------
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep, or an allocation has no proven optimum.
    IgallocError
        Where a worker process is ended from outside.

    Notes
    -----
    A replication draws from streams named by its number alone, so its result does not depend on the others. Workers
    are started afresh (spawn), as Windows does, so no platform differs. No more than a few results wait in memory.
    Close the generator to end the workers at once.
    """
    workers = min(workers, len(numbers))
    if workers <= 1:
        for number in numbers:
            yield _one(world, number)
    else:
        with processes(world, workers) as played:
            yield from played(_one, numbers)


def run_replications(
    world: World,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    cohort_name: str = "",
) -> RunResults:
    """Play as many replications as the scenario says and keep all in memory.

    Parameters
    ----------
    world, workers
        As for :func:`replications`.
    progress
        Called with replications done and replications in all: once at the start, then after each.
    cohort_name
        For the summary.

    Notes
    -----
    Results are put in the order of the numbers, so they are the same for any number of workers. Ctrl-C ends these.
    """
    total = world.scenario.run.replications
    report = progress or _silent
    report(0, total)
    results: list[ReplicationResult] = []
    with closing(replications(world, range(total), workers=workers)) as playing:
        for result in playing:
            results.append(result)
            report(len(results), total)
    results.sort(key=lambda one: one.replication)
    head = head_of(world, cohort_name)
    return RunResults(**{part.name: getattr(head, part.name) for part in fields(head)}, replications=tuple(results))


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def _one(world: World, replication: int) -> ReplicationResult:
    return result_of(play(world, seed=world.scenario.run.seed, replication=replication))


@contextmanager
def processes(world: World, workers: int) -> Iterator[Play]:
    """Worker processes that hold a world, for as long as the block lasts.

    Yields
    ------
    function
        Takes a function of the world and a job, which a worker can import by name, and jobs; yields the results as
        they are done, in any order.

    Raises
    ------
    IgallocError
        Where a worker process is ended from outside.

    Notes
    -----
    Workers are started afresh (spawn), as Windows does, so no platform differs. Leaving the block before all is done
    ends them at once.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker, initargs=(world,)
    )

    def played(one: Callable[[World, Job], Result], jobs: Iterable[Job]) -> Generator[Result]:
        waiting = iter(jobs)
        ahead = {pool.submit(_in_worker, one, job) for job in islice(waiting, workers * _AHEAD)}
        while ahead:
            done, ahead = wait(ahead, return_when=FIRST_COMPLETED)
            ahead |= {pool.submit(_in_worker, one, job) for job in islice(waiting, len(done))}
            while done:
                yield done.pop().result()

    finished = False
    try:
        yield played
        finished = True
    except BrokenProcessPool:
        raise IgallocError(
            "a worker process was ended from outside; run again with --resume, which keeps the replications that are "
            "done, and with fewer workers if memory is short"
        ) from None
    finally:
        if not finished:
            # A replication takes seconds; nobody who has pressed Ctrl-C, or met an error, waits for the others.
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        # The pool itself reaps them: two waiting for one process would each take the other's answer.
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(world: World) -> None:
    # Ctrl-C reaches every process of a terminal; ours ends its workers itself, without a traceback from each.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _shared["world"] = world


def _end_with_parent() -> None:
    # A parent that is killed cannot end its workers, which would wait for work for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _in_worker(one: Callable[[World, Job], Result], job: Job) -> Result:
    return one(_shared["world"], job)
