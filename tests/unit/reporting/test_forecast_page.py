"""The page of a forecast, from a folder written by hand."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.reporting import page_html, report, run_headlines, sheets_of
from allocation.reporting.forecast_facts import forecast_facts
from allocation.reporting.load_forecast import is_forecast, load_forecast


@pytest.fixture(scope="module")
def folder(studies, tmp_path_factory) -> Path:
    return Path(studies.make_forecast_folder(tmp_path_factory.mktemp("ahead") / "run"))


@pytest.fixture(scope="module")
def html(folder) -> str:
    return unescape(report(folder))


def test_the_headlines_are_the_findings(folder, html):
    said = run_headlines(folder)
    assert said[0] == "From 2024-01 to 2024-12 all panels together are forecast to use 378 kg."
    assert all(sentence in html for sentence in said)


def test_everything_there_is_has_a_place(html):
    for words in (
        "How each model would have done on the past", "Use and forecast by panel", "Counted from the patients up",
        "Parts of the difference", "Level shift", "Missing trust", "variance scaling", "Manifest of the run",
        "Who is in the cohort, beside the reference",
    ):  # fmt: skip
        assert words in html, words


def test_the_fan_is_that_of_the_tables(folder):
    facts = forecast_facts(load_forecast(folder), share=False)
    assert (facts.months[-1], facts.ahead[0]) == ("2023-12", "2024-01")
    history = load_forecast(folder).history
    last = history.loc[history["month"] == "2023-12", "grams"].sum() / 1000
    assert facts.fan.history[-1] == pytest.approx(last)
    assert facts.fan.outlying.nonzero()[0].tolist() == [14, 15]
    assert facts.fan.filled.nonzero()[0].tolist() == [5]
    assert facts.fans[0].shifts == (20,)
    assert (facts.fan.low[1] < facts.fan.low[0]).all()
    assert facts.together is not None
    assert facts.together.cohort is not None
    assert facts.together.cohort.tolist() == [25.0] * 12


def test_a_shared_page_rounds_grams_and_leaves_single_trusts_and_panels_out(folder):
    shared = unescape(report(folder, share=True))
    assert "R001" not in shared
    assert "Forecast and need of the cohort by panel" not in shared
    facts = forecast_facts(load_forecast(folder), share=True)
    assert all(abs(value / 100 - round(value / 100)) < 1e-9 for value in facts.nation["grams"].dropna())


def test_without_backtest_and_cohort(studies, tmp_path):
    folder = studies.make_forecast_folder(tmp_path / "run", cohort=False)
    (folder / "backtest.csv").unlink()
    html = report(folder)
    assert "The models were not tried on the past" in html
    assert "Counted from the patients up" not in html
    assert "backtest.csv (missing)" in html


def test_a_cohort_of_few_is_not_set_beside_a_shared_forecast(studies, tmp_path):
    folder = studies.make_forecast_folder(tmp_path / "run")
    path = folder / "comparison_groups.csv"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:2]) + "\n", encoding="utf-8")
    html = report(folder, share=True)
    assert "too few patients for its need to be shown" in html
    assert "needs 300 kg" not in html


@pytest.mark.parametrize("name", ["forecast.csv", "history.csv", "breaks.csv", "data_notes.csv", "findings.txt"])
def test_each_missing_file_is_named(folder, tmp_path, name):
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    (copy / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        report(copy)


def test_a_word_for_a_number_is_found(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    path = copy / "forecast.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[3] = re.sub(r"AutoETS,[\d.]+", "AutoETS,many", lines[3])
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        report(copy)
    assert all(word in str(caught.value) for word in ("forecast.csv", "4", "grams", "many"))


def test_a_forecast_is_told_by_its_manifest(folder, simulation_folder, tmp_path):
    assert is_forecast(folder)
    assert not is_forecast(simulation_folder)
    assert not is_forecast(tmp_path)


def test_the_same_folder_gives_the_same_page(folder):
    made = [page_html(sheets_of(folder, share=False)[0].page) for _ in range(2)]
    assert made[0] == made[1]
