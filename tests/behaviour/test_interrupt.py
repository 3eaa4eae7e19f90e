"""Ctrl-C in the middle of a run: a sentence, exit code 130, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from allocation.resources import SAMPLE_COHORT, bundled

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="a console Ctrl-C cannot be sent to one process there"
)


@needs_signals
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_stops_a_simulation_cleanly(tmp_path: Path, workers: str) -> None:
    cohort = bundled(SAMPLE_COHORT)
    assert cohort is not None
    command = [sys.executable, "-m", "allocation", "simulate", "no_disruption", "--cohort", str(cohort)]
    options = ["--replications", "500", "--workers", workers, "--out", "run"]
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "replication 1 of" in line:
                break
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=60)
    assert run.returncode == 130, rest
    assert "stopped" in rest
    assert "Traceback" not in rest
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


@needs_signals
def test_ctrl_c_says_what_is_kept_to_go_on_with(tmp_path: Path) -> None:
    cohort = bundled(SAMPLE_COHORT)
    assert cohort is not None
    command = [sys.executable, "-m", "allocation", "simulate", "no_disruption", "--cohort", str(cohort)]
    options = ["--replications", "500", "--resume", "--out", "run"]
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "replication 2 of" in line:
                break
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=60)
    assert run.returncode == 130, rest
    assert re.search(r"stopped\. \d+ replications? (is|are) done and kept", rest), rest
    assert [path.name for path in tmp_path.iterdir()] == [".run.work"]


@pytest.mark.skipif(sys.platform != "linux", reason="the workers are found by the ps of Linux")
def test_a_worker_that_is_killed_ends_the_run_in_one_sentence(tmp_path: Path) -> None:
    cohort = bundled(SAMPLE_COHORT)
    assert cohort is not None
    command = [sys.executable, "-m", "allocation", "simulate", "no_disruption", "--cohort", str(cohort)]
    options = ["--replications", "500", "--workers", "2", "--out", "run"]
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "replication 1 of" in line:
                break
        children = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(run.pid)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        workers = [int(line.split()[0]) for line in children if "multiprocessing.spawn" in line]
        assert len(workers) == 2, children
        os.kill(workers[0], signal.SIGKILL)
        _, rest = run.communicate(timeout=60)
    assert run.returncode == 1, rest
    assert "ended from outside; run again with --resume" in rest
    assert "Traceback" not in rest


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
    cohort = bundled(SAMPLE_COHORT)
    assert cohort is not None
    command = [sys.executable, "-m", "allocation", *options, "--cohort", str(cohort), "--weeks", "8"]
    more = ["--replications", "6", "--out", "run"]
    with subprocess.Popen([*command, *more], cwd=tmp_path, stderr=subprocess.PIPE, text=True, encoding="utf-8") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if told in line:
                break
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=60)
    assert run.returncode == 130, rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
