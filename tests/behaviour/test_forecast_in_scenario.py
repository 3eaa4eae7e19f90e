"""A scenario whose demand follows a forecast: level, change, spread, season, faults, and the record left behind."""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.cli import main
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.cohort.write import write_cohort
from allocation.errors import InputError
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_demand_forecast, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.demand import draw_arrivals
from allocation.simulation.engine import play
from allocation.simulation.long_term import draw_long_term
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.record import MEASURES

AS_OF = date(2026, 11, 1)
PANELS = ("SRIAP01", "SRIAP02")
LEVEL_G = 1000.0
TAIL_80, TAIL_95 = NormalDist().inv_cdf(0.9), NormalDist().inv_cdf(0.975)

Make = Callable[..., World]
Path_ = Callable[[int], float]


def flat(month: int) -> float:
    return 1.0


def table(shape: Path_ = flat, *, spread: float = 0.0, months: int = 20, level_g: float = LEVEL_G) -> pd.DataFrame:
    """A forecast in grams from 2026-09; ``shape`` is the factor of a month, ``spread`` the deviation as a share."""
    rows = []
    for month in range(months):
        year, number = divmod(2026 * 12 + 8 + month, 12)
        days = calendar.monthrange(year, number + 1)[1]
        for level, panel, size, own in (
            ("nation", "", 2.0, spread * 0.75),
            *(("panel", name, 1.0, spread) for name in PANELS),
        ):
            grams = size * level_g * days * shape(month)
            row: dict[str, object] = {"month": f"{year}-{number + 1:02d}", "level": level, "panel": panel, "group": ""}
            row |= {"grams": grams}
            for name, tail in (("80", TAIL_80), ("95", TAIL_95)):
                row[f"low_{name}"], row[f"high_{name}"] = (max(grams * (1 + s * own * tail), 0) for s in (-1, 1))
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def panels() -> PanelSet:
    every = load_panels()
    return PanelSet(source=every.source, panel=tuple(one for one in every.panel if one.code in PANELS))


@pytest.fixture(scope="module")
def cohort(panels: PanelSet) -> pd.DataFrame:
    return generate_cohort(
        patients=400, seed=7, as_of=AS_OF, rulebook=load_rulebook(), panels=panels, products=load_products(),
        epidemiology=load_epidemiology(),
    )  # fmt: skip


@pytest.fixture
def make(tmp_path: Path, panels: PanelSet, cohort: pd.DataFrame) -> Make:
    def build(forecast: pd.DataFrame | None, *, weeks: int = 52, name: str = "f.csv", **demand: Any) -> World:
        data = load_scenario("no_disruption").model_dump()
        data["run"] |= {"weeks": weeks, "as_of": AS_OF}
        data["demand"] |= demand
        if forecast is not None:
            forecast.to_csv(tmp_path / name, index=False)
            data["demand"]["forecast"] = str(tmp_path / name)
        return prepare(
            Scenario.model_validate(data), cohort, rulebook=load_rulebook(), panels=panels, products=load_products(),
            tiers=load_tiers(), epidemiology=load_epidemiology(),
        )  # fmt: skip

    return build


def factor(world: World, replication: int = 0) -> np.ndarray:
    assert world.follow is not None
    return world.follow.draw(seed=5, replication=replication)[:, :2]


def long_term(world: World, replication: int = 0) -> pd.DataFrame:
    """Grams a week of the patients on treatment at the start and at the end, by panel."""
    drawn = {"seed": 5, "replication": replication, "days": world.days}
    follow = None if world.follow is None else world.follow.draw(seed=5, replication=replication)
    people = draw_long_term(world.start, world.scenario.demand, [], **drawn, follow=follow)
    sums = {}
    for day in (0, world.days - 1):
        here = people.leaves_day > day
        here[len(world.start) :] &= people.first_due_day[len(world.start) :] <= day
        sums[day] = np.bincount(people.panel[here], minlength=2)[:2]
    return pd.DataFrame(sums)


def acute(world: World, replication: int = 0) -> int:
    drawn = {"seed": 5, "replication": replication, "days": world.days}
    follow = None if world.follow is None else world.follow.draw(seed=5, replication=replication)
    return len(draw_arrivals(world.acute, world.places, world.scenario.demand, [], **drawn, follow=follow))


def due_g(world: World, replications: int = 2) -> float:
    runs = [play(world, seed=5, replication=r).record.cube for r in range(replications)]
    return float(np.mean([cube[..., MEASURES.index("due")].sum() for cube in runs])) / 1000


