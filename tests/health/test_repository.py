"""What may and may not stand in the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

TOP_FOLDERS = {"allocation", "scenarios", "data", "notebooks", "reports", "tests"}
TOP_FILES = {
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "Makefile",
    "README.md",
    "bootstrap.py",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements.lock",
}
COHORTS = {
    "README.md",
    "data_dictionary.csv",
    "national_cohort.parquet",
    "provenance.toml",
    "sample_cohort.csv",
    "sample_stock.csv",
}
LONGEST_MODULE = 450
LARGEST_FILE_BYTES = 6_000_000
# Windows refuses longer ones in a folder of ordinary depth.
LONGEST_PATH = 160

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+|Users/\w+)/|[A-Z]:\\\\?Users|/tmp/\w+_jobs")
ADDRESS = re.compile(r"pypi\.org/simple|files\.pythonhosted|registry\.npmjs|file:/{3}|--(?:extra-)?index-url")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?P<marker> ; [^\\]+)? \\$")


@cache
def tracked() -> tuple[PurePosixPath, ...]:
    """Files that are in the repository or about to be; in an unpacked archive, all but what git would ignore."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8").stdout.split("\0")
        return tuple(PurePosixPath(name) for name in sorted(set(names)) if name and (ROOT / name).is_file())
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    left_out = {"__pycache__", "build", "dist", "htmlcov"}
    return tuple(
        PurePosixPath(path.as_posix())
        for path in sorted(found)
        if not (left_out & set(path.parts) or (path.parts[0].startswith(".") and path.parts[0] != ".ci"))
        and (path.parts[0] != "reports" or path.parts[1] in ("README.md", "sample"))
    )


@cache
def texts() -> dict[PurePosixPath, str]:
    """Text of every tracked file that is text; a byte of zero marks the others, as it does for git."""
    contents = ((path, (ROOT / path).read_bytes()) for path in tracked())
    return {path: content.decode("utf-8") for path, content in contents if b"\0" not in content[:8000]}


