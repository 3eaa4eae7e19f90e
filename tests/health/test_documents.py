"""The documents say what is true: commands run, links lead somewhere, versions agree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import allocation

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SAMPLE = Path("data/patient_cohorts/sample_cohort.csv")
PAGES = ["README.md", "CHANGELOG.md", "notebooks/README.md", "reports/README.md", "scenarios/README.md"]

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"\[(Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d{2}-\d{2})?")


def session(text: str) -> list[tuple[str, list[str]]]:
    """Commands of the console blocks, each with the output shown beneath it (none: anything)."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("igalloc ") and command != line:
                steps.append((command, []))
            elif steps:
                steps[-1][1].append(line)
    return steps


def test_a_session_is_read_with_its_output() -> None:
    text = "```console\n$ igalloc dose --x\n145 g\n$ igalloc report d\n```\n\n```\nigalloc not this\n```\n"
    assert session(text) == [("igalloc dose --x", ["145 g"]), ("igalloc report d", [])]


@pytest.mark.slow
def test_the_session_of_the_readme_runs(tmp_path: Path) -> None:
    steps = session(README.read_text(encoding="utf-8"))
    assert len(steps) >= 9
    (tmp_path / SAMPLE).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / SAMPLE, tmp_path / SAMPLE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_COLOR": "1"}
    for command, expected in steps:
        done = subprocess.run(
            [sys.executable, "-m", "allocation", *shlex.split(command)[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if expected:
            assert done.stdout.splitlines() == expected, command
    assert list((tmp_path / "reports").rglob("*.html"))


def test_the_readme_names_the_two_commands_and_says_what_igalloc_is_not() -> None:
    text = README.read_text(encoding="utf-8")
    assert "python bootstrap.py demo" in text
    assert "python bootstrap.py test" in text
    assert "planning tool, not a clinical decision tool" in text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [t for t in targets if t and "://" not in t and not ((ROOT / page).parent / t).exists()]
    assert missing == []


def test_files_the_readme_names_exist() -> None:
    named = set(
        re.findall(r"`((?:allocation|scenarios|data|tests|\.ci)/[\w./-]*)`", README.read_text(encoding="utf-8"))
    )
    assert {name for name in named if not (ROOT / name).exists()} == set()
    assert len(named) > 5


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    releases = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert all(RELEASE.fullmatch(release) for release in releases)
    assert set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE)) <= SECTIONS
    body = text.split("\n## ", 1)[1]
    entries = [" ".join(entry.split()) for entry in re.split(r"^- ", body, flags=re.MULTILINE)[1:]]
    entries = [entry.split(" ##")[0] for entry in entries]
    assert entries
    assert [entry for entry in entries if not entry.endswith(".")] == []


def test_the_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith(project["name"])
    assert citation["version"] == allocation.__version__
    assert citation["license"] == project["license"]
    assert citation["message"]
    assert citation["authors"] == [{"name": "igalloc contributors"}]


def test_the_licence_is_the_one_the_package_names() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
