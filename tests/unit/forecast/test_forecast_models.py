"""Forecasts add up, never fall below zero and repeat; breaks are found; the back-test and its corrections hold."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from allocation.errors import InputError
from allocation.forecast import History, backtest, findings, forecast, load_settings
from allocation.forecast.backtest import plan_origins
from allocation.forecast.breaks import adjusted, find_breaks
from allocation.forecast.frames import breaks_frame, forecast_frame, history_frame
from allocation.forecast.hierarchy import hierarchy_of
from allocation.forecast.models import MODELS, NAIVE, fit_one
from allocation.forecast.months import DAYS_PER_MONTH, days_in, month_range

SETTINGS = load_settings()
GROUPED = (("P1", "IV"), ("P1", "SC"), ("P2", "IV"), ("P2", "SC"))

pytest.importorskip("statsforecast", reason="the extra forecast is not installed")


def history(grams: np.ndarray, labels: tuple[tuple[str, str], ...] | None = None) -> History:
    count, series = grams.shape
    labels = labels or tuple((f"P{i:02d}", "") for i in range(series))
    return History(month_range("2016-01", count), labels, grams, np.zeros_like(grams, dtype=bool))


def drawn(months: int, series: int, *, seed: int = 1, wander: float = 0.0, growth: float = 0.004) -> np.ndarray:
    """Growth, season and noise of known size, on months of their true length."""
    draw = np.random.default_rng(seed)
    t = np.arange(months)
    level = np.cumsum(draw.normal(0, wander, (months, series)), axis=0) if wander else np.zeros((months, series))
    season = 0.05 * np.sin(2 * np.pi * (t[:, None] + np.arange(series)) / 12)
    noise = draw.normal(0, 0.03, (months, series))
    even = draw.uniform(2000, 20000, series) * np.exp(growth * t[:, None] + level + season + noise)
    return even * (days_in(month_range("2016-01", months)) / DAYS_PER_MONTH)[:, None]


@pytest.mark.parametrize("model", MODELS)
def test_panels_groups_and_nation_add_up_exactly(model: str) -> None:
    made = forecast(
        history(drawn(48, 4), GROUPED), model=model, horizon_months=6, adjust_breaks=False, settings=SETTINGS
    )
    mg = np.rint(made.mean * 1000).astype(int)
    names = [node.name for node in made.hierarchy.nodes]
    assert names == ["All panels", "IV", "SC", "P1", "P2", "P1 IV", "P1 SC", "P2 IV", "P2 SC"]
    assert (mg[0] == mg[1] + mg[2]).all()
    assert (mg[0] == mg[3] + mg[4]).all()
    assert (mg[3] == mg[5] + mg[6]).all()
    assert (mg[2] == mg[6] + mg[8]).all()
    assert (made.low[:, 1] <= made.low[:, 0]).all()
    assert (made.low[:, 0] <= made.mean).all()
    assert (made.mean <= made.high[:, 0]).all()
    assert (made.high[:, 0] <= made.high[:, 1]).all()


def test_nothing_is_forecast_below_zero() -> None:
    falling = np.maximum(np.linspace(5000, 40, 60), 0)[:, None] * np.array([1.0, 0.5])
    falling += np.random.default_rng(1).normal(0, 30, falling.shape)
    made = forecast(
        history(np.maximum(falling, 0)), model="AutoETS", horizon_months=24, adjust_breaks=False, settings=SETTINGS
    )
    assert (made.mean >= 0).all()
    assert (made.low >= 0).all()


def test_a_series_without_use_and_one_without_change() -> None:
    grams = np.column_stack([np.zeros(36), days_in(month_range("2016-01", 36)) * 10])
    made = forecast(history(grams), model="AutoTheta", horizon_months=3, adjust_breaks=True, settings=SETTINGS)
    assert made.mean[1].tolist() == [0, 0, 0]
    # Ten grams a day, whatever the length of the month.
    assert made.mean[2] == pytest.approx([310, 280, 310])


def test_long_months_are_no_season() -> None:
    days = days_in(month_range("2016-01", 48))
    draw = np.random.default_rng(2).normal(1, 0.001, 48)
    made = forecast(
        history((days * 100 * draw)[:, None]), model=NAIVE, horizon_months=12, adjust_breaks=False, settings=SETTINGS
    )
    # 2020 has a 29 February, which the year before had not.
    wide = made.mean[0] / days_in(made.months)
    assert wide == pytest.approx(np.full(12, 100.0), rel=0.01)
    assert made.mean[0, 1] > 2860


@pytest.mark.parametrize("model", MODELS)
def test_the_same_history_gives_the_same_numbers(model: str) -> None:
    series = drawn(48, 1)[:, 0]
    first, second = (fit_one(model, series, horizon_months=6, season_months=12) for _ in range(2))
    assert (first.mean == second.mean).all()
    assert (first.below == second.below).all()
    assert (first.above == second.above).all()


@given(
    arrays(np.float64, (9, 3), elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, (9,), elements=st.floats(0, 1e9)),
)
@settings(max_examples=60, deadline=None)
def test_reconciled_series_are_never_negative(means: np.ndarray, variances: np.ndarray) -> None:
    lowest = hierarchy_of(GROUPED).reconcile(means, variances)
    assert lowest.shape == (4, 3)
    assert (lowest >= 0).all()


def test_reconciling_what_adds_up_changes_nothing() -> None:
    tree = hierarchy_of(GROUPED)
    lowest = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    found = tree.reconcile(tree.sums @ lowest, np.linspace(1, 9, len(tree.nodes)))
    assert found == pytest.approx(lowest)


def test_the_surer_forecast_has_more_say() -> None:
    tree = hierarchy_of((("P1", ""), ("P2", "")))
    means = np.array([[120.0], [50.0], [50.0]])
    trusted = tree.reconcile(means, np.array([1.0, 100.0, 100.0])).sum()
    doubted = tree.reconcile(means, np.array([1000.0, 1.0, 1.0])).sum()
    assert 119 < trusted < 120
    assert 100 < doubted < 101


def test_breaks_are_found_where_they_are_and_only_there() -> None:
    series = drawn(84, 1)[:, 0] / (days_in(month_range("2016-01", 84)) / DAYS_PER_MONTH)
    assert find_breaks(series, season_months=12, settings=SETTINGS.breaks) == ()
    broken = series.copy()
    broken[30:33] *= 0.6
    broken[60:] *= 1.3
    found = find_breaks(broken, season_months=12, settings=SETTINGS.breaks)
    assert [(one.kind, one.start, one.months) for one in found] == [("outlier", 30, 3), ("level shift", 60, 24)]
    assert [one.share for one in found] == pytest.approx([-0.4, 0.3], abs=0.06)
    mended = adjusted(broken, found)
    assert mended[30:33] == pytest.approx(series[30:33] * 1.3, rel=0.12)
    assert mended[:30] == pytest.approx(series[:30] * 1.3, rel=0.06)
    assert (mended[60:] == broken[60:]).all()


def test_an_outlier_is_left_in_unless_asked_for_and_always_shown() -> None:
    grams = drawn(60, 2)
    grams[50:52] *= 0.5
    past = history(grams)
    kept, taken = (
        forecast(past, model=NAIVE, horizon_months=12, adjust_breaks=handled, settings=SETTINGS)
        for handled in (False, True)
    )
    assert kept.breaks == taken.breaks
    table = breaks_frame(past, kept, handled=False)
    assert set(table["first_month"]) == {past.months[50]}
    # The naive model repeats the two low months unless they are taken out.
    assert kept.mean[0, 2] < 0.7 * taken.mean[0, 2]
    assert "left in" in findings(past, kept, None, adjust_breaks=False)
    assert "taken out" in findings(past, taken, None, adjust_breaks=True)


def test_origins_fit_into_the_history() -> None:
    assert plan_origins(120, horizon_months=18, settings=SETTINGS) == (18, [90, 93, 96, 99, 102])
    assert plan_origins(36, horizon_months=18, settings=SETTINGS) == (8, [24, 25, 26, 27, 28])
    with pytest.raises(InputError, match="31 months or more"):
        plan_origins(30, horizon_months=18, settings=SETTINGS)


def test_a_back_test_tells_good_from_bad() -> None:
    grams = drawn(60, 2, growth=0.012)
    steps: list[tuple[int, int]] = []
    tried = backtest(
        history(grams), horizon_months=6, adjust_breaks=False, settings=SETTINGS, models=("AutoTheta",),
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert steps[-1] == (30, 30)
    assert len(tried.origins) == 5
    table = tried.summary.set_index(["model", "level"])
    # Growth of fifteen per cent a year is what repeating last year cannot see.
    assert table.loc[("AutoTheta", "all"), "mase"] < table.loc[(NAIVE, "all"), "mase"]
    assert tried.chosen == "AutoTheta"
    assert "AutoTheta is used" in tried.why
    shares = tried.series[["coverage_80", "coverage_95"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (tried.series["width_80"] < tried.series["width_95"]).all()


def test_a_model_that_loses_to_the_naive_one_is_marked() -> None:
    draw = np.random.default_rng(5)
    season = np.tile(draw.uniform(500, 3000, 12), 5)
    grams = (season * draw.normal(1, 0.01, 60))[:, None] * np.array([1.0, 2.0])
    tried = backtest(history(grams), horizon_months=6, adjust_breaks=False, settings=SETTINGS, models=("AutoTheta",))
    table = tried.summary[tried.summary["level"] == "all"].set_index("model")
    worse = table.loc["AutoTheta", "mase"] > table.loc[NAIVE, "mase"]
    assert bool(table.loc["AutoTheta", "loses_to_naive"]) == worse
    assert not table.loc[NAIVE, "loses_to_naive"]
    assert tried.chosen == (NAIVE if worse else "AutoTheta")


def test_a_history_that_repeats_itself_has_no_error_to_compare() -> None:
    grams = np.tile(np.full(12, 100.0), 4)[:, None] * np.array([1.0, 0.0])
    even = grams * days_in(tuple(["2017-03"] * 48))[:, None] / 31
    tried = backtest(history(even), horizon_months=3, adjust_breaks=False, settings=SETTINGS, models=())
    assert tried.chosen == NAIVE
    assert "repeats itself" in tried.why


def test_filled_months_are_not_scored() -> None:
    grams = drawn(60, 1)
    past = history(grams)
    past.grams[55] = 1e9
    past.filled[55] = True
    with_gap = backtest(past, horizon_months=6, adjust_breaks=False, settings=SETTINGS, models=())
    assert float(with_gap.series["wape"].iloc[0]) < 0.3


def test_tables_have_a_row_for_each_month_and_series() -> None:
    past = history(drawn(36, 4), GROUPED)
    made = forecast(past, model=NAIVE, horizon_months=5, adjust_breaks=False, settings=SETTINGS)
    table = forecast_frame(made)
    assert len(table) == 5 * 9
    by_level = table.groupby(["month", "level"])["grams"].sum().unstack()
    assert by_level["nation"].to_numpy() == pytest.approx(by_level["panel and group"].to_numpy(), abs=1e-6)
    assert set(table["interval"]) == {"model"}
    known = history_frame(past)
    assert len(known) == 36 * 4
    assert known["grams"].sum() == pytest.approx(past.grams.sum(), abs=1)


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(InputError, match=r"igalloc\[forecast\]"):
        fit_one("AutoETS", drawn(30, 1)[:, 0], horizon_months=2, season_months=12)


@pytest.mark.slow
def test_intervals_hold_what_they_promise_on_series_of_known_truth() -> None:
    """Series that grow, wander, have a season and noise: twelve months ahead against what was drawn for them."""
    inside: list[np.ndarray] = []
    for seed in range(8):
        grams = drawn(120, 12, seed=seed, wander=0.012)
        past = history(grams[:108])
        tried = backtest(past, horizon_months=12, adjust_breaks=False, settings=SETTINGS, models=("AutoETS",))
        made = forecast(
            past, model=tried.chosen, horizon_months=12, adjust_breaks=False, settings=SETTINGS,
            factors=tried.factors[tried.chosen],
        )  # fmt: skip
        truth = (grams[108:] @ made.hierarchy.sums.T).T[:, None, :]
        inside.append(((truth >= made.low) & (truth <= made.high))[1:].mean(axis=(0, 2)))
    assert np.mean(inside, axis=0) == pytest.approx([0.80, 0.95], abs=0.05)
