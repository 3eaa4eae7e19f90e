"""The national cohort against published figures: scale, lines, people, dates, and directions of effect."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.calibration import calibration_table
from allocation.cohort.demand import demand_table
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.grading import grade_cohort
from allocation.quantities import WEEKS_PER_YEAR
from allocation.rules import load_panels, load_products, load_rulebook

AS_OF = date(2026, 11, 1)
TODAY = pd.Timestamp(AS_OF)
IMMUNE_DEFICIENCY = (
    "pid",
    "specific_antibody_deficiency",
    "secondary_antibody_deficiency",
    "thymoma_immunodeficiency",
    "hsct_pid",
)


def cohort(*, seed: int = 2026, patients: int | None = None, review_share: float | None = None) -> pd.DataFrame:
    return generate_cohort(
        patients=patients,
        seed=seed,
        as_of=AS_OF,
        rulebook=load_rulebook("nhs"),
        panels=load_panels(),
        products=load_products(),
        epidemiology=load_epidemiology(),
        review_share=review_share,
    )


@pytest.fixture(scope="module")
def national() -> pd.DataFrame:
    return cohort()


@pytest.fixture(scope="module")
def lasting(national: pd.DataFrame) -> pd.DataFrame:
    found = national[national["interval_weeks"].notna()].copy()
    found["grams_per_year"] = found["dose_g"] * WEEKS_PER_YEAR / found["interval_weeks"]
    return found


@pytest.fixture(scope="module")
def crowd() -> pd.DataFrame:
    """Enough patients that a mean is known to a per cent."""
    return cohort(patients=150_000, seed=11)


def of(frame: pd.DataFrame, *indications: str) -> pd.DataFrame:
    return frame[frame["indication"].isin(indications)]


@pytest.mark.parametrize("seed", [1, 2, 3, 2026])
def test_scale_of_england(seed: int) -> None:
    # NID annual reports and NHSBT: about 17,000 people and 5.5 million grams a year, within 5 %.
    england = load_epidemiology()
    table = calibration_table(
        cohort(seed=seed),
        epidemiology=england,
        rulebook=load_rulebook("nhs"),
        panels=load_panels(),
        products=load_products(),
        as_of=AS_OF,
    ).set_index("group")
    total = table.loc["total"]
    assert total["patients"] == pytest.approx(17_000, rel=0.05)
    assert total["kg"] == pytest.approx(5_500, rel=0.05)
    for target in england.target:
        if target.neurology:
            assert table.loc[target.group, "share"] == pytest.approx(
                table.loc[target.group, "target_share"], rel=0.10
            ), target.group
    # The four neurology lines give 39 % of all grams in the register.
    assert table.loc[["CIDP", "MMN", "GBS", "MG"], "share"].sum() == pytest.approx(0.39, abs=0.02)


def test_a_year_of_the_snapshot_has_the_national_patients(national: pd.DataFrame, lasting: pd.DataFrame) -> None:
    courses_a_year = (len(national) - len(lasting)) * 365.25 / 28
    # Some people have a second course within the year, so courses are somewhat more than people.
    assert len(lasting) + courses_a_year == pytest.approx(17_000 + 600, rel=0.05)


def test_four_weeks_of_demand_make_a_year_of_grams(national: pd.DataFrame) -> None:
    rulebook = load_rulebook("nhs")
    graded = grade_cohort(rulebook, national, AS_OF)
    demand = demand_table(graded, rulebook=rulebook, products=load_products(), as_of=AS_OF, weeks=4)
    assert demand["due_mg"].sum() / 1e9 * WEEKS_PER_YEAR / 4 == pytest.approx(5.5, rel=0.05)


def test_grams_a_patient_in_replacement(lasting: pd.DataFrame) -> None:
    # Clin Med 2018: 357 g a year in primary immunodeficiency.
    assert of(lasting, "pid")["grams_per_year"].mean() == pytest.approx(357, rel=0.03)
    assert of(lasting, "secondary_antibody_deficiency")["grams_per_year"].mean() == pytest.approx(270, rel=0.03)


def test_subcutaneous_share_of_immune_deficiency(lasting: pd.DataFrame) -> None:
    # Clin Med 2018: 43.8 % of immune-deficiency use in 2015/16.
    patients = of(lasting, *IMMUNE_DEFICIENCY)
    subcutaneous = patients["route"] == "SC"
    assert subcutaneous.mean() == pytest.approx(0.44, abs=0.02)
    share = patients.loc[subcutaneous, "grams_per_year"].sum() / patients["grams_per_year"].sum()
    assert share == pytest.approx(0.44, abs=0.02)
    rest = lasting[~lasting["indication"].isin(IMMUNE_DEFICIENCY)]
    assert 0 < (rest["route"] == "SC").mean() < 0.10


def test_cidp_is_given_as_one_english_centre_gave_it(crowd: pd.DataFrame) -> None:
    # J Neurol 2019: 22.06 g a week (SD 15.29, 5.83-80), every 4.34 weeks (SD 1.70).
    patients = of(crowd, "cidp")
    a_week = patients["dose_g"] / patients["interval_weeks"]
    assert a_week.mean() == pytest.approx(22.0, rel=0.03)
    assert a_week.std() == pytest.approx(15.29, rel=0.12)
    assert a_week.max() < 82
    intravenous = patients.loc[patients["route"] == "IV", "interval_weeks"]
    assert intravenous.mean() == pytest.approx(4.3, abs=0.05)
    assert intravenous.std() == pytest.approx(1.7, abs=0.05)
    assert patients["interval_weeks"].mod(1).eq(0).all()
    need = np.corrcoef(a_week, patients["interval_weeks"])[0, 1]
    assert need < -0.2


def test_heavier_patients_are_given_more(crowd: pd.DataFrame) -> None:
    for indication in ("pid", "cidp", "multifocal_motor_neuropathy"):
        patients = of(crowd, indication)
        a_week = patients["dose_g"] / patients["interval_weeks"]
        heavy = patients["weight_kg"] > patients["weight_kg"].median()
        assert a_week[heavy].mean() > 1.05 * a_week[~heavy].mean(), indication


@pytest.mark.parametrize(
    ("indication", "median_age", "women"),
    [
        ("gbs", 51, 0.45),  # International outcome study: median 51
        ("cidp", 66, 0.36),  # Eur J Neurol 2014: peak at 70-79, mostly men
        ("multifocal_motor_neuropathy", 55, 0.27),  # 2.7 men to 1 woman
        ("myasthenia_gravis", 62.5, 0.43),  # East Midlands: median 63, 57 % men
        ("secondary_antibody_deficiency", 70, 0.40),  # Eur J Haematol 2022: older, 60 % men
        ("inflammatory_myopathy", 57, 0.70),
        ("kawasaki_or_pims_ts", 2.7, 0.40),  # Arch Dis Child 2019: 2.7 years, 1.5 boys to 1 girl
    ],
)
def test_ages_and_sexes(crowd: pd.DataFrame, indication: str, median_age: float, women: float) -> None:
    patients = of(crowd, indication)
    error = 3 / np.sqrt(len(patients))
    assert patients["age_years"].median() == pytest.approx(
        median_age, abs=max(1.2, 20 * error) if median_age > 5 else 0.8
    )
    assert (patients["sex"] == "F").mean() == pytest.approx(women, abs=max(0.02, 0.5 * error))


def test_quartiles_of_guillain_barre(crowd: pd.DataFrame) -> None:
    low, high = of(crowd, "gbs")["age_years"].quantile([0.25, 0.75])
    assert low == pytest.approx(33, abs=5)
    assert high == pytest.approx(64, abs=5)


def test_pregnancies_are_of_women_of_an_age_for_it(crowd: pd.DataFrame) -> None:
    pregnant = crowd[
        crowd["situation"].isin(["pregnancy", "fmait"])
        | crowd["indication"].isin(["gestational_alloimmune_liver_disease", "congenital_heart_block_prevention"])
    ]
    assert len(pregnant) > 200
    assert (pregnant["sex"] == "F").all()
    assert pregnant["age_years"].between(16, 47).all()
    newborn = crowd[(crowd["situation"] == "nait") | (crowd["indication"] == "haemolytic_disease_newborn")]
    assert (newborn["age_years"] < 0.1).all()
    assert newborn["weight_kg"].between(1.5, 7).all()
    mixed = crowd[crowd["situation"] == "pregnant_or_infant"]
    assert (mixed.loc[mixed["age_years"] >= 16, "sex"] == "F").all()
    assert not mixed["age_years"].between(1, 15).any()


def test_adult_bodies_are_those_of_the_health_survey(crowd: pd.DataFrame) -> None:
    # Health Survey for England 2021: men 175.9 cm, 85.1 kg; women 162.4 cm, 71.8 kg.
    grown = crowd[crowd["age_years"] >= 25]
    for sex, height, height_sd, weight, cv in (("M", 175.9, 7.1, 85.1, 0.20), ("F", 162.4, 6.6, 71.8, 0.23)):
        people = grown[grown["sex"] == sex]
        assert people["height_cm"].mean() == pytest.approx(height, abs=0.2)
        assert people["height_cm"].std() == pytest.approx(height_sd, rel=0.03)
        assert people["weight_kg"].mean() == pytest.approx(weight, rel=0.005)
        assert people["weight_kg"].std() / people["weight_kg"].mean() == pytest.approx(cv, rel=0.05)
        assert people["weight_kg"].skew() > 0.3
        assert 0.2 < people["height_cm"].corr(people["weight_kg"]) < 0.6
    assert grown["weight_kg"].between(30, 160).all()


def test_children_weigh_what_the_table_says(crowd: pd.DataFrame) -> None:
    for age, weight in ((1, 9), (5, 18), (10, 32)):
        children = crowd[crowd["age_years"].between(age - 0.3, age + 0.3)]
        assert children["weight_kg"].mean() == pytest.approx(weight, rel=0.08), age


def test_panels_get_patients_by_population_and_use(national: pd.DataFrame) -> None:
    counts = national["panel"].value_counts()
    size = {panel.code: panel.population * panel.use_index for panel in load_panels().panel}
    for code, weight in size.items():
        assert counts[code] == pytest.approx(len(national) * weight / sum(size.values()), abs=1)
    a_head = {panel.code: counts[panel.code] / panel.population for panel in load_panels().panel}
    assert max(a_head.values()) / min(a_head.values()) > 1.3
    largest = national[national["panel"] == "SRIAP09"]["trust"].value_counts()
    assert largest.iloc[0] > 2 * largest.iloc[-1]


def test_products_are_spread_unevenly(lasting: pd.DataFrame) -> None:
    england = load_epidemiology()
    for route, mix in england.products.items():
        named = lasting[(lasting["route"] == route) & (lasting["product"] != "")]["product"]
        share = named.value_counts(normalize=True)
        for code, wanted in mix.share.items():
            assert share.get(code, 0) == pytest.approx(wanted, abs=0.02), code


def test_due_dates_are_spread_evenly(crowd: pd.DataFrame) -> None:
    lasting = crowd[crowd["interval_weeks"].notna() & (crowd["next_due_date"] >= TODAY)]
    for weeks in (1, 3, 4):
        ahead = (lasting.loc[lasting["interval_weeks"] == weeks, "next_due_date"] - TODAY).dt.days
        per_day = ahead.value_counts()
        assert set(per_day.index) == set(range(7 * weeks))
        mean = per_day.mean()
        assert (np.abs(per_day - mean) < 5 * np.sqrt(mean)).all()
    assert (crowd["next_due_date"] < TODAY).sum() / len(lasting) == pytest.approx(0.03, abs=0.005)


def review_in_date(frame: pd.DataFrame) -> float:
    """Share of patients beyond their first year whose review is within 365 days."""
    established = frame[frame["interval_weeks"].notna() & ((TODAY - frame["start_date"]).dt.days > 365)]
    return float(((TODAY - established["last_review_date"]).dt.days <= 365).mean())


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9, 1.0])
def test_reviews_follow_the_share_asked_for(share: float) -> None:
    assert review_in_date(cohort(review_share=share)) == pytest.approx(share, abs=0.02)


def test_three_in_four_reviews_are_in_date_where_nothing_is_asked_for(national: pd.DataFrame) -> None:
    assert review_in_date(national) == pytest.approx(0.75, abs=0.02)


def test_some_patients_are_in_their_first_year(lasting: pd.DataFrame) -> None:
    years = (TODAY - lasting["start_date"]).dt.days / 365.25
    assert 0.1 < (years < 1).mean() < 0.35
    assert (years > 5).mean() > 0.2
    pregnant = lasting[lasting["situation"] == "fmait"]
    assert (TODAY - pregnant["start_date"]).dt.days.max() < 200


def test_more_reviews_raise_grades_and_change_nothing_else() -> None:
    rulebook = load_rulebook("nhs")
    few, many = cohort(review_share=0.3), cohort(review_share=0.9)
    same = [name for name in few.columns if name != "last_review_date"]
    pd.testing.assert_frame_equal(few[same], many[same])
    low, high = (grade_cohort(rulebook, frame, AS_OF)["grade"].fillna(0) for frame in (few, many))
    assert (high >= low).all()
    assert (high == 3).sum() > (low == 3).sum() + 2000


def test_other_seeds_bring_other_patients_of_the_same_country(national: pd.DataFrame) -> None:
    other = cohort(seed=5)
    assert len(other) == len(national)
    assert (other["weight_kg"] != national["weight_kg"]).mean() > 0.95
    grams = [(frame["dose_g"] * WEEKS_PER_YEAR / frame["interval_weeks"]).sum() for frame in (national, other)]
    assert grams[0] == pytest.approx(grams[1], rel=0.02)
