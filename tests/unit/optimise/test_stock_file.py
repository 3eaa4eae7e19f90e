"""Stock files: every fault named, nothing lost, nothing unusable used; and stock made up."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.optimise.stock import STOCK_FILE_COLUMNS, check_stock, load_stock, make_stock
from allocation.tables import write_table

AS_OF = date(2026, 11, 1)
GOOD = {"location": "P1", "product": "privigen_10", "vial_g": "10", "vials": "3"}


@pytest.fixture
def check(small):
    def run(*rows, **columns):
        frame = pd.DataFrame([{**GOOD, **row} for row in rows], dtype=object).fillna("").assign(**columns)
        places = small.panels(P1="North", P2="South")
        return check_stock(frame, "stock.csv", products=small.products(), panels=places, as_of=AS_OF)

    return run


def test_good_rows_are_typed(check):
    loaded = check({}, {"location": "NATIONAL", "vial_g": "2.5", "vials": "0", "expiry_date": "2027-01-31"})
    assert loaded.good[["location", "vial_mg", "vials"]].values.tolist() == [["P1", 10000, 3], ["NATIONAL", 2500, 0]]
    assert loaded.good["expiry_date"].tolist() == [pd.NaT, pd.Timestamp("2027-01-31")]
    assert (loaded.rows, loaded.faults, len(loaded.rejects), len(loaded.deliveries)) == (2, (), 0, 0)


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        ({"location": ""}, "location", "a value in every row"),
        ({"location": "P7"}, "location", "a known location"),
        ({"location": "national"}, "location", "a known location"),
        ({"product": "privigen"}, "product", "a known product"),
        ({"vial_g": "3"}, "vial_g", "a vial size of privigen_10 (2.5, 5, 10, 20, 40 g)"),
        ({"vial_g": "ten"}, "vial_g", "a number of grams"),
        ({"vials": "2.5"}, "vials", "a whole number of vials"),
        ({"vials": "-1"}, "vials", "a whole number of vials"),
        ({"vials": "1e9"}, "vials", "a whole number of vials from 0 to 100,000,000"),
        ({"vials": "1e300"}, "vials", "a whole number of vials"),
        ({"vials": "many"}, "vials", "a number of vials"),
        ({"expiry_date": "31/12/2026"}, "expiry_date", "YYYY-MM-DD"),
        ({"expiry_date": "2026-10-31"}, "expiry_date", "can still be used on 2026-11-01"),
        ({"available_from": "soon"}, "available_from", "YYYY-MM-DD"),
        (
            {"expiry_date": "2026-11-20", "available_from": "2026-12-01"},
            "expiry_date",
            "a day on or after available_from, 2026-12-01",
        ),
    ],
)
def test_a_bad_row_is_told_and_stops_no_other(check, row, column, expected):
    loaded = check({}, row, {"product": "octagam_10"})
    assert loaded.good["product"].tolist() == ["privigen_10", "octagam_10"]
    (fault,) = loaded.faults
    assert (fault.row, fault.column, fault.source) == (3, column, "stock.csv")
    assert expected in fault.expected
    assert loaded.rejects["row"].tolist() == [3]
    assert expected in loaded.rejects["reasons"][0]


def test_a_row_may_have_several_faults(check):
    loaded = check({"location": "P7", "vials": "x"})
    assert [fault.column for fault in loaded.faults] == ["location", "vials"]
    assert len(loaded.rejects) == 1
    assert loaded.good.empty


def test_remedies_name_the_nearest_code(check):
    (fault,) = check({"product": "privigen_1"}).faults
    assert "privigen_10" in fault.remedy


def test_stock_that_comes_later_is_a_delivery(check):
    loaded = check({"available_from": "2026-11-02"}, {"available_from": "2026-11-01", "vials": "7"})
    assert loaded.good["vials"].tolist() == [7]
    assert loaded.deliveries["vials"].tolist() == [3]
    assert loaded.deliveries["available_from"].tolist() == [pd.Timestamp("2026-11-02")]
    assert loaded.faults == ()


def test_stock_may_be_used_on_its_last_day(check):
    assert len(check({"expiry_date": "2026-11-01"}).good) == 1


def test_a_column_missing_or_misspelt_is_refused(small):
    raw = pd.DataFrame([GOOD]).rename(columns={"vials": "Vials"}).drop(columns="location")
    with pytest.raises(InputError) as caught:
        check_stock(raw, "s.csv", products=small.products(), panels=small.panels(P1="N"), as_of=AS_OF)
    assert [fault.column for fault in caught.value.faults] == ["location", "vials"]
    assert "Rename Vials to vials" in caught.value.faults[1].remedy


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_files_of_every_kind(tmp_path, small, suffix):
    demand = small.patients({"due_g": 60}, {"due_g": 40, "panel": "P2", "product": ""})
    places = small.panels(P1="North", P2="South")
    made = make_stock(demand, products=small.products(), panels=places, share=1.0, seed=3, as_of=AS_OF)
    path = tmp_path / f"stock.{suffix}"
    write_table(made, path)
    loaded = load_stock(path, products=small.products(), panels=places, as_of=AS_OF)
    assert loaded.faults == ()
    assert (loaded.good["vial_mg"] * loaded.good["vials"]).sum() == 100_000


def test_made_stock_is_a_share_of_what_is_due(small):
    demand = small.patients(
        *({"due_g": 12.5 + 5 * n, "panel": f"P{1 + n % 3}", "product": c}
          for n, c in enumerate(["privigen_10", "octagam_10", ""] * 20)),
        *({"due_g": 8, "route": "SC", "product": "hizentra_20"} for _ in range(10)),
        {"due_g": 500, "funded": False},
    )  # fmt: skip
    places = small.panels(P1="North", P2="North", P3="South")
    due = demand["due_mg"][demand["funded"]].sum()
    for share in (0.0, 0.6, 1.0):
        options = {"products": small.products(), "panels": places, "share": share, "as_of": AS_OF}
        made = make_stock(demand, seed=1, national_share=0.25, **options)
        assert tuple(made.columns) == STOCK_FILE_COLUMNS
        total = (made["vial_g"] * made["vials"]).sum() * 1000
        assert share * due - 4 * 2500 <= total <= share * due
        if share:
            national = made[made["location"] == "NATIONAL"]
            assert (national["vial_g"] * national["vials"]).sum() * 1000 == pytest.approx(total / 4, rel=0.05)
            assert (pd.to_datetime(made["expiry_date"]) > pd.Timestamp(AS_OF)).all()
            again = make_stock(demand.sample(frac=1, random_state=2), seed=1, national_share=0.25, **options)
            pd.testing.assert_frame_equal(made, again)
            assert not made.equals(make_stock(demand, seed=2, national_share=0.25, **options))


@pytest.mark.parametrize(("share", "national"), [(-0.1, 0.0), (float("nan"), 0.0), (0.5, 1.5)])
def test_shares_out_of_range_are_refused(small, share, national):
    with pytest.raises(InputError, match="a share of 0 or more"):
        make_stock(
            small.patients({"due_g": 5}),
            products=small.products(),
            panels=small.panels(P1="N"),
            share=share,
            national_share=national,
            seed=1,
            as_of=AS_OF,
        )
