"""The page of outputs names every file and every column that a run leaves, and none that no run leaves."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from allocation.cohort.dosed import DOSED_COLUMNS
from allocation.resources import SAMPLE_COHORT, bundled, package_data
from allocation.simulation import OUTCOMES
from allocation.simulation.consequences import consequence_labels
from allocation.simulation.paired import GROUP_MEASURES
from allocation.workflow.rules_in_use import RulesInUse, load_rules

PAGE = package_data("docs", "outputs.md")
AS_OF = date(2026, 11, 1)
EVERY_FOLDER = {"manifest.json", "summary.json", "result.json", "resolved.json", "rejects.csv", "stock_rejects.csv"}
SCENARIO = "uk_2021_output_fall"
LIMITS = """
[[switch_quota]]
panel = "SRIAP07"
grams = 1000
assumption = "Made up."

[[switch_quota]]
panel = "SRIAP99"
grams = 1
assumption = "No such panel."
"""

Columns = dict[str, dict[str, tuple[str, str]]]


def documented() -> dict[str, Columns]:
    """Unit and meaning of each column, by command (heading 2) and file (heading 3, blank for a command's own file)."""
    found: dict[str, Columns] = {}
    command, file = "", ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"(##|###) `?([\w.-]+( [\w]+)*)`?", line):
            command, file = (heading[2], "") if heading[1] == "##" else (command, heading[2])
        elif row := re.fullmatch(r"\| `(\w+)` \| (.*) \| (.*) \|", line):
            found.setdefault(command, {}).setdefault(file, {})[row[1]] = (row[2], row[3])
    return found


PAGES = documented()


@pytest.fixture(scope="module")
def rules() -> RulesInUse:
    return load_rules()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small piece of the sample: three panels' patients."""
    sample = bundled(SAMPLE_COHORT)
    assert sample is not None
    table = pd.read_csv(sample, dtype=str, keep_default_na=False)
    table = table[table["panel"].isin(["SRIAP07", "SRIAP08", "SRIAP09"])]
    path = tmp_path_factory.mktemp("cohort") / "cohort.csv"
    table.to_csv(path, index=False)
    return path


def tables_of(folder: Path) -> dict[str, set[str]]:
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    return {path.name: set(read[path.suffix](path).columns) for path in folder.iterdir() if path.suffix in read}


def assert_documented(command: str, folders: list[Path], *, rest: frozenset[str] = frozenset()) -> None:
    """Every table of the folders is on the page with its columns; every table and column of the page is in one."""
    left: dict[str, set[str]] = {}
    for folder in folders:
        for name, columns in tables_of(folder).items():
            left[name] = left.get(name, set()) | columns
        others = {path.name for path in folder.iterdir() if path.suffix not in (".csv", ".parquet")}
        assert others <= EVERY_FOLDER | rest
    told = {file: set(columns) for file, columns in PAGES[command].items() if file}
    assert set(left) - EVERY_FOLDER == set(told)
    assert {file: columns for file, columns in left.items() if file in told} == told


def test_columns_known_without_a_run() -> None:
    assert tuple(PAGES["Dose"][""]) == DOSED_COLUMNS
    simulated = PAGES["Simulate"]
    for file, words in (("outcomes.parquet", OUTCOMES), ("consequences.parquet", consequence_labels())):
        rows = dict(simulated[file])
        del rows["replication"]
        assert {name: (meaning, unit) for name, (unit, meaning) in rows.items()} == words
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in GROUP_MEASURES if f"`{name}`" not in text] == []


def test_every_column_has_a_unit_or_needs_none_and_a_meaning() -> None:
    without = re.compile(r"_(g|weeks|days|years?|kg|percent)$")
    for command, files in PAGES.items():
        for file, columns in files.items():
            for name, (unit, meaning) in columns.items():
                assert meaning or unit, (command, file, name)
                assert unit or not without.search(name), (command, file, name)


@pytest.mark.slow
def test_grade_and_stock(cohort: Path, rules: RulesInUse, tmp_path: Path) -> None:
    from allocation.workflow.allocating import make_stock
    from allocation.workflow.cohorts import grade

    graded = grade(cohort, as_of=AS_OF, out=tmp_path / "g.csv", rejects=None, strict=False, rules=rules).graded
    assert set(graded.columns) - set(pd.read_csv(cohort, nrows=0).columns) == set(PAGES["Grade"][""])
    make_stock(cohort=cohort, as_of=AS_OF, out=tmp_path / "s.csv", share=1.0, weeks=4, seed=1, rules=rules)
    assert list(pd.read_csv(tmp_path / "s.csv").columns) == list(PAGES["Stock make"][""])


