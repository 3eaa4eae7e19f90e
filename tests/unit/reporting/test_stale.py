"""A page says so when what its run was made from has changed, and says what it could not compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from allocation import __version__
from allocation.errors import InputError
from allocation.records import sha256_of
from allocation.reporting import report
from allocation.reporting.stale import freshness_of
from allocation.resources import SAMPLE_COHORT, bundled
from allocation.rules import load_rulebook

BOOK = load_rulebook("nhs")


def manifest(**more: object) -> dict[str, object]:
    return {"version": __version__, "rulebook": f"{BOOK.id} {BOOK.version}", "inputs": {}, **more}


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    path = tmp_path / "stock.csv"
    path.write_text("location,product\n", encoding="utf-8")
    return path


def test_a_run_of_today_is_not_stale(stock):
    noted = manifest(inputs={"stock": {"file": "stock.csv", "sha256": sha256_of(stock)}})
    assert freshness_of(noted, [stock]).stale == ()
    assert freshness_of(noted, [stock]).note == "Inputs compared with what the run read: stock.csv."


def test_a_file_that_changed_is_named_with_both_hashes(stock):
    before = sha256_of(stock)
    noted = manifest(inputs={"stock": {"file": "stock.csv", "sha256": before}})
    stock.write_text("location,product\nSRIAP01,privigen_10\n", encoding="utf-8")
    (sentence,) = freshness_of(noted, [stock]).stale
    assert before[:12] in sentence
    assert sha256_of(stock)[:12] in sentence


def test_a_file_not_given_is_said_not_to_be_compared(stock):
    fresh = freshness_of(manifest(inputs={"stock": {"file": "stock.csv", "sha256": "0" * 64}}))
    assert fresh.stale == ()
    assert "Not compared" in fresh.note
    assert "stock.csv" in fresh.note


def test_a_file_that_is_no_input_is_a_fault(tmp_path):
    with pytest.raises(InputError, match=r"stock\.csv") as caught:
        freshness_of(manifest(inputs={"stock": {"file": "stock.csv", "sha256": "0"}}), [tmp_path / "other.csv"])
    assert "other.csv" in str(caught.value)


def test_an_older_igalloc_and_an_older_rulebook_are_told():
    stale = freshness_of(manifest(version="0.0.1", rulebook=f"{BOOK.id} 1999.1")).stale
    assert len(stale) == 2
    assert "0.0.1" in stale[0]
    assert "1999.1" in stale[1]


def test_a_rulebook_of_the_users_own_is_left_alone():
    assert freshness_of(manifest(rulebook="ours 3")).stale == ()


def test_our_own_cohort_is_compared_without_asking():
    ours = bundled(SAMPLE_COHORT)
    assert ours is not None
    same = manifest(inputs={"cohort": {"file": ours.name, "sha256": sha256_of(ours)}})
    assert freshness_of(same).stale == ()
    other = manifest(inputs={"cohort": {"file": ours.name, "sha256": "0" * 64}})
    assert "not the file that comes with this igalloc" in freshness_of(other).stale[0]
    # Named by the user, it is only compared with what the user named.
    assert "has changed since the run" in freshness_of(other, [ours]).stale[0]
    assert len(freshness_of(other, [ours]).stale) == 1


def test_many_files_are_summed_up():
    files = {f"history {i:03d}": {"file": f"scmd_{i:03d}.csv", "sha256": "0"} for i in range(40)}
    assert "scmd_000.csv to scmd_039.csv (40 files)" in freshness_of(manifest(inputs=files)).note


def test_the_page_wears_the_mark(allocation_copy):
    mark = "This page may be out of date."
    path = allocation_copy / "manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record |= {"version": __version__, "rulebook": f"{BOOK.id} {BOOK.version}"}
    record["inputs"] = {"cohort": {"file": "mine.csv", "sha256": "0" * 64}}
    path.write_text(json.dumps(record), encoding="utf-8")
    assert mark not in report(allocation_copy)
    mine = allocation_copy / "mine.csv"
    mine.write_text("changed\n", encoding="utf-8")
    html = report(allocation_copy, checks=[mine])
    assert mark in html
    assert "mine.csv has changed since the run" in html
