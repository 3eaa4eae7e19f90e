"""The assumptions that a run rests on."""

from __future__ import annotations

from allocation.rules import load_rulebook
from allocation.rules.rests_on import assumptions_used

NHS = load_rulebook("nhs")
GENERAL = {found.id for found in NHS.assumption} - {name for entry in NHS.entry for name in entry.assumption_ids}


def test_those_of_the_entries_used_and_those_that_hold_for_all() -> None:
    newborn = NHS.find("haemolytic_disease_newborn", "")
    assert newborn is not None
    found = assumptions_used(NHS, [newborn])
    assert {row["id"] for row in found} == GENERAL | set(newborn.assumption_ids)
    assert GENERAL
    assert set(newborn.assumption_ids)
    kinds = [row["kind"] for row in found]
    assert kinds[0] == "source conflict"
    assert kinds == sorted(kinds, key=lambda kind: kind != "source conflict")
    by_id = {row["id"]: row for row in found}
    for name in newborn.assumption_ids:
        assert by_id[name]["entries"] == newborn.key
        assert newborn.section in by_id[name]["source"]
        assert NHS.document in by_id[name]["source"]
    for name in GENERAL:
        assert by_id[name]["entries"] == "the whole rulebook"
        assert by_id[name]["source"] == NHS.document


def test_each_says_what_it_rests_on() -> None:
    found = {row["id"]: row for row in assumptions_used(NHS, NHS.entry)}
    assert set(found) == {assumption.id for assumption in NHS.assumption}
    assert found["N31"]["confidence"] == "M"
    assert {row["confidence"] for row in found.values()} <= {"F", "F*", "D", "M", "P"}
    assert all(row["text"] and row["open_point"] and row["title"] for row in found.values())


def test_without_entries_only_those_that_hold_for_all() -> None:
    assert {row["id"] for row in assumptions_used(NHS, [])} == GENERAL
