"""``igalloc criteria``: filters, exports, rulings, general statements, and a rulebook of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from allocation.cli import main
from allocation.resources import package_data
from allocation.rules import load_rulebook
from allocation.rules.crosswalk import load_crosswalk
from allocation.rules.table import ASSUMPTION_COLUMNS, COLUMNS, criteria_table
from allocation.tables import read_table


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["criteria", *arguments, "--format", "json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["criteria", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_grade_and_specialty_narrow_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "--grade", "4", "--specialty", "neurology")
    assert [row["code"] for row in rows] == [
        entry.key
        for entry in load_rulebook("nhs").entry
        if entry.specialty == "neurology" and 4 in (entry.base_grade, *(upgrade.to for upgrade in entry.upgrade))
    ]
    assert "gbs" in {row["code"] for row in rows}


def test_filters_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = ({row["code"] for row in listed(capsys, "--grade", grade)} for grade in ("1", "2"))
    assert {row["code"] for row in listed(capsys, "--grade", "1", "--grade", "2")} == one | two


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HAEMOLYTIC newborn", "haemolytic_disease_newborn"),
        ("toxic shock", "toxic_shock_syndrome"),
        ("incubation period", "tetanus/prone_injury"),
    ],
)
def test_search_finds_code_title_and_notes(capsys: pytest.CaptureFixture[str], text: str, code: str) -> None:
    assert [row["code"] for row in listed(capsys, "--search", text)] == [code]


def test_search_finds_other_names(capsys: pytest.CaptureFixture[str]) -> None:
    book = load_rulebook("prairie")
    entry = next(entry for entry in book.entry if entry.also_called)
    found = listed(capsys, "--rulebook", "prairie", "--search", entry.also_called[0])
    assert entry.key in {row["code"] for row in found}


def test_categories_are_named_with_blanks_hyphens_or_underscores(capsys: pytest.CaptureFixture[str]) -> None:
    for spelling in ("do_not_do", "do-not-do", "Do not do"):
        rows = listed(capsys, "--rulebook", "prairie", "--category", spelling)
        assert {row["category"] for row in rows} == {"do not do"}


def test_the_number_of_rows_left_is_told_aside(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "--search", "no such thing at all"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["code  base_grade  highest_grade  term  title"]
    assert captured.err == "0 of 59 rows.\n"


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_an_export_holds_every_column_of_the_rows_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    out = tmp_path / f"criteria.{suffix}"
    assert main(["criteria", "--specialty", "immunology", "--format", suffix, "--out", str(out)]) == 0
    assert capsys.readouterr().err == f"5 rows written to {out}\n"
    expected = criteria_table(load_rulebook("nhs")).query("specialty == 'immunology'").astype(str)
    if suffix == "json":
        found = pd.DataFrame(json.loads(out.read_text(encoding="utf-8"))).astype(str)
    else:
        found = read_table(out)
    assert tuple(found.columns) == COLUMNS
    assert found.to_dict("records") == expected.to_dict("records")


def test_the_same_export_has_the_same_bytes(tmp_path: Path) -> None:
    written = [tmp_path / name for name in ("one.xlsx", "two.xlsx")]
    for path in written:
        assert main(["criteria", "--out", str(path)]) == 0
    assert written[0].read_bytes() == written[1].read_bytes()


def test_one_entry_in_full_is_written_as_json(tmp_path: Path) -> None:
    out = tmp_path / "gbs.json"
    assert main(["criteria", "gbs", "--out", str(out)]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["code"] == "gbs"


@pytest.mark.parametrize("rulebook", ["nhs", "prairie"])
def test_every_assumption_stands_in_one_table_with_its_ruling(
    capsys: pytest.CaptureFixture[str], rulebook: str
) -> None:
    rows = listed(capsys, "--assumptions", "--rulebook", rulebook)
    assert tuple(rows[0]) == ASSUMPTION_COLUMNS
    book = load_rulebook(rulebook)
    crosswalk = load_crosswalk().assumption if rulebook == "nhs" else ()
    assert {row["id"]: row["ruling"] for row in rows} == {a.id: a.ruling for a in (*book.assumption, *crosswalk)}
    kinds = [row["kind"] == "source conflict" for row in rows[: len(book.assumption)]]
    assert kinds == sorted(kinds, reverse=True)
    assert sum(kinds) == sum(a.kind == "source_conflict" for a in book.assumption)


def test_assumptions_read_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "--assumptions"]) == 0
    text = capsys.readouterr().out
    assert "N22  Uveitis: monthly dose, but infusions 6 to 8 weeks apart (source conflict)" in text
    assert "  Touches: autoimmune_uveitis\n" in text
    assert "  Touches: no single row\n" in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_pathway_is_listed_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "--pathway")
    rules = load_rulebook("nhs").panel_rule
    assert [(row["rule"], row["status"]) for row in rows] == [(n, rule.status) for n, rule in enumerate(rules, 1)]
    assert rows[0]["when"] == "decision is declined"
    assert rows[-1]["when"] == "all others"
    assert main(["criteria", "--pathway"]) == 0
    assert "7     annual_review_due  " in capsys.readouterr().out


def test_rows_and_regimens_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria"]) == 0
    regimens = sum(len(entry.regimen) for entry in load_rulebook("nhs").entry)
    assert capsys.readouterr().err == f"59 rows with {regimens} regimens.\n"


def test_general_statements_are_those_of_the_prairie_criteria(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "--general", "--rulebook", "prairie", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["follow_up"]["then_every_months"] == 12
    assert told["weaning"]["by_interval"]["interval_weeks"] == [6, 8, 10, 12]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grade", "5"], "a grade from 1 to 4"),
        (["--grade", "4", "--rulebook", "prairie"], "a rulebook of grades"),
        (["--category", "do"], "a rulebook of categories"),
        (["--category", "perhaps", "--rulebook", "prairie"], "one of do, do_not_know, do_not_do"),
        (["--specialty", "neuro"], "one of haematology, immunology, infectious_diseases, neurology, other"),
        (["--as-of", "1/2/26"], "a date as YYYY-MM-DD"),
        (["--format", "yaml"], "one of table, csv, json, xlsx"),
        (["--format", "xlsx"], "--out FILE as well"),
        (["--format", "csv", "--out", "criteria.xlsx"], "a file ending in .csv"),
        (["--out", "criteria.txt"], "a file ending in"),
        (["gbs", "--out", "gbs.csv"], "a file ending in .json"),
        (["gbs", "--grade", "4"], "it filters the list, not CODE"),
        (["gbs", "--assumptions"], "CODE was asked for"),
        (["--assumptions", "--search", "x"], "it filters the list, not --assumptions"),
        (["--general"], "a rulebook with general statements"),
        (["--pathway", "--rulebook", "prairie"], "a rulebook with a pathway"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The NHS rulebook with a revision of the row on *C. difficile* from 2026-07-01 on."""
    folder = tmp_path / "own"
    shutil.copytree(package_data("rules", "data", "nhs_2021"), folder)
    path = folder / "infectious_diseases.toml"
    text = path.read_text(encoding="utf-8")
    start = text.index('[[entry]]\nindication = "clostridioides_difficile"')
    end = text.index("[[entry]]", start + 1)
    old = text[start:end]
    new = old.replace("base_grade = 1\n", "base_grade = 2\neffective_from = 2026-07-01\n", 1)
    assert new != old
    ended = old.replace("base_grade = 1\n", "base_grade = 1\neffective_until = 2026-06-30\n", 1)
    path.write_text(text[:start] + ended + text[end:], encoding="utf-8", newline="\n")
    (folder / "local.toml").write_text(new, encoding="utf-8", newline="\n")
    head = folder / "rulebook.toml"
    head.write_text(head.read_text(encoding="utf-8").replace('"nhs_2021"', '"our_trust"', 1), encoding="utf-8")
    return folder


