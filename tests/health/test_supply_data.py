"""Products, panels and tiers agree with the contract, the evidence and the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.rules import load_panels, load_products, load_tiers

PRODUCTS = """
privigen_10 octagam_5 octagam_10 panzyga_10 gammaplex_5 gammaplex_10 flebogamma_5 flebogamma_10
gamunex_10 intratect_5 intratect_10 kiovig_10 iqymune_10 hizentra_20 cuvitru_20 cutaquig_16_5
xembify_20 subgam_16 hyqvia_10
""".split()

# Census 2021, usual residents of the nine regions of England, summed (evidence register, section 3).
ENGLAND = 56_482_800


def test_products_are_the_contracts() -> None:
    assert sorted(load_products().by_code) == sorted(PRODUCTS)


@pytest.mark.parametrize("code", PRODUCTS)
def test_a_products_name_and_numbers_agree(code: str) -> None:
    product = load_products().by_code[code]
    percent = float(".".join(code.split("_")[1:]))
    assert product.concentration_g_per_ml == pytest.approx(percent / 100)
    assert 0.25 <= min(product.vial_g)
    assert max(product.vial_g) <= 40
    assert 12 <= product.shelf_life_months <= 48
    assert product.source.document


def test_there_are_21_panels_in_7_regions_that_sum_to_england() -> None:
    panels = load_panels()
    assert [panel.code for panel in panels.panel] == [f"SRIAP{number:02d}" for number in range(1, 22)]
    assert len(panels.regions) == 7
    assert sum(panel.population for panel in panels.panel) == ENGLAND
    assert all(4 <= panel.trusts <= 12 for panel in panels.panel)


def test_use_is_unequal_and_averages_to_one() -> None:
    panels = load_panels().panel
    mean = sum(panel.population * panel.use_index for panel in panels) / ENGLAND
    assert mean == pytest.approx(1.0, abs=0.02)
    indices = [panel.use_index for panel in panels]
    assert max(indices) / min(indices) > 1.3


def test_tiers_widen_step_by_step() -> None:
    tiers = load_tiers().tier
    assert [tier.stock_reach for tier in tiers] == ["panel", "panel", "region", "national"]
    assert [tier.product_reach for tier in tiers] == ["same", "same_route", "same_route", "any_route"]
    for tier in tiers[2:]:
        assert [stage.grades for stage in tier.stage] == [(4,), (3,), (2,), (1,), ()]
        assert 4 not in tier.defer_grades + tier.reduce_grades + tier.suspend_grades
    for tier in tiers:
        assert tier.source.document
        assert tier.assumption, "every number of a tier is ours and must say so"


def test_a_misspelt_key_names_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '[[panel]]\ncode = "OWN1"\nname = "Own"\nregion = "R"\npopulaton = 5\ntrusts = 1\n', encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        load_panels(path)
    told = str(caught.value)
    assert "own.toml" in told
    assert "populaton" in told


def test_own_panels_join_the_national_ones(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '[[panel]]\ncode = "OWN1"\nname = "Own"\nregion = "R"\npopulation = 5\ntrusts = 1\n', encoding="utf-8"
    )
    panels = load_panels(path)
    assert len(panels.panel) == 22
    assert panels.by_code["OWN1"].population == 5


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text("tier = 1\ntier = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"tiers\.toml"):
        load_tiers(path)