# --------------------------------------------------------------- following


def test_a_flat_forecast_without_doubt_changes_nothing(make: Make) -> None:
    plain, flat_one = make(None, weeks=12), make(table(), weeks=12)
    assert (factor(flat_one) == 1).all()
    one, other = play(plain, seed=5, replication=0), play(flat_one, seed=5, replication=0)
    assert one.record.cube.tobytes() == other.record.cube.tobytes()
    assert outcomes_of(one) == outcomes_of(other)
    np.testing.assert_equal(*([asdict(week) for week in run.national] for run in (one, other)))


def test_a_higher_forecast_means_more_demand_and_a_lower_one_less(make: Make) -> None:
    up, same, down = (
        make(table(lambda month, g=growth: float(np.exp(g * month / 12)), months=40), turnover_per_year=0.1)
        for growth in (0.25, 0.0, -0.25)
    )
    runs = [long_term(world).sum() for world in (up, same, down)]
    assert runs[0].iloc[1] / runs[0].iloc[0] == pytest.approx(np.exp(0.25 * 364 / 365.25), rel=0.08)
    assert runs[1].iloc[1] / runs[1].iloc[0] == pytest.approx(1.0, rel=0.05)
    # A fall by more than turnover needs more stops, not only fewer starts.
    assert runs[2].iloc[1] / runs[2].iloc[0] == pytest.approx(np.exp(-0.25 * 364 / 365.25), rel=0.08)
    assert acute(up) > acute(same) > acute(down)
    assert up.expected.season[-1] / same.expected.season[-1] == pytest.approx(np.exp(0.25 * 361 / 365.25), rel=0.01)
    assert due_g(up, 1) > due_g(same, 1) > due_g(down, 1)


def test_each_panel_follows_its_own_forecast(make: Make) -> None:
    forecast = table(months=40)
    one = forecast["panel"] == "SRIAP01"
    steep = np.exp(0.5 * np.arange(one.sum()) / 12)
    for column in ("grams", "low_80", "high_80", "low_95", "high_95"):
        forecast.loc[one, column] *= steep
    world = make(forecast)
    drawn = factor(world)
    assert drawn[-1, 0] > 1.5
    assert (drawn[:, 1] == 1).all()
    found = long_term(world)
    assert found.iloc[0, 1] > 1.3 * found.iloc[0, 0]
    assert found.iloc[1, 1] == pytest.approx(found.iloc[1, 0], rel=0.1)


def test_the_forecast_can_give_the_level_as_well(make: Make) -> None:
    by_panel_g = make(None).use_mg.sum(axis=1)[:2] / 7 / 1000
    need_g = by_panel_g.mean()
    given = {"level_g": 1.2 * need_g, "months": 40}
    by_cohort, by_forecast = make(table(**given)), make(table(**given), forecast_level="forecast")
    assert (factor(by_cohort) == 1).all()
    assert factor(by_forecast) == pytest.approx(np.tile(1.2 * need_g / by_panel_g, (by_forecast.days, 1)), rel=1e-6)
    assert long_term(by_forecast).sum().iloc[1] == pytest.approx(1.2 * long_term(by_cohort).sum().iloc[1], rel=0.1)
    assert due_g(by_forecast, 1) > 1.1 * due_g(by_cohort, 1)
    less = make(table(level_g=0.8 * need_g), forecast_level="forecast")
    assert due_g(less, 1) < 0.92 * due_g(by_cohort, 1)


def test_books_balance_whatever_the_forecast(make: Make) -> None:
    for shape in (flat, lambda month: 1 + 0.05 * month, lambda month: max(1 - 0.05 * month, 0.2)):
        play(make(table(shape, spread=0.1), weeks=30), seed=3, replication=1)  # close() proves the books


def test_season_in_a_forecast_is_left_to_the_epidemiology(make: Make) -> None:
    world = make(table(lambda month: 1 + 0.1 * np.sin(2 * np.pi * month / 12), months=40))
    assert np.abs(factor(world) - 1).max() < 0.01


# ------------------------------------------------------------------ doubt


