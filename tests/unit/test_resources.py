"""Shipped files are found beside the package or in the checkout, never in the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocation import resources


def test_the_working_directory_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.toml").write_text("name = 'mine'\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert resources.scenario_path("mine") is None
    assert "mine" not in resources.scenario_names()


@pytest.mark.parametrize("name", ["", "../pyproject", "sub/name", ".."])
def test_a_scenario_name_is_no_path(name: str) -> None:
    assert resources.scenario_path(name) is None


def test_the_library_and_the_sample_are_found() -> None:
    assert "baseline" in resources.scenario_names()
    found = resources.bundled(resources.SAMPLE_COHORT)
    assert found is not None
    assert found.is_file()


def test_beside_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second):
        (root / "data").mkdir(parents=True)
        (root / "data" / "x.csv").write_text(root.name, encoding="utf-8")
    monkeypatch.setattr(resources, "_ROOTS", (first, second))
    assert resources.bundled("data/x.csv") == first / "data" / "x.csv"
