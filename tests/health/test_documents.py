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
PAGES = [
    *("README.md", "CHANGELOG.md", "notebooks/README.md", "reports/README.md", "scenarios/README.md"),
    *("data/patient_cohorts/README.md", "tests/benchmark/README.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "allocation").rglob("*.md")),
]
GUIDES = [f"allocation/docs/guide_{who}.md" for who in ("planner", "panel", "analyst")]
WORKED = ["allocation/rules/README.md", "scenarios/README.md"]
"""How to add an indication, and a scenario; the example of a policy is built and installed in tests/packaging."""

FENCE = re.compile(r"^```(console|python|toml \S+|csv \S+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"\[(Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d{2}-\d{2})?")


def session(text: str) -> list[tuple[str, list[str]]]:
    """Commands of the console blocks, each with the output shown beneath it (none: anything)."""
    steps: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        command = line.removeprefix("$ ")
        if command.startswith("igalloc ") and command != line:
            steps.append((command, []))
        elif steps:
            steps[-1][1].append(line)
    return steps


def play(page: str, place: Path) -> int:
    """Follow a page in an empty folder that holds the sample cohort, block by block; how many commands it has.

    Files that the page has the reader save (``toml NAME``, ``csv NAME``) are saved, commands and programs are run.
    """
    (place / SAMPLE).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / SAMPLE, place / SAMPLE)
    commands = 0
    for kind, block in FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        if " " in kind:
            (place / kind.split()[1]).write_text(block, encoding="utf-8")
        elif kind == "python":
            run_here(["-c", block], place, told=block)
        else:
            for command, expected in session(block):
                printed = run_here(["-m", "allocation", *shlex.split(command)[1:]], place, told=command)
                assert not expected or printed.splitlines() == expected, command
                commands += 1
    return commands


def run_here(arguments: list[str], place: Path, *, told: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=place, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{told}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_session_is_read_with_its_output() -> None:
    text = "```console\n$ igalloc dose --x\n145 g\n$ igalloc report d\n```\n\n```\nigalloc not this\n```\n"
    [(kind, block)] = FENCE.findall(text)
    assert kind == "console"
    assert session(block) == [("igalloc dose --x", ["145 g"]), ("igalloc report d", [])]


@pytest.mark.slow
def test_the_session_of_the_readme_runs(tmp_path: Path) -> None:
    assert play("README.md", tmp_path) >= 9
    assert list((tmp_path / "reports").rglob("*.html"))


@pytest.mark.slow
@pytest.mark.parametrize("page", [*GUIDES, *WORKED])
def test_the_session_of_a_page_runs(page: str, tmp_path: Path) -> None:
    if "analyst" in page:
        pytest.importorskip("statsforecast", reason="the extra forecast is not installed")
    assert play(page, tmp_path) >= (7 if page in GUIDES else 2)


def test_guides_say_what_igalloc_is_not() -> None:
    for page in GUIDES:
        assert "not a clinical decision tool" in (ROOT / page).read_text(encoding="utf-8")


def test_the_readme_names_the_two_commands_and_says_what_igalloc_is_not() -> None:
    text = README.read_text(encoding="utf-8")
    assert "python bootstrap.py demo" in text
    assert "python bootstrap.py test" in text
    assert "planning tool, not a clinical decision tool" in text


def anchors(text: str) -> set[str]:
    """Where links into a page may lead: its headings as GitHub spells them in addresses."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = path.parent / name if name else path
        if not found.exists() or (anchor and anchor not in anchors(found.read_text(encoding="utf-8"))):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize(("page", "rows"), [("stress_des.md", 20), ("rap_levels.md", 18)])
def test_every_line_of_a_checklist_leads_somewhere_or_is_not_met(page: str, rows: int) -> None:
    lines = re.findall(
        r"^\| (?:\*\*\d|Baseline|Silver|Gold).*$", (ROOT / "allocation/docs" / page).read_text("utf-8"), re.M
    )
    assert len(lines) >= rows
    assert [line for line in lines if "](" not in line and "**no**" not in line and "manifest" not in line] == []


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