def test_replications_spread_as_the_fan_does(make: Make) -> None:
    world = make(table(spread=0.1), weeks=8)
    drawn = np.array([factor(world, replication)[30] for replication in range(2000)])
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.05)
    # Together they are as uncertain as the nation's own forecast: 7.5 % and not 10 %.
    assert drawn.mean(axis=1).std() == pytest.approx(0.075, rel=0.05)
    for low, high, share in ((0.9, 1.1, 0.683), (1 - 0.1 * TAIL_95, 1 + 0.1 * TAIL_95, 0.95)):
        assert ((drawn > low) & (drawn < high)).mean() == pytest.approx(share, abs=0.03)


def test_one_replication_keeps_to_its_place_in_the_fan(make: Make) -> None:
    world = make(table(lambda month: 1 + 0.02 * month, spread=0.1, months=40))
    place = factor(world, 3) / world.follow.forecast[:, :2]  # type: ignore[union-attr]
    assert np.ptp(place, axis=0).max() < 1e-6
    assert (factor(world, 3) == factor(world, 3)).all()
    assert (factor(world, 3) != factor(world, 4)).any()


def test_the_people_who_come_anyway_are_the_same(make: Make) -> None:
    plain, more = make(None), make(table(lambda month: 1 + 0.01 * month, months=40))
    drawn = {"seed": 5, "replication": 0, "days": plain.days}
    follow = more.follow.draw(seed=5, replication=0)  # type: ignore[union-attr]
    before = draw_long_term(plain.start, plain.scenario.demand, [], **drawn)
    after = draw_long_term(more.start, more.scenario.demand, [], **drawn, follow=follow)
    assert len(after) > len(before)
    _, there, here = np.intersect1d(after.luck, before.luck, return_indices=True)
    assert len(here) == len(before)
    assert (after.leaves_day[there] == before.leaves_day[here]).all()
    assert (after.first_due_day[there] == before.first_due_day[here]).all()


# ----------------------------------------------------------------- faults


def faults(make: Make, forecast: pd.DataFrame, **given: Any) -> str:
    with pytest.raises(InputError) as error:
        make(forecast, **given)
    return str(error.value)


def test_a_forecast_that_ends_or_begins_too_early_or_late_is_refused(make: Make) -> None:
    said = faults(make, table(months=10))
    assert "2026-11 to 2027-10" in said
    assert "2026-09 to 2027-06" in said
    late = table()
    assert "2026-11" in faults(make, late[late["month"] > "2026-12"])


def test_a_panel_without_forecast_is_named(make: Make) -> None:
    forecast = table()
    said = faults(make, forecast[forecast["panel"] != "SRIAP02"])
    assert "SRIAP02" in said
    assert "SRIAP01" not in said.replace("f.csv", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"low_80": None}, "low_80"),
        ({"grams": "many"}, "row 2, grams"),
        ({"grams": -1.0}, "grams of 0 or more"),
        ({"month": "09/2026"}, "YYYY-MM"),
        ({"high_80": 0.0}, "an interval around the grams"),
    ],
)
def test_cells_that_cannot_be_used_are_named(make: Make, change: dict[str, object], said: str) -> None:
    forecast = table().astype(object)
    for column, value in change.items():
        if value is None:
            forecast = forecast.drop(columns=column)
        else:
            forecast.loc[0, column] = value
    assert said in faults(make, forecast)


def test_months_twice_or_missing_are_named(make: Make) -> None:
    forecast = table()
    assert "each month of a panel once" in faults(make, pd.concat([forecast, forecast.tail(1)]))
    gap = (forecast["panel"] == "SRIAP02") & (forecast["month"] == "2027-01")
    assert "none for SRIAP02 in 2027-01" in faults(make, forecast[~gap])


def test_a_level_far_from_the_cohort_is_refused(make: Make) -> None:
    assert "forecast_level" in faults(make, table(level_g=1e6), forecast_level="forecast")


def test_growth_is_not_counted_twice(make: Make) -> None:
    with pytest.raises(ValueError, match="growth_per_year must be 0"):
        make(table(), growth_per_year=0.1)


# ----------------------------------------------------------- files and record


def write_scenario(folder: Path, forecast: str) -> Path:
    path = folder / "mine.toml"
    text = 'name = "mine"\ntitle = "Mine"\nextends = "baseline"\n[run]\nweeks = 6\nreplications = 1\n'
    path.write_text(f'{text}[demand]\nforecast = "{forecast}"\n', encoding="utf-8")
    return path


