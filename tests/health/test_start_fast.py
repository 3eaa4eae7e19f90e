"""``--help`` answers at once: no command's help loads what only its work needs."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
import typer

from allocation.cli.app import app

HEAVY = (
    "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "pulp", "highspy", "simpy", "distributed", "dask", "jinja2",
    "xlsxwriter", "python_calamine", "statsforecast",
)  # fmt: skip
CODE = """
import json, sys
from allocation.cli import main
codes = [main([*command, "--help"]) for command in json.loads(sys.argv[1])]
assert not any(codes), codes
sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found = [(path, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += _commands(inner, (*path, name))
    return found


COMMANDS = _commands(typer.main.get_command(app))


def test_no_help_loads_what_only_the_work_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps([path for path, _ in COMMANDS])],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stderr))
    assert not loaded & set(HEAVY)
    assert "allocation" in loaded


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) or "igalloc" for path, _ in COMMANDS])
def test_every_help_has_an_example_of_its_own(path: tuple[str, ...], command: click.Command) -> None:
    assert command.epilog, path
    assert " ".join(("igalloc", *path)) in command.epilog
