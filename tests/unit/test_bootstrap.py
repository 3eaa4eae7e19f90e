"""Setting up: what is done when, and what a person reads when something is missing."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "bootstrap.py"
PYTHON = "cpython-311 on this machine"


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, pointed at a small checkout of its own."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    return module


@pytest.fixture
def done(boot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``prepare`` has done, with nothing really made or fetched; the stamp must be away meanwhile."""
    steps: list[str] = []

    def create() -> None:
        boot.own_python().parent.mkdir(parents=True, exist_ok=True)
        boot.own_python().write_text("", encoding="utf-8")
        steps.append("create")

    def install(arguments: Sequence[str], *, lock: str) -> None:
        assert not boot.STAMP.exists()
        # The locks name every package: a release newer than they are never changes what is installed.
        assert "--no-deps" in arguments
        steps.append("project" if "--editable" in arguments else lock)

    monkeypatch.setattr(boot, "create_environment", create)
    monkeypatch.setattr(boot, "pip_install", install)
    return steps


def test_the_locks_name_every_package_that_another_one_needs() -> None:
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def stamps(boot: ModuleType, root: Path) -> Any:
    return boot.wanted_stamp(root, python=PYTHON)


def test_the_callers_environment_does_not_reach_in(boot: ModuleType) -> None:
    given = {"PYTHONPATH": "x", "VIRTUAL_ENV": "y", "Pip_Target": "z", "PATH": "p", "HTTPS_PROXY": "q", "PIP_USER": "1"}
    kept = boot.clean_environment(given)
    assert {"PYTHONPATH", "VIRTUAL_ENV", "Pip_Target"} & set(kept) == set()
    assert (kept["PATH"], kept["HTTPS_PROXY"], kept["PIP_USER"]) == ("p", "q", "0")
    assert given["PYTHONPATH"] == "x"


def test_where_python_lies(boot: ModuleType) -> None:
    assert boot.venv_python(Path("e"), windows=False) == Path("e/bin/python")
    assert boot.venv_python(Path("e"), windows=True) == Path("e/Scripts/python.exe")


@pytest.mark.parametrize(("cores", "workers"), [(None, 1), (0, 1), (1, 1), (2, 2), (8, 8), (64, 8)])
def test_workers_follow_the_cores_up_to_a_limit(boot: ModuleType, cores: int | None, workers: int) -> None:
    assert boot.worker_count(cores) == workers


def test_usable_cores_are_a_count(boot: ModuleType) -> None:
    assert boot.usable_cores() is None or boot.usable_cores() >= 1


def test_a_digest_sees_where_pieces_end(boot: ModuleType) -> None:
    assert boot.digest([b"ab", b"c"]) != boot.digest([b"a", b"bc"])
    assert boot.digest([b"ab", b"c"]) == boot.digest([b"ab", b"c"])


@pytest.mark.parametrize(
    ("file", "key"), [("requirements.lock", "base"), ("requirements-dev.lock", "dev"), ("pyproject.toml", "project")]
)
def test_each_file_decides_its_own_part(boot: ModuleType, tmp_path: Path, file: str, key: str) -> None:
    before = stamps(boot, tmp_path)
    (tmp_path / file).write_text("other\n", encoding="utf-8")
    after = stamps(boot, tmp_path)
    assert [name for name in before if before[name] != after[name]] == [key]


def test_python_and_place_decide_the_base_and_line_ends_nothing(boot: ModuleType, tmp_path: Path) -> None:
    before = stamps(boot, tmp_path)
    assert boot.wanted_stamp(tmp_path, python="another")["base"] != before["base"]
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        content = (tmp_path / name).read_bytes()
        (moved / name).write_bytes(content)
        (tmp_path / name).write_bytes(content.replace(b"\n", b"\r\n"))
    assert stamps(boot, tmp_path) == before
    assert stamps(boot, moved)["base"] != before["base"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "pyproject.toml"])
def test_a_missing_file_is_named(boot: ModuleType, tmp_path: Path, name: str) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(boot.Stop, match=name):
        stamps(boot, tmp_path)


WANTED = {"base": "b", "dev": "d", "project": "p"}