@pytest.mark.slow
def test_allocate(cohort: Path, tmp_path: Path) -> None:
    from allocation.workflow.allocating import allocate, make_stock

    tiers = package_data("rules", "data", "tiers.toml").read_text(encoding="utf-8")
    own = tmp_path / "tiers.toml"
    order = 'lever_order = ["stretch", "reduce", "defer"]'
    own.write_text(re.sub(r"(?m)^(stock_reach = .*)$", rf"\1\n{order}", tiers), encoding="utf-8")
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS, encoding="utf-8")
    rules = load_rules(tiers=own)
    stock = tmp_path / "stock.csv"
    make_stock(cohort=cohort, as_of=AS_OF, out=stock, share=0.5, weeks=4, seed=1, rules=rules)
    for name, more in (("plain", {"limits": limits}), ("ahead", {"horizon_weeks": 6})):
        allocate(
            cohort=cohort, stock=stock, tier=3, as_of=AS_OF, weeks=4, policy="grade_order", solver="highs", seed=1,
            strict=False, out=tmp_path / name, rules=rules, **more,  # type: ignore[arg-type]
        )  # fmt: skip
    assert_documented("Allocate", [tmp_path / "plain", tmp_path / "ahead"])


@pytest.mark.slow
def test_simulate_and_compare(cohort: Path, rules: RulesInUse, tmp_path: Path) -> None:
    from allocation.workflow.comparing import compare
    from allocation.workflow.simulating import simulate

    short = {"replications": 2, "weeks": 3, "seed": 1, "workers": 1, "strict": False, "progress": None}
    simulate(SCENARIO, cohort=cohort, out=tmp_path / "sim", rules=rules, consequences=True, **short)  # type: ignore[arg-type]
    assert_documented("Simulate", [tmp_path / "sim"])
    policies = ["grade_order", "first_come"]
    compare(SCENARIO, policies=policies, cohort=cohort, out=tmp_path / "cmp", rules=rules, **short)  # type: ignore[arg-type]
    PAGES["Compare"]["outcomes.parquet"] |= dict.fromkeys(OUTCOMES, ("", ""))
    assert_documented("Compare", [tmp_path / "cmp"])


@pytest.mark.slow
def test_studies(cohort: Path, rules: RulesInUse, tmp_path: Path) -> None:
    from allocation.workflow.breaking import LIMIT, OUTCOME, breaking_point
    from allocation.workflow.sensitivity import sensitivity

    key = "disruption.0.fraction"
    short = {"replications": 1, "weeks": 2, "seed": 1, "workers": 1, "strict": False, "progress": None}
    breaking_point(
        SCENARIO, vary=[key], ranges=["0.1:0.9"], steps=2, tolerance=0.8, outcome=OUTCOME, below=LIMIT, above=None,
        share=0.5, cohort=cohort, out=tmp_path / "breaking", rules=rules, **short,  # type: ignore[arg-type]
    )  # fmt: skip
    assert_documented("Breaking-point", [tmp_path / "breaking"])
    for method in ("one_way", "sobol"):
        sensitivity(
            SCENARIO, vary=[f"{key}=0.1:0.2"], swing=0.2, method=method, samples=2, outcomes=[OUTCOME], cohort=cohort,
            out=tmp_path / method, rules=rules, **short,  # type: ignore[arg-type]
        )  # fmt: skip
    assert_documented("Sensitivity", [tmp_path / "one_way", tmp_path / "sobol"])


@pytest.mark.slow
def test_forecast(cohort: Path, rules: RulesInUse, tmp_path: Path) -> None:
    pytest.importorskip("statsforecast", reason="the extra forecast is not installed")
    from allocation.workflow.forecasting import forecast_demand, sample_history
    from allocation.workflow.forecasting_cohort import CohortSide

    history, trusts = sample_history(tmp_path / "history", months=36, panels=9, seed=1)
    forecast_demand(
        [history], trusts=trusts, horizon_months=3, model="SeasonalNaive", with_backtest=True, adjust_breaks=False,
        out=tmp_path / "ahead", cohort=CohortSide(cohort, None, "baseline", False, rules),
    )  # fmt: skip
    charts = frozenset(path.name for path in (tmp_path / "ahead").glob("*.svg"))
    assert_documented("Forecast", [tmp_path / "ahead"], rest=charts | {"findings.txt"})
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in charts if "_narrow" not in name and f"`{name}`" not in text] == []