def test_the_place_is_told_from_the_scenarios_folder(tmp_path: Path) -> None:
    (tmp_path / "ahead").mkdir()
    table().to_csv(tmp_path / "ahead" / "forecast.csv", index=False)
    (tmp_path / "here").mkdir()
    own = write_scenario(tmp_path / "here", "../ahead")
    over = tmp_path / "over.toml"
    over.write_text('name = "over"\ntitle = "Over"\nextends = "here/mine.toml"\n', encoding="utf-8")
    for path in (own, over):
        found = load_demand_forecast(load_scenario(path).demand.forecast)
        assert found is not None
        assert found.panels == PANELS
    assert load_scenario(own).record()["demand"]["forecast"] == "ahead"
    none = write_scenario(tmp_path / "here", "../nothing")
    with pytest.raises(InputError, match="nothing"):
        load_demand_forecast(load_scenario(none).demand.forecast)
    assert load_scenario("baseline").demand.forecast == ""


def test_history_beside_the_forecast_takes_season_out_of_a_short_one(tmp_path: Path, make: Make) -> None:
    def wave(month: int) -> float:
        return 1 + 0.1 * np.sin(2 * np.pi * month / 12)

    short = table(wave, months=10)
    rows = []
    for month in range(-30, 0):
        year, number = divmod(2026 * 12 + 8 + month, 12)
        days = calendar.monthrange(year, number + 1)[1]
        rows += [(f"{year}-{number + 1:02d}", name, LEVEL_G * days * wave(month)) for name in PANELS]
    folder = tmp_path / "ahead"
    folder.mkdir()
    short.to_csv(folder / "forecast.csv", index=False)
    pd.DataFrame(rows, columns=["month", "panel", "grams"]).to_csv(folder / "history.csv", index=False)
    alone = make(short, weeks=30)
    assert np.abs(factor(alone) - 1).max() > 0.05, "ten months alone cannot tell season from change"
    with_history = make(None, weeks=30)
    scenario = with_history.scenario.model_copy(
        update={"demand": with_history.scenario.demand.model_copy(update={"forecast": str(folder)})}
    )
    assert np.abs(factor(make_like(with_history, scenario)) - 1).max() < 0.01


def make_like(world: World, scenario: Scenario) -> World:
    from allocation.simulation.world import build_world

    return build_world(
        scenario, start=world.start, acute=world.acute, places=world.places, panels=world.panels,
        products=world.products, tiers=world.tiers, forecast=load_demand_forecast(scenario.demand.forecast),
    )  # fmt: skip


def test_a_world_is_never_built_without_the_forecast_its_scenario_names(make: Make, tmp_path: Path) -> None:
    world = make(None, weeks=6)
    demand = world.scenario.demand.model_copy(update={"forecast": str(tmp_path)})
    from allocation.simulation.world import build_world

    with pytest.raises(ValueError, match="names a forecast"):
        build_world(
            world.scenario.model_copy(update={"demand": demand}), start=world.start, acute=world.acute,
            places=world.places, panels=world.panels, products=world.products, tiers=world.tiers,
        )  # fmt: skip


def test_a_scenario_revised_for_a_study_still_follows_it(make: Make) -> None:
    from allocation.simulation.variants import revised

    world = make(table(lambda month: 1 + 0.02 * month, spread=0.1, months=40), weeks=20)
    supply = world.scenario.supply.model_copy(update={"output_share_of_demand": 0.9})
    other = revised(world, world.scenario.model_copy(update={"supply": supply}))
    assert (factor(other, 1) == factor(world, 1)).all()


def test_the_run_records_what_it_followed(
    tmp_path: Path, cohort: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cohort(cohort, tmp_path / "cohort.csv")
    table(spread=0.05).to_csv(tmp_path / "ahead.csv", index=False)
    path = write_scenario(tmp_path, "ahead.csv")
    runs = []
    for name, workers in (("one", "1"), ("two", "2")):
        out = tmp_path / name
        arguments = ["simulate", str(path), "--cohort", str(tmp_path / "cohort.csv"), "--workers", workers]
        assert main([*arguments, "--replications", "2", "--out", str(out)]) == 0
        runs.append({file.name: file.read_bytes() for file in sorted(out.iterdir()) if file.is_file()})
    assert runs[0] == runs[1]
    manifest = json.loads(runs[0]["manifest.json"])
    assert manifest["inputs"]["demand forecast"]["file"] == "ahead.csv"
    assert json.loads(runs[0]["resolved.json"])["demand"]["forecast"] == "ahead.csv"
    assert str(tmp_path) not in runs[0]["resolved.json"].decode()