@pytest.mark.parametrize(
    ("found", "dev", "steps"),
    [
        pytest.param({}, False, ("create", "runtime", "project"), id="nothing there"),
        pytest.param({}, True, ("create", "dev", "project"), id="nothing there, developer"),
        pytest.param({**WANTED, "dev": ""}, False, (), id="up to date"),
        pytest.param(WANTED, False, (), id="a developer's serves a user"),
        pytest.param(WANTED, True, (), id="up to date, developer"),
        pytest.param({**WANTED, "dev": ""}, True, ("dev",), id="a user's becomes a developer's"),
        pytest.param({**WANTED, "dev": "old"}, True, ("create", "dev", "project"), id="developers' lock changed"),
        pytest.param({**WANTED, "dev": "old"}, False, (), id="developers' lock does not matter to a user"),
        pytest.param({**WANTED, "base": "old"}, False, ("create", "runtime", "project"), id="lock or Python changed"),
        pytest.param({**WANTED, "project": "old"}, True, ("project",), id="pyproject changed"),
        pytest.param({**WANTED, "dev": "", "project": "old"}, True, ("dev", "project"), id="both"),
    ],
)
def test_only_what_is_needed_is_done(boot: ModuleType, found: dict[str, str], dev: bool, steps: tuple[str]) -> None:
    assert boot.steps_to(WANTED, found, dev=dev) == steps


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "3"])
def test_an_unreadable_stamp_is_none(boot: ModuleType, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "stamp.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert boot.read_stamp(path) == {}


def test_preparing_twice_does_it_once(boot: ModuleType, done: list[str]) -> None:
    boot.prepare(dev=False)
    assert done == ["create", "requirements.lock", "project"]
    boot.prepare(dev=False)
    assert len(done) == 3
    boot.prepare(dev=True)
    assert done[3:] == ["requirements-dev.lock"]
    boot.prepare(dev=True)
    boot.prepare(dev=False)
    assert len(done) == 4


def test_a_removed_python_means_a_new_environment(boot: ModuleType, done: list[str]) -> None:
    boot.prepare(dev=True)
    boot.own_python().unlink()
    boot.prepare(dev=True)
    assert done == ["create", "requirements-dev.lock", "project"] * 2


def test_a_failure_leaves_no_stamp(boot: ModuleType, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: Sequence[str], *, lock: str) -> None:
        raise boot.Stop("no network")

    with monkeypatch.context() as patch:
        patch.setattr(boot, "pip_install", fail)
        with pytest.raises(boot.Stop):
            boot.prepare(dev=False)
    assert not boot.STAMP.exists()
    boot.prepare(dev=False)
    assert set(json.loads(boot.STAMP.read_text(encoding="utf-8"))) == {"base", "dev", "project"}


@pytest.mark.parametrize(
    ("printed", "word"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"),
        ("WARNING: SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))\nNo matching", "PIP_CERT"),
        ("NewConnectionError: Temporary failure in name resolution\nNo matching distribution found", "network"),
        ("WARNING: ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
        ("ReadTimeoutError: Read timed out.", "network"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "64-bit"),
        ("something else", "install.log"),
    ],
)
def test_pips_trouble_becomes_one_sentence(boot: ModuleType, printed: str, word: str) -> None:
    said = boot.explain_pip(printed, lock="requirements.lock", log=Path("install.log"))
    assert word in said
    assert "\n" not in said
    assert said.endswith(".")


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["dance"], 2), (["--help"], 0)])
def test_usage(boot: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    assert boot.main(arguments) == code
    shown = capsys.readouterr()
    assert "bootstrap.py demo" in (shown.err if code else shown.out)


def test_a_missing_cohort_is_one_sentence(boot: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert boot.main(["demo"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "national_cohort.parquet is missing" in said


@pytest.mark.parametrize(
    ("trouble", "code"), [(PermissionError(13, "Permission denied"), 2), (KeyboardInterrupt(), 130)]
)
def test_other_ends_are_one_sentence_too(
    boot: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: BaseException,
    code: int,
) -> None:
    def refuse(*, dev: bool) -> None:
        raise trouble

    monkeypatch.setattr(boot, "prepare", refuse)
    assert boot.main(["test"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_without_venv_the_package_to_install_is_named(boot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(boot.Stop, match=r"apt install python3\.\d+-venv"):
        boot.create_environment()


def test_demo_simulates_then_reports(boot: ModuleType, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = boot.ROOT / boot.DEMO_COHORT
    cohort.parent.mkdir(parents=True)
    cohort.write_bytes(b"")
    calls: list[list[str]] = []
    monkeypatch.setattr(boot, "run", lambda arguments: calls.append(list(arguments)) or 0)
    assert boot.main(["demo", "--replications", "2"]) == 0
    assert done[0] == "create"
    simulate, report = calls
    assert simulate[:3] == ["allocation", "simulate", "uk_2021_output_fall"]
    assert simulate[-4:] == ["--out", "reports/demo", "--replications", "2"]
    assert report == ["allocation", "report", "reports/demo"]


def test_demo_does_not_report_a_run_that_failed(boot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    (boot.ROOT / boot.DEMO_COHORT).parent.mkdir(parents=True)
    (boot.ROOT / boot.DEMO_COHORT).write_bytes(b"")
    monkeypatch.setattr(boot, "prepare", lambda *, dev: None)
    calls: list[str] = []
    monkeypatch.setattr(boot, "run", lambda arguments: calls.append(arguments[1]) or 1)
    assert boot.main(["demo"]) == 1
    assert calls == ["simulate"]


def test_every_check_runs_even_after_a_failure(
    boot: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: dict[str, list[str]] = {}
    monkeypatch.setattr(boot, "prepare", lambda *, dev: None)

    def run(arguments: list[str]) -> int:
        calls[arguments[0]] = arguments
        return 3 if arguments[0] == "mypy" else 0

    monkeypatch.setattr(boot, "run", run)
    assert boot.main(["test", "-k", "dose"]) == 3
    assert set(calls) == {"ruff", "mypy", "pytest"}
    assert calls["pytest"][-2:] == ["-k", "dose"]
    assert capsys.readouterr().err.splitlines()[-1] == "Failed: mypy"


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    source = SOURCE.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    with pytest.raises(SystemExit) as stopped:
        exec(compile(source, str(SOURCE), "exec"), {"__name__": "old", "__file__": str(SOURCE)})
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "needs Python 3.11 or newer and this is 3.9" in said
    assert said.count("\n") == 1


def test_only_the_standard_library_is_imported() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
