"""Demand from the patients up: means by hand, spread against drawn patients, and the difference taken apart."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from allocation.cohort.epidemiology import load_epidemiology
from allocation.errors import InputError
from allocation.forecast.bottom_up import UNKNOWN, BottomUp, Reference, bottom_up, reference_of
from allocation.forecast.decompose import ALL, PARTS, compare, parts_of
from allocation.forecast.findings import cohort_findings
from allocation.forecast.hierarchy import hierarchy_of
from allocation.forecast.history import History
from allocation.forecast.months import days_in, month_range
from allocation.forecast.project import Forecast
from allocation.scenario import Demand
from allocation.seeds import stream
from allocation.simulation.demand import NO_PRODUCT, People, Places
from allocation.simulation.long_term import draw_long_term

AS_OF = date(2026, 11, 1)
MONTHS = month_range("2026-11", 12)
PLACES = Places(("P1", "P2", "P3"), ("a_10",), (("cidp", ""), ("gbs", ""), ("oddity", "")))
REFERENCE = Reference(
    ("CIDP", "GBS", UNKNOWN),
    {("cidp", ""): "CIDP", ("gbs", ""): "GBS"},
    np.array([0.75, 0.25, 0.0]),
    np.array([1000.0, 100.0, np.nan]),
    {("gbs", ""): 2.0},
)


def demand(turnover: float = 0.0, growth: float = 0.0) -> Demand:
    return Demand(
        acute_patience_days=14, growth_per_year=growth, turnover_per_year=turnover, overdue_reviews_done_per_week=0.0,
        review_stop_share=0.0,
    )  # fmt: skip


def people(panel: list[int], course_g: list[float], weeks: list[float], entry: int | list[int] = 0) -> People:
    n = len(panel)
    zero, no = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)
    return People(
        panel=np.array(panel), product=np.full(n, NO_PRODUCT), route=zero, entry=zero + np.array(entry), grade=zero + 3,
        grade_if_reviewed=zero + 3, grade_if_lapsed=zero + 3, review_overdue=no,
        review_due_day=np.full(n, np.inf), review_days=np.full(n, np.inf), first_year_counts=~no,
        locked=no, emergency=no, acute=no,
        course_mg=(np.array(course_g) * 1000).astype(np.int64), interval_days=np.array(weeks) * 7.0,
        first_due_day=np.full(n, np.nan), leaves_day=np.full(n, np.inf),
        death_day=np.full(n, np.inf), luck=zero.astype(np.uint64),
    )  # fmt: skip


class Arrivals:
    """GBS in the first panel: two a day in winter (November to April), one in summer; 20 or 40 g."""

    keys = (("gbs", ""),)

    def __init__(self, a_day: float = 1.0) -> None:
        self.a_day = a_day

    def rate_per_day(self, days: int) -> np.ndarray:
        month = pd.date_range("2026-11-01", periods=days).month.to_numpy()
        rate = np.zeros((days, 1, 3))
        rate[:, 0, 0] = np.where((month >= 11) | (month <= 4), 2.0, 1.0) * self.a_day
        return rate

    def draw(self, rng: np.random.Generator, line: np.ndarray, panel: np.ndarray) -> pd.DataFrame:
        n = len(line)
        return pd.DataFrame(
            {
                "panel": np.array(PLACES.panels, dtype=object)[panel], "product": "", "route": "IV",
                "indication": "gbs", "situation": "", "grade": 4, "review_overdue": "no", "emergency": True,
                "course_mg": np.where(np.arange(n) % 2, 20_000, 40_000), "cycle_weeks": np.nan,
            }
        )  # fmt: skip


def made(start: People, *, acute: float = 0.0, turnover: float = 0.0, growth: float = 0.0) -> BottomUp:
    return bottom_up(
        start, places=PLACES, acute=Arrivals(acute), demand=demand(turnover, growth), reference=REFERENCE,
        as_of=AS_OF, months=MONTHS,
    )  # fmt: skip


# ------------------------------------------------------------------ means


def test_grams_a_week_become_grams_of_each_month() -> None:
    got = made(people([0, 0, 2], [28.0, 10.0, 40.0], [4.0, 1.0, 2.0]))
    assert got.panels == ("P1", "P3")
    assert got.long_term == pytest.approx(np.outer([17 / 7, 20 / 7], days_in(MONTHS)))
    assert (got.acute == 0).all()
    assert got.patients.tolist() == [[2, 0, 0], [1, 0, 0]]
    assert got.level_g[:, 0] == pytest.approx(np.array([17, 20]) / 7 * 365)


def test_acute_patients_come_with_their_season_and_their_mean_course() -> None:
    got = made(people([0], [7.0], [1.0]), acute=1.0)
    november, may = MONTHS.index("2026-11"), MONTHS.index("2027-05")
    assert got.acute[0, november] == pytest.approx(2 * 30 * 30)
    assert got.acute[0, may] == pytest.approx(31 * 30)
    # Two courses each, so half as many patients as arrivals in a year.
    assert got.patients[0, 1] == pytest.approx(1.5 * 365.25 / 2, rel=0.02)
    assert got.variance[0, may] == pytest.approx(31 * (20**2 + 40**2) / 2, rel=0.01)


def test_growth_counts_from_the_day_of_the_cohort() -> None:
    start = people([0], [7.0], [1.0])
    still, growing = made(start), made(start, growth=0.1)
    years = (15 + 0.0) / 365.25
    assert growing.mean[0, 0] / still.mean[0, 0] == pytest.approx(1.1**years)
    assert growing.mean[0, -1] / still.mean[0, -1] == pytest.approx(1.1 ** (349.5 / 365.25), rel=1e-4)
    assert growing.level_g == pytest.approx(still.level_g), "the level is that without growth"


def test_a_row_that_the_reference_does_not_have_is_a_group_of_its_own() -> None:
    got = made(people([0, 0], [7.0, 7.0], [1.0, 1.0], entry=[0, 2]))
    assert got.groups[-1] == UNKNOWN
    assert got.patients[0].tolist() == [1, 0, 1]


def test_the_reference_is_the_epidemiologys() -> None:
    reference = reference_of(load_epidemiology())
    assert reference.share.sum() == pytest.approx(1.0)
    assert reference.group_of["cidp", ""] == "CIDP"
    assert set(reference.group_of.values()) <= set(reference.groups)


# ------------------------------------------------------------------ spread


def test_intervals_hold_what_drawn_patients_come_to() -> None:
    """The months of 300 replications drawn as a simulation draws them, against the interval reckoned."""
    rng = np.random.default_rng(1)
    start = people([0] * 250, rng.choice([20.0, 30.0, 60.0], 250).tolist(), rng.choice([1.0, 3.0, 4.0], 250).tolist())
    got = made(start, turnover=0.3, growth=0.1)
    edges = np.concatenate([[0], np.cumsum(days_in(MONTHS))])
    days = int(edges[-1])
    drawn = np.zeros((300, len(MONTHS)))
    for replication in range(len(drawn)):
        who = draw_long_term(start, demand(0.3, 0.1), [], seed=1, replication=replication, days=days)
        # A patient who starts has a phase like any other, or every start would count a course at once.
        phase = stream(1, "phase", replication).random(len(who)) * who.interval_days
        begins = np.where(np.arange(len(who)) < len(start), 0.0, who.first_due_day)
        first = np.where(np.arange(len(who)) < len(start), phase, begins + phase)
        for weeks in (1.0, 3.0, 4.0):
            own = who.interval_days == weeks * 7
            due = first[own, None] + np.arange(int(days / (weeks * 7)) + 1) * weeks * 7
            kept = (due < who.leaves_day[own, None]) & (due < days)
            grams = np.broadcast_to(who.course_mg[own, None] / 1000, due.shape)
            drawn[replication] += np.histogram(due[kept], edges, weights=grams[kept])[0]
    assert drawn.mean(axis=0) == pytest.approx(got.mean[0], rel=0.02)
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(got.variance[0]), rel=0.15)
    low, high = got.interval()
    for place, nominal in enumerate((0.80, 0.95)):
        inside = ((drawn >= low[place, 0]) & (drawn <= high[place, 0])).mean()
        assert inside == pytest.approx(nominal, abs=0.05)


def test_panels_together_are_less_uncertain_than_their_intervals_together() -> None:
    got = made(people([0] * 50 + [1] * 50, [30.0] * 100, [4.0] * 100), turnover=0.2)
    low, high = got.interval()
    together = got.interval([0, 1])
    assert (together[1] - together[0] < (high - low).sum(axis=1)).all()
    assert (low >= 0).all()
    assert (high[1] > high[0]).all()


# ------------------------------------------------------------------- parts

SIZES = st.integers(0, 10_000).map(float)


@settings(max_examples=200, deadline=None)
@given(
    forecast_g=SIZES, past_g=SIZES, growth=st.sampled_from([0.2, 0.9, 1.0, 1.1, 5.0]),
    level=arrays(float, 4, elements=SIZES),
    patients=arrays(float, 4, elements=SIZES), share=arrays(float, 4, elements=SIZES),
    grams=arrays(float, 4, elements=SIZES.map(lambda size: size + 0.5)),
)  # fmt: skip
def test_parts_always_sum_to_the_difference(
    forecast_g: float, past_g: float, growth: float, level: np.ndarray, patients: np.ndarray, share: np.ndarray,
    grams: np.ndarray,
) -> None:  # fmt: skip
    patients[0] += 1
    level = np.where(patients > 0, level + 1, 0.0)
    share = (share + 1) / (share + 1).sum()
    cohort_g = float(level.sum()) * growth
    parts, mix, dose = parts_of(
        forecast_g=forecast_g, past_g=past_g, cohort_g=cohort_g, level_g=level, patients=patients, share=share,
        reference_g=grams,
    )  # fmt: skip
    scale = max(abs(value) for value in (*parts.values(), cohort_g, forecast_g))
    assert sum(parts.values()) == pytest.approx(cohort_g - forecast_g, abs=1e-9 * scale)
    assert all(abs(value) < 1e9 for value in parts.values())
    assert (mix.sum(), dose.sum()) == pytest.approx((parts["mix"], parts["dose"]), abs=1e-9 * scale)


BASE = {
    "forecast_g": 1000.0, "past_g": 1000.0, "cohort_g": 1000.0, "level_g": np.array([900.0, 100.0]),
    "patients": np.array([9.0, 10.0]), "share": np.array([9.0, 10.0]) / 19, "reference_g": np.array([100.0, 10.0]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "part", "grams"),
    [
        ({}, "", 0.0),
        ({"cohort_g": 1100.0}, "growth", 100.0),
        ({"forecast_g": 1100.0}, "growth", -100.0),
        ({"forecast_g": 800.0, "past_g": 800.0}, "patients", 200.0),
        ({"forecast_g": 800.0, "past_g": 2.0}, "patients", 200.0),
        ({"reference_g": np.array([90.0, 20.0]) * 1000 / 1010, "past_g": 1000.0}, "dose", 0.0),
        ({"level_g": np.array([1080.0, 120.0]), "cohort_g": 1200.0}, "dose", 200.0),
    ],
)
def test_one_thing_changed_is_one_part(changes: dict[str, object], part: str, grams: float) -> None:
    parts, _, _ = parts_of(**{**BASE, **changes})  # type: ignore[arg-type]
    for name in PARTS:
        assert parts[name] == pytest.approx(grams if name == part else 0.0, abs=1e-6)


def test_another_mix_of_the_same_patients_is_mix_alone() -> None:
    level, patients = np.array([1200.0, 70.0]), np.array([12.0, 7.0])
    parts, mix, _ = parts_of(**{**BASE, "level_g": level, "patients": patients, "cohort_g": 1270.0})  # type: ignore[arg-type]
    assert parts == pytest.approx({"growth": 0.0, "patients": 0.0, "mix": 270.0, "dose": 0.0}, abs=1e-6)
    assert (mix > 0).all(), "more of the costly ones and fewer of the cheap ones both add grams to a patient"


# -------------------------------------------------------------------- tables


def beside(*names: str, grams: float = 50_000.0) -> tuple[History, Forecast]:
    labels = tuple((name, "") for name in names)
    past = month_range("2024-11", 24)
    even = np.outer(days_in(past) / 30, np.full(len(names), grams))
    history = History(past, labels, even, np.zeros_like(even, dtype=bool))
    hierarchy = hierarchy_of(labels)
    mean = hierarchy.sums @ np.outer(np.full(len(names), grams * 1.1), days_in(MONTHS) / 30)
    low, high = (np.stack([mean * (1 + side * reach) for reach in (0.1, 0.2)], axis=1) for side in (-1, 1))
    forecast = Forecast("AutoETS", MONTHS, hierarchy, mean, low, high, tuple(() for _ in hierarchy.nodes), {})
    return history, forecast


def test_tables_add_up_to_the_milligram() -> None:
    start = people([0] * 30 + [1] * 40, [30.0] * 70, [3.0] * 70, entry=[0, 2] * 35)
    cohort = made(start, acute=1.0, turnover=0.1, growth=0.05)
    found = compare(*beside("P1", "P2"), cohort, REFERENCE)
    table = found.panels.set_index("panel")
    assert table.index.tolist() == [ALL, "P1", "P2"]
    mg = (table.filter(regex="_g$") * 1000).round().astype(int)
    assert (mg["bottom_up_g"] - mg["top_down_g"] == mg["difference_g"]).all()
    assert (mg[[f"{part}_g" for part in PARTS]].sum(axis=1) == mg["difference_g"]).all()
    assert (mg.loc[ALL] == mg.loc[["P1", "P2"]].sum()).all()
    assert found.groups["mix_g"].sum() == pytest.approx(table.loc[ALL, "mix_g"], abs=0.01)
    assert found.groups["dose_g"].sum() == pytest.approx(table.loc[ALL, "dose_g"], abs=0.01)
    months = found.months
    assert months[months["level"] == "panel"].groupby("month")["grams"].sum().to_numpy() == pytest.approx(
        months[months["level"] == "all panels"]["grams"].to_numpy()
    )
    assert (months["low_95"] <= months["low_80"]).all()
    assert (months["grams"].between(months["low_80"], months["high_80"])).all()


def test_growth_is_measured_against_the_same_months_of_the_year_before() -> None:
    found = compare(*beside("P1"), made(people([0] * 10, [30.0] * 10, [1.0] * 10)), REFERENCE)
    row = found.panels.iloc[0]
    # Forecast a tenth above last year, the cohort still: growth explains about a tenth of the mean level.
    level = (row["top_down_g"] / 1.1 + row["bottom_up_g"]) / 2
    assert row["growth_g"] == pytest.approx(-0.1 * level, rel=1e-3)


def test_panels_of_one_side_are_named_and_in_no_total() -> None:
    cohort = made(people([0, 1], [30.0, 30.0], [4.0, 4.0]))
    found = compare(*beside("P1", "UNMAPPED"), cohort, REFERENCE)
    assert (found.compared, found.only_forecast, found.only_cohort) == (("P1",), ("UNMAPPED",), ("P2",))
    assert found.panels["panel"].tolist() == [ALL, "P1"]
    assert pd.isna(found.panels["months_within_80"].iloc[0]), "the nation's interval is for panels that are not here"
    assert set(found.months["panel"]) == {"", "P1", "P2"}
    assert found.months[found.months["panel"] == "P2"]["top_down_g"].isna().all()
    said = cohort_findings(found, cohort)
    assert "Only in the history, and in no total: UNMAPPED." in said
    assert "Only in the cohort, and in no total: P2." in said
    with pytest.raises(InputError, match="a panel of the history"):
        compare(*beside("Q1"), cohort, REFERENCE)


def test_findings_name_every_part_and_how_often_it_fits() -> None:
    cohort = made(people([0] * 55, [30.0] * 55, [1.0] * 55), turnover=0.1)
    said = cohort_findings(compare(*beside("P1", grams=6500.0), cohort, REFERENCE), cohort)
    for words in (
        "growth",
        "number of patients",
        "mix",
        "grams per patient",
        "of 12 months",
        "10.0% of patients a year leave",
    ):
        assert words in said
