"""Replications on many machines, by dask.distributed. The result does not depend on how many there are.

The shared world is sent once to every worker; each replication is one task, told by its number alone. A worker that
dies costs what it was playing, which another plays again to the same result.
"""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
import re
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from allocation.errors import Fault, IgallocError, InputError
from allocation.resources import package_data
from allocation.simulation.engine import play
from allocation.simulation.results import ReplicationResult, result_of
from allocation.simulation.world import World

__all__ = ["Player", "check_cluster", "crosses_network_in_clear", "on_cluster"]

# The library tells types of hardly any of its calls, so what it hands out goes without one here.
Client = Any
Future = Any

Player = Callable[[Sequence[int]], Generator[ReplicationResult]]

_ADDRESS = re.compile(r"(?P<kind>tcp|tls)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_OPTION = "--cluster"
_CONNECT_S = 10.0
_WORKERS_S = 60.0
"""How long to wait for a first worker, or for another when the last has gone."""
_LOOK_S = 0.5
_AHEAD = 2
"""Replications handed to each worker at a time: one to play, one to go on with."""
_STRIKES = 3
"""How often the workers of one replication may die before the run ends."""
_DECIDE_BYTES = ("numpy", "pandas", "scipy", "pulp", "highspy", "simpy")
"""Libraries whose version could change a result."""

_one_at_a_time = Lock()
_worlds: dict[str, World] = {}


def check_cluster(address: str) -> None:
    """Refuse an address that cannot be one, and a cluster where the library for it is missing.

    Raises
    ------
    InputError
        Naming the form of an address, or the command that brings the library.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise InputError(
            Fault(
                _OPTION,
                "the address of a scheduler as tcp://host:port or tls://host:port",
                value=address,
                remedy="dask scheduler prints its address when it starts, for example tcp://127.0.0.1:8786.",
            )
        )
    if importlib.util.find_spec("distributed") is None:
        raise InputError(
            Fault(
                _OPTION,
                "the library dask.distributed, which the extra named cluster brings",
                remedy='Install it with: python -m pip install "igalloc[cluster]"',
            )
        )


def crosses_network_in_clear(address: str) -> bool:
    """Whether patients' rows would leave this machine without encryption."""
    found = _ADDRESS.fullmatch(address)
    if found is None or found["kind"] == "tls":
        return False
    host = found["host"].strip("[]")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


@contextmanager
def on_cluster(world: World, address: str) -> Iterator[Player]:
    """A function that plays the replications of given numbers on a cluster and yields each as it is done.

    Parameters
    ----------
    world
        From :func:`allocation.simulation.prepare`. Its scenario gives the seed.
    address
        Of the scheduler, ``tcp://host:port`` or ``tls://host:port``.

    Raises
    ------
    InputError
        Where the address is no scheduler's, nobody answers there, there is no worker, or a worker has other versions
        of igalloc or of the libraries that decide a result.
    VerificationError, SolverError
        As for :func:`allocation.simulation.replications`.
    IgallocError
        Where the scheduler goes away, no worker is left, or workers die again and again on one replication.

    Notes
    -----
    The connection is made when there is something to play, and ended with the context; what is not done by then is
    cancelled. Workers that join are used; a few replications are handed to each, so no more than a few results wait.
    """
    check_cluster(address)
    run = _Run(world, address)
    try:
        yield run.play
    finally:
        run.close()


@dataclass(slots=True)
class _Run:
    world: World
    address: str
    client: Client = None
    shared: Future = None
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    submitted: int = 0
    last_seen: float = 0.0

    def play(self, numbers: Sequence[int]) -> Generator[ReplicationResult]:
        if not numbers:
            return
        waiting = deque(numbers)
        strikes: Counter[int] = Counter()
        pending: dict[str, tuple[int, Future]] = {}
        finished: SimpleQueue[str] = SimpleQueue()
        client = self.client or self._connect()
        try:
            while waiting or pending:
                room = _AHEAD * self._workers() - len(pending)
                for _ in range(min(room, len(waiting))):
                    number = waiting.popleft()
                    future = self._submit(client, number)
                    pending[future.key] = (number, future)
                    future.add_done_callback(lambda one: finished.put(one.key))
                try:
                    key = finished.get(timeout=_LOOK_S)
                except Empty:
                    continue
                number, future = pending.pop(key)
                result = self._result(number, future)
                if result is not None:
                    yield result
                    continue
                strikes[number] += 1
                if strikes[number] > _STRIKES:
                    raise IgallocError(_died(number))
                waiting.appendleft(number)
        finally:
            if pending and client.status == "running":
                client.cancel([future for _, future in pending.values()], force=True)

    def close(self) -> None:
        if self.client is not None:
            self.shared = None
            self.client.close(timeout=_CONNECT_S)
            self.client = None

    def _connect(self) -> Client:
        from distributed import Client

        try:
            self.client = Client(  # type: ignore[no-untyped-call]
                self.address, timeout=_CONNECT_S, set_as_default=False, name="igalloc"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                Fault(
                    _OPTION,
                    "a dask scheduler that answers",
                    value=self.address,
                    remedy=f"Check host and port, and that it is started: dask scheduler ({type(error).__name__}).",
                )
            ) from None
        try:
            self.client.wait_for_workers(1, timeout=_WORKERS_S)
        except TimeoutError:
            raise InputError(
                Fault(
                    _OPTION,
                    "a cluster with a worker at least",
                    value=self.address,
                    remedy=f"Start some on the machines that are to help: dask worker {self.address} --nthreads 1",
                )
            ) from None
        self.last_seen = time.monotonic()
        return self.client

    def _workers(self) -> int:
        """How many workers there are; none for a long time, or no scheduler, ends the run."""
        client = self.client
        if client is None or client.status != "running":
            raise IgallocError(self._gone())
        try:
            count = len(client.nthreads())
        except (OSError, TimeoutError):
            raise IgallocError(self._gone()) from None
        now = time.monotonic()
        if count:
            self.last_seen = now
        elif now - self.last_seen > _WORKERS_S:
            raise IgallocError(f"no worker has been left at {self.address} for {_WORKERS_S:.0f} s; {_GO_ON}")
        return count

    def _submit(self, client: Client, number: int) -> Future:
        if self.shared is None or self.shared.status != "finished":
            # Sent to each, so that the death of one takes it from none of the others; again where all have died. As
            # bytes, which workers pass on without opening them: first of all they compare their versions with ours.
            try:
                self.shared = client.scatter(pickle.dumps(self.world), broadcast=True, hash=False, timeout=_WORKERS_S)
            except (OSError, TimeoutError):
                raise IgallocError(f"the workers at {self.address} cannot be reached; {_GO_ON}") from None
        self.submitted += 1
        key = f"igalloc-{self.token}-{self.submitted}"
        return client.submit(_in_worker, self.shared, self.token, number, identity(), key=key, pure=False)

    def _result(self, number: int, future: Future) -> ReplicationResult | None:
        """What came of a task; None where it was lost with its worker and is to be played again."""
        from distributed import KilledWorker

        if self.client is None or self.client.status != "running":
            raise IgallocError(self._gone())
        if future.status in {"cancelled", "lost"}:
            return None
        try:
            result: ReplicationResult = future.result()
        except KilledWorker:
            raise IgallocError(_died(number)) from None
        except ImportError as error:
            expected = "workers with igalloc and the libraries it needs"
            raise InputError(Fault(_OPTION, expected, value=str(error), remedy=_SAME)) from None
        except (OSError, TimeoutError):
            return None
        return result

    def _gone(self) -> str:
        return f"the scheduler at {self.address} has gone away; {_GO_ON}"


_GO_ON = "run again with --resume, which keeps the replications that are done"
_SAME = "Install the same igalloc there as here, with the same lock file."


def _died(number: int) -> str:
    return (
        f"workers died again and again while they played replication {number}, most often because memory is short "
        f"(see their logs); {_GO_ON}"
    )


def _in_worker(shared: bytes, token: str, number: int, expected: tuple[tuple[str, str], ...]) -> ReplicationResult:
    """One replication, in a worker; refused where another version could give another result."""
    if identity() != expected:
        other, ours = dict(identity()), dict(expected)
        differs = ", ".join(f"{name} {other[name]} (here {ours[name]})" for name in ours if other[name] != ours[name])
        raise InputError(Fault(_OPTION, "workers with the versions that are here", value=differs, remedy=_SAME))
    # Several threads of one worker would only wait for each other, and not every library is made for it.
    with _one_at_a_time:
        if token not in _worlds:
            _worlds.clear()
            _worlds[token] = pickle.loads(shared)  # noqa: S301 (from who may give this worker any work)
        world = _worlds[token]
        return result_of(play(world, seed=world.scenario.run.seed, replication=number))


@lru_cache(maxsize=1)
def identity() -> tuple[tuple[str, str], ...]:
    """Name and version of all that decides a result, our own files by their hash."""
    package = package_data()
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".toml"}:
            digest.update(path.relative_to(package).as_posix().encode("utf-8"))
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    versions = [("igalloc files", digest.hexdigest()[:12]), ("Python", f"{sys.version_info[0]}.{sys.version_info[1]}")]
    return (*versions, *((name, _version(name)) for name in _DECIDE_BYTES))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
