"""Reading published data and the simple form: every quirk that real files have, and every fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.forecast import History, load_history, load_settings, write_sample
from allocation.forecast.medicines import group_of, kind_of, preparation
from allocation.forecast.months import days_in, month_text
from allocation.forecast.trusts import UNMAPPED, load_trusts
from allocation.tables import write_table

SETTINGS = load_settings()
HEADER = (
    "YEAR_MONTH,ODS_CODE,VMP_SNOMED_CODE,VMP_PRODUCT_NAME,UNIT_OF_MEASURE_IDENTIFIER,UNIT_OF_MEASURE_NAME,"
    "TOTAL_QUANITY_IN_VMP_UNIT,INDICATIVE_COST"
)
IG_8G = "Normal immunoglobulin human 8g/40ml solution for infusion vials"
IG_10G = "Normal immunoglobulin human 10g/100ml solution for infusion vials"
ANTI_D = '"Anti-D (Rh0) immunoglobulin human 1,500unit/2ml solution for injection vials"'
MONTHS = [f"{2022 + i // 12}-{i % 12 + 1:02d}" for i in range(24)]


def row(month: str, trust: str = "RA1", name: str = IG_10G, unit: str = "vial", amount: object = 1) -> str:
    return f"{month},{trust},1,{name},2,{unit},{amount},"


def write(path: Path, rows: list[str], *, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="\n")
    return path


def load(*paths: Path, trusts: Path | None = None) -> History:
    return load_history(list(paths), trusts=trusts, settings=SETTINGS)


def kinds(history: History) -> set[str]:
    return {note.kind for note in history.notes}


@pytest.fixture
def two_trusts(tmp_path: Path) -> Path:
    """Map of RA1 and RB1 to panels of their own, and of RZ9 that went into RA1."""
    path = tmp_path / "map.csv"
    path.write_text("trust,panel,successor\nRA1,P1,\nRB1,P2,\nRZ9,,RY9\nRY9,,RA1\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "unit", "grams"),
    [
        (IG_8G, "vial", 8.0),
        (IG_8G, "ml", 0.2),
        (IG_8G, "gram", 1.0),
        ("Normal immunoglobulin human 100mg/ml solution for infusion 50ml vials", "vial", 5.0),
        ("Normal immunoglobulin human 10% solution for infusion 200ml bottles", "bottle", 20.0),
        ("Normal immunoglobulin human 5g powder and solvent for solution for infusion vials", "vial", 5.0),
        ("Normal immunoglobulin human 750mg/5ml solution for injection vials", "Vials", 0.75),
        ("Normal immunoglobulin human 2.5g/25ml solution for infusion vials", "mg", 0.001),
        ("Normal immunoglobulin human 100mg/ml solution for infusion vials", "vial", None),
        ("Normal immunoglobulin human 5g powder for solution for infusion vials", "ml", None),
        ("Normal immunoglobulin human solution for infusion vials", "vial", None),
        (IG_8G, "tablet", None),
        (IG_8G, "", None),
    ],
)
def test_grams_come_from_strength_and_unit(name: str, unit: str, grams: float | None) -> None:
    found = preparation(name).grams_in(unit, SETTINGS.medicines)
    assert found == (None if grams is None else pytest.approx(grams))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (IG_8G, "normal"),
        ("Generic HyQvia 10g/100ml solution for infusion vials", "normal"),
        ("Human normal immunoglobulin 10% solution for infusion 100ml vials", "normal"),
        ("Generic Octagam 5g/100ml solution for infusion bottles", "normal"),
        ("Immunoglobulin G 5g vials", "unknown"),
        ("Anti-D (Rh0) immunoglobulin human 250unit solution for injection vials", "specific"),
        ("Hepatitis B immunoglobulin human 500unit solution for injection vials", "specific"),
        ("Tetanus immunoglobulin human 250unit/1ml solution for injection ampoules", "specific"),
        ("Rabies immunoglobulin human solution for injection vials", "specific"),
        ("Varicella-Zoster immunoglobulin human 250mg solution for injection vials", "specific"),
        ("Antithymocyte immunoglobulin (rabbit) 25mg powder for infusion vials", "specific"),
        ("Paracetamol 500mg tablets", "other"),
    ],
)
def test_only_normal_immunoglobulin_counts(name: str, kind: str) -> None:
    assert kind_of(name, SETTINGS.medicines) == kind


def test_group_by_concentration_and_by_name() -> None:
    names = {
        IG_8G: "subcutaneous",
        IG_10G: "intravenous",
        "Normal immunoglobulin human 1.65g/10ml solution for injection vials": "subcutaneous",
        "Generic HyQvia 10g/100ml solution for infusion vials": "subcutaneous",
        "Normal immunoglobulin human 5g powder for solution for infusion vials": "intravenous",
    }
    assert {name: group_of(name, preparation(name), SETTINGS.group) for name in names} == names


def test_months_are_told_in_both_spellings_and_nothing_else() -> None:
    assert [month_text(text) for text in ("2024-02", "202402", "2024-02-01", "2024-13", "02/2024", "", "20242")] == [
        "2024-02", "2024-02", "2024-02", None, None, None, None,
    ]  # fmt: skip
    assert days_in(("2023-02", "2024-02", "2024-12")).tolist() == [28, 29, 31]


def test_one_file_with_every_quirk(tmp_path: Path, two_trusts: Path) -> None:
    rows = []
    for i, month in enumerate(MONTHS):
        text = month.replace("-", "") if i % 2 else month
        rows += [row(text, amount=10), row(text, amount=-3), row(text, "RB1", IG_8G, "ml", 400)]
        rows += [row(text, "RA1", ANTI_D, "vial", 99), row(text, "RA1", "Paracetamol 500mg tablets", "tablet", 9)]
        rows += [row(text, "RA1", "Immunoglobulin G 5g vials", amount=1), row(text, "RQ7", amount=2)]
    history = load(write(tmp_path / "all.csv", rows), trusts=two_trusts)
    assert history.months == tuple(MONTHS)
    assert history.labels == (("P1", "intravenous"), ("P2", "subcutaneous"), (UNMAPPED, "intravenous"))
    assert np.allclose(history.grams, [70.0, 80.0, 20.0])
    assert {"corrections", "unmapped trust"} <= kinds(history)
    assert [note.name for note in history.notes if note.kind == "unmapped trust"] == ["RQ7"]
    assert history.medicines is not None
    left_out = history.medicines[history.medicines["counted"] == "no"].set_index("product")
    assert left_out.loc[ANTI_D.strip('"'), "why"] == "a specific immunoglobulin"
    assert left_out.loc["Immunoglobulin G 5g vials", "rows"] == 24
    assert "Paracetamol 500mg tablets" not in set(history.medicines["product"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@pytest.mark.parametrize("spelling", ["TOTAL_QUANITY_IN_VMP_UNIT", "TOTAL_QUANTITY_IN_VMP_UNIT"])
def test_the_same_history_from_every_kind_of_file(tmp_path: Path, suffix: str, spelling: str) -> None:
    frame = pd.DataFrame(
        {
            "YEAR_MONTH": MONTHS, "ODS_CODE": "RA1", "VMP_SNOMED_CODE": "1", "VMP_PRODUCT_NAME": IG_10G,
            "UNIT_OF_MEASURE_IDENTIFIER": "2", "UNIT_OF_MEASURE_NAME": "vial", spelling: 2.5, "INDICATIVE_COST": "",
        }
    )  # fmt: skip
    path = tmp_path / f"history{suffix}"
    write_table(frame, path)
    assert load(path).grams.ravel().tolist() == [25.0] * 24


def test_finalised_wins_over_provisional_and_the_rest_is_named(tmp_path: Path) -> None:
    write(tmp_path / "scmd_final_2022.csv", [row(month, amount=5) for month in MONTHS[:20]])
    write(tmp_path / "scmd_provisional_2023.csv", [row(month, amount=4) for month in MONTHS[18:]])
    history = load(tmp_path)
    assert history.grams.ravel().tolist() == [50.0] * 20 + [40.0] * 4
    assert history.provisional == frozenset(MONTHS[20:])
    assert [note.name for note in history.notes if note.kind == "superseded month"] == MONTHS[18:20]


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("x_final.csv", "y_final.csv"), ("x_final.csv", "b.csv")])
def test_a_month_in_two_files_of_no_clear_standing_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write(tmp_path / name, [row(month) for month in MONTHS])
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert len(caught.value.faults) == 24
    assert all(name in caught.value.faults[0].source for name in names)


def test_missing_months_are_filled_and_named(tmp_path: Path) -> None:
    kept = [month for month in MONTHS if month not in ("2022-06", "2022-07")]
    history = load(write(tmp_path / "h.csv", [row(month, amount=days_in((month,))[0]) for month in kept]))
    assert [note.name for note in history.notes if note.kind == "missing month"] == ["2022-06", "2022-07"]
    assert history.filled.ravel().nonzero()[0].tolist() == [5, 6]
    # Filled by grams a day, so that June gets its 30 days and July its 31.
    assert history.grams[5:7, 0] == pytest.approx([300, 310])


def test_a_trust_without_any_row_is_missing_but_one_without_immunoglobulin_is_not(
    tmp_path: Path, two_trusts: Path
) -> None:
    rows = [row(month) for month in MONTHS]
    rows += [row(month, "RB1") for month in MONTHS if month not in MONTHS[4:8]]
    rows += [row(month, "RB1", "Paracetamol 500mg tablets", "tablet", 7) for month in MONTHS[4:6]]
    history = load(write(tmp_path / "h.csv", rows), trusts=two_trusts)
    missing = [note for note in history.notes if note.kind == "missing trust"]
    assert [(note.name, note.first_month, note.last_month, note.months) for note in missing] == [
        ("RB1", MONTHS[6], MONTHS[7], 2)
    ]


def test_a_panel_that_reports_but_uses_none_has_used_none(tmp_path: Path, two_trusts: Path) -> None:
    rows = [row(month) for month in MONTHS] + [row(month, "RB1") for month in MONTHS if month not in MONTHS[3:5]]
    rows.append(row(MONTHS[3], "RB1", "Paracetamol 500mg tablets", "tablet", 7))
    history = load(write(tmp_path / "h.csv", rows), trusts=two_trusts)
    assert history.grams[2:6, 1].tolist() == [10.0, 0.0, pytest.approx(10 / 31 * 30 / 2, rel=0.1), 10.0]
    assert history.filled[:, 1].nonzero()[0].tolist() == [4]


def test_without_a_map_every_trust_counts_nationally(tmp_path: Path) -> None:
    history = load(write(tmp_path / "h.csv", [row(month, trust) for month in MONTHS for trust in ("RA1", "RB1")]))
    assert history.labels == ((UNMAPPED, "intravenous"),)
    assert history.grams.ravel().tolist() == [20.0] * 24
    assert [note.name for note in history.notes if note.kind == "unmapped trust"] == ["RA1", "RB1"]


def test_byte_order_mark_windows_lines_and_thousands(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    lines = [HEADER, *(row(month, amount='"1,000"') for month in MONTHS)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    assert load(path).grams.ravel().tolist() == [10_000.0] * 24


def test_a_merged_trust_counts_with_the_trust_it_became(tmp_path: Path, two_trusts: Path) -> None:
    rows = [row(month, "RZ9" if i < 8 else "RY9" if i < 16 else "RA1", amount=3) for i, month in enumerate(MONTHS)]
    history = load(write(tmp_path / "h.csv", [*rows, *(row(month, "RB1") for month in MONTHS)]), trusts=two_trusts)
    assert history.grams[:, 0].tolist() == [30.0] * 24
    assert [note.name for note in history.notes if note.kind == "merged trust"] == ["RY9", "RZ9"]
    assert "missing trust" not in kinds(history)
    assert "trust stops" not in kinds(history)


def test_a_trust_that_stops_or_starts_is_named(tmp_path: Path, two_trusts: Path) -> None:
    rows = [row(month) for month in MONTHS] + [row(month, "RB1") for month in MONTHS[2:-3]]
    history = load(write(tmp_path / "h.csv", rows), trusts=two_trusts)
    assert {"trust starts later", "trust stops", "panel starts later", "panel stops"} <= kinds(history)


def test_a_month_below_zero_stays_and_is_named(tmp_path: Path) -> None:
    rows = [row(month, amount=-4 if month == "2022-03" else 5) for month in MONTHS]
    history = load(write(tmp_path / "h.csv", rows))
    assert history.grams[2, 0] == -40
    assert [note.first_month for note in history.notes if note.kind == "negative month"] == ["2022-03"]


def test_faults_name_file_row_column_value_and_remedy(tmp_path: Path) -> None:
    rows = [row(month) for month in MONTHS]
    rows += ["", row("2022-01", amount="many"), row("2022-01", unit="tablet"), row("2022-01", trust="")]
    path = write(tmp_path / "bad.csv", rows)
    with pytest.raises(InputError) as caught:
        load(path)
    found = [(fault.row, fault.column) for fault in caught.value.faults]
    # The blank line is row 26 and counts.
    assert found == [
        (27, "TOTAL_QUANITY_IN_VMP_UNIT"), (28, "UNIT_OF_MEASURE_NAME"), (29, "ODS_CODE"),
    ]  # fmt: skip
    assert caught.value.faults[0].value == "many"
    assert caught.value.faults[0].source == str(path)


@pytest.mark.parametrize(
    ("rows", "header", "expected"),
    [
        ([row("2022-13")], HEADER, "row 2, YEAR_MONTH: found '2022-13'"),
        ([row("2022-01") + ",1"], HEADER, "9 values"),
        ([row("2022-01")], HEADER.replace("ODS_CODE", "TRUST"), "ODS_CODE"),
        ([row("2022-01")], HEADER.replace("TOTAL_QUANITY_IN_VMP_UNIT", "QTY"), "TOTAL_QUANITY_IN_VMP_UNIT"),
        ([row("2022-01", name="Paracetamol")], HEADER, "human normal immunoglobulin"),
        ([row("2022-01")], HEADER, "24 months or more"),
        ([], HEADER, "row below the header"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, rows: list[str], header: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"(?s).+") as caught:
        load(write(tmp_path / "h.csv", rows, header=header))
    assert expected in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"month;panel;grams\n1;2;3\n"])
def test_files_that_are_no_tables(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"h\.csv"):
        load(path)


def test_bytes_that_are_not_utf_8_far_down(tmp_path: Path) -> None:
    path = write(tmp_path / "h.csv", [row(month) for month in MONTHS])
    path.write_bytes(path.read_bytes() + row("2022-01", name="caf").encode() + b"\xe9\n")
    with pytest.raises(InputError, match="UTF-8"):
        load(path)


def test_missing_files_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        load(tmp_path / "none.csv")
    with pytest.raises(InputError, match="in this folder"):
        load(tmp_path)


SIMPLE = [f"{month},P{p},{100 * p}" for month in MONTHS for p in (1, 2)]


def simple(path: Path, rows: list[str], header: str = "month,panel,grams") -> Path:
    return write(path, rows, header=header)


def test_the_simple_form(tmp_path: Path) -> None:
    history = load(simple(tmp_path / "h.csv", SIMPLE))
    assert history.labels == (("P1", ""), ("P2", ""))
    assert np.allclose(history.grams, [100.0, 200.0])
    assert not history.grouped
    assert history.notes == ()


def test_the_simple_form_with_groups(tmp_path: Path) -> None:
    rows = [f"{line},{group}" for line in SIMPLE for group in ("IV", "SC")]
    history = load(simple(tmp_path / "h.csv", rows, "month,panel,grams,group"))
    assert history.grouped
    assert history.grams.shape == (24, 4)


def test_a_panel_without_a_row_is_filled_and_named(tmp_path: Path) -> None:
    rows = [line for line in SIMPLE if not line.startswith("2022-05,P2")]
    history = load(simple(tmp_path / "h.csv", rows))
    assert [(note.kind, note.name, note.first_month) for note in history.notes] == [("missing panel", "P2", "2022-05")]
    assert history.filled[4].tolist() == [False, True]
    assert 190 < history.grams[4, 1] < 210


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2022-01,P1,5", "month"),
        ("Jan 22,P3,5", "month"),
        ("2022-01,,5", "panel"),
        ("2022-01,P3,", "grams"),
        ("2022-01,P3,1 kg", "grams"),
        ("2022-01,P3,-5", "grams"),
        ("2022-01,P3,nan", "grams"),
    ],
)
def test_faults_in_the_simple_form(tmp_path: Path, line: str, column: str) -> None:
    with pytest.raises(InputError) as caught:
        load(simple(tmp_path / "h.csv", [*SIMPLE, line]))
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(50, column)]


def test_layouts_do_not_mix(tmp_path: Path) -> None:
    simple(tmp_path / "a.csv", SIMPLE)
    write(tmp_path / "b.csv", [row(month) for month in MONTHS])
    with pytest.raises(InputError, match="same layout"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trust,region\nRA1,P1\n", "panel"),
        ("trust,panel\nRA1,P1\nra1,P2\n", "each trust once"),
        ("trust,panel,successor\nRA1,P1,RB1\n", "a panel or a successor"),
        ("trust,panel,successor\nRA1,,\n", "a panel or a successor"),
        ("trust,panel,successor\nRA1,,RB1\nRB1,,RA1\n", "no circle"),
        ("trust,panel,successor\nRA1,,RB1\n", "a row of its own"),
    ],
)
def test_a_trust_map_must_hold_together(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_trusts(path)


def test_the_sample_has_every_quirk(tmp_path: Path) -> None:
    sample = write_sample(tmp_path, months=30, panels=2, trusts_per_panel=2)
    history = load(sample.folder, trusts=sample.trusts)
    assert {
        "corrections", "merged trust", "missing trust", "unmapped trust", "superseded month", "provisional month",
    } <= kinds(history)  # fmt: skip
    headers = {path.read_text(encoding="utf-8").split("\n")[0] for path in sample.folder.iterdir()}
    assert any("TOTAL_QUANITY" in header for header in headers)
    assert any("TOTAL_QUANTITY" in header for header in headers)
    again = write_sample(tmp_path / "again", months=30, panels=2, trusts_per_panel=2)
    for path in sample.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes()
