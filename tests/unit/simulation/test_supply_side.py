"""Contracts, uneven cuts, sharing out and lead times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from allocation.errors import InputError
from allocation.rules import load_products
from allocation.scenario import (
    ImportDelay,
    LeadTime,
    MakerSupply,
    OutputCut,
    OutputRise,
    SupplierWithdrawal,
    load_scenario,
)
from allocation.simulation.supply import check_names, lead_days, output_factor, share_out, uneven

amounts = st.lists(st.floats(1, 1000), min_size=4, max_size=4).map(np.array)


@given(st.floats(0.01, 1.0), amounts, amounts)
def test_uneven_cut_adds_up_to_the_whole(fraction: float, weight: np.ndarray, contract: np.ndarray) -> None:
    cut = uneven(fraction, weight, contract, most=1.0)
    assert (cut * contract).sum() == pytest.approx(fraction * contract.sum())
    assert (cut <= 1 + 1e-12).all()
    assert (cut >= 0).all()


def test_weights_say_how_uneven() -> None:
    contract = np.array([100.0, 100.0])
    assert uneven(0.15, np.array([2.0, 1.0]), contract) == pytest.approx([0.2, 0.1])
    assert uneven(0.6, np.array([9.0, 1.0]), contract, most=1.0) == pytest.approx([1.0, 0.2])
    assert uneven(0.6, np.array([1.0, 0.0]), contract, most=1.0) == pytest.approx([1.0, 0.0])


def test_factor_of_each_kind() -> None:
    products = load_products()
    contract = np.full(len(products.product), 10.0)
    cut = OutputCut(kind="output_cut", start_week=0, weeks=1, fraction=0.2)
    rise = OutputRise(kind="output_rise", start_week=0, weeks=1, fraction=0.2, weight_by_maker={"BPL": 3.0})
    gone = SupplierWithdrawal(kind="supplier_withdrawal", start_week=0, maker="BPL")
    partly = gone.model_copy(update={"products": ("subgam_16",)})
    is_bpl = np.array([product.maker == "BPL" for product in products.product])
    assert output_factor(cut, contract, products) == pytest.approx(np.full(len(contract), 0.8))
    risen = output_factor(rise, contract, products)
    assert risen is not None
    assert risen.mean() == pytest.approx(1.2)
    assert (risen[is_bpl] - 1) == pytest.approx(3 * (risen[~is_bpl][0] - 1))
    assert output_factor(gone, contract, products) == pytest.approx(np.where(is_bpl, 0.0, 1.0))
    weaker = output_factor(gone.model_copy(update={"fraction": 0.3}), contract, products)
    assert weaker == pytest.approx(np.where(is_bpl, 0.7, 1.0))
    only = output_factor(partly, contract, products)
    assert only is not None
    assert only.sum() == len(contract) - 1
    assert (
        output_factor(ImportDelay(kind="import_delay", start_week=0, weeks=1, extra_days=3), contract, products) is None
    )


def test_unknown_names_are_refused_with_near_ones() -> None:
    scenario = load_scenario("baseline")
    odd = scenario.model_copy(
        update={
            "supply": scenario.supply.model_copy(update={"maker": (MakerSupply(maker="Octafarma"),)}),
            "disruption": (
                OutputCut(
                    kind="output_cut", start_week=0, weeks=1, fraction=0.1, weight_by_product={"octagam_11": 1.0}
                ),
                SupplierWithdrawal(kind="supplier_withdrawal", start_week=0, maker="Grifol"),
            ),
        }
    )
    with pytest.raises(InputError) as caught:
        check_names(odd, load_products())
    message = str(caught.value)
    assert "disruption.0.weight_by_product" in message
    assert "octagam_10" in message
    assert "Grifols" in message
    assert "supply.maker.0.maker" in message
    assert "Octapharma" in message


def test_sharing_out_follows_shares_and_room() -> None:
    share = np.array([2.0, 1.0, 1.0])
    assert share_out(400, share, np.array([1e9, 1e9, 1e9])).tolist() == [200, 100, 100]
    assert share_out(400, share, np.array([100.0, 1e9, 1e9])).tolist() == [100, 150, 150]
    assert share_out(400, share, np.array([100.0, -50.0, 120.0])).tolist() == [100, 0, 120]
    assert share_out(400, np.array([1.0, 0.0, 0.0]), np.array([1e9, 1e9, 1e9])).tolist() == [400, 0, 0]
    assert share_out(0, share, np.array([1e9, 1e9, 1e9])).sum() == 0


@given(st.floats(0, 1e7), amounts, st.lists(st.floats(-1e6, 1e7), min_size=4, max_size=4).map(np.array))
def test_sharing_out_never_exceeds_output_or_room(output: float, share: np.ndarray, room: np.ndarray) -> None:
    sent = share_out(output, share, room)
    assert (sent >= 0).all()
    assert sent.sum() <= output + 1e-6
    assert (sent <= np.maximum(room, 0) + 1e-6).all()
    # What stays behind stays because nobody has room for it.
    assert output - sent.sum() <= 8 or (np.maximum(room, 0) - sent <= 2).all()


def test_lead_times_have_the_stated_moments_and_move_together() -> None:
    luck = np.random.default_rng(1).random(20_000)
    days = lead_days(LeadTime(mean=10.0, sd=3.0), luck)
    assert days.mean() == pytest.approx(10, abs=0.1)
    assert days.std() == pytest.approx(3, abs=0.1)
    assert (lead_days(LeadTime(mean=20.0, sd=3.0), luck) >= days).all()
    assert set(lead_days(LeadTime(mean=10.0, sd=0.0), luck).tolist()) == {10}


@pytest.mark.parametrize(
    ("lead_time", "mean", "sd"),
    [
        (LeadTime(distribution="lognormal", mean=20.0, sd=8.0), 20.0, 8.0),
        (LeadTime(distribution="triangular", mean=12.0, sd=1.0, low=4.0, high=24.0), 12.0, np.sqrt(336 / 18)),
        (LeadTime(distribution="triangular", mean=4.0, sd=1.0, low=0.0, high=12.0), 4.0, np.sqrt(8)),
        (LeadTime(distribution="empirical", mean=1.0, sd=1.0, days=(14.0, 3.0, 5.0, 30.0)), 13.0, np.sqrt(113.5)),
        (LeadTime(distribution="fixed", mean=9.0, sd=3.0), 9.0, 0.0),
        (LeadTime(distribution="lognormal", mean=9.0, sd=0.0), 9.0, 0.0),
    ],
)
def test_every_distribution_has_its_moments(lead_time: LeadTime, mean: float, sd: float) -> None:
    days = lead_days(lead_time, (np.arange(20_000) + 0.5) / 20_000)
    assert (np.diff(days) >= 0).all(), "a later draw is a later delivery"
    assert days.mean() == pytest.approx(mean, rel=0.01)
    assert lead_time.expected == pytest.approx(mean)
    # Rounding to whole days adds a twelfth to the variance at most.
    assert days.std() == pytest.approx(sd, rel=0.03)
    assert lead_days(lead_time, np.zeros(1))[0] >= 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"distribution": "triangular"}, "low and high"),
        ({"distribution": "triangular", "low": 5.0, "high": 5.0}, "low and high"),
        ({"distribution": "triangular", "low": 0.0, "high": 12.0}, "between 4 and 8"),
        ({"distribution": "empirical"}, "days"),
        ({"distribution": "empirical", "days": [0.0]}, "days"),
        ({"distribution": "empirical", "days": [-1.0]}, "greater than or equal"),
    ],
)
def test_a_lead_time_without_its_numbers_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        LeadTime.model_validate({"mean": 10.0, "sd": 3.0, **wrong})
