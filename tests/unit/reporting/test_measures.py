"""The small tables behind the page, against sums done by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from allocation.reporting import allocation_measures, simulation_measures
from allocation.reporting.load import AllocationRun, SimulationRun, load_run


@pytest.fixture(scope="module")
def run(simulation_folder) -> SimulationRun:
    loaded = load_run(simulation_folder)
    assert isinstance(loaded, SimulationRun)
    return loaded


@pytest.fixture(scope="module")
def allocation(allocation_folder) -> AllocationRun:
    loaded = load_run(allocation_folder)
    assert isinstance(loaded, AllocationRun)
    return loaded


def test_weeks_are_summed_the_same_in_one_batch_or_many(simulation_folder, monkeypatch):
    whole = load_run(simulation_folder)
    monkeypatch.setattr("allocation.reporting.batches._BATCH_ROWS", 997)
    parts = load_run(simulation_folder)
    pd.testing.assert_frame_equal(whole.weekly, parts.weekly)
    pd.testing.assert_frame_equal(whole.panels, parts.panels)
    pd.testing.assert_frame_equal(whole.affected, parts.affected)
    pd.testing.assert_frame_equal(whole.affected_by_indication, parts.affected_by_indication)


def test_sums_agree_with_the_file(run, simulation_folder):
    raw = pd.read_parquet(simulation_folder / "weeks.parquet")
    totals = simulation_measures.grade_totals(run)
    assert totals["grade"].tolist() == [4, 3, 2, 1, 0]
    for column in ("due_g", "issued_g", "unmet_g"):
        assert totals[column].sum() == pytest.approx(raw[column].sum() / 5)
    one = totals.set_index("grade").loc[2]
    mine = raw[raw["grade"] == 2]
    left = mine.loc[mine["week"] == 59, "deferred_g"].sum()
    owed = mine["issued_g"].sum() + mine["unmet_g"].sum() + left
    assert one["fill"] == pytest.approx(mine["issued_g"].sum() / owed)
    assert one["wait_days"] == pytest.approx(7 * mine["deferred_g"].sum() / mine["due_g"].sum())


def test_the_weekly_share_is_of_what_was_owed(run):
    weekly = run.weekly[run.weekly["replication"] == 3]
    now, before = (weekly[weekly["week"] == week].set_index("grade") for week in (36, 35))
    share = now["issued_g"] / (now["due_g"] + before["deferred_g"])
    fill = simulation_measures.fill_by_week(run)
    there = fill[fill["week"] == 36].set_index("grade").reindex(share.index)
    assert (there["least"] <= share + 1e-9).all()
    alone = dataclasses.replace(run, national=run.national[run.national["replication"] == 3], weekly=weekly)
    only = simulation_measures.fill_by_week(alone)
    found = only[only["week"] == 36].set_index("grade")["median"].reindex(share.index)
    assert found.to_numpy() == pytest.approx(share.to_numpy(), abs=1e-9)


def test_lowest_cover_is_the_lowest_of_each_replication(run):
    expected = run.national.groupby("replication")["cover_weeks"].min()
    found = simulation_measures.lowest_cover(run.national)
    assert found["cover_weeks"].tolist() == expected.tolist()
    at = run.national.set_index(["replication", "week"])["cover_weeks"]
    for replication, week, cover in zip(found.index, found["week"], found["cover_weeks"], strict=True):
        assert at[replication, week] == cover
        assert (at[replication].loc[: week - 1] > cover).all()


def test_tier_shares_add_up_and_first_weeks_are_first(run):
    tiers = simulation_measures.tier_by_week(run)
    assert tiers.groupby("week")["share"].sum().to_numpy() == pytest.approx(1.0)
    met = simulation_measures.tiers_met(run.national)
    reached = simulation_measures.tier_reached(met, 5).set_index("tier")
    first = run.national[run.national["tier"] >= 3].groupby("replication")["week"].min()
    assert reached.loc[3, "replications"] == len(first)
    assert reached.loc[3, "first_median"] == np.median(first)
    held = run.national[run.national["tier"] >= 3].groupby("replication").size().reindex(range(5), fill_value=0)
    assert reached.loc[3, "weeks_at_or_above"] == held.median()


def test_people_late_are_means_over_all_replications(run):
    found = simulation_measures.indication_totals(run)
    raw = run.affected_by_indication
    for row in found.itertuples():
        mine = raw[(raw["indication"] == row.indication) & (raw["situation"] == row.situation)]
        assert row.patients_late == pytest.approx(mine["patients_late"].sum() / 5)
    assert found["patients_late"].is_monotonic_decreasing


def test_a_group_met_in_one_replication_only_counts_as_none_in_the_others(run):
    counts = run.affected_by_indication
    row = counts.iloc[[0]].assign(indication="gbs", situation="once", patients=10, patients_late=10)
    changed = dataclasses.replace(run, affected_by_indication=pd.concat([counts, row], ignore_index=True))
    found = simulation_measures.indication_totals(changed).set_index("situation").loc["once"]
    assert found["patients_late"] == 2
    assert found["late_p05"] == 0


def test_outcomes_come_with_the_spread_of_replications(run):
    table = simulation_measures.outcome_table(run).set_index("name")
    values = run.outcomes["unmet_g"]
    assert table.loc["unmet_g", "mean"] == pytest.approx(values.mean())
    assert table.loc["unmet_g", "p95"] == pytest.approx(values.quantile(0.95))


def test_allocation_tables_count_every_patient_once(allocation):
    statuses = allocation_measures.status_by_grade(allocation)
    assert statuses["patients"].sum() == len(allocation.patients)
    assert (statuses[list(allocation_measures.STATUSES)].sum(axis=1) == statuses["patients"]).all()
    assert allocation_measures.reason_table(allocation)["patients"].sum() == len(allocation.patients)
    grades = allocation_measures.fill_by_grade(allocation)
    assert grades["given_g"].sum() == pytest.approx(allocation.patients["given_g"].sum())


def test_reasons_keep_grades_and_tiers_and_lose_what_is_one_patients_own(allocation):
    reasons = " ".join(allocation_measures.reason_table(allocation)["reason"])
    assert "Grade 1 is suspended at tier 3." in reasons
    assert "2026" not in reasons
    assert "SRIAP" not in reasons
    assert "… days overdue" in reasons


def test_flows_know_who_is_served_by_them(allocation):
    flows = allocation_measures.flow_table(allocation)
    assert flows["grams"].sum() == pytest.approx(allocation.flows["grams"].sum())
    assert flows["patients"].sum() == (allocation.patients["given_g"] > 0).sum()
    assert not flows.loc[flows["from_location"] == flows["panel"], "moved"].any()


def test_a_course_of_several_parts_counts_for_each_flow_it_may_be_from(allocation_copy):
    path = allocation_copy / "patients.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    row = dict.fromkeys(head, "")
    row |= {"patient_id": "P999999", "panel": "SRIAP01", "grade": "4", "due_g": "40", "given_g": "40"}
    row |= {"status": "treated", "product": "octagam_10+privigen_10", "from_location": "NATIONAL+SRIAP02"}
    path.write_text("\n".join([*lines, ",".join(row[name] for name in head)]) + "\n", encoding="utf-8")
    run = load_run(allocation_copy)
    assert isinstance(run, AllocationRun)
    after = allocation_measures.flow_table(run)
    own = after[(after["panel"] == "SRIAP01") & after["from_location"].isin(["NATIONAL", "SRIAP02"])]
    own = own[own["product"].isin(["octagam_10", "privigen_10"])]
    assert len(own)
    assert (own["most"] == own["patients"] + 1).all()
    assert (after["most"] >= after["patients"]).all()
