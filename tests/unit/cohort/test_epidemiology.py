"""The epidemiology file, and what a wrong one is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from allocation.cohort.distributions import week_shares
from allocation.cohort.epidemiology import Epidemiology, Interval, load_epidemiology
from allocation.errors import InputError
from allocation.resources import package_data
from allocation.rules import FLAGS, load_products, load_rulebook

OURS = package_data("cohort", "data", "england.toml")


@pytest.fixture(scope="module")
def england() -> Epidemiology:
    return load_epidemiology()


def test_every_code_of_the_criteria_has_one_line(england: Epidemiology) -> None:
    codes = [line.code for line in england.line]
    assert len(codes) == len(set(codes))
    assert set(codes) == {entry.key for entry in load_rulebook("nhs").entry} | {"unlisted"}


def test_lines_and_targets_come_to_the_national_figures(england: Epidemiology) -> None:
    assert sum(line.patients for line in england.line) == england.national.patients == 17_000
    assert sum(target.patients for target in england.target) == 17_000
    assert sum(target.grams_per_year for target in england.target) == pytest.approx(5_500_000, rel=0.001)


def test_counts_from_evidence_are_kept(england: Epidemiology) -> None:
    patients = {target.group: 0.0 for target in england.target}
    for line in england.line:
        patients[line.group] += line.patients
    exact = {"CIDP", "PID", "SAD and SID", "MMN", "ITP", "MG", "Kawasaki"}
    for target in england.target:
        if target.group in exact:
            assert patients[target.group] == target.patients, target.group
    assert 932 <= patients["GBS"] <= 1062


def test_every_flag_that_can_raise_a_grade_has_a_chance(england: Epidemiology) -> None:
    rulebook = load_rulebook("nhs")
    for line in england.line:
        entry = rulebook.find(line.indication, line.situation)
        if entry is not None:
            asked = {flag for upgrade in entry.upgrade for flag in (*upgrade.all_of, *upgrade.any_of) if flag in FLAGS}
            assert asked <= set(line.flags), line.code


def test_every_source_is_used(england: Epidemiology) -> None:
    used = set(re.findall(r'source = "([a-z0-9_]+)"', OURS.read_text(encoding="utf-8")))
    assert used == set(england.source)


def test_unpublished_figures_are_marked_as_proposals(england: Epidemiology) -> None:
    assert england.source[england.setting["review_share"].source].confidence == "P"
    assert england.of("review_share") == 0.75
    for mix in england.products.values():
        assert england.source[mix.source].confidence == "P"


def test_product_mix_is_uneven_and_of_the_right_route(england: Epidemiology) -> None:
    products = load_products().by_code
    for route, mix in england.products.items():
        assert set(mix.share) == {code for code, product in products.items() if product.route == route}
        assert max(mix.share.values()) > 3 * min(mix.share.values())


def test_kawasaki_disease_peaks_in_january(england: Epidemiology) -> None:
    line = next(line for line in england.line if line.code == "kawasaki_or_pims_ts")
    assert int(np.argmax(england.season[line.season].factor)) == 0


def test_interval_shares_have_the_mean_and_sd_asked_for(england: Epidemiology) -> None:
    for name, interval in england.interval.items():
        weeks, shares = np.array(interval.weeks), week_shares(interval)
        assert shares.sum() == pytest.approx(1)
        assert (shares > 0).all()
        assert weeks @ shares == pytest.approx(interval.mean, abs=1e-6), name
        if interval.sd is not None:
            assert np.sqrt((weeks - interval.mean) ** 2 @ shares) == pytest.approx(interval.sd, abs=1e-6), name


@pytest.mark.parametrize(("mean", "sd"), [(1.2, 0.3), (4.0, 2.9), (6.8, 0.35), (3.0, 0.05)])
def test_interval_shares_are_found_near_the_edge_of_what_is_possible(mean: float, sd: float) -> None:
    if mean % 1 and sd**2 < (mean % 1) * (1 - mean % 1):
        sd = float(np.sqrt((mean % 1) * (1 - mean % 1))) * 1.02
    interval = Interval(weeks=(1, 2, 3, 4, 5, 6, 7), mean=mean, sd=sd, source="proposal")
    shares = week_shares(interval)
    assert np.arange(1, 8) @ shares == pytest.approx(mean, abs=1e-4)
    assert np.sqrt((np.arange(1, 8) - mean) ** 2 @ shares) == pytest.approx(sd, rel=1e-3, abs=1e-3)


def edited(folder: Path, old: str, new: str) -> Path:
    text = OURS.read_text(encoding="utf-8")
    assert old in text
    path = folder / "own.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hizentra_20 = 0.36", "hizentra_20 = 0.46", ["products.SC", "must sum to 1", "1.1"]),
        ("approved = 0.90", "approved = 0.80", ["decision.first_year", "must sum to 1"]),
        ("share = 0.20, kind", "share = 0.30, kind", ["age.pid", "must sum to 1"]),
        ("factor = [1.5, 1.3", "factor = [2.5, 1.3", ["season.kawasaki", "must sum to 1"]),
        ('code = "gbs"', 'code = "cidp"', ["line cidp.code", "each code once"]),
        ('source = "home_products"', 'source = "nowhere"', ["products.IV.source", "'nowhere'"]),
        ("mean = 4.3\n", "mean = 14.3\n", ["interval.cidp", "between 1 and 10 weeks"]),
        ("sd = 1.7\n", "sd = 9\n", ["interval.cidp", "so large an SD"]),
        ("patients = 3400\npatients_source", "patients = 9400\npatients_source", ["17,000", "'23,000'"]),
        ("patients = 3400\npatients_source", "patient = 3400\npatients_source", ["line pid.patient", "no such key"]),
        ("[setting.review_share]", "[setting.review_shares]", ["setting.review_shares"]),
        ("flags = { ig_dependent = 0.88 }", "flags = { ig_depend = 0.88 }", ["line cidp", "unknown flag ig_depend"]),
        ('interval = "cidp"', 'interval = "weakly"', ["line cidp.interval", "'weakly'"]),
        ('season = "kawasaki"', 'season = "winter"', ["line kawasaki_or_pims_ts.season", "'winter'"]),
        ('kind = "uniform", low = 0, high = 0.05', 'kind = "uniform", mean = 1, low = 0, high = 0.05', ["age.newborn"]),
        ("male_weight_kg = [3.5, ", "male_weight_kg = [", ["body.child", "as long as age_years"]),
    ],
)
def test_a_wrong_file_is_told_file_line_and_key(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(InputError) as caught:
        load_epidemiology(path)
    message = str(caught.value)
    assert "own.toml" in message
    for word in told:
        assert word in message, message


def test_the_row_named_is_the_row_of_the_line(tmp_path: Path) -> None:
    path = edited(tmp_path, 'interval = "mmn"', 'interval = "weakly"')
    with pytest.raises(InputError) as caught:
        load_epidemiology(path)
    row = caught.value.faults[0].row
    assert row is not None
    rows = path.read_text(encoding="utf-8").splitlines()
    assert rows[row - 1 : row + 1] == ["[[line]]", 'code = "multifocal_motor_neuropathy"']


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    text = re.sub(r"\[setting\.overdue_share\].*?\n\n", "", OURS.read_text(encoding="utf-8"), flags=re.DOTALL)
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"\[setting\.overdue_share\]"):
        load_epidemiology(path)


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.toml"):
        load_epidemiology(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("remove", "told"),
    [('interval = "cidp"\n', "a long-term line needs interval"), ("years_on_treatment = 6\n", "years_on_treatment")],
)
def test_a_long_term_line_must_be_whole(tmp_path: Path, remove: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_epidemiology(edited(tmp_path, remove, ""))


def test_a_short_term_line_takes_no_dose(tmp_path: Path) -> None:
    path = edited(tmp_path, 'season = "kawasaki"\n', 'season = "kawasaki"\ngrams_per_year = 27\n')
    with pytest.raises(InputError, match="a short-term line takes no grams_per_year"):
        load_epidemiology(path)
