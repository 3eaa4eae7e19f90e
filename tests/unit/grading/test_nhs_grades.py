"""The NHS rulebook through the grader: what its upgrades and approvals come to for whole patients."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from allocation.grading import grade_cohort
from allocation.rules import FLAGS, load_rulebook

AS_OF = date(2026, 11, 1)
REVIEWED = {"last_review_date": AS_OF - timedelta(days=30)}


@pytest.mark.parametrize(
    ("key", "flags", "base", "grade"),
    [
        ("cidp", {}, 2, 2),
        ("cidp", {**REVIEWED, "ig_dependent": "yes"}, 2, 3),
        ("pid", REVIEWED, 2, 3),
        ("myasthenia_gravis/crisis", {"plex_unavailable": "yes"}, 3, 4),
        ("myasthenia_gravis/crisis", {"alternatives_exhausted": "yes"}, 3, 4),
        ("itp/vitt", {"bleeding": "yes"}, 3, 4),
        ("itp/pregnancy", {}, 3, 3),
        ("post_transfusion_hyperhaemolysis/acute", {"life_threatening": "yes"}, 3, 4),
        ("post_transfusion_hyperhaemolysis/prevention", {"transfusion_dependent": "yes"}, 3, 3),
        (
            "post_transfusion_hyperhaemolysis/prevention",
            {"transfusion_dependent": "yes", "steroid_refractory": "yes"},
            3,
            4,
        ),
        ("rasmussen_encephalitis", {"status_epilepticus": "yes"}, 3, 4),
        ("kawasaki_or_pims_ts", {}, 4, 4),
    ],
)
def test_rows_of_the_plan(cohort, key, flags, base, grade) -> None:
    indication, _, situation = key.partition("/")
    patient = {"indication": indication, "situation": situation, **flags}
    row = grade_cohort(load_rulebook("nhs"), cohort(patient), AS_OF).iloc[0]
    assert (row["base_grade"], row["grade"]) == (base, grade)


def test_every_entry_reaches_its_highest_grade_and_none_passes_it(cohort) -> None:
    rulebook = load_rulebook("nhs")
    everything = {**dict.fromkeys(FLAGS, "yes"), **REVIEWED}
    patients = [{"indication": entry.indication, "situation": entry.situation} for entry in rulebook.entry]
    lowest = grade_cohort(rulebook, cohort(*patients), AS_OF)
    highest = grade_cohort(rulebook, cohort(*({**patient, **everything} for patient in patients)), AS_OF)
    assert lowest["grade"].tolist() == [entry.base_grade for entry in rulebook.entry]
    tops = [max([entry.base_grade, *(upgrade.to for upgrade in entry.upgrade)]) for entry in rulebook.entry]
    assert highest["grade"].tolist() == tops
    assert (highest["upgraded"] == "yes").tolist() == [bool(entry.upgrade) for entry in rulebook.entry]
