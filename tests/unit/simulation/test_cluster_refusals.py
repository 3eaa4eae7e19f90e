"""What a cluster is refused for, and what is said when it fails."""

from __future__ import annotations

import importlib.util
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from allocation.cli.app import app
from allocation.errors import IgallocError, InputError
from allocation.simulation import cluster
from allocation.simulation.cluster import check_cluster, crosses_network_in_clear, on_cluster

WORLD: Any = SimpleNamespace()
"""Stands for a world that is never opened."""


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tls://node-1.example:1", "tcp://[::1]:65535"])
def test_addresses_of_schedulers_are_taken(address: str) -> None:
    check_cluster(address)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://:1", "tcp://a:0", "tcp://a:65536", "tcp://a b:1"]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(InputError, match="tcp://host:port"):
        check_cluster(address)


def test_a_missing_library_is_named_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"extra named cluster.*pip install \"igalloc\[cluster\]\""):
        check_cluster("tcp://127.0.0.1:8786")


def test_rows_are_in_clear_only_beyond_this_machine() -> None:
    assert [
        crosses_network_in_clear(address)
        for address in ("tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://node:1", "nonsense")
    ] == [False] * 5
    assert crosses_network_in_clear("tcp://node:1")
    assert crosses_network_in_clear("tcp://10.0.0.7:1")


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        with on_cluster(WORLD, address) as play, pytest.raises(InputError, match="a dask scheduler that answers"):
            list(play([0]))


def test_nothing_to_play_asks_nobody() -> None:
    with on_cluster(WORLD, "tcp://127.0.0.1:1") as play:
        assert list(play([])) == []


def test_a_worker_with_other_versions_is_refused() -> None:
    mine = cluster.identity()
    names = [name for name, _ in mine]
    assert names[:2] == ["igalloc files", "Python"]
    assert "highspy" in names
    other = tuple((name, "0.1" if name == "pandas" else found) for name, found in mine)
    # The bytes of the world are never opened.
    with pytest.raises(InputError, match=r"pandas .*\(here 0\.1\)") as caught:
        cluster._in_worker(b"", "token", 0, other)
    assert "numpy" not in str(caught.value)


def future_that(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(status="finished", **more)


def test_what_failures_come_to() -> None:
    from distributed import KilledWorker

    running = SimpleNamespace(status="running")
    run = cluster._Run(WORLD, "tcp://127.0.0.1:1", client=running)

    def raises(error: Exception) -> Any:
        def result() -> None:
            raise error

        return future_that(result=result)

    dead = SimpleNamespace(address="tcp://127.0.0.1:2")
    with pytest.raises(IgallocError, match=r"workers died again and again .* replication 7.*--resume"):
        run._result(7, raises(KilledWorker("key", dead, 3)))
    with pytest.raises(InputError, match=r"No module named 'allocation'.*Install the same igalloc"):
        run._result(7, raises(ModuleNotFoundError("No module named 'allocation'")))
    assert run._result(7, raises(OSError("closed"))) is None, "played again"
    assert run._result(7, SimpleNamespace(status="cancelled")) is None
    run.client = SimpleNamespace(status="closed")
    with pytest.raises(IgallocError, match=r"has gone away.*--resume"):
        run._result(7, future_that())
    with pytest.raises(IgallocError, match="has gone away"):
        run._workers()


def test_no_worker_left_for_long_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [{"one": 1}, {}, {}]
    client = SimpleNamespace(status="running", nthreads=lambda: counts.pop(0))
    run = cluster._Run(WORLD, "tcp://127.0.0.1:1", client=client)
    assert run._workers() == 1
    assert run._workers() == 0
    monkeypatch.setattr(cluster, "_WORKERS_S", -1.0)
    with pytest.raises(IgallocError, match="no worker has been left"):
        run._workers()


def test_the_command_takes_a_cluster_or_workers() -> None:
    begin = ["simulate", "baseline", "--out", "never", "--cluster"]
    both = CliRunner().invoke(app, [*begin, "tcp://127.0.0.1:8786", "--workers", "2"])
    assert both.exit_code == 2
    assert "either --cluster or --workers" in both.output
    wrong = CliRunner().invoke(app, [*begin, "127.0.0.1"])
    assert wrong.exit_code == 2
    assert "tcp://host:port" in wrong.output
