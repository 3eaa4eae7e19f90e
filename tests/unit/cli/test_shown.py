"""What the command line says of faults, many or few, and of limits."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from allocation.cli.shown import say_faults, say_set_aside
from allocation.errors import Fault


def many(number: int, column: str = "expiry_date") -> list[Fault]:
    return [Fault("stock.csv", "a later day", row=row, column=column, value=str(row)) for row in range(2, number + 2)]


def test_every_fault_has_its_line_and_many_alike_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    say_faults([*many(830), *many(3, "vials"), Fault("stock.csv", "a file")])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 830 + 3 + 1 + 1
    told = "igalloc: in all 830 faults of one kind, stock.csv, expiry_date, rows 2 to 831: expected a later day."
    assert lines[-1] == told
    say_faults(many(20))
    assert len(capsys.readouterr().err.splitlines()) == 20


def test_rows_and_limits_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        say_set_aside(many(2), 1, Path("out"), limits=1)
    told = capsys.readouterr().err
    assert "1 row was set aside with its reasons in out; the good rows went on." in told
    assert "1 limit was left out or cut, as limits_rejects.csv tells; the others hold." in told
    say_set_aside(many(2), 0, Path("out"), limits=2, expected=True)
    told = capsys.readouterr().err
    assert "row" not in told.splitlines()[-1]
    assert "2 limits were left out or cut" in told
