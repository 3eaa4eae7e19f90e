"""The synthetic cohort: layout, dates, doses, repeatability, and the acute patients of the simulation."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.cohort.acute import acute_model, draw_acute, expected_long_term, scale_of
from allocation.cohort.courses import dose_grid
from allocation.cohort.demand import demand_table
from allocation.cohort.distributions import largest_remainder, lognormal_factor, stratified_normal
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort, rows_by_line
from allocation.cohort.in_use import route_vials
from allocation.cohort.load import load_cohort
from allocation.cohort.nhs_number import are_nhs_numbers
from allocation.cohort.published import DICTIONARY, PROVENANCE, PUBLISHED, make, regenerate
from allocation.cohort.schema import COLUMNS, empty_frame
from allocation.cohort.write import write_cohort
from allocation.dosing import round_to_vials
from allocation.errors import InputError
from allocation.grading import grade_cohort
from allocation.records import sha256_of
from allocation.rules import FLAGS, PanelSet, ProductSet, load_panels, load_products, load_rulebook
from allocation.seeds import stream

AS_OF = date(2026, 11, 1)
FOLDER = Path(__file__).resolve().parents[3] / "data" / "patient_cohorts"


def cohort(patients: int | None = 3000, seed: int = 3, **changes: Any) -> pd.DataFrame:
    options: dict[str, Any] = {
        "rulebook": load_rulebook("nhs"),
        "panels": load_panels(),
        "products": load_products(),
        "epidemiology": load_epidemiology(),
        "as_of": AS_OF,
        **changes,
    }
    return generate_cohort(patients=patients, seed=seed, **options)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return cohort()


@pytest.fixture(scope="module")
def lasting(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["interval_weeks"].notna()]


@pytest.fixture(scope="module")
def acute(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["interval_weeks"].isna()]


def test_it_is_a_cohort_frame(frame: pd.DataFrame) -> None:
    empty = empty_frame()
    assert tuple(frame.columns) == COLUMNS
    pd.testing.assert_series_equal(frame.dtypes, empty.dtypes)
    pd.testing.assert_index_equal(frame.index, pd.RangeIndex(3000))
    for name in frame.select_dtypes("object").columns:
        assert set(map(type, frame[name])) == {str}


def test_ids_are_pseudonyms(frame: pd.DataFrame) -> None:
    assert frame["patient_id"].is_unique
    assert frame["patient_id"].str.fullmatch(r"P\d{7}").all()
    assert not are_nhs_numbers(frame["patient_id"].to_numpy(dtype=object)).any()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_written_cohort_loads_without_a_fault_and_unchanged(frame: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cohort{suffix}"
    write_cohort(frame, path)
    loaded = load_cohort(
        path, rulebook=load_rulebook("nhs"), panels=load_panels(), products=load_products(), strict=True
    )
    assert loaded.faults == ()
    pd.testing.assert_frame_equal(loaded.good, frame)


def test_same_seed_same_frame_other_seed_other_patients(frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(cohort(), frame)
    other = cohort(seed=4)
    assert (other["weight_kg"] != frame["weight_kg"]).mean() > 0.9
    assert other["indication"].value_counts().to_dict() == frame["indication"].value_counts().to_dict()


def test_global_random_state_is_neither_read_nor_changed(frame: pd.DataFrame) -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]  # noqa: NPY002
    pd.testing.assert_frame_equal(cohort(), frame)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("patients", [1, 2, 21, 200, 1000])
def test_any_size_keeps_the_proportions(patients: int) -> None:
    found = cohort(patients=patients)
    assert len(found) == patients
    expected = rows_by_line(None, as_of=AS_OF, epidemiology=load_epidemiology())
    lines = load_epidemiology().line
    counts = found.groupby(["indication", "situation"]).size().to_dict()
    for line, national in zip(lines, expected, strict=True):
        quota = patients * national / expected.sum()
        assert abs(counts.get((line.indication, line.situation), 0) - quota) < 1.01, line.code


def test_two_hundred_patients_are_a_sensible_country() -> None:
    found = cohort(patients=200)
    assert found["panel"].nunique() == 21
    share = found["indication"].value_counts(normalize=True)
    assert 0.28 < share["pid"] < 0.36
    assert 0.09 < share["cidp"] < 0.15
    assert (found["interval_weeks"].isna()).mean() == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"patients": 0}, "--patients"),
        ({"patients": 10_000_000}, "--patients"),
        ({"seed": -1}, "--seed"),
        ({"review_share": 1.2}, "--review-share"),
        ({"review_share": float("nan")}, "--review-share"),
    ],
)
def test_options_out_of_range_are_faults(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        cohort(**options)


def test_a_product_of_the_mix_that_is_not_known_is_a_fault() -> None:
    few = ProductSet(product=tuple(p for p in load_products().product if p.code != "xembify_20"))
    with pytest.raises(InputError, match=r"products\.SC\.share.*xembify_20"):
        cohort(products=few)


def test_grams_that_the_bounds_do_not_allow_are_a_fault() -> None:
    england = load_epidemiology()
    lines = [
        line.model_copy(update={"grams_per_year": 90_000.0}) if line.code == "cidp" else line for line in england.line
    ]
    impossible = england.model_copy(update={"line": tuple(lines)})
    impossible.__dict__.pop("long_lines", None)
    with pytest.raises(InputError, match=r"line cidp\.grams_per_year"):
        cohort(epidemiology=impossible)


def test_doses_are_whole_vials_of_the_recorded_product(lasting: pd.DataFrame) -> None:
    products = load_products()
    for (product, route), rows in lasting.groupby(["product", "route"]):
        vials = products.by_code[product].vial_mg if product else route_vials(products, route)
        made = round_to_vials(rows["dose_g"].to_numpy(), vials)
        assert (made == np.rint(rows["dose_g"] * 1000)).all(), product
    assert (lasting["dose_g"] > 0).all()


def test_demand_takes_recorded_doses_as_they_are(frame: pd.DataFrame) -> None:
    rulebook = load_rulebook("nhs")
    graded = grade_cohort(rulebook, frame, AS_OF)
    demand = demand_table(graded, rulebook=rulebook, products=load_products(), as_of=AS_OF, weeks=4)
    recorded = demand["dose_g"].notna()
    assert (demand.loc[recorded, "course_mg"] == np.rint(demand.loc[recorded, "dose_g"] * 1000)).all()
    assert (demand["regimen_source"] != "unknown").all()
    assert (demand["course_mg"] > 0).all()
    assert (demand["acute"] == frame["interval_weeks"].isna()).all()


def test_products_are_given_by_their_route(lasting: pd.DataFrame) -> None:
    products = load_products().by_code
    named = lasting[lasting["product"] != ""]
    assert all(route == products[code].route for code, route in zip(named["product"], named["route"], strict=True))
    assert 0.95 < len(named) / len(lasting) < 0.99


def test_subcutaneous_product_is_given_weekly_but_for_the_facilitated(lasting: pd.DataFrame) -> None:
    subcutaneous = lasting[lasting["route"] == "SC"]
    facilitated = subcutaneous["product"] == "hyqvia_10"
    conventional = subcutaneous[~facilitated & (subcutaneous["product"] != "")]
    assert set(conventional["interval_weeks"]) == {1.0, 2.0}
    assert (conventional["interval_weeks"] == 1).mean() > 0.85
    assert set(subcutaneous.loc[facilitated, "interval_weeks"]) <= {2.0, 3.0, 4.0}


def test_dates_of_long_term_patients_follow_each_other(lasting: pd.DataFrame) -> None:
    today = pd.Timestamp(AS_OF)
    interval = pd.to_timedelta(lasting["interval_weeks"] * 7, unit="D")
    assert (lasting["next_due_date"] - lasting["last_dose_date"] == interval).all()
    assert (lasting["last_dose_date"] <= today).all()
    assert (lasting["start_date"] <= lasting["last_dose_date"]).all()
    assert (lasting["next_due_date"] < today + interval).all()
    overdue = today - lasting["next_due_date"]
    assert overdue.max() <= pd.Timedelta(days=14)
    reviewed = lasting["last_review_date"].notna()
    assert (lasting.loc[reviewed, "last_review_date"] >= lasting.loc[reviewed, "start_date"]).all()
    assert (lasting.loc[reviewed, "last_review_date"] <= today).all()
    on_treatment_years = (today - lasting["start_date"]).dt.days / 365.25
    # Adults' ages are whole years, and a first dose may lie one interval before the drawn start.
    assert (on_treatment_years <= lasting["age_years"] + 1).all()


def test_short_term_patients_have_neither_dose_nor_due_date(acute: pd.DataFrame) -> None:
    today = pd.Timestamp(AS_OF)
    for name in ("dose_g", "last_review_date", "last_dose_date", "next_due_date"):
        assert acute[name].isna().all(), name
    assert (acute["product"] == "").all()
    assert acute["start_date"].between(today - pd.Timedelta(days=27), today).all()


def test_short_term_routes_are_the_rulebooks() -> None:
    rulebook = load_rulebook("nhs")
    found = cohort(patients=None, seed=1)
    for (indication, situation), rows in found[found["interval_weeks"].isna()].groupby(["indication", "situation"]):
        entry = rulebook.find(indication, situation)
        assert entry is not None
        assert set(rows["route"]) == {entry.default_regimen("start").route}


def test_trusts_belong_to_their_panel(frame: pd.DataFrame) -> None:
    panels = load_panels().by_code
    for panel, rows in frame.groupby("panel"):
        allowed = {f"{panel}-T{number:02d}" for number in range(1, panels[panel].trusts + 1)}
        assert set(rows["trust"]) <= allowed


def test_flags_are_answered_only_where_they_are_asked(frame: pd.DataFrame) -> None:
    asked = {(line.indication, line.situation): set(line.flags) for line in load_epidemiology().line}
    for code, rows in frame.groupby(["indication", "situation"]):
        for flag in FLAGS:
            answers = set(rows[flag])
            assert answers <= {"yes", "no", ""}
            if flag not in asked[code]:
                assert answers <= ({"yes", ""} if flag == "clinical_trial" else {""}), (code, flag)


def test_another_set_of_panels_is_used() -> None:
    two = PanelSet(panel=load_panels().panel[:2])
    found = cohort(patients=100, panels=two)
    assert found["panel"].value_counts().to_dict().keys() == {"SRIAP01", "SRIAP02"}


def test_acute_season_counts_the_days_of_the_window() -> None:
    england = load_epidemiology()
    place = [line.code for line in england.line].index("kawasaki_or_pims_ts")
    january = rows_by_line(2_000_000, as_of=date(2026, 1, 31), epidemiology=england)[place]
    august = rows_by_line(2_000_000, as_of=date(2026, 8, 31), epidemiology=england)[place]
    assert january / august == pytest.approx(1.5 / 0.7, rel=0.02)


# The acute model of the simulation


def test_acute_rates_come_to_the_courses_of_a_year() -> None:
    england = load_epidemiology()
    model = acute_model(england, load_rulebook("nhs"), load_panels())
    assert model.keys == tuple(line.code for line in england.acute_lines)
    assert model.panels == tuple(load_panels().by_code)
    assert model.rate_per_year.shape == (len(model.keys), 21)
    wanted = [line.patients * (line.courses_per_patient or 1) for line in england.acute_lines]
    np.testing.assert_allclose(model.rate_per_year.sum(axis=1), wanted)
    np.testing.assert_allclose(model.month_factor.mean(axis=1), 1)


def test_drawn_acute_patients_can_be_graded_and_dosed() -> None:
    rulebook = load_rulebook("nhs")
    model = acute_model(load_epidemiology(), rulebook, load_panels())
    entry = np.repeat(np.arange(len(model.keys)), 40)
    panel = np.arange(len(entry)) % 21
    drawn = draw_acute(rng=stream(1, "x"), entry_index=entry, panel_index=panel, model=model)
    pd.testing.assert_series_equal(drawn.dtypes, empty_frame().dtypes)
    again = draw_acute(rng=stream(1, "x"), entry_index=entry, panel_index=panel, model=model)
    pd.testing.assert_frame_equal(drawn, again)
    assert (drawn["panel"] == np.array(model.panels, dtype=object)[panel]).all()
    codes = drawn["indication"] + np.where(drawn["situation"] == "", "", "/") + drawn["situation"]
    assert (codes == np.array(model.keys, dtype=object)[entry]).all()
    graded = grade_cohort(rulebook, drawn, AS_OF)
    demand = demand_table(graded, rulebook=rulebook, products=load_products(), as_of=AS_OF, weeks=1)
    assert demand["acute"].all()
    assert (demand["course_mg"] > 0).all()
    assert graded["grade"].notna().all()


def test_no_arrivals_give_an_empty_frame_and_numbers_go_on() -> None:
    model = acute_model(load_epidemiology(), load_rulebook("nhs"), load_panels())
    none = np.array([], dtype=np.int64)
    empty = draw_acute(rng=stream(1, "x"), entry_index=none, panel_index=none, model=model)
    pd.testing.assert_frame_equal(empty, empty_frame(), check_index_type=False)
    one = np.array([0, 1])
    later = draw_acute(rng=stream(1, "x"), entry_index=one, panel_index=one, model=model, first_number=41)
    assert later["patient_id"].tolist() == ["A0000041", "A0000042"]


def test_scale_is_one_for_the_nation_and_for_its_panels() -> None:
    england, panels = load_epidemiology(), load_panels()
    national = cohort(patients=None)
    assert scale_of(national, england, panels) == pytest.approx(1, abs=0.001)
    some = national[national["panel"].isin(["SRIAP01", "SRIAP07", "SRIAP10"])]
    assert scale_of(some, england, panels) == pytest.approx(1, abs=0.02)
    tenth = cohort(patients=len(national) // 10)
    assert scale_of(tenth, england, panels) == pytest.approx(0.1, rel=0.01)
    assert scale_of(national.iloc[:0], england, panels) == 0
    assert expected_long_term(england) == pytest.approx((national["interval_weeks"].notna()).sum(), abs=2)


# Small parts


@given(
    total=st.integers(0, 10_000),
    weights=st.lists(st.floats(0.001, 1000), min_size=1, max_size=40),
)
def test_largest_remainder_sums_and_stays_within_one(total: int, weights: list[float]) -> None:
    shares = largest_remainder(total, np.array(weights))
    assert shares.sum() == total
    quota = total * np.array(weights) / np.sum(weights)
    assert (np.abs(shares - quota) < 1 + 1e-6).all()


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True),
    step=st.integers(1, 10),
    top=st.integers(1, 400),
)
@settings(deadline=None)
def test_dose_grid_holds_makeable_multiples_and_reaches_the_top(sizes: list[int], step: int, top: int) -> None:
    vials = tuple(sorted(size * 500 for size in sizes))
    grid = dose_grid(vials, step_mg=step * 500, top_mg=top * 500)
    assert grid[-1] >= top * 500
    assert (grid[:-1] < top * 500).all()
    assert (np.diff(grid) > 0).all()
    assert (round_to_vials(grid / 1000, vials) == grid).all()


def test_lognormal_factor_has_mean_one_and_the_cv_asked_for() -> None:
    deviate = stream(1, "test").standard_normal(400_000)
    factor = lognormal_factor(deviate, 0.7)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    assert factor.std() == pytest.approx(0.7, abs=0.02)


def test_stratified_deviates_fill_every_stratum_once() -> None:
    group = np.array([0] * 10 + [2] * 500 + [0] * 6)
    deviate = stratified_normal(group, stream(1, "test"))
    for number, size in ((0, 16), (2, 500)):
        from scipy.special import ndtr

        strata = np.floor(np.sort(ndtr(deviate[group == number])) * size)
        assert strata.tolist() == list(range(size))


# The files that come with the package


def test_committed_files_are_those_the_generator_makes(tmp_path: Path) -> None:
    committed = tomllib.loads((FOLDER / PROVENANCE).read_text(encoding="utf-8"))
    written = regenerate(tmp_path)
    assert {path.name for path in written} == {*PUBLISHED, DICTIONARY, PROVENANCE}
    made = tomllib.loads((tmp_path / PROVENANCE).read_text(encoding="utf-8"))
    same_writer = committed["libraries"]["pyarrow"] == pa.__version__
    for name in (*PUBLISHED, DICTIONARY):
        assert sha256_of(FOLDER / name) == committed["file"][name]["sha256"], name
        if same_writer or not name.endswith(".parquet"):
            assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    assert made["calibration"] == committed["calibration"]
    for key in ("rulebook", "epidemiology"):
        assert made[key] == committed[key]


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_committed_patients_are_those_the_generator_makes(name: str) -> None:
    loaded = load_cohort(
        FOLDER / name, rulebook=load_rulebook("nhs"), panels=load_panels(), products=load_products(), strict=True
    )
    pd.testing.assert_frame_equal(loaded.good, make(name))


def test_the_national_file_is_small() -> None:
    assert (FOLDER / "national_cohort.parquet").stat().st_size < 1_500_000


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_readme_and_the_provenance_give_the_command(name: str) -> None:
    command = PUBLISHED[name].command(name)
    assert command in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert command in (FOLDER / PROVENANCE).read_text(encoding="utf-8")
