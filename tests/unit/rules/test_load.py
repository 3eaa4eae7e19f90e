"""Reading rules: what is found, what is joined, and how a fault is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.rules import load_products, load_rulebook
from allocation.rules.load import RULEBOOKS, parse, read_toml
from allocation.rules.models import Settings

HEAD = """
id = "own"
title = "Own"
version = "1"
document = "a plan"
effective_from = 2021-07-01
settings = { review_valid_days = 365, first_year_counts_if_approved = true, initiation_weeks = 8 }
[dosing]
rounding = "down"
child = { basis = "actual", below_age_years = 18, source = { document = "a plan" } }
[dosing.adult]
base_kg_male = 50
base_kg_female = 45.5
slope_kg_per_cm = 0.91
reference_height_cm = 152.4
adjustment_fraction = 0.4
height_range_low_cm = 152.4
source = { document = "a plan" }
"""

ENTRY = """
[[entry]]
indication = "{code}"
title = "A row"
specialty = "other"
section = "a table"
term = "short"
base_grade = 2
prior_approval = {{ start = "required", ongoing = "required" }}
regimen = [{{ id = "course", purpose = "single", basis = "g", dose_use = 5, default_for = ["start"] }}]
"""


def folder(path: Path, **files: str) -> Path:
    for name, text in {"rulebook": HEAD, **files}.items():
        (path / f"{name}.toml").write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_rulebook(str(path))
    return caught.value


def test_the_nhs_rulebook_comes_with_igalloc_and_is_read_once() -> None:
    book = load_rulebook("nhs")
    assert book.id == RULEBOOKS["nhs"] == "nhs_2021"
    assert load_rulebook("nhs") is book


def test_entries_of_all_files_are_joined_in_the_order_of_their_names(tmp_path: Path) -> None:
    files = {"b": ENTRY.format(code="first_of_b"), "a": ENTRY.format(code="one") + ENTRY.format(code="two"), "c": ""}
    book = load_rulebook(str(folder(tmp_path, **files)))
    assert [entry.key for entry in book.entry] == ["one", "two", "first_of_b"]


def test_a_fault_names_the_file_and_the_entry_it_stands_in(tmp_path: Path) -> None:
    wrong = ENTRY.format(code="wrong").replace("base_grade = 2", "base_grade = 7")
    faults = refusal(folder(tmp_path, a=ENTRY.format(code="right"), b=wrong)).faults
    assert [(fault.source, fault.column, fault.value) for fault in faults] == [
        (str(tmp_path / "b.toml"), "wrong.base_grade", "7")
    ]


def test_a_fault_of_an_entry_without_a_code_is_told_by_its_place(tmp_path: Path) -> None:
    wrong = ENTRY.format(code="x").replace('indication = "x"\n', "")
    (fault,) = refusal(folder(tmp_path, a=wrong)).faults
    assert (fault.source, fault.column) == (str(tmp_path / "a.toml"), "entry 0.indication")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    wrong = ENTRY.format(code="wrong").replace("base_grade = 2", "base_grade = 7").replace('"short"', '"brief"')
    assert {fault.column for fault in refusal(folder(tmp_path, a=wrong)).faults} == {"wrong.base_grade", "wrong.term"}


def test_only_entries_may_stand_beside_the_head(tmp_path: Path) -> None:
    (fault,) = refusal(folder(tmp_path, a='entries = "many"')).faults
    assert (fault.source, fault.column) == (str(tmp_path / "a.toml"), "entries")


@pytest.mark.parametrize("text", ["entry = 5", 'entry = ["gbs"]'])
def test_an_entry_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (fault,) = refusal(folder(tmp_path, a=text)).faults
    assert (fault.source, fault.column) == (str(tmp_path / "a.toml"), "entry")


def test_entries_may_not_stand_in_the_head(tmp_path: Path) -> None:
    (fault,) = refusal(folder(tmp_path, rulebook=HEAD + ENTRY.format(code="x"))).faults
    assert (fault.source, fault.column) == (str(tmp_path / "rulebook.toml"), "entry")


@pytest.mark.parametrize("name", ["france", "no/such/folder"])
def test_an_unknown_rulebook_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_rulebook(name)
    (fault,) = caught.value.faults
    assert (fault.source, fault.value) == ("--rulebook", name)
    assert "nhs" in fault.expected


def test_a_file_that_is_missing_or_no_toml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml: expected a readable file"):
        read_toml(tmp_path / "absent.toml")
    twice = tmp_path / "twice.toml"
    twice.write_text("key = 1\nkey = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"twice\.toml: expected a TOML file in UTF-8.*line 2"):
        read_toml(twice)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "Sj\xf6gren"\n')
    with pytest.raises(InputError, match=r"latin\.toml: expected a TOML file in UTF-8"):
        read_toml(latin)


def test_every_fault_of_a_model_is_named_with_its_key_and_value() -> None:
    data = {"review_valid_days": 0, "first_year_counts_if_approved": True, "initiation_week": 8}
    with pytest.raises(InputError) as caught:
        parse(Settings, data, "own.toml")
    told = {(fault.column, fault.value) for fault in caught.value.faults}
    assert {("review_valid_days", "0"), ("initiation_week", "8")} <= told
    unknown = next(fault for fault in caught.value.faults if fault.column == "initiation_week")
    assert (unknown.expected, unknown.remedy) == ("no such key", "Check its spelling.")


def test_products_of_a_file_join_those_that_come_along(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        """
[[product]]
code = "ours_10"
name = "Ours 10%"
maker = "Us"
route = "IV"
concentration_g_per_ml = 0.1
vial_g = [5, 10]
shelf_life_months = 24
confidence_vials = "P"
confidence_shelf_life = "P"
source = { document = "ours" }
""",
        encoding="utf-8",
    )
    assert set(load_products(path).by_code) == {*load_products().by_code, "ours_10"}
