"""Ctrl-C in the middle of a run: a sentence, exit code 130, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from allocation.cli import main
from allocation.resources import SAMPLE_COHORT, bundled

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="a console Ctrl-C cannot be sent to one process there"
)


@contextmanager
def running(folder: Path, command: list[str], told: str) -> Iterator[subprocess.Popen[str]]:
    """A command on the sample cohort that has come as far as to tell something; the block is to end it."""
    cohort = bundled(SAMPLE_COHORT)
    assert cohort is not None
    whole = [sys.executable, "-m", "allocation", *command, "--cohort", str(cohort), "--out", "run"]
    with subprocess.Popen(whole, cwd=folder, stderr=subprocess.PIPE, text=True, encoding="utf-8") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if told in line:
                break
        yield run


def ended(run: subprocess.Popen[str]) -> str:
    """What a command says to its end, which is no traceback."""
    _, rest = run.communicate(timeout=60)
    assert "Traceback" not in rest
    return rest


@needs_signals
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_stops_a_simulation_cleanly(tmp_path: Path, workers: str) -> None:
    command = ["simulate", "no_disruption", "--replications", "500", "--workers", workers]
    with running(tmp_path, command, "replication 1 of") as run:
        run.send_signal(signal.SIGINT)
        rest = ended(run)
    assert run.returncode == 130, rest
    assert "stopped" in rest
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


@needs_signals
def test_ctrl_c_says_what_is_kept_to_go_on_with(tmp_path: Path) -> None:
    command = ["simulate", "no_disruption", "--replications", "500", "--resume"]
    with running(tmp_path, command, "replication 2 of") as run:
        run.send_signal(signal.SIGINT)
        rest = ended(run)
    assert run.returncode == 130, rest
    assert re.search(r"stopped\. \d+ replications? (is|are) done and kept", rest), rest
    assert [path.name for path in tmp_path.iterdir()] == [".run.work"]


@pytest.mark.skipif(sys.platform != "linux", reason="the workers are found by the ps of Linux")
def test_a_worker_that_is_killed_ends_the_run_in_one_sentence(tmp_path: Path) -> None:
    command = ["simulate", "no_disruption", "--replications", "500", "--workers", "2"]
    with running(tmp_path, command, "replication 1 of") as run:
        children = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(run.pid)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        workers = [int(line.split()[0]) for line in children if "multiprocessing.spawn" in line]
        assert len(workers) == 2, children
        os.kill(workers[0], signal.SIGKILL)
        rest = ended(run)
    assert run.returncode == 1, rest
    assert "ended from outside; run again with --resume" in rest


@needs_signals
@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["compare", "no_disruption", "--policies", "grade_order,pro_rata", "--workers", "2"], "tion 0 of"),
        (
            ["breaking-point", "uk_2021_output_fall", "--vary", "disruption.0.fraction", "--range", "0.1:0.6"],
            "scenario 1 of",
        ),
        (["sensitivity", "uk_2021_output_fall", "--workers", "2"], "replication 1 of"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_stops_a_study_cleanly(tmp_path: Path, options: list[str], told: str) -> None:
    with running(tmp_path, [*options, "--weeks", "8", "--replications", "6"], told) as run:
        run.send_signal(signal.SIGINT)
        rest = ended(run)
    assert run.returncode == 130, rest
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_program_loads_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class StillLoading:
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "allocation.cli.app", StillLoading())
    assert main(["simulate", "--list"]) == 130
    assert capsys.readouterr().err == "igalloc: stopped. Nothing was written half.\n"
