"""Differences paired by replication, and sums by grade and panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocation.simulation.paired import by_replication, difference_rows, group_measures, level_rows, paired

NAN = float("nan")


def test_pairs_take_the_common_luck_out():
    luck = np.array([10.0, 250.0, -40.0, 90.0])
    found = paired(luck + np.array([1.0, 3.0, 1.0, 3.0]), luck)
    assert found.difference == 2
    # Student's t with 3 degrees of freedom: 3.182 times 1.1547 over the root of 4.
    assert (found.low, found.high) == pytest.approx((2 - 1.837, 2 + 1.837), abs=1e-3)
    assert found.clear
    assert found.mean - found.mean_against == pytest.approx(2)


def test_only_pairs_with_both_values_count():
    found = paired(np.array([1.0, NAN, 5.0]), np.array([NAN, 2.0, 4.0]))
    assert (found.difference, found.low, found.replications, found.clear) == (1, None, 1, False)
    assert paired(np.array([NAN]), np.array([1.0])).difference is None


def tables():
    weeks = pd.DataFrame(
        {
            "panel": ["A", "A", "B", "B"],
            "grade": [4, 2, 4, 1],
            "due_g": [10.0, 20.0, 30.0, 0.0],
            "issued_g": [10.0, 5.0, 15.0, 0.0],
        }
    )
    affected = pd.DataFrame(
        {
            "panel": ["A", "A", "B"],
            "grade": [4, 2, 4],
            "patients": [1, 2, 3],
            "patients_late": [0, 1, 3],
            "days_late_total": [0, 9, 21],
            "deferred_g_weeks": [0.0, 4.0, 6.0],
            "unmet_g": [0.0, 1.0, 2.0],
        }
    )
    return weeks, affected


def test_groups_add_up_and_leave_out_what_never_came():
    found = group_measures(*tables(), "grade")
    assert found.index.tolist() == [2, 4]
    assert found.loc[4, "fill_percent"] == pytest.approx(62.5)
    assert found.loc[4, ["patients_due", "patients_late", "late_percent"]].tolist() == [4, 3, 75]
    by_panel = group_measures(*tables(), "panel")
    assert by_panel["due_g"].tolist() == [30, 30]
    assert by_panel["unmet_g"].sum() == 3


def test_a_group_missing_from_a_replication_counts_nothing_there():
    one = group_measures(*tables(), "grade")
    found = by_replication([one, one.loc[[4]]], (4, 3, 2))
    assert {key for key, _ in found} == {4, 2}
    assert found[2, "due_g"].tolist() == [20, 0]
    assert np.isnan(found[2, "fill_percent"][1])


def test_rows_tell_label_unit_and_whether_the_difference_is_clear():
    words = {"due_g": ("Grams that fell due", "g")}
    rows = difference_rows("a", "b", {(4, "due_g"): np.array([2.0, 2.1])}, {(4, "due_g"): np.array([1.0, 1.1])}, words)
    assert rows[0]["clear"] == "yes"
    assert (rows[0]["key"], rows[0]["label"], rows[0]["unit"]) == ((4, "due_g"), "Grams that fell due", "g")
    assert difference_rows("a", "b", {(1, "due_g"): np.array([1.0])}, {}, words) == []
    (level,) = level_rows("a", "grade", {(4, "due_g"): np.array([2.0, 4.0])}, words)
    assert (level["key"], level["measure"], level["mean"], level["low"]) == ("4", "due_g", 3.0, 0.0)