@cache
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, str]:
    """Version of each package of a lock file."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    found = [PIN.match(line) for line in lines if line and line[0] not in " #"]
    assert all(found), "each line that starts a package pins it with == and goes on with hashes"
    return {canonicalize_name(match["name"]): match["version"] for match in found if match}


def test_every_text_is_utf_8_with_line_feeds() -> None:
    assert PurePosixPath("pyproject.toml") in texts()
    assert [str(path) for path, text in texts().items() if "\r" in text] == []


def test_no_file_names_a_machine_or_an_index() -> None:
    found = [
        f"{path}: {match.group(0)}"
        for path, text in texts().items()
        for pattern in (MACHINE_PATH, ADDRESS)
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_no_file_names_the_folder_it_lies_in() -> None:
    if len(ROOT.parts) < 3:
        return
    place = re.compile(rf"(?<![\w.]){re.escape(str(ROOT))}(?![\w-])")
    assert [str(path) for path, text in texts().items() if place.search(text)] == []


# A bar stands for a slash or backslash, so that this file does not hold what it forbids.
FORBIDDEN = [
    "|work|main|x",
    "see |home|ann|x",
    "C:|Users|ann",
    "https:||pypi.org|simple",
    "file:|||opt|x",
    "-|-index-url",
]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_the_patterns_catch_what_they_are_for(line: str) -> None:
    forms = (line.replace("-|-", "--").replace("|", "/"), line.replace("|", chr(92)))
    assert any(MACHINE_PATH.search(form) or ADDRESS.search(form) for form in forms)


@pytest.mark.parametrize("line", ["notes/work/later", "the home/away column", "https://pypi.org/project/pulp"])
def test_the_patterns_leave_the_rest_alone(line: str) -> None:
    assert not MACHINE_PATH.search(line)
    assert not ADDRESS.search(line)


def test_the_top_holds_only_what_the_design_allows() -> None:
    names = {path.parts[0]: len(path.parts) > 1 for path in tracked()}
    strange = {
        name
        for name, folder in names.items()
        if not name.startswith(".") and name not in (TOP_FOLDERS if folder else TOP_FILES)
    }
    assert strange == set()
    assert TOP_FILES - set(names) == set()


def test_python_stands_only_where_it_runs() -> None:
    places = {path.parts[0] for path in tracked() if path.suffix == ".py"}
    assert places <= {"allocation", "tests", "bootstrap.py"}


def test_modules_can_be_read_in_one_sitting() -> None:
    lengths = {
        str(p): text.count("\n") for p, text in texts().items() if p.parts[0] == "allocation" and p.suffix == ".py"
    }
    assert {path: lines for path, lines in lengths.items() if lines >= LONGEST_MODULE} == {}


def test_file_names_work_on_every_platform() -> None:
    names = [str(path) for path in tracked()]
    assert [name for name in names if re.search(r'[<>:"\\|?*\x00-\x1f]|[ .](/|$)', name)] == []
    assert [name for name in names if len(name) > LONGEST_PATH] == []
    assert len({name.lower() for name in names}) == len(names)
    assert [str(path) for path in tracked() if (ROOT / path).is_symlink()] == []


def test_no_file_is_large() -> None:
    sizes = {str(path): (ROOT / path).stat().st_size for path in tracked()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE_BYTES} == {}


def test_only_the_named_synthetic_cohorts_are_tracked() -> None:
    found = {path.relative_to("data/patient_cohorts").as_posix() for path in tracked() if path.parts[0] == "data"}
    assert found <= COHORTS


def test_a_real_extract_is_ignored() -> None:
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.fail("git is needed to prove that an extract left in the folder is not tracked")
    for name in ("real_extract.csv", "2026/real_extract.xlsx", "national_cohort_real.parquet"):
        asked = subprocess.run([git, "check-ignore", "-q", f"data/patient_cohorts/{name}"], cwd=ROOT, check=False)
        assert asked.returncode == 0, name


def test_every_scenario_of_the_library_is_in_the_wheel() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]  # type: ignore[index]
    bundled = set(wheel["force-include"])
    scenarios = {str(path) for path in tracked() if path.parts[0] == "scenarios" and path.suffix == ".toml"}
    assert {name for name in bundled if name.startswith("scenarios/")} == scenarios
    assert {name for name in bundled if not name.startswith("scenarios/")} == {"data/patient_cohorts/sample_cohort.csv"}
    assert all(target == f"allocation/_bundled/{name}" for name, target in wheel["force-include"].items())


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_pins_and_hashes_and_no_place(lock: str) -> None:
    packages = 0
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        packages += bool(PIN.match(line))
        assert PIN.match(line) or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line
    assert packages > 20
    assert not re.search(r"https?:|//|@", (ROOT / lock).read_text(encoding="utf-8"))


def test_the_locks_serve_what_the_project_asks_for() -> None:
    asked = project()
    runtime = [*asked["project"]["dependencies"], *asked["dependency-groups"]["build"]]  # type: ignore[index]
    assert set(asked["build-system"]["requires"]) <= set(runtime)  # type: ignore[index]
    extras = asked["project"]["optional-dependencies"]  # type: ignore[index]
    own = [extra for line in extras["dev"] if line.startswith("igalloc[") for extra in Requirement(line).extras]
    assert sorted(own) == sorted(set(extras) - {"dev"}), "the tests run with every extra"
    developer = [line for extra in ("dev", *own) for line in extras[extra] if not line.startswith("igalloc[")]
    for lock, lines in (("requirements.lock", runtime), ("requirements-dev.lock", [*runtime, *developer])):
        have = pins(lock)
        for requirement in map(Requirement, lines):
            version = have.get(canonicalize_name(requirement.name))
            assert version, f"{lock} lacks {requirement.name}: make lock"
            assert requirement.specifier.contains(version, prereleases=True), f"{lock}, {requirement}: make lock"


def test_both_locks_pin_the_same_versions() -> None:
    runtime, developer = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: developer.get(name) for name in runtime} == runtime


def test_what_runs_here_is_what_the_lock_pins() -> None:
    from importlib.metadata import version

    wanted = project()["project"]["dependencies"]  # type: ignore[index]
    locked = pins("requirements-dev.lock")
    for requirement in map(Requirement, wanted):
        assert version(requirement.name) == locked[canonicalize_name(requirement.name)], requirement.name
