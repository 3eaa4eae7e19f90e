"""Imports go down only, without cycles, and heavy libraries have one door each; import-linter judges.

The rules stand in ``pyproject.toml``. The second half puts a wrong import into a small model of the package, so
that a rule which no longer bites is noticed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "pyproject.toml"

# (rule that must break, file of the model, what it must not import)
WRONG = [
    pytest.param("floors", "dosing/extra.py", "from allocation import cohort", id="upwards"),
    pytest.param("floors", "rules/extra.py", "import allocation.scenario", id="sideways"),
    pytest.param("floors", "errors/extra.py", "import allocation.tables", id="from the ground floor"),
    pytest.param("floors", "attic.py", "", id="module on no floor"),
    pytest.param("pulp", "grading/extra.py", "import pulp", id="PuLP elsewhere"),
    pytest.param("pulp", "optimise/extra.py", "import highspy", id="HiGHS elsewhere"),
    pytest.param("simpy", "simulation/extra.py", "def late():\n    import simpy\n", id="SimPy elsewhere, late"),
    pytest.param("cycles", "cohort/extra.py", "import allocation.cohort.other", id="two modules, each the other"),
]


def lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Judge the package ``allocation`` of a folder by the folder's configuration."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUTF8": "1", "PYTHONPATH": str(folder)}
    call = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", call, "--no-cache", "--no-logo", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A package with every floor of the real one and the two allowed imports of heavy libraries."""
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    floors = next(c for c in config["tool"]["importlinter"]["contracts"] if c["id"] == "floors")
    package = tmp_path / "allocation"
    for line in floors["layers"]:
        for name in line.replace("|", " ").replace(":", " ").split():
            folder = package / name.strip("()")
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text("", encoding="utf-8")
    for name, text in {
        "__init__.py": "",
        "__main__.py": "from allocation import cli\n",
        "cli/first.py": "from allocation import workflow\n",
        "optimise/solvers.py": "import highspy\nimport pulp\n",
        "simulation/engine.py": "import simpy\nimport allocation.optimise.solvers\n",
        "cohort/other.py": "import allocation.cohort.extra\n",
        "cohort/extra.py": "",
    }.items():
        (package / name).write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes(CONFIG.read_bytes())
    return tmp_path


def test_the_package_keeps_its_floors() -> None:
    judged = lint(ROOT)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_model_keeps_every_rule(model: Path) -> None:
    judged = lint(model)
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize(("rule", "file", "code"), WRONG)
def test_a_wrong_import_breaks_its_rule(model: Path, rule: str, file: str, code: str) -> None:
    (model / "allocation" / file).write_text(code + "\n", encoding="utf-8")
    judged = lint(model, "--contract", rule)
    assert judged.returncode == 1, judged.stdout
    assert "BROKEN" in judged.stdout
