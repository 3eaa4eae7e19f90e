"""A policy of somebody else's package: the one the README shows, built, installed and used by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "allocation" / "optimise" / "policies" / "README.md"
SAMPLE = ROOT / "data" / "patient_cohorts" / "sample_cohort.csv"
AS_OF = "2026-11-01"

pytestmark = [pytest.mark.packaging, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip has installed the package of the README, from nothing but its own files."""
    text = README.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(toml|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    source = tmp_path_factory.mktemp("oldest-first")
    (source / "pyproject.toml").write_text(blocks["toml"], encoding="utf-8")
    (source / "oldest_first.py").write_text(blocks["python"], encoding="utf-8")
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", target]
    done = python(["-m", "pip", "install", *options, source])
    assert done.returncode == 0, done.stderr
    assert list(target.glob("oldest_first-1.0.dist-info/entry_points.txt"))
    return target


def python(arguments: list[str | Path], *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, *(str(argument) for argument in arguments)]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_it_is_listed_after_ours(installed: Path) -> None:
    listed = python(["-m", "allocation", "allocate", "--list-policies"], path=installed)
    assert listed.returncode == 0, listed.stderr
    names = [line.split() for line in listed.stdout.splitlines() if not line.startswith(" ")]
    assert names[0][:2] == ["grade_order", "igalloc"]
    assert names[-1] == ["oldest_first", "oldest-first", "1.0"]


def test_it_allocates_and_the_record_names_its_package(installed: Path, tmp_path: Path) -> None:
    stock, out = tmp_path / "stock.csv", tmp_path / "out"
    lines = [f"NATIONAL,{product},10,300" for product in ("privigen_10", "octagam_10", "hizentra_20")]
    stock.write_text("\n".join(["location,product,vial_g,vials", *lines]) + "\n", encoding="utf-8")
    options = ["--cohort", SAMPLE, "--stock", stock, "--tier", "4", "--as-of", AS_OF, "--policy", "oldest_first"]
    done = python(["-m", "allocation", "allocate", *options, "--out", out], path=installed)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["options"]["policy"] == "oldest_first"
    assert (manifest["policy"]["distribution"], manifest["policy"]["version"]) == ("oldest-first", "1.0")
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["certificate"]["passed"]
    first, second = result["policy_used"]["rounds"][:2]
    assert first["name"] == "a week or more overdue"
    assert first["planned_g"] / first["claimed_g"] > second["planned_g"] / second["claimed_g"]
    patients = pd.read_csv(out / "patients.csv")
    funded = patients[patients["status"] != "not_funded"]
    words = "Policy oldest_first: who is a week or more overdue goes before everybody else."
    assert funded["reason"].str.endswith(words).all()


def test_without_the_package_the_policy_is_unknown(tmp_path: Path) -> None:
    options = ["--cohort", SAMPLE, "--stock", SAMPLE, "--tier", "4", "--as-of", AS_OF, "--policy", "oldest_first"]
    done = python(["-m", "allocation", "allocate", *options, "--out", tmp_path / "out"])
    assert done.returncode == 2
    assert "--policy: found 'oldest_first'; expected one of" in done.stderr
    assert "Traceback" not in done.stderr
