"""The archives people install from: what is in them, and that they work alone, from another folder.

The bare environment gets the packages of ``requirements.lock`` copied from the environment the tests run in, so
that nothing is fetched and a package that only developers have is missing there as it is for users.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "data/patient_cohorts/sample_cohort.csv"
# What a person might leave in a checkout and what must never leave with it.
DECOYS = [
    "data/patient_cohorts/real_extract.csv",
    "data/patient_cohorts/2026/real_extract.parquet",
    "data/real_extract.xlsx",
    "scenarios/real_extract.csv",
    "reports/tier3/real_extract.csv",
    "notebooks/real_extract.csv",
    "real_extract.csv",
    "allocation/real_extract.csv",
]
TABLE = re.compile(r"\.(?:csv|parquet|xlsx?|feather|sqlite|db)$", flags=re.IGNORECASE)

pytestmark = [pytest.mark.packaging, pytest.mark.slow]


def run(command: Sequence[str | Path], *, folder: Path) -> str:
    """Standard output of a command that must end well, untouched by the environment of the tests."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment, "PYTHONUTF8": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and source archive, built the usual way from a copy of the checkout with decoys in it."""
    tree = tmp_path_factory.mktemp("a tree") / "igalloc"
    left_out = shutil.ignore_patterns(".venv*", ".git", ".*_cache", ".hypothesis", "__pycache__", "reports", "dist")
    shutil.copytree(ROOT, tree, ignore=left_out)
    for name in DECOYS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("patient_id,nhs_number\n1,2\n", encoding="utf-8")
    # What git ignores is not part of the proof: an archive is built from a list of names.
    (tree / ".gitignore").unlink(missing_ok=True)
    out = tree.parent / "out"
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree], folder=tree.parent)
    (wheel,) = out.glob("*.whl")
    (source,) = out.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def bare(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``igalloc`` of an environment that holds the wheel and the locked run-time packages only."""
    venv = tmp_path_factory.mktemp("bare") / "venv"
    run([sys.executable, "-m", "venv", venv], folder=venv.parent)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run([python, "-c", where], folder=venv).strip())
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"[\w.-]+(?===)", line):
            copy_distribution(pinned.group(0), site)
    run([python, "-m", "pip", "install", "--no-deps", "--no-index", archives[0]], folder=venv)
    # The wheel's own list of requirements is satisfied by the lock.
    run([python, "-m", "pip", "check"], folder=venv)
    return scripts / ("igalloc.exe" if os.name == "nt" else "igalloc")


def copy_distribution(name: str, site: Path) -> None:
    """Copy an installed package; one that is for other platforms only is not installed here."""
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return
    for file in installed.files or ():
        # Scripts lie outside and name the interpreter they were made for.
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(file.locate()), target)


def names_in(archive: Path) -> list[str]:
    """File names in an archive, a source archive's without its top folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as source:
        return [str(PurePosixPath(*PurePosixPath(member.name).parts[1:])) for member in source if member.isfile()]


def test_no_archive_holds_a_table_but_the_sample(archives: tuple[Path, Path]) -> None:
    wheel, source = map(names_in, archives)
    assert [name for name in [*wheel, *source] if "real_extract" in name] == []
    assert [name for name in wheel if TABLE.search(name)] == [f"allocation/_bundled/{SAMPLE}"]
    tables = {name for name in source if TABLE.search(name)}
    assert tables == {SAMPLE, "data/patient_cohorts/data_dictionary.csv", "allocation/docs/assumptions_log.csv"}


def test_the_source_archive_holds_the_named_things_only(archives: tuple[Path, Path]) -> None:
    names = names_in(archives[1])
    tops = {name.split("/")[0] for name in names}
    assert tops <= {
        "allocation",
        "scenarios",
        "data",
        "bootstrap.py",
        "requirements.lock",
        "requirements-dev.lock",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    }
    endings = {Path(name).suffix for name in names if name.startswith("scenarios/")}
    assert endings <= {".toml", ".md"}


def test_the_wheel_holds_the_whole_package_and_the_scenarios(archives: tuple[Path, Path]) -> None:
    names = set(names_in(archives[0]))
    # A table in the package is left out of wheels: igalloc assumptions makes the log again.
    left_out = {".pyc", ".csv"}
    package = (path for path in (ROOT / "allocation").rglob("*") if path.is_file() and path.suffix not in left_out)
    data = {path.relative_to(ROOT).as_posix() for path in package}
    scenarios = {f"allocation/_bundled/scenarios/{path.name}" for path in (ROOT / "scenarios").glob("*.toml")}
    assert data | scenarios | {"allocation/py.typed"} <= names
    assert {name.split("/")[0] for name in names if not name.startswith("igalloc-")} == {"allocation"}


def test_help_and_a_dose_from_another_folder(bare: Path, tmp_path: Path) -> None:
    assert "simulate" in run([bare, "--help"], folder=tmp_path)
    options = "--sex M --age 45 --height-cm 170 --weight-kg 84 --g-per-kg 2 --days 5 --vials 5,10,20 --format json"
    dose = json.loads(run([bare, "dose", *options.split()], folder=tmp_path))
    # The plan's own example.
    assert dose["course_g"] == pytest.approx(145)
    assert dose["daily_g"] == pytest.approx([30, 30, 30, 30, 25])


def test_the_bundled_cohort_and_scenarios_serve_a_simulation(bare: Path, tmp_path: Path) -> None:
    sample = bundled_sample(bare)
    options = ["--cohort", sample, "--replications", "1", "--weeks", "6", "--out", "run"]
    run([bare, "simulate", "no_disruption", *options], folder=tmp_path)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["scenario"] == "no_disruption"
    assert summary["replications"] == 1
    run([bare, "report", "run"], folder=tmp_path)
    assert list((tmp_path / "run").glob("*.html"))


def test_an_allocation_from_another_folder(bare: Path, tmp_path: Path) -> None:
    sample = bundled_sample(bare)
    as_of = ["--as-of", "2026-11-01"]
    run([bare, "stock", "make", "--cohort", sample, "--share", "0.6", *as_of, "--out", "stock.csv"], folder=tmp_path)
    told = ["--cohort", sample, "--stock", "stock.csv", "--tier", "3", *as_of, "--out", "tier3"]
    run([bare, "allocate", *told], folder=tmp_path)
    assert json.loads((tmp_path / "tier3" / "result.json").read_text(encoding="utf-8"))["kind"] == "allocation"


def bundled_sample(bare: Path) -> Path:
    """The sample cohort that came with the wheel."""
    python = bare.with_name("python.exe" if os.name == "nt" else "python")
    code = f"from allocation.resources import bundled; print(bundled({SAMPLE!r}))"
    path = Path(run([python, "-c", code], folder=bare.parent).strip())
    assert path.is_file()
    assert ROOT not in path.parents
    return path
