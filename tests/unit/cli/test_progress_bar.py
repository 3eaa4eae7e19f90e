"""What is told on stderr while replications are played."""

from __future__ import annotations

import re
import time

import pytest

from allocation.cli.progress import replication_bar, running_step


def test_a_terminal_sees_a_bar_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with replication_bar() as progress:
        for done in range(5):
            progress(done, 4)
    told = capsys.readouterr()
    assert told.out == "", "stdout is for data"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.err)
    assert "4/4 replications, time left" in plain
    assert re.search(r"time left \d+:\d\d", plain)


def test_elsewhere_each_replication_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with replication_bar() as progress:
        progress(0, 2)
        progress(1, 2)
    assert capsys.readouterr().err.splitlines() == ["replication 0 of 2 done", "replication 1 of 2 done"]


def test_a_terminal_sees_the_step_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with running_step() as step:
        step("Checking the result")
        time.sleep(0.3)
    told = capsys.readouterr()
    assert told.out == "", "stdout is for data"
    assert "Checking the result" in told.err


def test_elsewhere_steps_are_not_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with running_step() as step:
        step("Checking the result")
    assert capsys.readouterr() == ("", "")
