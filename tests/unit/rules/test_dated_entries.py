"""Several dated entries of one code."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.cohort.demand import demand_table
from allocation.cohort.load import check_cohort
from allocation.cohort.schema import COLUMNS, typed
from allocation.errors import InputError
from allocation.grading import grade_cohort
from allocation.quantities import MG_PER_G
from allocation.resources import package_data
from allocation.rules import Entry, Rulebook, load_panels, load_products, load_rulebook
from allocation.rules.models import first_overlap

NHS = load_rulebook("nhs")


def gbs(grade: int, first: date | None, last: date | None) -> Entry:
    entry = NHS.find("gbs")
    assert entry is not None
    return entry.model_copy(
        update={"base_grade": grade, "effective_from": first, "effective_until": last, "upgrade": ()}
    )


def book(*entries: Entry) -> Rulebook:
    return NHS.model_copy(update={"entry": entries})


OLD = gbs(2, None, date(2025, 12, 31))
NEW = gbs(3, date(2026, 1, 1), date(2026, 12, 31))
LATER = gbs(4, date(2028, 1, 1), None)


@pytest.mark.parametrize(
    ("day", "grade"),
    [
        (date(2020, 1, 1), 2),
        (date(2025, 12, 31), 2),
        (date(2026, 1, 1), 3),
        (date(2026, 12, 31), 3),
        (date(2027, 6, 1), 3),
        (date(2028, 1, 1), 4),
    ],
)
def test_the_rulebook_of_a_day_has_the_entry_in_force_or_the_last_that_was(day: date, grade: int) -> None:
    for entries in ((OLD, NEW, LATER), (LATER, NEW, OLD)):
        (entry,) = book(*entries).on(day).entry
        assert entry.base_grade == grade


def test_before_the_first_entry_the_first_to_come_stands_in() -> None:
    (entry,) = book(LATER, NEW).on(date(2020, 1, 1)).entry
    assert entry == NEW
    assert not entry.in_force(date(2020, 1, 1))


def test_a_rulebook_without_dated_entries_is_its_own_rulebook_of_every_day() -> None:
    assert NHS.on(date(2026, 6, 1)) is NHS


def test_without_a_day_the_newest_entry_is_meant() -> None:
    assert book(LATER, OLD, NEW).find("gbs") == LATER
    assert book(OLD, NEW).dated("gbs") == (OLD, NEW)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=7))
def test_overlaps_are_found_wherever_two_spans_share_a_day(given_: list[tuple[int, int]]) -> None:
    start = date(2026, 1, 1)
    spans = [(start + timedelta(days=first), start + timedelta(days=first + days)) for first, days in given_]
    shared = any(
        one[0] <= other[1] and other[0] <= one[1] for place, one in enumerate(spans) for other in spans[:place]
    )
    found = first_overlap(spans)
    assert (found is not None) == shared
    if found is not None:
        first, last = spans[found]
        assert any(place < found and a <= last and first <= b for place, (a, b) in enumerate(spans))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    shutil.copytree(package_data("rules", "data", "nhs_2021"), folder)
    return folder


def add_gbs(folder: Path, dates: str) -> Path:
    """A second row on Guillain-Barre syndrome, in a file of its own that comes last."""
    text = (folder / "neurology.toml").read_text(encoding="utf-8")
    start = text.index('[[entry]]\nindication = "gbs"')
    row = text[start : text.index("[[entry]]", start + 1)]
    path = folder / "zz_local.toml"
    path.write_text(row.replace("base_grade = 3\n", f"base_grade = 3\n{dates}\n", 1), encoding="utf-8", newline="\n")
    return path


@pytest.mark.parametrize("dates", ["", "effective_from = 2026-01-01", "effective_until = 2020-01-01"])
def test_two_entries_of_one_day_are_refused_with_file_and_code(own: Path, dates: str) -> None:
    path = add_gbs(own, dates)
    with pytest.raises(InputError) as caught:
        load_rulebook(str(own))
    (fault,) = caught.value.faults
    assert (fault.source, fault.column) == (str(path), "gbs")
    assert "more than once" in fault.expected
    assert "effective_until" in fault.remedy


def test_dates_in_the_wrong_order_are_refused_with_file_and_code(own: Path) -> None:
    path = add_gbs(own, "effective_from = 2026-02-01\neffective_until = 2026-01-01")
    shutil.move(path, own / "only.toml")
    text = (own / "neurology.toml").read_text(encoding="utf-8")
    start = text.index('[[entry]]\nindication = "gbs"')
    end = text.index("[[entry]]", start + 1)
    (own / "neurology.toml").write_text(text[:start] + text[end:], encoding="utf-8", newline="\n")
    with pytest.raises(InputError) as caught:
        load_rulebook(str(own))
    (fault,) = caught.value.faults
    assert (fault.source, fault.column) == (str(own / "only.toml"), "gbs")
    assert "effective_until lies before effective_from" in fault.expected


def test_a_date_that_is_none_is_refused_with_its_key(own: Path) -> None:
    path = add_gbs(own, 'effective_from = "soon"')
    with pytest.raises(InputError) as caught:
        load_rulebook(str(own))
    assert (str(path), "gbs.effective_from") in {(fault.source, fault.column) for fault in caught.value.faults}


@pytest.mark.parametrize(("as_of", "grade", "course_g"), [(date(2025, 12, 31), 2, 145.0), (date(2026, 1, 1), 3, 72.5)])
def test_grade_and_dose_are_those_of_the_entry_in_force(as_of: date, grade: int, course_g: float) -> None:
    halved = NEW.regimen[0].model_copy(update={"dose_use": 1.0})
    rulebook, products = book(OLD, NEW.model_copy(update={"regimen": (halved,)})), load_products()
    told = {"patient_id": "P1", "panel": "SRIAP01", "indication": "gbs", "age_years": "45", "sex": "M"}
    told |= {"height_cm": "170", "weight_kg": "84", "product": "privigen_10"}
    raw = pd.DataFrame([told]).reindex(columns=list(COLUMNS)).fillna("")
    read = check_cohort(raw, "case", rulebook=rulebook, panels=load_panels(), products=products)
    assert read.faults == ()
    graded = grade_cohort(rulebook, read.good, as_of)
    row = demand_table(graded, rulebook=rulebook, products=products, as_of=as_of, weeks=4).iloc[0]
    assert (row["grade"], row["course_mg"] / MG_PER_G) == (grade, course_g)


def test_on_a_day_between_entries_the_code_is_not_in_force() -> None:
    rulebook = book(NEW, LATER)
    frame = typed(pd.DataFrame([{"indication": "gbs"}]).reindex(columns=list(COLUMNS)).fillna(""))
    row = grade_cohort(rulebook, frame, date(2027, 6, 1)).iloc[0]
    assert pd.isna(row["grade"])
    assert "gbs: not in force on 2027-06-01" in row["reason"]


def test_a_rulebook_made_in_code_refuses_overlaps_too() -> None:
    data = NHS.model_dump(mode="json", by_alias=True)
    row = next(entry for entry in data["entry"] if entry["indication"] == "gbs")
    with pytest.raises(ValueError, match="stand more than once: gbs"):
        Rulebook.model_validate({**data, "entry": [row, {**row, "effective_from": "2026-01-01"}]})
    ended = {**row, "effective_until": "2025-12-31"}
    assert len(Rulebook.model_validate({**data, "entry": [ended, {**row, "effective_from": "2026-01-01"}]}).entry) == 2
