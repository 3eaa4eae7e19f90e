"""The plan's table of products and volumes for suspected tetanus, written out a second time from the document."""

from __future__ import annotations

import json

import pytest

from allocation.cli import main
from allocation.rules import load_products, load_rulebook
from allocation.rules.models import Regimen

# Brand as printed: ml below 50 kg, ml above.
TABLE = {
    **dict.fromkeys(("Gammaplex 5%", "Intratect 5%", "Flebogamma 5%", "Vigam 5%", "Octagam 5%"), (400, 800)),
    **dict.fromkeys(
        ("Privigen 10%", "Octagam 10%", "Intratect 10%", "Flebogamma 10%", "Panzyga 10%", "Gammunex 10%"), (200, 400)
    ),
}
UNITS = (5000, 10000)


def regimen() -> Regimen:
    entry = load_rulebook("nhs").find("tetanus", "suspected_case")
    assert entry is not None
    return entry.default_regimen("start")


def test_brands_and_volumes_are_those_printed() -> None:
    assert {row.brand: row.volume_ml for row in regimen().product_volume} == TABLE
    assert tuple(band.equivalent_iu for band in regimen().bands) == UNITS


@pytest.mark.parametrize("brand", TABLE)
def test_volume_times_concentration_gives_the_grams_of_the_regimen(brand: str) -> None:
    row = next(row for row in regimen().product_volume if row.brand == brand)
    percent = float(brand.split()[-1].removesuffix("%"))
    assert row.concentration_g_per_ml == percent / 100
    for volume, band in zip(row.volume_ml, regimen().bands, strict=True):
        assert volume * row.concentration_g_per_ml == pytest.approx(band.dose)


def test_products_on_our_list_are_linked_and_have_that_concentration() -> None:
    products = load_products().by_code
    for row in regimen().product_volume:
        if row.brand == "Vigam 5%":
            assert row.product == ""
        else:
            product = products[row.product]
            assert product.concentration_g_per_ml == row.concentration_g_per_ml
            assert product.name.split()[0].replace("Gamunex", "Gammunex") == row.brand.split()[0]


def test_every_gram_carries_the_same_units() -> None:
    units = {band.equivalent_iu / band.dose for band in regimen().bands if band.equivalent_iu}
    assert units == {250.0}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"volume_ml": [400, 700]}, "the volumes of Gammaplex 5% come to 20 g, 35 g, which is not the dose"),
        ({"volume_ml": [400]}, "the volumes of Gammaplex 5% come to 20 g, which is not the dose"),
    ],
)
def test_a_volume_that_does_not_make_the_dose_is_refused(change: dict[str, object], complaint: str) -> None:
    data = regimen().model_dump(by_alias=True)
    data["product_volume"] = [{**data["product_volume"][0], **change}]
    with pytest.raises(ValueError, match=complaint):
        Regimen.model_validate(data)


def test_the_table_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "tetanus/suspected_case"]) == 0
    outline = capsys.readouterr().out
    assert "- Vigam 5%: 400 ml below 50 kg; 800 ml from 50 kg" in outline
    assert "- Gammunex 10%: 200 ml below 50 kg; 400 ml from 50 kg" in outline
    assert main(["criteria", "tetanus/suspected_case", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["regimens"][0]["product_volume"]
    assert {row["brand"]: tuple(row["volume_ml"]) for row in shown} == TABLE