def test_a_rulebook_of_ones_own_is_shown_with_its_dates(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "--rulebook", str(own), "--search", "clostridioides")
    told = [(row["base_grade"], row["effective_from"], row["effective_until"]) for row in rows]
    assert told == [(1, "", "2026-06-30"), (2, "2026-07-01", "")]
    assert main(["criteria", "--rulebook", str(own), "--search", "clostridioides"]) == 0
    assert "effective_until" in capsys.readouterr().out.splitlines()[0].split()
    rows = listed(capsys, "--rulebook", str(own), "--search", "clostridioides", "--as-of", "2026-06-30")
    assert [row["base_grade"] for row in rows] == [1]


def test_one_code_of_several_dates_is_shown_as_of_the_day(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["criteria", "clostridioides_difficile", "--rulebook", str(own), "--format", "json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["base_grade"] == 2
    assert told["other_dates"] == [{"effective_from": "", "effective_until": "2026-06-30"}]
    assert main([*arguments, "--as-of", "2026-06-30"]) == 0
    assert json.loads(capsys.readouterr().out)["base_grade"] == 1


@pytest.mark.parametrize(("as_of", "grade"), [("2026-06-30", "1"), ("2026-07-01", "2")])
def test_a_cohort_is_graded_by_the_entry_in_force(own: Path, tmp_path: Path, as_of: str, grade: str) -> None:
    cohort, out = tmp_path / "cohort.csv", tmp_path / "graded.csv"
    cohort.write_text(
        "patient_id,panel,indication,situation,age_years,sex,height_cm,weight_kg\n"
        "P1,SRIAP01,clostridioides_difficile,,70,F,160,62\n",
        encoding="utf-8",
    )
    assert main(["grade", str(cohort), "--as-of", as_of, "--out", str(out), "--rulebook", str(own)]) == 0
    row = read_table(out).iloc[0]
    assert (row["grade"], row["panel_status"]) == (grade, "prior_approval_needed")
